//! Tests the decoder with recordings of six kernels; data/README.md says how they were made.

use rxpath::trace::{
    CallForests, CaptureText, CpuPages, Event, Forest, Layout, Node, NodeKind, Presence, Symbols, TaskKey, TraceDat,
    decode, write_tracedat,
};
use std::{collections::BTreeMap, fs, path::PathBuf};

const SERIES: [&str; 6] = ["5.10", "6.1", "6.12", "6.18", "7.2", "7.3"];

/// The contents of one folder of data/.
struct Recorded {
    name: String,
    header_page: String,
    formats: Vec<String>,
    cpus: Vec<(Vec<u8>, String)>,
    kallsyms: String,
    symbols: Symbols,
}

impl Recorded {
    fn read(name: &str) -> Self {
        let folder = data().join(name);
        let text = |file: &str| fs::read_to_string(folder.join(file)).unwrap();
        let mut formats: Vec<_> =
            fs::read_dir(folder.join("formats")).unwrap().map(|file| file.unwrap().path()).collect();
        formats.sort();
        let kallsyms = text("kallsyms");
        let symbols = Symbols::parse(&kallsyms, &text("available_filter_functions")).unwrap();
        Self {
            name: name.to_owned(),
            header_page: text("header_page"),
            formats: formats.iter().map(|file| fs::read_to_string(file).unwrap()).collect(),
            cpus: [0, 1]
                .map(|cpu| {
                    (fs::read(folder.join(format!("cpu{cpu}.pages"))).unwrap(), text(&format!("cpu{cpu}.stats")))
                })
                .into(),
            kallsyms,
            symbols,
        }
    }

    fn text(&self) -> CaptureText<'_> {
        let formats = self.formats.iter().map(String::as_str).collect();
        CaptureText { header_page: &self.header_page, formats, ..CaptureText::default() }
    }

    fn cpus(&self) -> Vec<CpuPages<'_>> {
        (0..).zip(&self.cpus).map(|(cpu, (pages, stats))| CpuPages { cpu, pages, stats }).collect()
    }

    fn forests(&self) -> CallForests {
        decode(&self.text(), &self.cpus()).unwrap()
    }

    fn name_of<'a>(&'a self, node: &Node) -> Option<&'a str> {
        match node.kind {
            NodeKind::Call { func, .. } => Some(self.symbols.name(func).unwrap()),
            _ => None,
        }
    }
}

fn data() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("harness/tests/data")
}

/// The nodes between the two markers of the recorded recv, and their task.
fn recv(forests: &CallForests) -> (TaskKey, &[Node]) {
    let marks = |node: &Node, text: &[u8]| matches!(&node.kind, NodeKind::Marker { bytes } if bytes.starts_with(text));
    for (task, Forest { nodes, .. }) in &forests.by_task {
        let begin = nodes.iter().position(|node| marks(node, b"\x01\0\0\0recv>"));
        let end = nodes.iter().position(|node| marks(node, b"\x01\0\0\0recv<"));
        if let (Some(begin), Some(end)) = (begin, end) {
            return (*task, &nodes[begin + 1..end]);
        }
    }
    panic!("no task has both markers");
}

#[test]
fn a_blocking_recv_nests_the_same_way_on_every_kernel() {
    for series in SERIES {
        let recorded = Recorded::read(series);
        let forests = recorded.forests();
        let (_, nodes) = recv(&forests);
        let mut expected = [
            "__sys_recvfrom",
            "inet_recvmsg",
            "tcp_recvmsg",
            "sk_wait_data",
            "wait_woken",
            "schedule_timeout",
            "schedule",
        ]
        .into_iter();
        let mut next = expected.next();
        let mut inside: Vec<&Node> = Vec::new();
        for node in nodes {
            inside.retain(|above| above.depth < node.depth);
            if next.is_some() && recorded.name_of(node) == next {
                let NodeKind::Call { end: Some(end), .. } = node.kind else {
                    panic!("{series}: {next:?} never returned")
                };
                let within = |above: &&Node| matches!(above.kind, NodeKind::Call { end: Some(e), .. } if e >= end);
                assert!(inside.iter().all(within), "{series}: {next:?} outlives its caller");
                assert_eq!(inside.len(), 7 - 1 - expected.len(), "{series}: {next:?} is not nested in the one before");
                inside.push(node);
                next = expected.next();
            }
        }
        assert_eq!(next, None, "{series}");
        let out = nodes.iter().position(|node| matches!(node.kind, NodeKind::SwitchOut { state: 'S', .. })).unwrap();
        let back = nodes[out + 1..].iter().find(|node| !matches!(node.kind, NodeKind::Call { .. })).unwrap();
        assert!(matches!(back.kind, NodeKind::SwitchIn { .. }), "{series}: the receiver sleeps once, then runs again");
    }
}

