//! The results of a run as JUnit XML, with the names that nextest gives the tests of harness/tests/cases.rs.

use std::time::Duration;

use quick_junit::{NonSuccessKind, Report, SerializeError, TestCase, TestCaseStatus, TestSuite};

use super::terminal::problems;
use crate::suite::{CaseResult, Results, Verdict};

/// nextest's name for the test program harness/tests/cases.rs.
const SUITE: &str = "rxpath::cases";

/// The name of the test of a case on a kernel: `recv::tcp_blocking::v6_12` for `recv/tcp-blocking` on 6.12. A sweep's values
/// become part of the name.
pub fn test_name(case: &str, kernel: &str) -> String {
    format!("{}::v{}", test_path(case).trim_end_matches('_'), plain(kernel))
}

/// The prefix that the names of a case's tests have in common: `recv::tcp_blocking`.
pub fn test_path(case: &str) -> String {
    case.split('/').map(plain).collect::<Vec<_>>().join("::")
}

/// Replaces the characters that a part of a test's name may not have.
fn plain(part: &str) -> String {
    part.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect()
}

/// Formats the results as one test suite.
pub(crate) fn junit(results: &Results) -> Result<String, SerializeError> {
    let mut suite = TestSuite::new(SUITE);
    suite.set_time(results.cases.iter().map(time).sum());
    suite.add_test_cases(results.cases.iter().map(test_case));
    Report::new("rxpath").add_test_suite(suite).to_string()
}

fn time(one: &CaseResult) -> Duration {
    Duration::from_millis(one.took_ms)
}

fn test_case(one: &CaseResult) -> TestCase {
    let mut case = TestCase::new(test_name(&one.case, &one.kernel), status(one));
    case.set_classname(SUITE).set_time(time(one));
    case
}

fn status(one: &CaseResult) -> TestCaseStatus {
    let mut status = match one.verdict {
        Verdict::Pass | Verdict::New => return TestCaseStatus::success(),
        Verdict::Skipped => {
            let mut status = TestCaseStatus::skipped();
            status.set_message(one.notes.join("; "));
            return status;
        }
        Verdict::Broken => TestCaseStatus::non_success(NonSuccessKind::Error),
        _ => TestCaseStatus::non_success(NonSuccessKind::Failure),
    };
    let word = one.verdict.word();
    let message = match one.problems.first() {
        Some(first) => format!("{word}: {}: {}", first.place, first.message.lines().next().unwrap_or("")),
        None => word.to_owned(),
    };
    status.set_type(word).set_message(message).set_description(problems(&one.problems));
    status
}

#[cfg(test)]
mod tests {
    use super::*;

    fn result(case: &str, verdict: &str, problems: serde_json::Value, notes: &[&str]) -> CaseResult {
        let text = serde_json::json!({
            "case": case, "kernel": "6.12", "verdict": verdict, "problems": problems, "notes": notes,
            "capture_digest": "", "timing_digest": "", "took_ms": 1500,
        });
        serde_json::from_value(text).unwrap()
    }

    #[test]
    fn a_test_is_named_like_nextests() {
        assert_eq!(test_name("recv/tcp-blocking", "6.12"), "recv::tcp_blocking::v6_12");
        assert_eq!(test_name("ready/poll[connections=10]", "7.2"), "ready::poll_connections_10::v7_2");
        assert!(test_name("recv/tcp-blocking", "6.12").starts_with(&test_path("recv/tcp-blocking")));
    }

    #[test]
    fn a_run_has_a_test_for_each_result_with_the_reason_where_it_did_not_pass() {
        let text = r#"{"version": 2, "kernels": [], "qemu": "", "mode": "exact", "cases": []}"#;
        let problem = serde_json::json!([
            {"place": "receiver.recv", "message": "expected 1 < 2\nfound 3", "evidence": "+ a\u{1b}[31m & b"}
        ]);
        let results = Results {
            cases: vec![
                result("recv/a", "pass", serde_json::json!([]), &[]),
                result("recv/b", "skipped", serde_json::json!([]), &["the case is for kernels >= 6.18"]),
                result("recv/c", "failed", problem.clone(), &[]),
                result("recv/d", "broken", problem, &[]),
            ],
            ..serde_json::from_str(text).unwrap()
        };
        let expected = r#"<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="rxpath" tests="4" skipped="1" failures="1" errors="1">
    <testsuite name="rxpath::cases" tests="4" skipped="1" errors="1" failures="1" time="6.000">
        <testcase name="recv::a::v6_12" classname="rxpath::cases" time="1.500"/>
        <testcase name="recv::b::v6_12" classname="rxpath::cases" time="1.500">
            <skipped message="the case is for kernels &gt;= 6.18"/>
        </testcase>
        <testcase name="recv::c::v6_12" classname="rxpath::cases" time="1.500">
            <failure message="failed: receiver.recv: expected 1 &lt; 2" type="failed">  receiver.recv: expected 1 &lt; 2
    found 3
    + a &amp; b
</failure>
        </testcase>
        <testcase name="recv::d::v6_12" classname="rxpath::cases" time="1.500">
            <error message="broken: receiver.recv: expected 1 &lt; 2" type="broken">  receiver.recv: expected 1 &lt; 2
    found 3
    + a &amp; b
</error>
        </testcase>
    </testsuite>
</testsuites>
"#;
        assert_eq!(junit(&results).unwrap(), expected);
    }
}
