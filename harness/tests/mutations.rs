//! Every case fails when it should: the premise of what it expects is inverted or removed, and the run must say so.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::path::Path;
use std::process::Command;

use rxpath::suite::{Results, Verdict};

const KERNEL: &str = "6.12";

/// A case, what is taken out of it, what is put there instead, and whether an expectation must fail or an actor never end.
const MUTATIONS: [(&str, &str, &str, Verdict); 30] = [
    // Less is sent than is expected to arrive.
    ("recv/tcp-blocking", "send: {socket: client, bytes: 64}", "send: {socket: client, bytes: 32}", Verdict::Failed),
    ("recv/tcp-read", "send: {socket: client, bytes: 64}", "send: {socket: client, bytes: 63}", Verdict::Hung),
    ("ipv6/udp-blocking", "send: {socket: client, bytes: 64}", "send: {socket: client, bytes: 65}", Verdict::Failed),
    (
        "unix/seqpacket-blocking",
        "send: {socket: client, bytes: 64}",
        "send: {socket: client, bytes: 8}",
        Verdict::Failed,
    ),
    // What makes a call return at once is gone: it waits for ever.
    ("recv/tcp-dontwait", ", flags: MSG_DONTWAIT", "", Verdict::Hung),
    ("udp/dontwait", ", flags: MSG_DONTWAIT", "", Verdict::Hung),
    ("unix/dontwait", ", flags: MSG_DONTWAIT", "", Verdict::Hung),
    ("recv/tcp-nonblocking", ", argument: O_NONBLOCK", "", Verdict::Hung),
    ("ready/poll-timeout", ", timeout: 3 ms", "", Verdict::Hung),
    ("errors/timeout", "option: SO_RCVTIMEO, value: 8 ms", "option: SO_SNDTIMEO, value: 8 ms", Verdict::Hung),
    // A flag that changes what a call does is gone.
    ("recv/tcp-peek", ", flags: MSG_PEEK", "", Verdict::Hung),
    ("recv/tcp-waitall", ", flags: MSG_WAITALL", "", Verdict::Failed),
    ("recv/tcp-trunc", ", flags: MSG_TRUNC", "", Verdict::Failed),
    ("unix/peek", ", flags: MSG_PEEK", "", Verdict::Hung),
    ("errors/bad-address", ", buffer: bad", "", Verdict::Failed),
    ("recv/tcp-lowat", "option: SO_RCVLOWAT, value: 128", "option: SO_RCVLOWAT, value: 1", Verdict::Failed),
    // Another socket than the one the expectations are about.
    ("socket/tcp-create", "type: SOCK_STREAM", "type: SOCK_DGRAM", Verdict::Failed),
    ("socket/udp6-create", "family: AF_INET6", "family: AF_INET", Verdict::Failed),
    ("socket/bad-protocol", "protocol: IPPROTO_UDP", "protocol: IPPROTO_TCP", Verdict::Failed),
    ("errors/not-connected", "type: SOCK_STREAM", "type: SOCK_DGRAM", Verdict::Hung),
    ("unix/stream-blocking", "setup: unix-pair", "setup: unix-datagram-pair", Verdict::Failed),
    ("ipv6/tcp-blocking", "setup: tcp6-pair", "setup: tcp-pair", Verdict::Failed),
    // Nobody is asleep when the packet comes, or nobody sends one.
    ("udp/blocking", "when: receiver sleeps", "record: true", Verdict::Failed),
    ("ready/tcp-poll", "when: poller sleeps", "when: queue of client holds 0", Verdict::Failed),
    ("ready/tcp-select", "when: selector sleeps", "when: queue of client holds 0", Verdict::Failed),
    ("unix/peer-close", "- close: client\n", "- shutdown: {socket: server, how: SHUT_WR}\n", Verdict::Hung),
    // Another way of being ready, or none.
    ("recv/tcp-fionread", "when: queue of server holds 64", "when: queue of client holds 0", Verdict::Failed),
    ("softirq/veth-rx", "nic: veth", "nic: virtio", Verdict::Failed),
    // Who decides is somebody else.
    (
        "recv/tcp-pingpong",
        "policy: fifo 1\n    steps:\n      - send: {socket: client",
        "policy: fifo 1\n    steps:\n      - read: {from: client, bytes: 1}\n        name: too-soon\n      - send: {socket: client",
        Verdict::Hung,
    ),
    ("errors/interrupted", "- timer: {after: 5 ms}", "- fork: {}", Verdict::Hung),
];

#[test]
fn a_case_whose_premise_is_taken_away_fails() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let root = folder.path();
    let repository = Path::new(env!("CARGO_MANIFEST_DIR"));
    std::os::unix::fs::symlink(repository.join("kernels"), root.join("kernels"))?;
    std::os::unix::fs::symlink(repository.join("snapshots"), root.join("snapshots"))?;
    let mut expected = BTreeMap::new();
    for (case, out, instead, verdict) in MUTATIONS {
        let text = fs::read_to_string(repository.join("cases").join(format!("{case}.yaml")))?;
        assert!(text.contains(out), "{case} has no `{out}` any more: let this test take something else out of it");
        let place = root.join("cases").join(format!("{case}.yaml"));
        fs::create_dir_all(place.parent().ok_or("no folder")?)?;
        fs::write(place, without_costs(&text.replacen(out, instead, 1)))?;
        expected.insert(case.to_owned(), verdict);
    }
    let json = root.join("results.json");
    let paths = (root.to_str().ok_or("not UTF-8")?, json.to_str().ok_or("not UTF-8")?);
    // Nothing is proposed: the snapshots are the repository's own.
    let output = Command::new(env!("CARGO_BIN_EXE_rxpath"))
        .args(["run", "-k", KERNEL, "--root", paths.0, "--json", paths.1])
        .env("INSTA_FORCE_PASS", "1")
        .env("INSTA_OUTPUT", "none")
        .env("INSTA_UPDATE", "no")
        .output()?;
    let told = [String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr)].concat();
    assert_eq!(output.status.code(), Some(1), "{told}");
    let results: Results = serde_json::from_slice(&fs::read(&json)?)?;
    let found: BTreeMap<String, Verdict> = results.cases.iter().map(|one| (one.case.clone(), one.verdict)).collect();
    assert_eq!(found, expected, "{told}");
    Ok(())
}

/// Bounds on costs speak of cases that are not here.
fn without_costs(case: &str) -> String {
    case.lines().filter(|line| !line.trim_start().starts_with("costs:")).map(|line| format!("{line}\n")).collect()
}
