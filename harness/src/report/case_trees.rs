//! The paths of a case on a kernel as text, as `rxpath show` prints them.

use std::fmt::Write as _;

use super::change_words;
use super::styled::{MARK, Styled};
use crate::path::cost::Costs;
use crate::path::steady::Steadiness;
use crate::path::{CallPath, PathNode, text};
use crate::suite::Section;

/// Formats the path of each operation and context, with the costs of its calls.
pub(crate) fn case_trees(heading: &str, title: &str, losses: &[String], sections: &[Section]) -> Styled {
    let mut out = Styled::from(format!("{heading}\n{title}\n"));
    for loss in losses {
        let _ = writeln!(out, "lost: {loss}");
    }
    let about = sections.iter().filter_map(|section| match &section.steadiness {
        Steadiness::Steady(steady) => change_words::about_costs(&steady.path, &section.costs),
        Steadiness::Inconclusive(_) => None,
    });
    // The longer of the two texts includes the shorter one.
    if let Some(about) = about.max_by_key(|about| about.len()) {
        let _ = writeln!(out, "Numbers: {about}.");
    }
    for section in sections {
        match &section.steadiness {
            Steadiness::Steady(steady) => {
                let agreement = match steady.agreeing == steady.iterations {
                    true => format!("all {} iterations", steady.iterations),
                    false => format!("{} of {} iterations", steady.agreeing, steady.iterations),
                };
                let _ = writeln!(out, "\n{} ({agreement})\n{}", section.name, costed(&steady.path, &section.costs));
                for variant in steady.variants.iter().take(3) {
                    let _ = writeln!(out, "  variant in {} iterations: {}", variant.seen_in.len(), variant.place);
                }
            }
            Steadiness::Inconclusive(unstable) => {
                let _ = writeln!(
                    out,
                    "\n{} (no agreement: {} of {})",
                    section.name, unstable.agreeing, unstable.iterations
                );
                for (place, count) in unstable.places.iter().take(5) {
                    let _ = writeln!(out, "  {count} iterations: {place}");
                }
                if let Some(path) = &unstable.most_frequent {
                    let _ = writeln!(out, "{}", costed(path, &section.costs));
                }
            }
        }
    }
    out
}

/// The column at which costs end, if the lines leave room for them.
const COSTS_UNTIL: usize = 72;

/// Formats a path with the costs of its functions, where they are known.
fn costed(path: &CallPath, costs: &Costs) -> String {
    let uncertain = change_words::uncertain(path);
    let cost = |name: &str| change_words::cost_of(name, costs, &uncertain);
    let line = |(text, node): (&str, &PathNode)| match node.entry.function().and_then(cost) {
        Some(cost) => {
            let room = COSTS_UNTIL.saturating_sub(text.chars().count());
            format!("  {text} {cost:>room$}")
        }
        None if node.entry.function().is_none() => format!("{MARK}  {text}{MARK:#}"),
        None => format!("  {text}"),
    };
    text::write(path).lines().zip(&path.nodes).map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn costs_around_a_sleep_are_marked() {
        let path = text::parse("recv\n  lock\n  wait\n    ~ sleeps\n  lock\n").unwrap();
        let costs = Costs::from([("recv".to_owned(), 1500), ("lock".to_owned(), 10), ("wait".to_owned(), 900)]);
        let lines = costed(&path, &costs);
        let words: Vec<Vec<&str>> = lines.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(words[..3], [["recv", "~1,500"], ["lock", "10"], ["wait", "~900"]]);
        assert!(change_words::about_costs(&path, &costs).unwrap().contains("those with ~"));
    }

    #[test]
    fn a_title_with_the_word_for_a_verdict_is_not_coloured() {
        let text = case_trees("recv/a on 6.12", "recv() fails after a failed send()", &[], &[]);
        assert_eq!(text.raw(), "recv/a on 6.12\nrecv() fails after a failed send()\n");
    }
}
