//! `rxpath run --bisect`: answers `git bisect run` about one kernel, with an exit code and one line that says why.
//!
//! git takes 0 for good and 1 to 127 for bad, except 125, which skips the revision; 128 and above end the bisection
//! (git-bisect(1), "Bisect run"). A wrong request or a failure of rxpath must therefore never be 2, 3 or 101.

use std::ffi::OsString;
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

use clap::Parser;

use super::command_line::{Arguments, Command};
use super::error::CommandError;
use super::run::{Finished, run_cases};
use crate::error_chain;
use crate::kernel::{KernelError, KernelName};
use crate::output::warn;
use crate::suite::{BOOT, CaseResult, Problem, ProjectError, Results, SavedReference, Verdict, is_comparable};

/// The start of a message about the end of QEMU. A kernel that resets its machine ends QEMU with 0 (`-no-reboot`); any other end
/// comes from the host (a lack of memory, for example) or from a bug in QEMU.
const QEMU_ENDED: &str = "QEMU ended early (";
const QEMU_RESET: &str = "QEMU ended early (exit status: 0";

/// The answer about a kernel, with the reason.
#[derive(Debug, PartialEq, Eq)]
enum Answer {
    Good(String),
    Bad(String),
    /// This kernel cannot be judged, but others can.
    Skip(String),
    /// The bisection must end: no kernel would be judged.
    Stop(String),
}

impl Answer {
    fn exit_code(&self) -> u8 {
        match self {
            Self::Good(_) => 0,
            Self::Bad(_) => 1,
            Self::Skip(_) => 125,
            Self::Stop(_) => 129,
        }
    }

    fn line(&self) -> String {
        let (word, reason) = match self {
            Self::Good(reason) => ("good", reason),
            Self::Bad(reason) => ("bad", reason),
            Self::Skip(reason) => ("skip", reason),
            Self::Stop(reason) => ("stop", reason),
        };
        format!("bisect: {word}: {}", first_line(reason))
    }
}

/// Whether these arguments ask for an answer to git, even if they are otherwise invalid.
pub(super) fn is_requested(arguments: impl IntoIterator<Item = OsString>) -> bool {
    arguments.into_iter().any(|argument| argument == "--bisect")
}

/// Runs the command line of this process. The last line on standard output is the answer.
pub(super) fn run() -> ExitCode {
    let answer = catch_unwind(AssertUnwindSafe(answer)).unwrap_or_else(|_| Answer::Stop("rxpath panicked".to_owned()));
    // An error here changes nothing: git reads only the exit code.
    let _ = writeln!(std::io::stdout(), "{}", answer.line());
    ExitCode::from(answer.exit_code())
}

fn answer() -> Answer {
    let (common, arguments) = match Arguments::try_parse() {
        Ok(Arguments { common, command: Command::Run(arguments) }) => (common, arguments),
        Ok(_) => return Answer::Stop("--bisect is an option of `rxpath run`".to_owned()),
        Err(error) => {
            let _ = error.print();
            return Answer::Stop("the command line runs no case".to_owned());
        }
    };
    match run_cases(&common, &arguments) {
        Ok(Finished { results, reference, saved, .. }) => of_run(&results, reference.as_ref(), saved.as_ref()),
        Err(error) => {
            let text = error_chain(&error);
            if text.lines().nth(1).is_some() {
                warn(format_args!("rxpath: {text}"));
            }
            of_error(&error)
        }
    }
}

/// The answer if the cases did not run at all.
fn of_error(error: &CommandError) -> Answer {
    let text = error_chain(error);
    let (CommandError::Kernel(kernel) | CommandError::Project(ProjectError::Kernel(kernel))) = error else {
        return Answer::Stop(text);
    };
    match kernel {
        KernelError::MissingOptions { .. } => Answer::Skip(text),
        KernelError::Own(own) if own.is_incomplete_build() => Answer::Skip(text),
        _ => Answer::Stop(text),
    }
}

