//! Why a case did not pass, without the folders of the machine that ran it.

use maud::{Markup, html};

use super::layout::{shortened, words_cut};
use crate::suite::CaseResult;

/// Lists the problems of a result: a line for each, with the rest folded beneath it.
pub(super) fn problems(result: &CaseResult) -> Markup {
    html! {
        @for problem in &result.problems {
            @let message = without_folders(&problem.message);
            @let place = format!("{}: {}: ", result.kernel, shortened(&problem.place));
            (folded(&place, &message, &problem.evidence))
        }
    }
}

/// Shows a message in a line, which opens if there is more to say.
pub(super) fn folded(place: &str, message: &str, evidence: &str) -> Markup {
    let first = words_cut(message.lines().next().unwrap_or(""));
    html! {
        @if first == message && evidence.is_empty() {
            p.problem { (place) (message) }
        } @else {
            details.problem {
                summary { (place) (first) }
                pre tabindex="0" { (message) "\n" (evidence) }
            }
        }
    }
}

/// Names snapshots by their path in the repository: `snapshots/recv/tcp-peek/6.12.snap`.
pub(super) fn without_folders(message: &str) -> String {
    const FOLDER: &str = "/snapshots/";
    let word = |word: &str| match (word.starts_with('/'), word.find(FOLDER)) {
        (true, Some(at)) => word[at + 1..].to_owned(),
        _ => word.to_owned(),
    };
    message.split_inclusive(char::is_whitespace).map(word).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_is_named_by_its_path_in_the_repository() {
        let message = "/r/snapshots/a/b/6.12.snap differs\n  from /x/snapshots/c, not /etc/passwd";
        let expected = "snapshots/a/b/6.12.snap differs\n  from snapshots/c, not /etc/passwd";
        assert_eq!(without_folders(message), expected);
    }
}
