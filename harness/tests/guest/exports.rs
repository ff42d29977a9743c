//! Reads what `rxpath export` writes with the libraries that it is for.

use rxpath::report::export;
use rxpath::suite::{Capture, Excerpt, Silent, record_case};
use rxpath::vm::RunLimits;

use super::common::project;

const CASE: &str = "recv/tcp-blocking";

fn recorded() -> (Capture, rxpath::case::Case) {
    let project = project().unwrap();
    let case = project.cases().unwrap().into_iter().find(|case| case.name == CASE).unwrap();
    let series = project.pins.select(&["6.12"]).unwrap();
    let fetched = project.fetch(&series, &|_| {}).unwrap();
    let (kernel, images, limits) = (&fetched.kernels[0], project.images(), RunLimits::default());
    (record_case(&case, kernel, &fetched.qemu, &images, &limits, &Silent).unwrap(), case)
}

#[test]
fn folded_stacks_give_a_flame_graph_and_the_json_formats_hold_every_call() {
    let (capture, _) = recorded();
    let timeline = capture.timeline(&Excerpt::default()).unwrap();
    let spans: usize = timeline.threads.iter().map(|thread| thread.spans.len()).sum();
    let folded = export::folded(&timeline);
    let mut graph = Vec::new();
    let mut options = inferno::flamegraph::Options::default();
    inferno::flamegraph::from_reader(&mut options, folded.as_bytes(), &mut graph).unwrap();
    let graph = String::from_utf8(graph).unwrap();
    assert!(graph.contains("<svg") && graph.contains("tcp_recvmsg"), "{}", &graph[..500]);
    // A task is not charged while it sleeps: all stacks together take at most the time that the CPUs had.
    let first = timeline.threads.iter().flat_map(|thread| &thread.spans).map(|span| span.start).min().unwrap();
    let last = timeline.threads.iter().flat_map(|thread| &thread.spans).filter_map(|span| span.end).max().unwrap();
    let cpus = 1 + timeline.threads.iter().flat_map(|thread| &thread.spans).map(|span| span.cpu).max().unwrap();
    let spent: u64 = folded.lines().map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()).sum();
    assert!(spent > 0 && spent <= (last - first) * u64::from(cpus), "{spent} of {} on {cpus} CPUs", last - first);
    let perfetto: serde_json::Value = serde_json::from_slice(&export::perfetto(&timeline, CASE).unwrap()).unwrap();
    let events = perfetto["traceEvents"].as_array().unwrap();
    let is_span = |event: &&serde_json::Value| event["cat"] == "call" || event["cat"] == "operation";
    assert_eq!(events.iter().filter(is_span).count(), spans);
    let flows = |phase| events.iter().filter(|event| event["ph"] == phase).count();
    // In each of the five iterations the softirq wakes the receiver.
    assert!(flows("s") >= 5 && flows("s") == flows("f"), "{} arrows", flows("s"));
    let firefox = export::firefox(&timeline, CASE).unwrap();
    assert_eq!(firefox, export::firefox(&timeline, CASE).unwrap(), "the same capture gives the same bytes");
    let firefox: serde_json::Value = serde_json::from_slice(&firefox).unwrap();
    let threads = firefox["threads"].as_array().unwrap();
    assert_eq!(threads.len(), timeline.threads.len());
    let samples: u64 = threads.iter().map(|thread| thread["samples"]["length"].as_u64().unwrap()).sum();
    assert_eq!(samples as usize, timeline.threads.iter().map(|thread| thread.slices.len()).sum::<usize>());
}

#[test]
fn one_iteration_has_its_operations_and_the_costs_that_show_prints() {
    let (capture, case) = recorded();
    let shown = capture.observation(&case).unwrap();
    let recv = shown.sections.iter().find(|section| section.name == "receiver.recv").unwrap();
    let timeline = capture.timeline(&Excerpt { iteration: Some(1), actors: Vec::new() }).unwrap();
    let receiver = timeline.threads.iter().find(|thread| thread.name == "receiver").unwrap();
    let operations: Vec<&str> =
        receiver.spans.iter().filter(|span| span.operation.is_some()).map(|span| span.name.as_str()).collect();
    assert_eq!(operations, ["receiver.recv"]);
    let took = |name: &str| {
        let span = receiver.spans.iter().find(|span| span.name == name).unwrap();
        span.end.unwrap() - span.start
    };
    for name in ["fdget", "skb_copy_datagram_iter"] {
        let (found, expected) = (took(name), recv.costs[name]);
        assert!(found.abs_diff(expected) <= 20 + expected / 10, "{name}: {found}, and show prints {expected}");
    }
    let wrong = capture.timeline(&Excerpt { iteration: Some(99), actors: Vec::new() }).unwrap_err().to_string();
    assert!(wrong.starts_with("iteration 99 is not in the recording: it has 0, 1, "), "{wrong}");
    let wrong = Excerpt { iteration: None, actors: vec!["reciever".to_owned()] };
    let wrong = capture.timeline(&wrong).unwrap_err().to_string();
    assert_eq!(wrong, "no actor is called `reciever`: expected `receiver` or `sender`");
}
