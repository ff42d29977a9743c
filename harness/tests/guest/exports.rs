//! Reads what `rxpath export` writes with the libraries that it is for.

use rxpath::report::export;
use rxpath::suite::{Capture, Silent, record_case};
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
    let timeline = capture.timeline().unwrap();
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
    assert_eq!(events.iter().filter(|event| event["cat"] == "call").count(), spans);
    let flows = |phase| events.iter().filter(|event| event["ph"] == phase).count();
    assert!(flows("s") >= 32 && flows("s") == flows("f"), "{} arrows", flows("s"));
    let firefox = export::firefox(&timeline, CASE).unwrap();
    assert_eq!(firefox, export::firefox(&timeline, CASE).unwrap(), "the same capture gives the same bytes");
    let firefox: serde_json::Value = serde_json::from_slice(&firefox).unwrap();
    let threads = firefox["threads"].as_array().unwrap();
    assert_eq!(threads.len(), timeline.threads.len());
    let samples: u64 = threads.iter().map(|thread| thread["samples"]["length"].as_u64().unwrap()).sum();
    assert_eq!(samples as usize, timeline.threads.iter().map(|thread| thread.slices.len()).sum::<usize>());
}
