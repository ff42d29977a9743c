//! Two recordings of the same operations in the same guest: rxpath's traced pass, and the same plan run while
//! `trace-cmd record -p function_graph` records. Every call of an operation must be in both, nested alike.
//!
//! Both start from one boot of one kernel, which has trace-cmd in its initramfs. trace-cmd's file is read by rxpath, and
//! by `trace-cmd report` on the host, which must see the same calls in it.

use libtest_mimic::Failed;
use rxpath_guest::{Pass, Plan, RunReport, Tag};

use rxpath::case::PassKind;
use rxpath::kernel::Series;
use rxpath::suite::{KernelMetadata, Recorded, choose, image_with_files};
use rxpath::trace::{CallForests, Layout, TraceDat, build};
use rxpath::vm::{ImageKind, RunLimits, WarmImage};

use super::operations::{Recording, Trees};
use super::program::Program;
use super::report::{calls, compare, reported};
use crate::common::project;

/// A case whose receiver sleeps until a softirq wakes it, one whose call returns at once, and one that allocates memory.
pub(super) const CASES: [&str; 3] = ["recv/tcp-blocking", "recv/tcp-dontwait", "socket/tcp-create"];

/// What rxpath records beside the calls (guest/src/tracing.rs): recording an event is work too, and some of that work is traced.
const EVENTS: [&str; 8] = [
    "sched:sched_switch",
    "sched:sched_waking",
    "sched:sched_wakeup",
    "irq:irq_handler_entry",
    "irq:irq_handler_exit",
    "irq:softirq_raise",
    "irq:softirq_entry",
    "irq:softirq_exit",
];

/// Room for records per CPU, in KiB: enough for all of them, because nothing reads them during the run.
const BUFFER_KIB: &str = "8192";
/// How long trace-cmd's readers sleep between reads, in microseconds: longer than any run, so that they never take the CPU
/// from an operation. They read everything when they are asked to end.
const READ_EVERY_US: &str = "1000000000";
/// Where trace-cmd writes, in the guest.
const OUTPUT: &str = "/tmp/trace.dat";

/// The guest time that the iterations and the start of trace-cmd may take, in nanoseconds.
const DEADLINE_NS: u64 = 120_000_000_000;

pub(super) fn check(case: &str, series: Series, program: &str) -> Result<(), Failed> {
    let project = project()?;
    let all = project.cases()?;
    let case = *choose(&all, &[case.to_owned()])?.first().ok_or("no such case")?;
    let fetched = project.fetch(&[series], &|_| {})?;
    let kernel = fetched.kernels.first().ok_or("no such kernel")?;
    let trace_cmd = Program::of_host(program)?;
    let image = image_with_files(case, kernel, &fetched, &project.images(), trace_cmd.files)?;
    let facts = KernelMetadata::load(&image)?;
    let lowered = case.lower(series, PassKind::Trace);

    let own = run(&image, ImageKind::Traced, lowered.plan.clone())?;
    let pass = Pass::Foreign { command: record_command(trace_cmd.command), output: OUTPUT.to_owned() };
    let plan = Plan { pass, deadline_ns: DEADLINE_NS, ..lowered.plan.clone() };
    let foreign = run(&image, ImageKind::Untraced, plan)?;

    let sections = rxpath_guest::sections(foreign.bytes())?;
    let file = sections.iter().find(|section| section.tag == Tag::ForeignFile).ok_or("the guest sent no trace.dat")?;
    let dat = TraceDat::parse(file.bytes)?;
    let forests = build(&Layout::new(&dat.text())?, &dat.cpu_pages())?;
    read_alike(program, file.bytes, &dat.kallsyms, &forests, &facts)?;

    let trees = |by, forests: &CallForests, report: &RunReport| {
        Trees::of(&Recording { by, forests, report, series, facts: &facts, names: &lowered.names })
    };
    let ours = trees("rxpath", &own.forests(&facts, Tag::Pages)?, &own.report)?;
    let theirs = trees("trace-cmd", &forests, &foreign.report)?;
    let same = ours.compare(&theirs).map_err(|error| format!("{} on {series}, {error}", case.name))?;
    println!("{} on {series}: {}", case.name, same.join(", "));
    Ok(())
}

fn record_command(program: Vec<String>) -> Vec<String> {
    let options = ["record", "-p", "function_graph", "-b", BUFFER_KIB, "-s", READ_EVERY_US, "-o", OUTPUT];
    let events = EVENTS.iter().flat_map(|event| ["-e", event]);
    program.into_iter().chain(options.into_iter().chain(events).map(str::to_owned)).collect()
}

fn run(image: &WarmImage, kind: ImageKind, plan: Plan) -> Result<Recorded, Failed> {
    let recorded = Recorded::run(image, kind, plan, &RunLimits::default())?;
    let RunReport { errors, stuck, failed_setup, .. } = &recorded.report;
    if !errors.is_empty() || !stuck.is_empty() || failed_setup.is_some() {
        let errors = errors.join("\n");
        return Err(format!(
            "the pass on the {kind:?} image: {failed_setup:?}; actors that are stuck: {stuck:?}; {errors}"
        )
        .into());
    }
    Ok(recorded)
}

/// Whether rxpath and trace-cmd read the same calls, of all tasks, in trace-cmd's file.
fn read_alike(
    program: &str,
    file: &[u8],
    kallsyms: &str,
    forests: &CallForests,
    facts: &KernelMetadata,
) -> Result<(), Failed> {
    let kept = tempfile::NamedTempFile::new()?;
    std::fs::write(kept.path(), file)?;
    let theirs = reported(program, kept.path(), &facts.symbols, kallsyms)?;
    compare(&calls(forests, &facts.symbols)?, &theirs, &facts.symbols)
}
