//! Annotations for GitHub: what failed or changed, beside the case's file in a pull request.

use std::fmt::Write as _;

use super::run_words;
use crate::suite::{CaseResult, Results, RunChanges};

/// Formats workflow commands (docs.github.com, "Workflow commands"): an error for each failure, and a warning for each change of
/// paths, at the case that shows it first.
pub(crate) fn annotations(results: &Results, reference: Option<&Results>) -> String {
    let changes = RunChanges::of(results, reference);
    let mut out = String::new();
    for alike in &changes.failed {
        let [first, ..] = &alike[..] else { continue };
        let problem = first.problems.first();
        let message = problem.map(|problem| format!("{}: {}", problem.place, problem.message)).unwrap_or_default();
        let title = format!("{}: {}", first.verdict.word(), run_words::results(alike, 3));
        command("error", first, line_in(&message, first), &title, &message, &mut out);
    }
    for change in &changes.changes {
        let first = run_words::first_of(&changes, change).result;
        let (number, cases) = run_words::cases(results, &changes, change, 3, str::to_owned);
        let cases = if number == 1 { cases } else { format!("{number} cases: {cases}") };
        command("warning", first, 1, &format!("changed in {cases}"), &run_words::title(&changes, change), &mut out);
    }
    out
}

fn command(kind: &str, one: &CaseResult, line: u32, title: &str, message: &str, out: &mut String) {
    let file = property(&one.case.file().display().to_string());
    let _ = writeln!(out, "::{kind} file={file},line={line},title={}::{}", property(title), data(message));
}

/// The line of the case's file that a message names: `cases/recv/tcp-ready.yaml:12`.
fn line_in(message: &str, one: &CaseResult) -> u32 {
    let file = format!("{}:", one.case.file().display());
    let rest = message.split_once(&file).map_or("", |(_, rest)| rest);
    rest.split(|c: char| !c.is_ascii_digit()).next().and_then(|line| line.parse().ok()).unwrap_or(1)
}

/// Escapes a message.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// Escapes the value of a property.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::run_sample::bump;
    use crate::suite::{Problem, Verdict};

    #[test]
    fn a_failure_is_an_error_at_its_line_and_each_change_a_warning_once() {
        let mut run = bump();
        run.cases[0].verdict = Verdict::Failed;
        run.cases[0].problems =
            vec![Problem::new("receiver.recv", "cases/recv/peer-closed.yaml:12:5: 100 % wrong\nfound 3")];
        let text = annotations(&run, None);
        let lines: Vec<&str> = text.lines().collect();
        let error = "::error file=cases/recv/peer-closed.yaml,line=12,title=failed%3A recv/peer-closed on 6.18::receiver.recv: \
                     cases/recv/peer-closed.yaml:12:5: 100 %25 wrong%0Afound 3";
        assert_eq!(lines[0], error);
        let once = lines.iter().filter(|line| line.ends_with("::tcp_queue_rcv: +tcp_rcv_sne_update"));
        assert_eq!(once.count(), 1, "{text}");
        assert!(lines[1..].iter().all(|line| line.starts_with("::warning file=cases/recv/")), "{text}");
    }
}