#[test]
fn each_page_start_is_the_time_of_a_record() {
    for series in SERIES {
        let recorded = Recorded::read(series);
        let layout = Layout::new(&recorded.text()).unwrap();
        let starts = recorded.forests().page_starts;
        for CpuPages { cpu, pages, .. } in recorded.cpus() {
            let mut events = layout.events(cpu, pages);
            let stamps: Vec<u64> = std::iter::from_fn(|| events.step().unwrap()).map(|stamped| stamped.time).collect();
            assert_eq!(starts[&cpu].len(), pages.len() / layout.page_size(), "{series}, CPU {cpu}");
            assert!(starts[&cpu].iter().all(|start| stamps.contains(start)), "{series}, CPU {cpu}");
        }
    }
}

#[test]
fn the_receiver_is_woken_from_a_softirq_on_the_senders_cpu() {
    for series in SERIES {
        let forests = Recorded::read(series).forests();
        let (TaskKey::Task(receiver), _) = recv(&forests) else { panic!("{series}: the receiver is not a task") };
        let waking = |node: &&Node| node.kind == NodeKind::Waking { pid: receiver };
        let wakings: Vec<_> = forests.by_task.values().flat_map(|forest| &forest.nodes).filter(waking).collect();
        assert!(wakings.iter().any(|node| node.cpu == 0 && node.interrupted.softirq), "{series}: {wakings:?}");
        assert_eq!(forests.comms.get(&receiver).map(String::as_str), Some("rec"), "{series}");
    }
}

#[test]
fn every_forest_is_a_preorder_with_times_that_nest() {
    for series in SERIES {
        for (task, forest) in Recorded::read(series).forests().by_task {
            let mut open: Vec<&Node> = Vec::new();
            for node in &forest.nodes {
                open.truncate(node.depth as usize);
                assert_eq!(open.len(), node.depth as usize, "{series} {task:?}: a depth was left out at {node:?}");
                if let Some(Node { start, kind: NodeKind::Call { end, .. }, .. }) = open.last() {
                    assert!(
                        *start <= node.start && end.is_none_or(|end| node.start <= end),
                        "{series} {task:?}: {node:?}"
                    );
                }
                if matches!(node.kind, NodeKind::Call { .. }) {
                    open.push(node);
                }
            }
        }
    }
}

#[test]
fn call_trees_are_those_of_trace_cmd_report() {
    for series in SERIES {
        let recorded = Recorded::read(series);
        let report = fs::read_to_string(data().join(series).join("trace-cmd-report")).unwrap();
        let theirs = nested_calls(&report);
        let mut ours: BTreeMap<TaskKey, Vec<(u32, u64)>> = BTreeMap::new();
        for (task, forest) in recorded.forests().by_task {
            for node in forest.nodes {
                if let NodeKind::Call { func, .. } = node.kind {
                    ours.entry(task).or_default().push((node.depth, recorded.symbols.start(func).unwrap()));
                }
            }
        }
        assert!(
            theirs.values().map(Vec::len).sum::<usize>() > 400,
            "{series}: the report is too small to prove anything"
        );
        assert_eq!(theirs.keys().collect::<Vec<_>>(), ours.keys().collect::<Vec<_>>(), "{series}");
        for (task, theirs) in theirs {
            let theirs: Vec<_> = theirs.iter().map(|(depth, name)| (*depth, address(&recorded, name))).collect();
            assert_eq!(theirs, ours[&task], "{series} {task:?}");
        }
    }
}

/// The address of the function that trace-cmd names: it may prefer a different name of the same function, or print the
/// bare address.
fn address(recorded: &Recorded, name: &str) -> u64 {
    if let Some(hex) = name.strip_prefix("0x") {
        return recorded.symbols.start(u64::from_str_radix(hex, 16).unwrap()).unwrap();
    }
    let line = recorded.kallsyms.lines().find(|line| line[19..].split('\t').next() == Some(name));
    u64::from_str_radix(&line.unwrap_or_else(|| panic!("{}: no symbol {name}", recorded.name))[..16], 16).unwrap()
}

/// The report's calls by task, with nesting levels from the depths that it gives.
fn nested_calls(report: &str) -> BTreeMap<TaskKey, Vec<(u32, &str)>> {
    let mut calls: BTreeMap<TaskKey, Vec<(u32, &str)>> = BTreeMap::new();
    let mut stacks: BTreeMap<TaskKey, Vec<u32>> = BTreeMap::new();
    for line in report.lines() {
        let [pid, cpu, direction, depth, name] = line.split(' ').collect::<Vec<_>>()[..] else { panic!("{line}") };
        let task = match pid.parse().unwrap() {
            0 => TaskKey::Idle(cpu.parse().unwrap()),
            pid => TaskKey::Task(pid),
        };
        let depth: u32 = depth.parse().unwrap();
        let stack = stacks.entry(task).or_default();
        stack.retain(|above| *above < depth);
        if direction == ">" {
            calls.entry(task).or_default().push((stack.len() as u32, name));
            stack.push(depth);
        }
    }
    calls
}

