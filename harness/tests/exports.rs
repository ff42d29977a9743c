//! What `rxpath export` writes, read by the programs it is for. Runs a guest.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use libtest_mimic::{Arguments, Trial};

use rxpath::path::{Step, unfold};
use rxpath::report::export;
use rxpath::suite::{Capture, Silent, Workshop, WorkshopOptions, record_case};
use rxpath::trace::{TaskKey, What};
use rxpath::vm::RunLimits;

/// Guests are launched through this program itself, so it has to look first whether that is what it was started for.
fn main() -> ExitCode {
    rxpath::vm::intercept();
    let arguments = Arguments::from_args();
    let test = |name: &str, check: fn()| {
        Trial::test(name, move || {
            check();
            Ok(())
        })
    };
    let trials = vec![
        test(
            "trace_cmd_report_lists_the_calls_of_the_capture_and_of_what_show_shows",
            trace_cmd_report_lists_the_calls_of_the_capture_and_of_what_show_shows,
        ),
        test(
            "folded_stacks_give_a_flame_graph_and_the_json_formats_hold_every_call",
            folded_stacks_give_a_flame_graph_and_the_json_formats_hold_every_call,
        ),
    ];
    libtest_mimic::run(&arguments, trials).exit_code()
}

const CASE: &str = "recv/tcp-blocking";

fn recorded() -> (Capture, rxpath::case::Case) {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let workshop = Workshop::open(&WorkshopOptions { root: Some(root), ..WorkshopOptions::default() }).unwrap();
    let case = workshop.cases().unwrap().into_iter().find(|case| case.name == CASE).unwrap();
    let series = workshop.pins.select(&["6.12"]).unwrap();
    let fetched = workshop.fetch(&series, &|_| {}).unwrap();
    let (kernel, images, limits) = (&fetched.kernels[0], workshop.images(), RunLimits::default());
    (record_case(&case, kernel, fetched.qemu.as_ref(), &images, &limits, &Silent).unwrap(), case)
}

/// trace-cmd as it is installed, or unpacked from Debian's packages into target/.
fn trace_cmd() -> (PathBuf, PathBuf) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/trace-cmd");
    let libraries = folder.join("usr/lib/x86_64-linux-gnu");
    if Command::new("trace-cmd").arg("--version").output().is_ok() {
        return ("trace-cmd".into(), libraries);
    }
    let program = folder.join("usr/bin/trace-cmd");
    if !program.exists() {
        fs::create_dir_all(&folder).unwrap();
        let run = |command: &mut Command| {
            let output = command.current_dir(&folder).output().unwrap();
            assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
        };
        run(Command::new("apt-get").args(["download", "trace-cmd", "libtraceevent1", "libtracefs1"]));
        for package in fs::read_dir(&folder).unwrap().flatten().map(|entry| entry.path()) {
            if package.extension().is_some_and(|extension| extension == "deb") {
                run(Command::new("dpkg-deb").arg("-x").arg(package).arg("."));
            }
        }
    }
    (program, libraries)
}

fn trace_cmd_report_lists_the_calls_of_the_capture_and_of_what_show_shows() {
    let (capture, case) = recorded();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("trace.dat");
    fs::write(&file, capture.tracedat().unwrap()).unwrap();
    let (program, libraries) = trace_cmd();
    // The records as they are: without -R the graph is drawn, and a leaf's entry and exit become one.
    let output = Command::new(program)
        .args(["report", "-R", "-N"])
        .arg("-i")
        .arg(&file)
        .env("LD_LIBRARY_PATH", libraries)
        .output()
        .unwrap();
    let report = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{}\n{report}", String::from_utf8_lossy(&output.stderr));
    let theirs = calls(&report);
    let forests = capture.forests().unwrap();
    let mut ours: BTreeMap<i32, Vec<String>> = BTreeMap::new();
    for (task, forest) in &forests.by_task {
        let TaskKey::Task(pid) = task else { continue };
        for node in &forest.nodes {
            if let What::Call { func, .. } = node.what {
                ours.entry(*pid).or_default().push(capture.facts.symbols.name(func).unwrap().to_owned());
            }
        }
    }
    assert!(ours.values().map(Vec::len).sum::<usize>() > 2000, "too few calls to mean anything");
    for (pid, ours) in &ours {
        let theirs = theirs
            .get(pid)
            .unwrap_or_else(|| panic!("nothing of task {pid} in\n{}", &report[..report.len().min(3000)]));
        assert_eq!(theirs, ours, "task {pid}");
    }
    // What show shows of an operation stands, in order, in what its task did.
    let observation = capture.observation(&case).unwrap();
    let section = observation.sections.iter().find(|section| section.name == "receiver.recv").unwrap();
    let receiver =
        capture.recorded.report.actor_tids[case.actors.iter().position(|actor| actor.name == "receiver").unwrap()];
    let mut theirs = theirs[&receiver].iter();
    for path in section.paths.values() {
        for node in &unfold(path, 100_000).unwrap().nodes {
            if let Step::Call(name) = &node.what {
                let found = theirs.any(|call| rxpath::path::canonical(call) == &**name);
                assert!(found, "{name} is not where show shows it");
            }
        }
    }
}

/// The entered functions by task, in the order of a raw report: `COMM-PID [CPU] TIME: funcgraph_entry: func=NAME depth=N`.
fn calls(report: &str) -> BTreeMap<i32, Vec<String>> {
    let mut calls: BTreeMap<i32, Vec<String>> = BTreeMap::new();
    for line in report.lines() {
        let Some((head, rest)) = line.split_once("funcgraph_entry:") else { continue };
        let task = head.split('[').next().unwrap().trim();
        let Ok(pid) = task.rsplit('-').next().unwrap().parse() else { panic!("{line}") };
        let name = rest.split_whitespace().find_map(|word| word.strip_prefix("func="));
        calls.entry(pid).or_default().push(name.unwrap_or_else(|| panic!("{line}")).to_owned());
    }
    calls
}

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
    // Nobody is charged for the time in which he sleeps: all stacks together are no more than the CPUs had.
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
