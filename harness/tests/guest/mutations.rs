//! Every case fails when it should: each test inverts or removes the premise of what a case expects, and the run must fail.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use rxpath::suite::{Results, Verdict};

use super::Tested;
use super::process::{RXPATH, said};
use super::repository::make_repository;

const KERNEL: &str = "6.12";

/// A case, the text to replace, its replacement, and the verdict that must follow.
const MUTATIONS: [(&str, &str, &str, Verdict); 20] = [
    ("recv/tcp-blocking", "send: {socket: client, bytes: 64}", "send: {socket: client, bytes: 32}", Verdict::Failed),
    ("recv/tcp-read", "send: {socket: client, bytes: 64}", "send: {socket: client, bytes: 63}", Verdict::Hung),
    ("ipv6/udp-blocking", "send: {socket: client, bytes: 64}", "send: {socket: client, bytes: 63}", Verdict::Failed),
    (
        "unix/seqpacket-blocking",
        "send: {socket: client, bytes: 64}",
        "send: {socket: client, bytes: 8}",
        Verdict::Failed,
    ),
    ("recv/tcp-nonblocking", ", argument: O_NONBLOCK", "", Verdict::Hung),
    ("ready/poll-timeout", ", timeout: 3 ms", "", Verdict::Hung),
    ("recv/tcp-peek", ", flags: MSG_PEEK", "", Verdict::Hung),
    ("recv/tcp-waitall", ", flags: MSG_WAITALL", "", Verdict::Hung),
    ("recv/tcp-trunc", ", flags: MSG_TRUNC", "", Verdict::Failed),
    ("unix/peek", ", flags: MSG_PEEK", "", Verdict::Hung),
    ("errors/bad-address", ", buffer: bad", "", Verdict::Hung),
    ("recv/tcp-lowat", "option: SO_RCVLOWAT, value: 128", "option: SO_RCVLOWAT, value: 1", Verdict::Hung),
    ("socket/tcp-create", "type: SOCK_STREAM", "type: SOCK_DGRAM", Verdict::Failed),
    ("socket/udp6-create", "family: AF_INET6", "family: AF_INET", Verdict::Failed),
    ("socket/bad-protocol", "protocol: IPPROTO_UDP", "protocol: IPPROTO_TCP", Verdict::Failed),
    ("errors/not-connected", "type: SOCK_STREAM", "type: SOCK_DGRAM", Verdict::Hung),
    ("unix/stream-blocking", "setup: unix-pair", "setup: unix-datagram-pair", Verdict::Failed),
    ("ipv6/tcp-blocking", "setup: tcp6-pair", "setup: tcp-pair", Verdict::Failed),
    ("udp/blocking", "when: receiver sleeps", "record: true", Verdict::Failed),
    ("errors/interrupted", "- timer: {after: 5 ms}", "- fork: {}", Verdict::Hung),
];

/// Texts to replace, each with its replacement.
type Replacements = &'static [(&'static str, &'static str)];

const SENDS: &str = "      - send: {socket: client, bytes: 64}
        name: first
        record: false
      - send: {socket: other, bytes: 64}
        name: other
        record: false
";
const SENDS_SWAPPED: &str = "      - send: {socket: other, bytes: 64}
        name: other
        record: false
      - send: {socket: client, bytes: 64}
        name: first
        record: false
";
const LAST_RECEIVE: &str = "        name: third\n";
const ONE_MORE_RECEIVE: &str =
    "        name: third\n      - recv: {socket: server, bytes: 64}\n        record: false\n";

