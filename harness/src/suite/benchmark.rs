//! How long rxpath itself takes, and how much memory: measured on this machine, for comparing two commits on it.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rxpath_guest::{Pass, Plan};
use serde::{Deserialize, Serialize};

use crate::kernel::{Fetched, Kernel};
use crate::path::timing::Summary;
use crate::vm::{ImageKind, Images, Machine, RunLimits, VmError, WarmImage, children_of, run_plan};

use crate::suite::project::Project;
use crate::suite::run::test_bed::{self as prepare, image_for_machine};

/// The version of [`Bench`] as JSON.
pub const BENCH_VERSION: u32 = 1;

/// Everything that was measured.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bench {
    /// [`BENCH_VERSION`].
    pub version: u32,
    /// Cores of the machine.
    pub cores: usize,
    /// The figures.
    pub figures: Vec<Figure>,
}

/// One thing that was measured several times.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Figure {
    /// What, on which kernel: `boot to ready, 6.12`.
    pub name: String,
    /// `ms` or `KiB`.
    pub unit: String,
    /// How often.
    pub runs: usize,
    /// The middle one.
    pub median: u64,
    /// The smallest.
    pub min: u64,
    /// The largest.
    pub max: u64,
}

impl Figure {
    fn of(name: String, unit: &str, samples: &[u64]) -> Option<Self> {
        let summary = Summary::of(samples)?;
        let Summary { count, min, median, max, .. } = summary;
        Some(Self { name, unit: unit.to_owned(), runs: count, median, min, max })
    }
}

/// How much to measure.
#[derive(Clone, Copy, Debug)]
pub struct BenchOptions<'a> {
    /// Runs of everything but boots and the whole matrix.
    pub runs: usize,
    /// Boots of each kernel; 0 leaves them out.
    pub boots: usize,
    /// Runs of the whole matrix; 0 leaves it out.
    pub matrix_runs: usize,
    /// The case that stands for all in "one case from command to verdict".
    pub case: &'a str,
}

/// Measures; `told` gets each figure as soon as it is there.
pub fn bench(
    project: &Project,
    fetched: &Fetched,
    options: &BenchOptions<'_>,
    told: &dyn Fn(&Figure),
) -> Result<Bench, VmError> {
    let cores = std::thread::available_parallelism().map_or(1, |count| count.get());
    let mut bench = Bench { version: BENCH_VERSION, cores, figures: Vec::new() };
    let mut add = |figure: Option<Figure>| {
        if let Some(figure) = figure {
            told(&figure);
            bench.figures.push(figure);
        }
    };
    for kernel in &fetched.kernels {
        let series = kernel.series;
        let (ready, arming) = boots(kernel, fetched, &project.images(), options.boots)?;
        add(Figure::of(format!("boot to ready, {series}"), "ms", &ready));
        add(Figure::of(format!("switching function_graph on, {series}"), "ms", &arming));
        let image = image_for_machine(&Machine::default(), kernel, fetched, &project.images())?;
        let took = samples(options.runs, || run_nothing(&image))?;
        add(Figure::of(format!("restore to exit of an empty plan, {series}"), "ms", &took));
        let runs = (0..options.runs)
            .map(|_| watched(&project.root, &["--kernel", &series.to_string(), "--case", options.case]));
        let runs = runs.collect::<Result<Vec<_>, _>>()?;
        let of = |what: fn(&Watched) -> u64| runs.iter().map(what).collect::<Vec<_>>();
        add(Figure::of(format!("{} from command to verdict, {series}", options.case), "ms", &of(|run| run.took_ms)));
        add(Figure::of(format!("peak memory of the harness, {series}"), "KiB", &of(|run| run.harness_kib)));
        add(Figure::of(format!("peak memory of a QEMU, {series}"), "KiB", &of(|run| run.qemu_kib)));
    }
    let all = (0..options.matrix_runs).map(|_| Ok(watched(&project.root, &[])?.took_ms));
    add(Figure::of("the whole matrix".to_owned(), "ms", &all.collect::<Result<Vec<_>, VmError>>()?));
    Ok(bench)
}

fn samples(runs: usize, mut one: impl FnMut() -> Result<Duration, VmError>) -> Result<Vec<u64>, VmError> {
    (0..runs).map(|_| Ok(one()?.as_millis() as u64)).collect()
}

fn boots(kernel: &Kernel, fetched: &Fetched, images: &Images, boots: usize) -> Result<(Vec<u64>, Vec<u64>), VmError> {
    let guest = prepare::plain_kernel(kernel)?;
    let qemu = prepare::program(&fetched.qemu);
    let times = (0..boots).map(|_| images.measure_boot(&guest, &Machine::default(), &qemu));
    let times = times.collect::<Result<Vec<_>, _>>()?;
    Ok(times.iter().map(|boot| (boot.ready_ms, boot.arming_ms)).unzip())
}

fn run_nothing(image: &WarmImage) -> Result<Duration, VmError> {
    let plan = Plan::empty(Pass::Timing { milestones: None });
    let started = Instant::now();
    run_plan(image, ImageKind::Untraced, plan, &RunLimits::default())?;
    Ok(started.elapsed())
}

struct Watched {
    took_ms: u64,
    harness_kib: u64,
    qemu_kib: u64,
}

/// Runs `rxpath run` as a user would, looking at its and its guests' memory as it goes.
fn watched(root: &Path, arguments: &[&str]) -> Result<Watched, VmError> {
    let failed = |source: std::io::Error| VmError::Start { command: "rxpath run".to_owned(), source };
    let started = Instant::now();
    let mut command = Command::new("/proc/self/exe");
    command.arg("run").arg("--root").arg(root).args(arguments).stdout(Stdio::null()).stderr(Stdio::null());
    let mut harness = command.spawn().map_err(failed)?;
    let mut watched = Watched { took_ms: 0, harness_kib: 0, qemu_kib: 0 };
    while harness.try_wait().map_err(failed)?.is_none() {
        watched.harness_kib = watched.harness_kib.max(high_water(harness.id()));
        for child in children_of(harness.id()) {
            watched.qemu_kib = watched.qemu_kib.max(high_water(child));
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    watched.took_ms = started.elapsed().as_millis() as u64;
    Ok(watched)
}

/// The most memory a process has had, in KiB (proc_pid_status(5), VmHWM); 0 once it has ended.
fn high_water(pid: impl std::fmt::Display) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().strip_suffix(" kB")?.parse().ok()).unwrap_or(0)
}
