//! Chrome's trace event JSON ("Trace Event Format", Google 2016), which ui.perfetto.dev opens: complete events, flows, names.

use serde_json::{Value, json};

use crate::suite::{Thread, Timeline};
use crate::trace::TaskKey;

/// Formats the timeline as JSON. The format's times are in microseconds, with nanoseconds as decimals.
pub fn perfetto(timeline: &Timeline, title: &str) -> serde_json::Result<Vec<u8>> {
    let mut events = Vec::new();
    for (process, name) in [(TASKS, title), (IDLE, "idle tasks")] {
        events.push(json!({"ph": "M", "name": "process_name", "pid": process, "args": {"name": name}}));
    }
    for thread in &timeline.threads {
        let (pid, tid) = place(thread);
        events.push(json!({"ph": "M", "name": "thread_name", "pid": pid, "tid": tid, "args": {"name": thread.name}}));
        for span in &thread.spans {
            let (category, arguments) = match span.operation {
                Some(iteration) => ("operation", json!({"cpu": span.cpu, "iteration": iteration})),
                None => ("call", json!({"cpu": span.cpu})),
            };
            let mut event = json!({
                "ph": "X", "name": span.name, "cat": category, "pid": pid, "tid": tid, "ts": micros(span.start),
                "args": arguments,
            });
            match span.end {
                Some(end) => event["dur"] = micros(end.saturating_sub(span.start)),
                // A begin without an end: the call had not returned when the recording stopped.
                None => event["ph"] = json!("B"),
            }
            events.push(event);
        }
        for (out, _, state) in &thread.away {
            let name = if *state == 'R' { "preempted".to_owned() } else { format!("sleeps ({state})") };
            events.push(
                json!({"ph": "i", "s": "t", "name": name, "cat": "sched", "pid": pid, "tid": tid, "ts": micros(*out)}),
            );
        }
    }
    for (id, wake) in timeline.wakes.iter().enumerate() {
        let Some(ran) = wake.ran else { continue };
        for (phase, thread, time) in [("s", wake.from, wake.time), ("f", wake.to, ran)] {
            let (pid, tid) = place(&timeline.threads[thread]);
            events.push(json!({
                "ph": phase, "bp": "e", "id": id, "name": "wakes", "cat": "wake", "pid": pid, "tid": tid, "ts": micros(time),
            }));
        }
    }
    serde_json::to_vec(&json!({"traceEvents": events, "displayTimeUnit": "ns"}))
}

const TASKS: u32 = 1;
const IDLE: u32 = 2;

fn place(thread: &Thread) -> (u32, i64) {
    match thread.task {
        TaskKey::Task(pid) => (TASKS, i64::from(pid)),
        TaskKey::Idle(cpu) => (IDLE, i64::from(cpu)),
    }
}

fn micros(nanos: u64) -> Value {
    json!(nanos as f64 / 1000.0)
}
