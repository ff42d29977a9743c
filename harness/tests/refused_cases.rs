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

/// The errors in a case with these actors.
fn errors(actors: &str) -> String {
    let text = format!("rxpath: 1\ntitle: t\nabout: t\nsetup: tcp-pair\nactors: {actors}\n");
    match parse("a/b", Source { path: "cases/a/b.yaml".into(), text }) {
        Ok(_) => String::new(),
        Err(error) => error.to_string(),
    }
}

#[test]
fn actors_that_wait_for_each_other_to_sleep_or_to_end_are_refused() {
    let send = |conditions: &str| format!("{{{conditions}, send: {{socket: client, bytes: 1}}}}");
    let recv = |conditions: &str| format!("{{{conditions}, recv: {{socket: server, bytes: 1}}}}");
    for (first, second) in [
        ("when: b sleeps in recv", "after: a.send"),
        ("when: b sleeps", "after: a.send"),
        ("when: b sleeps", "when: a sleeps"),
    ] {
        let found = errors(&format!("{{a: {{steps: [{}]}}, b: {{steps: [{}]}}}}", send(first), recv(second)));
        assert!(
            found.contains("a cycle: `a.send` waits for `b.recv`, which waits for `a.send`"),
            "{first}, {second}: {found}"
        );
    }
    let more = "{socket: {family: AF_INET, type: SOCK_STREAM}}";
    for (first, second) in [("when: b sleeps", "after: a.send"), ("when: b sleeps", "when: a sleeps")] {
        let found =
            errors(&format!("{{a: {{steps: [{}, {more}]}}, b: {{steps: [{}, {more}]}}}}", send(first), recv(second)));
        assert!(found.contains("never ends: the actors wait for each other"), "{first}, {second}: {found}");
    }
    let fine =
        errors(&format!("{{a: {{steps: [{}]}}, b: {{steps: [{}]}}}}", send("when: b sleeps"), recv("name: recv")));
    assert_eq!(fine, "");
}

#[test]
fn an_actor_cannot_be_killed_or_stopped() {
    for (signal, refused) in [("SIGKILL", true), ("SIGSTOP", true), ("SIGUSR1", false)] {
        let found = errors(&format!(
            "{{a: {{steps: [kill: {{actor: b, signal: {signal}}}]}}, b: {{steps: [send: {{socket: client, bytes: 1}}]}}}}"
        ));
        assert_eq!(found.contains("an actor cannot be killed or stopped"), refused, "{signal}: {found}");
        assert_eq!(found.is_empty(), !refused, "{signal}: {found}");
    }
}
