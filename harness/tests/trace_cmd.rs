//! Call trees against those of trace-cmd, for the very same captures.
//!
//! Each test runs a case on a kernel, keeps its capture, decodes the raw pages with rxpath, and lets `trace-cmd report -R`
//! read the trace.dat that was written of the same capture. So this compares two decoders on one recording; it is not a
//! second recording made by `trace-cmd record` in the guest.
//!
//! trace-cmd is the host's (`apt install trace-cmd`), or what RXPATH_TRACE_CMD names. Where there is none the tests are
//! listed as ignored, with the reason as their kind.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, ExitCode};

use libtest_mimic::{Arguments, Failed, Trial};

use rxpath::kernel::Series;
use rxpath::suite::{MatrixOptions, SavedCapture, Silent, Workshop, WorkshopOptions, choose, run_matrix};
use rxpath::trace::{Symbols, TaskKey, What};
use rxpath::vm::{Accelerator, RunLimits};

const CASES: [&str; 3] = ["recv/tcp-blocking", "udp/blocking", "unix/stream-blocking"];

/// A capture of 32 iterations with fewer calls would prove nothing.
const LEAST_CALLS: usize = 1000;

fn main() -> ExitCode {
    rxpath::vm::intercept();
    let arguments = Arguments::from_args();
    let program = std::env::var("RXPATH_TRACE_CMD").unwrap_or_else(|_| "trace-cmd".to_owned());
    let there = Command::new(&program).arg("--version").output().is_ok();
    let workshop = match workshop() {
        Ok(workshop) => workshop,
        Err(why) => {
            eprintln!("{why:?}");
            return ExitCode::from(101);
        }
    };
    let mut trials = Vec::new();
    for series in workshop.pins.series() {
        for case in CASES {
            let program = program.clone();
            let name = format!("{}::v{}_{}", case.replace('/', "::").replace('-', "_"), series.major, series.minor);
            let trial = Trial::test(name, move || check(case, series, &program));
            let trial =
                if there { trial } else { trial.with_kind("no trace-cmd on this host").with_ignored_flag(true) };
            trials.push(trial);
        }
    }
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn workshop() -> Result<Workshop, Failed> {
    let options = WorkshopOptions { root: Some(env!("CARGO_MANIFEST_DIR").into()), ..WorkshopOptions::default() };
    Ok(Workshop::open(&options)?)
}

type Trees = BTreeMap<TaskKey, Vec<(u32, u64)>>;

fn check(case: &str, series: Series, program: &str) -> Result<(), Failed> {
    let kept = tempfile::tempdir()?;
    let folder = record(case, series, kept.path())?;
    let capture = SavedCapture::read(&folder)?;
    let (forests, symbols) = capture.decode()?;
    let mut ours = Trees::new();
    for (task, forest) in forests.by_task {
        for node in forest.nodes {
            if let What::Call { func, .. } = node.what {
                let start = symbols.start(func).ok_or_else(|| format!("no symbol at {func:#x}"))?;
                ours.entry(task).or_default().push((node.depth, start));
            }
        }
    }
    let report = Command::new(program).args(["report", "-R"]).arg(folder.join("trace.dat")).output()?;
    if !report.status.success() {
        return Err(format!("trace-cmd report: {}", String::from_utf8_lossy(&report.stderr)).into());
    }
    let theirs = nest(&String::from_utf8(report.stdout)?, &symbols, &capture.kallsyms)?;
    let calls: usize = theirs.values().map(Vec::len).sum();
    if calls < LEAST_CALLS {
        return Err(format!("trace-cmd reports {calls} calls: expected at least {LEAST_CALLS}").into());
    }
    compare(&ours, &theirs, &symbols)
}

/// Runs the case and gives the folder with its capture.
fn record(case: &str, series: Series, keep: &Path) -> Result<std::path::PathBuf, Failed> {
    let workshop = workshop()?;
    let all = workshop.cases()?;
    let cases = choose(&all, &[case.to_owned()])?;
    let fetched = workshop.fetch(&[series], &|_| {})?;
    let save_captures = Some(keep.to_owned());
    let accelerator = Accelerator::Exact;
    let matrix = MatrixOptions { jobs: 1, limits: RunLimits::default(), propose: false, save_captures, accelerator };
    let results = run_matrix(&cases, &fetched, &workshop.images(), &workshop.snapshots(), &matrix, &Silent)?;
    let folder = keep.join(case).join(series.to_string());
    if !folder.is_dir() {
        return Err(format!("no capture was kept:\n{}", rxpath::report::terminal::results(&results)).into());
    }
    Ok(folder)
}

fn compare(ours: &Trees, theirs: &Trees, symbols: &Symbols) -> Result<(), Failed> {
    let tasks = |trees: &Trees| trees.keys().copied().collect::<Vec<_>>();
    if tasks(ours) != tasks(theirs) {
        return Err(format!("rxpath has the tasks {:?}, trace-cmd {:?}", tasks(ours), tasks(theirs)).into());
    }
    for (task, ours) in ours {
        let theirs = &theirs[task];
        if let Some(at) = (0..ours.len().max(theirs.len())).find(|at| ours.get(*at) != theirs.get(*at)) {
            let told = |side: &[(u32, u64)]| match side.get(at) {
                Some((depth, func)) => format!("{} at depth {depth}", symbols.name(*func).unwrap_or("?")),
                None => "the end".to_owned(),
            };
            return Err(format!("{task:?}, call {at}: rxpath has {}, trace-cmd {}", told(ours), told(theirs)).into());
        }
    }
    Ok(())
}

/// The report's calls by task, nested by the depths that it gives. A line of it, with `-R`:
/// `COMM-PID [CPU] TIME: funcgraph_entry: func=NAME depth=N`, `funcgraph_exit` the same with more behind.
fn nest(report: &str, symbols: &Symbols, kallsyms: &str) -> Result<Trees, Failed> {
    // trace-cmd may prefer another of several names for one function.
    let mut named: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
    for line in kallsyms.lines() {
        let name = line[19..].split('\t').next().unwrap_or_default();
        named.entry(name).or_default().push(u64::from_str_radix(&line[..16], 16)?);
    }
    let address = |name: &str| -> Result<u64, Failed> {
        let found = match name.strip_prefix("0x") {
            Some(hex) => Some(u64::from_str_radix(hex, 16)?),
            None => named.get(name).and_then(|all| all.first()).copied(),
        };
        found.and_then(|address| symbols.start(address)).ok_or_else(|| format!("no symbol {name}").into())
    };
    let mut calls = Trees::new();
    let mut stacks: BTreeMap<TaskKey, Vec<u32>> = BTreeMap::new();
    for line in report.lines() {
        let is_entry = line.contains(": funcgraph_entry: ");
        if !is_entry && !line.contains(": funcgraph_exit: ") {
            continue;
        }
        let unexpected = || Failed::from(format!("expected a line of function_graph, found {line:?}"));
        let (task, rest) = line.split_once(" [").ok_or_else(unexpected)?;
        let pid: i32 = task.trim_end().rsplit_once('-').ok_or_else(unexpected)?.1.parse()?;
        let cpu: u16 = rest.split_once(']').ok_or_else(unexpected)?.0.parse()?;
        let task = if pid == 0 { TaskKey::Idle(cpu) } else { TaskKey::Task(pid) };
        let field =
            |name: &str| rest.split_whitespace().find_map(|word| word.strip_prefix(name)).ok_or_else(unexpected);
        let depth: u32 = field("depth=")?.parse()?;
        let stack = stacks.entry(task).or_default();
        stack.retain(|above| *above < depth);
        if is_entry {
            calls.entry(task).or_default().push((stack.len() as u32, address(field("func=")?)?));
            stack.push(depth);
        }
    }
    Ok(calls)
}