fn of_run(results: &Results, reference: Option<&KernelName>, saved: Option<&SavedReference>) -> Answer {
    let of_reference = |one: &&CaseResult| reference.is_some_and(|reference| one.kernel == *reference);
    let (theirs, ours): (Vec<&CaseResult>, Vec<_>) = results.cases.iter().partition(of_reference);
    let before: Option<Vec<&CaseResult>> = match saved {
        Some(saved) => Some(saved.results().cases.iter().collect()),
        None => reference.is_some().then(|| theirs.clone()),
    };
    // A revision can be the same kernel as the reference.
    answer_of(if ours.is_empty() { &theirs } else { &ours }, before.as_deref())
}

/// What a case says about the kernel. The greatest finding of all cases decides the answer.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Finding {
    /// The case is not for this kernel.
    Skipped,
    /// The reference has no path of the case.
    NoReference,
    Good,
    Unknown,
    /// rxpath broke.
    Broken,
    Bad,
}

/// The answer that these results of one kernel give. `reference` has the results of the kernel that it is compared with; a
/// problem that is in both is not bad.
fn answer_of(results: &[&CaseResult], reference: Option<&[&CaseResult]>) -> Answer {
    let findings = results.iter().map(|one| {
        let before = reference.map(|cases| cases.iter().copied().find(|before| before.case == one.case));
        finding(one, before)
    });
    let findings: Vec<(Finding, String)> = findings.collect();
    let Some(heaviest) = findings.iter().map(|(finding, _)| *finding).max() else {
        return Answer::Stop("no case was run".to_owned());
    };
    let mut reasons = findings.iter().filter(|(finding, _)| *finding == heaviest).map(|(_, reason)| reason.as_str());
    let (first, others) = (reasons.next().unwrap_or_default().to_owned(), reasons.count());
    let reason = if others == 0 { first } else { format!("{first} (and {others} more)") };
    match heaviest {
        Finding::Bad => Answer::Bad(reason),
        Finding::Broken | Finding::NoReference => Answer::Stop(reason),
        Finding::Unknown | Finding::Skipped => Answer::Skip(reason),
        Finding::Good => {
            let left_out = findings.len() - others - 1;
            Answer::Good(if left_out == 0 { reason } else { format!("{reason}, {left_out} left out") })
        }
    }
}

