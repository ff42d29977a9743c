//! The time and memory that rxpath itself takes on this machine, for comparing two commits.

use std::io;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rxpath_guest::{Pass, Plan};
use serde::{Deserialize, Serialize};

use crate::kernel::{Fetched, Kernel, KernelError};
use crate::path::timing::Summary;
use crate::suite::project::Project;
use crate::suite::run::image_spec::{ImageSpec, qemu_program};
use crate::suite::run::test_bed::{TestBedError, image_for_machine};
use crate::vm::{ImageKind, Images, Machine, RunLimits, VmError, WarmImage, children_of, run_plan};

/// The version of [`Bench`] as JSON.
pub(crate) const BENCH_VERSION: u32 = 1;

/// The figures of one machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Bench {
    /// [`BENCH_VERSION`].
    pub version: u32,
    pub cores: usize,
    pub figures: Vec<Figure>,
}

/// A time or an amount of memory, measured several times.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Figure {
    /// What was measured, and on which kernel: `boot to ready, 6.12`.
    pub name: String,
    /// `ms` or `KiB`.
    pub unit: String,
    /// The number of measurements.
    pub runs: usize,
    pub median: u64,
    pub min: u64,
    pub max: u64,
}

/// Why a benchmark ended early.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BenchError {
    #[error(transparent)]
    TestBed(#[from] TestBedError),
    #[error(transparent)]
    Kernel(#[from] KernelError),
    #[error(transparent)]
    Vm(#[from] VmError),
    #[error("cannot run rxpath")]
    Command(#[source] io::Error),
}

impl Figure {
    fn of(name: String, unit: &str, samples: &[u64]) -> Option<Self> {
        let summary = Summary::of(samples)?;
        let Summary { count, min, median, max, .. } = summary;
        Some(Self { name, unit: unit.to_owned(), runs: count, median, min, max })
    }
}

/// What to measure, and how often.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BenchOptions<'a> {
    /// The number of runs of everything but boots and the whole matrix.
    pub runs: usize,
    /// The number of boots of each kernel, may be 0.
    pub boots: usize,
    /// The number of runs of the whole matrix, may be 0.
    pub matrix_runs: usize,
    /// The case whose time from command to verdict is measured.
    pub case: &'a str,
}

/// Measures all figures, and passes each to `report` as soon as it is known. The kernels have the texts that name them on a
/// command line.
pub(crate) fn bench(
    project: &Project,
    fetched: &Fetched,
    kernels: &[(&Kernel, String)],
    options: &BenchOptions<'_>,
    report: &dyn Fn(&Figure),
) -> Result<Bench, BenchError> {
    let cores = std::thread::available_parallelism().map_or(1, |count| count.get());
    let mut bench = Bench { version: BENCH_VERSION, cores, figures: Vec::new() };
    let mut add = |figure: Option<Figure>| {
        if let Some(figure) = figure {
            report(&figure);
            bench.figures.push(figure);
        }
    };
    for (kernel, reference) in kernels {
        let name = kernel.name();
        let (ready, arming) = boots(kernel, fetched, &project.images(), options.boots)?;
        add(Figure::of(format!("boot to ready, {name}"), "ms", &ready));
        add(Figure::of(format!("switching function_graph on, {name}"), "ms", &arming));
        let image = image_for_machine(&Machine::default(), kernel, fetched, &project.images())?;
        let took = samples(options.runs, || run_nothing(&image))?;
        add(Figure::of(format!("restore to exit of an empty plan, {name}"), "ms", &took));
        let runs =
            (0..options.runs).map(|_| run_command(&project.root, &["--kernel", reference, "--case", options.case]));
        let runs = runs.collect::<Result<Vec<_>, _>>()?;
        let of = |what: fn(&CommandRun) -> u64| runs.iter().map(what).collect::<Vec<_>>();
        add(Figure::of(format!("{} from command to verdict, {name}", options.case), "ms", &of(|run| run.took_ms)));
        add(Figure::of(format!("peak memory of the harness, {name}"), "KiB", &of(|run| run.harness_kib)));
        add(Figure::of(format!("peak memory of a QEMU, {name}"), "KiB", &of(|run| run.qemu_kib)));
    }
    let all = (0..options.matrix_runs).map(|_| Ok(run_command(&project.root, &[])?.took_ms));
    add(Figure::of("the whole matrix".to_owned(), "ms", &all.collect::<Result<Vec<_>, BenchError>>()?));
    Ok(bench)
}

fn samples(runs: usize, one: impl Fn() -> Result<Duration, VmError>) -> Result<Vec<u64>, VmError> {
    (0..runs).map(|_| Ok(one()?.as_millis() as u64)).collect()
}

fn boots(
    kernel: &Kernel,
    fetched: &Fetched,
    images: &Images,
    boots: usize,
) -> Result<(Vec<u64>, Vec<u64>), BenchError> {
    let guest = ImageSpec::default().guest_kernel(kernel)?;
    let qemu = qemu_program(&fetched.qemu);
    let times = (0..boots).map(|_| images.measure_boot(&guest, &Machine::default(), &qemu));
    let times = times.collect::<Result<Vec<_>, _>>()?;
    Ok(times.iter().map(|boot| (boot.untraced_ms, boot.traced_ms)).unzip())
}

fn run_nothing(image: &WarmImage) -> Result<Duration, VmError> {
    let plan = Plan::empty(Pass::Timing { milestones: None });
    let started = Instant::now();
    run_plan(image, ImageKind::Untraced, plan, &RunLimits::default())?;
    Ok(started.elapsed())
}

/// What one run of the command took.
struct CommandRun {
    took_ms: u64,
    harness_kib: u64,
    qemu_kib: u64,
}

/// Runs `rxpath run` as a user would, and samples its memory and that of its guests.
fn run_command(root: &Path, arguments: &[&str]) -> Result<CommandRun, BenchError> {
    let started = Instant::now();
    let mut command = Command::new("/proc/self/exe");
    command.arg("run").arg("--root").arg(root).args(arguments).stdout(Stdio::null()).stderr(Stdio::null());
    let mut harness = command.spawn().map_err(BenchError::Command)?;
    let mut run = CommandRun { took_ms: 0, harness_kib: 0, qemu_kib: 0 };
    while harness.try_wait().map_err(BenchError::Command)?.is_none() {
        run.harness_kib = run.harness_kib.max(high_water(harness.id()));
        for child in children_of(harness.id()) {
            run.qemu_kib = run.qemu_kib.max(high_water(child));
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    run.took_ms = started.elapsed().as_millis() as u64;
    Ok(run)
}

/// The peak memory of a process in KiB (proc_pid_status(5), VmHWM); 0 if it has ended.
fn high_water(pid: impl std::fmt::Display) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().strip_suffix(" kB")?.parse().ok()).unwrap_or(0)
}