/// What goes wrong with the datagrams of udp/two-senders, what brings it about, and what the failure says.
const MISPLACED: [(&str, Replacements, &str); 4] = [
    (
        "swapped",
        &[
            ("name: first\n        record", "name: x\n        record"),
            ("name: last", "name: first"),
            ("name: x", "name: last"),
            ("after: sender.last", "after: sender.first"),
        ],
        "expected bytes of sender.first, but it received 64 bytes of sender.last",
    ),
    (
        "late",
        &[("\nactors:", "  - send: {socket: client, bytes: 64}\n\nactors:")],
        "expected bytes of sender.first, but it received 64 bytes of sender.last, sent one iteration earlier",
    ),
    (
        "duplicated",
        &[
            ("bytes: 128}\n        name: first", "bytes: 128, flags: MSG_PEEK}\n        name: first"),
            (LAST_RECEIVE, ONE_MORE_RECEIVE),
        ],
        "expected bytes of sender.other, but it received 64 bytes of sender.first",
    ),
    (
        "from-another-socket",
        &[(SENDS, SENDS_SWAPPED)],
        "expected bytes of sender.first, but it received 64 bytes of sender.other",
    ),
];

#[test]
fn a_datagram_in_the_wrong_place_fails() -> Tested {
    let folder = tempfile::tempdir()?;
    let root = folder.path();
    let repository = make_repository(root)?;
    fs::create_dir_all(root.join("cases/data"))?;
    let text = fs::read_to_string(repository.join("cases/udp/two-senders.yaml"))?;
    for (name, replacements, _) in MISPLACED {
        let mut mutant = text.clone();
        for (out, instead) in replacements {
            assert!(mutant.contains(out), "udp/two-senders has no `{out}` any more");
            mutant = mutant.replacen(out, instead, 1);
        }
        fs::write(root.join(format!("cases/data/{name}.yaml")), mutant)?;
    }
    let json = root.join("results.json");
    let output =
        Command::new(RXPATH).args(["run", "-k", KERNEL]).arg("--root").arg(root).arg("--json").arg(&json).output()?;
    let text = said(&output);
    let results: Results = serde_json::from_slice(&fs::read(&json)?)?;
    assert_eq!(results.cases.len(), MISPLACED.len(), "{text}");
    for (name, _, message) in MISPLACED {
        let result =
            results.cases.iter().find(|one| one.case.to_string() == format!("data/{name}")).ok_or("no result")?;
        assert_eq!(result.verdict, Verdict::Failed, "{name}: {text}");
        assert!(result.problems.iter().any(|problem| problem.message.contains(message)), "{name}: {text}");
    }
    Ok(())
}

#[test]
fn a_case_whose_premise_is_taken_away_fails() -> Tested {
    let folder = tempfile::tempdir()?;
    let root = folder.path();
    let repository = make_repository(root)?;
    let mut expected = BTreeMap::new();
    for (case, out, instead, verdict) in MUTATIONS {
        let text = mutated(repository, case, out, instead)?;
        let place = root.join("cases").join(format!("{case}.yaml"));
        fs::create_dir_all(place.parent().ok_or("no folder")?)?;
        fs::write(place, text)?;
        expected.insert(case.to_owned(), verdict);
    }
    let json = root.join("results.json");
    let paths = (root.to_str().ok_or("not UTF-8")?, json.to_str().ok_or("not UTF-8")?);
    // Without snapshots every case would be changed, at least; these verdicts are worse.
    let output = Command::new(RXPATH).args(["run", "-k", KERNEL, "--root", paths.0, "--json", paths.1]).output()?;
    let text = said(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    let results: Results = serde_json::from_slice(&fs::read(&json)?)?;
    let found: BTreeMap<String, Verdict> =
        results.cases.iter().map(|one| (one.case.to_string(), one.verdict)).collect();
    assert_eq!(found, expected, "{text}");
    Ok(())
}

/// The case with `out` replaced. Bounds on costs name cases that are not there, and are left out too.
fn mutated(repository: &Path, case: &str, out: &str, instead: &str) -> std::io::Result<String> {
    let text = fs::read_to_string(repository.join("cases").join(format!("{case}.yaml")))?;
    assert!(text.contains(out), "{case} has no `{out}` any more: let this test take something else out of it");
    let text = text.replacen(out, instead, 1);
    Ok(text.lines().filter(|line| !line.trim_start().starts_with("costs:")).map(|line| format!("{line}\n")).collect())
}