#[test]
fn every_recorded_function_has_a_traceable_name() {
    for series in SERIES {
        let recorded = Recorded::read(series);
        for forest in recorded.forests().by_task.values() {
            for name in forest.nodes.iter().filter_map(|node| recorded.name_of(node)) {
                assert_eq!(recorded.symbols.presence(name), Presence::Traceable, "{series}: {name}");
            }
        }
    }
}

#[test]
fn arguments_follow_an_entry_where_the_kernel_recorded_them() {
    for name in ["6.18-args", "7.3-args"] {
        let recorded = Recorded::read(name);
        let layout = Layout::new(&recorded.text()).unwrap();
        let (mut with, mut without) = (0, 0);
        for cpu in recorded.cpus() {
            let mut events = layout.events(cpu.cpu, cpu.pages);
            while let Some(event) = events.step().unwrap() {
                if let Event::Entry(entry) = event.event {
                    assert_eq!(entry.args.len() % 8, 0, "{name}: {entry:?}");
                    *(if entry.args.is_empty() { &mut without } else { &mut with }) += 1;
                }
            }
        }
        assert!(with > 10, "{name}: {with} entries with arguments, {without} without");
    }
}

#[test]
fn a_buffer_that_overflowed_is_reported() {
    let losses = Recorded::read("6.12-lossy").forests().losses;
    for expected in ["cpu 0: 4168 records were overwritten", "cpu 1: 3780 records were overwritten"] {
        assert!(losses.iter().any(|loss| loss.starts_with(expected)), "{losses:?}");
    }
    assert!(losses.iter().any(|loss| loss.contains("at 1 of 1 pages")), "{losses:?}");
    assert_eq!(Recorded::read("6.12").forests().losses, Vec::<String>::new());
}

#[test]
fn calls_too_deep_for_an_older_kernel_s_shadow_stack_are_located() {
    let forests = Recorded::read("6.1").forests();
    let [lost] = forests.too_deep[..] else { panic!("{:?}", forests.too_deep) };
    let nodes = &forests.by_task[&lost.task].nodes;
    let full = nodes
        .iter()
        .find(|node| matches!(node.kind, NodeKind::Call { func, end } if func == lost.func && end == Some(lost.time)));
    assert!(full.is_some_and(|node| node.cpu == 0), "{lost:?}");
    let words = rxpath::trace::shadow_stack_losses(&forests.too_deep);
    assert!(words.iter().any(|loss| loss.contains("too deep")), "{words:?}");
}

#[test]
fn pages_of_sixteen_kilobytes_decode_by_their_own_header_page() {
    let recorded = Recorded::read("7.2-16k");
    assert_eq!(Layout::new(&recorded.text()).unwrap().page_size(), 16384);
    let forests = recorded.forests();
    assert!(forests.by_task.values().map(|forest| forest.nodes.len()).sum::<usize>() > 400);
}

#[test]
fn a_trace_dat_of_either_version_gives_the_same_forests_as_the_raw_pages() {
    let raw = Recorded::read("6.12").forests();
    for (file, version) in [("6.12-v6.dat", 6), ("6.12-v7-zstd.dat", 7)] {
        let bytes = fs::read(data().join("trace-cmd").join(file)).unwrap();
        let dat = TraceDat::parse(&bytes).unwrap();
        assert_eq!(dat.version, version);
        assert_eq!(decode(&dat.text(), &dat.cpu_pages()).unwrap(), raw, "{file}");
        assert!(dat.kallsyms.contains(" tcp_recvmsg\n"), "{file}");
        assert!(dat.cmdlines.contains(" rec\n"), "{file}: {}", dat.cmdlines);
    }
}

#[test]
fn a_written_trace_dat_reads_back_unchanged() {
    for name in SERIES.into_iter().chain(["7.2-16k", "6.12-lossy"]) {
        let recorded = Recorded::read(name);
        let forests = recorded.forests();
        let bytes = write_tracedat(&recorded.text(), &recorded.cpus(), &recorded.kallsyms, &forests.comms).unwrap();
        let dat = TraceDat::parse(&bytes).unwrap();
        assert_eq!(decode(&dat.text(), &dat.cpu_pages()).unwrap(), forests, "{name}");
        assert_eq!(dat.kallsyms, recorded.kallsyms, "{name}");
    }
}

#[test]
fn a_trace_dat_that_is_cut_short_is_an_error_unless_only_padding_is_missing() {
    for file in ["6.12-v6.dat", "6.12-v7-zstd.dat"] {
        let bytes = fs::read(data().join("trace-cmd").join(file)).unwrap();
        for cut in (0..bytes.len()).step_by(97) {
            if let Ok(dat) = TraceDat::parse(&bytes[..cut]) {
                assert!(bytes.len() - cut < 8192, "{file} cut at {cut} still reads: {} CPUs", dat.cpus.len());
            }
        }
    }
}