/// What a case says, and why. `before` is its result on the reference: the outer `None` if there is no reference, the inner
/// one if that did not run the case.
fn finding(one: &CaseResult, before: Option<Option<&CaseResult>>) -> (Finding, String) {
    let CaseResult { case, kernel, verdict, .. } = one;
    let is_compared = before.map(|before| before.is_some_and(is_comparable));
    let known: &[Problem] = before.flatten().map_or(&[], |before| &before.problems);
    let is_known =
        |one: &&Problem| known.iter().any(|known| (&known.place, &known.message) == (&one.place, &one.message));
    let new_problem = one.problems.iter().find(|problem| !is_known(problem));
    let message = new_problem.or(one.problems.first()).map_or("", |problem| &problem.message);
    let because = |text: &str| format!("{case} {text} on {kernel}: {}", first_line(message));
    let does_not_boot = one.problems.iter().any(|problem| problem.place == BOOT);
    match (verdict, is_compared) {
        (Verdict::Broken, _) => (Finding::Broken, because("broke")),
        (_, _) if does_not_boot => (Finding::Unknown, format!("{kernel} does not boot: {}", first_line(message))),
        (Verdict::Crashed, _) if message.contains(QEMU_ENDED) && !message.contains(QEMU_RESET) => {
            (Finding::Unknown, because("was cut off"))
        }
        (Verdict::Inconclusive, _) => (Finding::Unknown, because("is inconclusive")),
        (Verdict::Skipped, is_compared) => {
            // That this kernel skips what the reference runs may be the change that is looked for.
            let finding = if is_compared == Some(true) { Finding::Unknown } else { Finding::Skipped };
            (finding, format!("{case} is skipped on {kernel}: {}", one.notes.join("; ")))
        }
        (Verdict::Changed, _) if new_problem.is_some() => (Finding::Bad, because("changed")),
        (Verdict::Failed, _) if new_problem.is_some() => (Finding::Bad, because("failed")),
        (Verdict::Crashed, _) if new_problem.is_some() => (Finding::Bad, because("crashed")),
        (Verdict::Hung, _) if new_problem.is_some() => (Finding::Bad, because("hung")),
        (_, Some(false)) => (Finding::NoReference, format!("{case} on {kernel} has nothing to be compared with")),
        _ => (Finding::Good, format!("{case} on {kernel}")),
    }
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;
    use std::process::ExitStatus;

    use super::*;
    use crate::kernel::OwnError;
    use crate::kernel::config::MissingOptions;
    use crate::vm::FaultKind;

    /// A case on a kernel, with problems (`place: message`) that are notes if it was skipped.
    fn result(case: &str, kernel: &str, verdict: &str, problems: &[&str]) -> CaseResult {
        let problem = |text: &&str| {
            let (place, message) = text.split_once(": ").unwrap();
            serde_json::json!({"place": place, "message": message, "evidence": ""})
        };
        let (problems, notes) = if verdict == "skipped" { (&[][..], problems) } else { (problems, &[][..]) };
        serde_json::from_value(serde_json::json!({
            "case": case, "kernel": kernel, "verdict": verdict, "notes": notes, "took_ms": 0,
            "problems": problems.iter().map(problem).collect::<Vec<_>>(), "capture_digest": "", "timing_digest": "",
            "paths": [{"name": "a.recv", "path": "f\n", "agreeing": 5, "iterations": 5}],
        }))
        .unwrap()
    }

    /// The exit code and the line for cases of one kernel, and those of the reference.
    fn answered(cases: &[(&str, &[&str])], reference: Option<&[(&str, &[&str])]>) -> (u8, String) {
        let of = |kernel: &str, cases: &[(&str, &[&str])]| -> Vec<CaseResult> {
            let cases = cases.iter().zip(1..);
            cases.map(|((verdict, problems), at)| result(&format!("g/{at}"), kernel, verdict, problems)).collect()
        };
        let ours = of("mine", cases);
        let theirs = reference.map(|cases| of("base", cases));
        let theirs: Option<Vec<&CaseResult>> = theirs.as_ref().map(|cases| cases.iter().collect());
        let answer = answer_of(&ours.iter().collect::<Vec<_>>(), theirs.as_deref());
        (answer.exit_code(), answer.line())
    }

    #[test]
    fn every_verdict_has_an_exit_code_and_a_line() {
        for (verdict, problems, code, line) in [
            ("pass", &[][..], 0, "good: g/1 on mine"),
            ("new", &[], 0, "good: g/1 on mine"),
            ("skipped", &["no: CONFIG_MPTCP"], 125, "skip: g/1 is skipped on mine: no: CONFIG_MPTCP"),
            ("changed", &["a.recv: `f` is `g`\nhere"], 1, "bad: g/1 changed on mine: `f` is `g`"),
            ("failed", &["a.recv: no call of f"], 1, "bad: g/1 failed on mine: no call of f"),
            ("inconclusive", &["a.recv: no path"], 125, "skip: g/1 is inconclusive on mine: no path"),
            ("crashed", &["traced pass: oops"], 1, "bad: g/1 crashed on mine: oops"),
            ("hung", &["traced pass: stuck"], 1, "bad: g/1 hung on mine: stuck"),
            ("broken", &["traced pass: no disk"], 129, "stop: g/1 broke on mine: no disk"),
            ("crashed", &["boot: panic"], 125, "skip: mine does not boot: panic"),
            ("hung", &["boot: silence"], 125, "skip: mine does not boot: silence"),
            ("broken", &["boot: no disk"], 129, "stop: g/1 broke on mine: no disk"),
        ] {
            assert_eq!(answered(&[(verdict, problems)], None), (code, format!("bisect: {line}")), "{verdict}");
        }
    }

    #[test]
    fn a_qemu_that_the_host_ended_says_nothing_about_the_kernel() {
        for (what, status, code) in [("killed", 9, 125), ("no memory", 1 << 8, 125), ("reset by the kernel", 0, 1)] {
            let how = ExitStatus::from_raw(status).to_string();
            let fault = FaultKind::QemuDied { doing: "running the plan", how };
            assert_eq!(answered(&[("crashed", &[&format!("traced pass: {fault}")])], None).0, code, "{what}");
        }
    }

    #[test]
    fn proof_outweighs_a_failure_of_rxpath_and_that_outweighs_doubt_and_that_the_good() {
        let (good, skipped, unknown) = (("new", &[][..]), ("skipped", &["no"][..]), ("inconclusive", &["p: odd"][..]));
        let (broken, bad) = (("broken", &["p: no disk"][..]), ("failed", &["p: no f"][..]));
        for (cases, code, line) in [
            (&[good, good, skipped][..], 0, "good: g/1 on mine (and 1 more), 1 left out"),
            (&[skipped, skipped], 125, "skip: g/1 is skipped on mine: no (and 1 more)"),
            (&[good, unknown], 125, "skip: g/2 is inconclusive on mine: odd"),
            (&[unknown, broken], 129, "stop: g/2 broke on mine: no disk"),
            (&[good, broken, bad, unknown, bad], 1, "bad: g/3 failed on mine: no f (and 1 more)"),
            (&[], 129, "stop: no case was run"),
        ] {
            assert_eq!(answered(cases, None), (code, format!("bisect: {line}")));
        }
    }

    #[test]
    fn a_reference_is_what_good_means() {
        let (pass, new, skipped) = (("pass", &[][..]), ("new", &[][..]), ("skipped", &["no"][..]));
        let (failed, changed) = (("failed", &["p: no f"][..]), ("changed", &["p: other"][..]));
        let failed_and_changed = ("failed", &["p: no f", "p: other"][..]);
        let unknown = ("inconclusive", &["p: odd"][..]);
        for (what, case, before, code) in [
            ("the same", pass, new, 0),
            ("different", changed, new, 1),
            ("both fail", failed, failed, 0),
            ("both fail, and paths differ", failed_and_changed, failed, 1),
            ("fails now", failed, new, 1),
            ("not for this kernel", skipped, new, 125),
            ("for neither", skipped, skipped, 125),
            ("nothing to compare with", new, unknown, 129),
        ] {
            assert_eq!(answered(&[case], Some(&[before])).0, code, "{what}");
        }
        assert_eq!(answered(&[pass, skipped, new], Some(&[new, skipped, unknown])).0, 0);
        let alone = answered(&[new], Some(&[]));
        assert_eq!(alone, (129, "bisect: stop: g/1 on mine has nothing to be compared with".to_owned()));
    }

    #[test]
    fn a_revision_that_is_its_own_reference_is_good() {
        let json = serde_json::json!({"version": 2, "kernels": [], "qemu": "10", "mode": "exact", "cases": []});
        let mut results: Results = serde_json::from_value(json).unwrap();
        results.cases = vec![result("g/1", "mine", "new", &[]), result("g/2", "mine", "failed", &["p: no f"])];
        let answer = of_run(&results, Some(&"mine".into()), None);
        assert_eq!(answer, Answer::Good("g/1 on mine (and 1 more)".to_owned()));
        results.cases.push(result("g/2", "other", "changed", &["p: no f", "p: other"]));
        let answer = of_run(&results, Some(&"mine".into()), None);
        assert_eq!(answer, Answer::Bad("g/2 changed on other: other".to_owned()));
    }

    #[test]
    fn a_kernel_without_an_option_or_image_is_skipped_and_any_other_error_ends_the_bisection() {
        let source = MissingOptions { options: vec![("CONFIG_SMP", "two CPUs")], hz: None };
        let missing = of_error(&KernelError::MissingOptions { kernel: "mine".into(), source }.into());
        assert_eq!(missing.exit_code(), 125);
        assert!(missing.line().starts_with("bisect: skip: mine cannot run any case: "), "{}", missing.line());
        let unfinished = of_error(&KernelError::from(OwnError::NoBzImage { tree: "linux".into() }).into());
        assert_eq!(unfinished.exit_code(), 125);
        let unbuilt = of_error(&KernelError::from(OwnError::Unbuilt { tree: "linux".into() }).into());
        assert_eq!(unbuilt.exit_code(), 129);
        let request = of_error(&CommandError::Request("no such case\n  at line 3".to_owned()));
        assert_eq!((request.exit_code(), request.line()), (129, "bisect: stop: no such case".to_owned()));
    }

    #[test]
    fn the_option_is_found_in_an_invalid_command_line() {
        let is = |words: &[&str]| is_requested(words.iter().map(OsString::from));
        assert!(is(&["rxpath", "run", "--bisect", "--nonsense"]));
        assert!(!is(&["rxpath", "run", "--nonsense"]));
    }
}
