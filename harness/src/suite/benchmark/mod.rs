//! The time, memory and disk that rxpath itself takes on this machine, for comparing two commits.

mod commands;
mod rounds;

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Instant;

use rxpath_guest::{Pass, Plan};
use serde::{Deserialize, Serialize};

use crate::child::cpu_time;
use crate::kernel::{Fetched, Kernel, KernelError, Series};
use crate::suite::benchmark::commands::{ColdCache, Command};
use crate::suite::benchmark::rounds::{Rounds, Sample, Unit};
use crate::suite::project::Project;
use crate::suite::run::image_spec::{ImageSpec, qemu_program};
use crate::suite::run::test_bed::{TestBedError, image_for_machine};
use crate::suite::store::results_file::ResultsError;
use crate::vm::{ImageKind, Machine, RunLimits, VmError, plain_boot, run_plan};

/// The version of [`Bench`] as JSON.
pub(crate) const BENCH_VERSION: u32 = 2;

/// The kernel whose plain boot is the unit of cost.
pub(crate) const UNIT_KERNEL: Series = Series::new(6, 12);

/// The figures of one machine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Bench {
    /// [`BENCH_VERSION`].
    pub version: u32,
    pub cores: usize,
    pub figures: Vec<Figure>,
}

/// A time or an amount of memory, measured several times.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Figure {
    /// What was measured, and on which kernel: `boot to ready, 6.12`.
    pub name: String,
    pub unit: Unit,
    /// The number of measurements.
    pub runs: usize,
    pub median: u64,
    pub min: u64,
    pub max: u64,
    /// The median of the ratios to the plain boots before and after each measurement; `None` if it is not a time.
    pub boots: Option<f64>,
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
    #[error(transparent)]
    Results(#[from] ResultsError),
    #[error("cannot run rxpath")]
    Command(#[source] io::Error),
    #[error("`rxpath {command}` ended with {status}: run it to see why")]
    Failed { command: String, status: ExitStatus },
    #[error("cannot use the cache {cache}")]
    Cache { cache: PathBuf, source: io::Error },
}

/// What to measure, and how often.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BenchOptions<'a> {
    /// The number of runs of everything but the following.
    pub runs: usize,
    /// The number of boots of each kernel, may be 0.
    pub boots: usize,
    /// The number of runs of all cases on each kernel without images, may be 0.
    pub new_runs: usize,
    /// The number of runs of the whole matrix, may be 0.
    pub matrix_runs: usize,
    /// The number of runs of the whole matrix without images, may be 0.
    pub cold_runs: usize,
    /// The case whose time from command to verdict is measured.
    pub case: &'a str,
    /// The image of [`UNIT_KERNEL`] as its package has it.
    pub unit: &'a Path,
}

/// What something took.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spent {
    pub(super) elapsed_ms: u64,
    /// By the processes that it started.
    pub(super) cpu_ms: u64,
}

/// Measures what `work` takes.
pub(super) fn spent<T>(work: impl FnOnce() -> Result<T, BenchError>) -> Result<(Spent, T), BenchError> {
    let (started, before) = (Instant::now(), cpu_time::of_ended_children());
    let done = work()?;
    let cpu = cpu_time::of_ended_children().saturating_sub(before);
    Ok((Spent { elapsed_ms: started.elapsed().as_millis() as u64, cpu_ms: cpu.as_millis() as u64 }, done))
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
    let qemu = qemu_program(&fetched.qemu);
    let boot = || Ok(spent(|| Ok(plain_boot(&qemu, options.unit)?))?.0);
    let mut rounds = Rounds::new(&boot, report)?;
    for (kernel, reference) in kernels {
        let measured = Measured { project, fetched, kernel, reference };
        rounds.repeat(options.runs, &|| measured.warm(options.case))?;
        rounds.repeat(options.boots, &|| measured.boot())?;
        rounds.repeat(options.new_runs, &|| measured.new_kernel())?;
    }
    let all = Command { project, arguments: &[], cache: None };
    rounds.repeat(options.matrix_runs, &|| all.samples("everything, warm"))?;
    rounds.repeat(options.cold_runs, &|| {
        let cache = ColdCache::beside(&project.cache)?;
        Command { cache: Some(cache.path()), ..all }.samples("everything without images")
    })?;
    Ok(Bench { version: BENCH_VERSION, cores, figures: rounds.finish() })
}

/// One kernel to measure.
struct Measured<'a> {
    project: &'a Project,
    fetched: &'a Fetched,
    kernel: &'a Kernel,
    reference: &'a str,
}

impl Measured<'_> {
    /// One case, and its parts.
    fn warm(&self, case: &str) -> Result<Vec<Sample>, BenchError> {
        let name = self.kernel.name();
        let image = image_for_machine(&Machine::default(), self.kernel, self.fetched, &self.project.images())?;
        let plan = Plan::empty(Pass::Timing { milestones: None });
        let (restore, _) = spent(|| Ok(run_plan(&image, ImageKind::Untraced, plan, &RunLimits::default())?))?;
        let command =
            Command { project: self.project, arguments: &["--kernel", self.reference, "--case", case], cache: None };
        let run = command.run()?;
        let of_run = format!("{case} from command to verdict, {name}");
        Ok(vec![
            Sample::new(format!("restore to exit of an empty plan, {name}"), Unit::Ms, restore.elapsed_ms),
            Sample::new(of_run.clone(), Unit::Ms, run.spent.elapsed_ms),
            Sample::new(of_run, Unit::CpuMs, run.spent.cpu_ms),
            Sample::new(format!("peak memory of the harness, {name}"), Unit::Kib, run.harness_kib),
            Sample::new(format!("peak memory of a QEMU, {name}"), Unit::Kib, run.qemu_kib),
        ])
    }

    /// A boot whose images are thrown away.
    fn boot(&self) -> Result<Vec<Sample>, BenchError> {
        let guest = ImageSpec::default().guest_kernel(self.kernel)?;
        let qemu = qemu_program(&self.fetched.qemu);
        let times = self.project.images().measure_boot(&guest, &Machine::default(), &qemu)?;
        let name = self.kernel.name();
        Ok(vec![
            Sample::new(format!("boot to ready, {name}"), Unit::Ms, times.untraced_ms),
            Sample::new(format!("switching function_graph on, {name}"), Unit::Ms, times.traced_ms),
        ])
    }

    /// All cases on the kernel as if it were new: unpacked, and without images.
    fn new_kernel(&self) -> Result<Vec<Sample>, BenchError> {
        let cache = ColdCache::beside(&self.project.cache)?;
        let arguments = ["--kernel", self.reference];
        let command = Command { project: self.project, arguments: &arguments, cache: Some(cache.path()) };
        let name = format!("all cases on a new kernel, {}", self.kernel.name());
        let mut samples = command.samples(&name)?;
        let unpacked = self.kernel.vmlinux();
        let disk = cache.disk_use() + unpacked.parent().map_or(0, commands::disk_use);
        samples.push(Sample::new(format!("disk for a kernel, {}", self.kernel.name()), Unit::Kib, disk >> 10));
        Ok(samples)
    }
}
