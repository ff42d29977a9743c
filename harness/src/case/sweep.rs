//! The sweep of a case file: its parameters and their values, which become parts of names and of paths.

use std::sync::Arc;

use super::case_name::{WORD, is_word};
use super::diagnostic::{Diagnostic, Location, Source};
use super::yaml_tree::Node;

/// The most cases of one file.
const MOST_CASES: usize = 1_000;

/// The most bytes of a value. A file's name has at most 255 (`NAME_MAX` in linux/limits.h).
const MOST_BYTES: usize = 40;

/// What is wrong with the sweep of a file, before any of its cases is made.
pub(super) fn check(root: &Node, source: &Arc<Source>) -> Vec<Diagnostic> {
    let mut wrong = Vec::new();
    let mut add = |node: &Node, message: String| {
        let at = Location { source: source.clone(), span: node.span.clone() };
        wrong.push(Diagnostic { at, message, label: String::new(), help: None });
    };
    let mut count = 1_usize;
    for (key, values) in parameters(root) {
        if !key.text().is_some_and(is_word) {
            add(key, format!("invalid name of a parameter: expected {WORD}"));
        }
        for value in values.items().iter().filter(|value| value.text().is_some_and(|text| !is_value(text))) {
            let rest = "that does not start with a dot";
            add(
                value,
                format!("invalid value: expected at most {MOST_BYTES} letters, digits, spaces and `-_.+`, {rest}"),
            );
        }
        count = count.saturating_mul(values.items().len().max(1));
        if count > MOST_CASES {
            add(key, format!("the sweep makes more than {MOST_CASES} cases with this parameter: leave out values"));
            break;
        }
    }
    wrong
}

fn is_value(text: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || " -_.+".contains(c);
    !text.is_empty() && text.len() <= MOST_BYTES && !text.starts_with('.') && text.chars().all(is_plain)
}

fn parameters(root: &Node) -> &[(Node, Node)] {
    let sweep = root.pairs().iter().find(|(key, _)| key.text() == Some("sweep"));
    sweep.map_or(&[], |(_, sweep)| sweep.pairs())
}

/// The combinations of a sweep's values; the last parameter varies fastest. Without a sweep, one empty combination.
pub(super) fn combinations(root: &Node) -> Vec<Vec<(String, String)>> {
    let mut out = vec![Vec::new()];
    for (key, values) in parameters(root) {
        let values: Vec<&str> = values.items().iter().filter_map(Node::text).collect();
        let (Some(name), false) = (key.text(), values.is_empty()) else { continue };
        out = out
            .into_iter()
            .flat_map(|combination| {
                values.iter().map(move |value| {
                    let mut combination = combination.clone();
                    combination.push((name.to_owned(), (*value).to_owned()));
                    combination
                })
            })
            .collect();
    }
    out
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::super::load::parse;
    use super::*;

    /// The errors in the template with this sweep.
    fn errors(sweep: &str) -> String {
        let text = format!("{}\nsweep: {sweep}\n", super::super::TEMPLATE);
        let parsed = parse("group/name", Source { path: PathBuf::from("cases/group/name.yaml"), text });
        parsed.map_or_else(|wrong| wrong.to_string(), |cases| format!("{} cases", cases.len()))
    }

    #[test]
    fn names_and_values_that_would_leave_their_folder_or_name_are_refused() {
        assert_eq!(errors("{size: [1, 4K, MSG_PEEK, 10 ms]}"), "4 cases");
        for value in ["../../x", "a/b", "'a,b'", "'a=b'", "'a]'", "..", "\"a\\eb\"", "''", &"x".repeat(41)] {
            let found = errors(&format!("{{size: [{value}]}}"));
            assert!(found.contains("invalid value"), "{value}: {found}");
        }
        for name in ["../x", "A", "'a=b'", "a b"] {
            let found = errors(&format!("{{{name}: [1]}}"));
            assert!(found.contains("invalid name of a parameter"), "{name}: {found}");
        }
    }

    #[test]
    fn a_sweep_of_too_many_cases_is_refused_before_any_is_made() {
        let values = (0..50).map(|value| value.to_string()).collect::<Vec<_>>().join(", ");
        let sweep = (0..8).map(|at| format!("p{at}: [{values}]")).collect::<Vec<_>>().join(", ");
        let found = errors(&format!("{{{sweep}}}"));
        assert!(found.contains("more than 1000 cases"), "{found}");
    }
}
