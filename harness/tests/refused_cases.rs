//! Cases that could never end are refused before anything runs.

use std::error::Error;
use std::fs;
use std::path::Path;

use rxpath::case::{Source, parse};

/// A case, what is taken out of it, and what is put there instead.
const REFUSED: [(&str, &str, &str); 8] = [
    ("recv/tcp-dontwait", ", flags: MSG_DONTWAIT", ""),
    ("udp/dontwait", ", flags: MSG_DONTWAIT", ""),
    ("unix/dontwait", ", flags: MSG_DONTWAIT", ""),
    ("errors/timeout", "option: SO_RCVTIMEO, value: 8 ms", "option: SO_SNDTIMEO, value: 8 ms"),
    ("ready/tcp-poll", "when: poller sleeps", "when: queue of client holds 0"),
    ("ready/tcp-select", "when: selector sleeps", "when: queue of client holds 0"),
    ("recv/tcp-fionread", "when: queue of server holds 64", "when: queue of client holds 0"),
    (
        "recv/tcp-pingpong",
        "policy: fifo 1\n    steps:\n      - send: {socket: client",
        "policy: fifo 1\n    steps:\n      - read: {from: client, bytes: 1}\n        name: too-soon\n      - send: {socket: client",
    ),
];

#[test]
fn a_case_that_could_never_end_is_refused_with_the_place() -> Result<(), Box<dyn Error>> {
    for (case, out, instead) in REFUSED {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("cases").join(format!("{case}.yaml"));
        let text = fs::read_to_string(file)?;
        assert!(text.contains(out), "{case} no longer has `{out}`: let this test take something else out of it");
        let text = text.replacen(out, instead, 1);
        let source = Source { path: format!("cases/{case}.yaml").into(), text };
        let Err(error) = parse(case, source) else { return Err(format!("{case} was accepted").into()) };
        let message = error.to_string();
        assert!(message.contains("never ends") || message.contains("is never done"), "{message}");
        assert!(message.contains(&format!("cases/{case}.yaml:")), "{message}");
    }
    Ok(())
}
