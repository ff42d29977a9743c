//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::kernel::FetchOptions;
use crate::suite::ProjectOptions;

/// Boots pinned Linux kernels, traces their receive path and says what changed between them.
///
/// Exit codes: 0 all passed, 1 something changed or failed, 2 the request is wrong, 3 the machinery broke.
#[derive(Debug, Parser)]
#[command(name = "rxpath", version, max_term_width = 100)]
pub struct Arguments {
    /// What all commands take.
    #[command(flatten)]
    pub common: Common,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What all commands take.
#[derive(Debug, Args)]
pub struct Common {
    /// The repository with kernels/, cases/ and snapshots/ [default: the nearest one from here upwards].
    #[arg(long, global = true, value_name = "DIR")]
    pub root: Option<PathBuf>,
    /// Use this QEMU instead of the pinned one.
    #[arg(long, global = true, value_name = "PATH")]
    pub qemu: Option<PathBuf>,
}

impl Common {
    /// How to open the workshop, with packages from there.
    pub fn project(&self, packages: &Packages) -> ProjectOptions {
        let fetch =
            FetchOptions { from: packages.from.clone(), unlocked: packages.unlocked, host_qemu: self.qemu.clone() };
        ProjectOptions { root: self.root.clone(), fetch }
    }
}

/// Where packages come from.
#[derive(Debug, Default, Args)]
pub struct Packages {
    /// Take packages from this folder where it has them, instead of from the archive.
    #[arg(long, value_name = "DIR")]
    pub from: Option<PathBuf>,
    /// Take the newest version of each series instead of the locked one; every report says so.
    #[arg(long)]
    pub unlocked: bool,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run cases on kernels and hold them against their snapshots.
    Run(RunOptions),
    /// Print the call trees of a case on a kernel.
    Show(ShowOptions),
    /// Say what changed of a case from one kernel to another, and why; from the accepted snapshots.
    Diff(DiffOptions),
    /// Group the kernels by their path and say where each change came in; from the accepted snapshots.
    Matrix(MatrixArguments),
    /// Print the call trees of a saved capture, or of a trace.dat that trace-cmd wrote.
    Decode(DecodeOptions),
    /// Make HTML, Markdown or JSON of saved results.
    Report(ReportOptions),
    /// Accept or reject pending snapshots, grouped by what changed.
    Review(ReviewOptions),
    /// Write what a case recorded on a kernel for another program to show: every call, nothing left out.
    Export(ExportOptions),
    /// List, fetch or update the pinned kernels.
    Kernels(KernelsOptions),
    /// List or check the cases.
    Cases(CasesOptions),
    /// List the warm images, or remove those that nothing needs any more.
    Cache(CacheOptions),
    /// Measure how long rxpath itself takes on this machine, and how much memory.
    Bench(BenchArguments),
    /// Say what this machine can do.
    Doctor,
}

/// `rxpath run`.
#[derive(Debug, Args)]
pub struct RunOptions {
    /// Where packages come from.
    #[command(flatten)]
    pub packages: Packages,
    /// Only this kernel; may be given more than once.
    #[arg(long = "kernel", short, value_name = "SERIES")]
    pub kernels: Vec<String>,
    /// Only this case, group (`recv`) or pattern (`*/tcp-*`); may be given more than once.
    #[arg(long = "case", short, value_name = "CASE")]
    pub cases: Vec<String>,
    /// Write the results as JSON.
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Keep each traced pass's raw capture in DIR/GROUP/CASE/KERNEL/, for `rxpath decode` and (trace.dat) for trace-cmd.
    #[arg(long, value_name = "DIR")]
    pub save_capture: Option<PathBuf>,
    /// Write an HTML report into this folder.
    #[arg(long, value_name = "DIR")]
    pub html: Option<PathBuf>,
    /// Guests at a time [default: the number of cores].
    #[arg(long, short, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub jobs: Option<u16>,
    /// Exact: instructions, the same bytes every run. Native: real time where KVM works, paths only elsewhere.
    #[arg(long, value_enum)]
    pub mode: Option<ModeChoice>,
    /// What executes the guests of native mode [default: KVM where it works, else QEMU's translator].
    #[arg(long, value_enum)]
    pub accel: Option<AccelChoice>,
    /// Run everything this often and tell the distinct capture digests.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub repeat: u32,
}

/// `--mode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum ModeChoice {
    /// The default.
    Exact,
    /// Real time.
    Native,
}

/// `--accel`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum AccelChoice {
    /// The host's CPU.
    Kvm,
    /// QEMU's translator.
    Tcg,
}

/// `rxpath show`.
#[derive(Debug, Args)]
pub struct ShowOptions {
    /// Where packages come from.
    #[command(flatten)]
    pub packages: Packages,
    /// The case.
    pub case: String,
    /// The kernel.
    #[arg(long, short, value_name = "SERIES")]
    pub kernel: String,
}

/// `rxpath diff`.
#[derive(Debug, Args)]
pub struct DiffOptions {
    /// The case.
    pub case: String,
    /// The old kernel.
    #[arg(long, value_name = "SERIES")]
    pub from: String,
    /// The new kernel.
    #[arg(long, value_name = "SERIES")]
    pub to: String,
    /// How to print it.
    #[arg(long, value_enum, default_value_t = DiffFormat::Text)]
    pub format: DiffFormat,
    /// Unchanged lines around each change; JSON has all lines.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub context: usize,
    /// Only the paths, or only the timings.
    #[arg(long, value_enum)]
    pub only: Option<DiffPart>,
    /// Do not run the case on both kernels to measure what the changed functions cost.
    #[arg(long)]
    pub no_costs: bool,
}

/// How a diff is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum DiffFormat {
    /// For a terminal.
    Text,
    /// For a pull request.
    Markdown,
    /// For other programs.
    Json,
}

/// A part of a diff.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum DiffPart {
    /// The call paths.
    Path,
    /// What operations cost.
    Timing,
}

/// `rxpath matrix`.
#[derive(Debug, Args)]
pub struct MatrixArguments {
    /// The case.
    pub case: Option<String>,
    /// All cases.
    #[arg(long)]
    pub all: bool,
}

/// `rxpath decode`.
#[derive(Debug, Args)]
pub struct DecodeOptions {
    /// A folder of `rxpath run --save-capture` (all captures beneath it), or a trace.dat with function_graph records.
    #[arg(value_name = "DIR|trace.dat")]
    pub path: PathBuf,
}

/// `rxpath report`.
#[derive(Debug, Args)]
pub struct ReportOptions {
    /// Saved results, as `rxpath run --json FILE` writes them [default: those of the last run].
    #[arg(long, value_name = "FILE")]
    pub from: Vec<PathBuf>,
    /// Results of several runs, one for each kernel for example, to join into one report.
    #[arg(long, value_name = "FILE", num_args = 1..)]
    pub merge: Vec<PathBuf>,
    /// Earlier results, to hold the timings against; reasons of what is new take the functions from there.
    #[arg(long, value_name = "FILE")]
    pub against: Option<PathBuf>,
    /// Write Markdown; `-` is standard output.
    #[arg(long, value_name = "FILE")]
    pub markdown: Option<PathBuf>,
    /// The most bytes of Markdown: GitHub takes 1048576 as a job summary and 65536 as a comment or a pull request's text.
    #[arg(long, value_name = "BYTES", default_value_t = crate::report::markdown::SUMMARY_LIMIT)]
    pub limit: usize,
    /// Write HTML into this folder.
    #[arg(long, value_name = "DIR")]
    pub html: Option<PathBuf>,
    /// Write the joined results as JSON.
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
}

/// `rxpath review`.
#[derive(Debug, Args)]
pub struct ReviewOptions {
    /// Only print what there is to decide.
    #[arg(long)]
    pub list: bool,
    /// Results that say which functions the kernels have, for the reasons [default: those of the last run].
    #[arg(long, value_name = "FILE")]
    pub from: Option<PathBuf>,
}

/// `rxpath export`.
#[derive(Debug, Args)]
pub struct ExportOptions {
    /// Where packages come from.
    #[command(flatten)]
    pub packages: Packages,
    /// The case.
    pub case: String,
    /// The kernel.
    #[arg(long, short, value_name = "SERIES")]
    pub kernel: String,
    /// For which program.
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub format: ExportFormat,
    /// Where to write; `-` is standard output.
    #[arg(long, short, value_name = "FILE")]
    pub output: PathBuf,
}

/// What `rxpath export` writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ExportFormat {
    /// trace-cmd report and KernelShark.
    #[value(name = "trace.dat")]
    TraceDat,
    /// ui.perfetto.dev: Chrome's JSON, with arrows from who wakes to who is woken.
    Perfetto,
    /// inferno-flamegraph, flamegraph.pl: stacks with the instructions spent in each, time asleep left out.
    Folded,
    /// profiler.firefox.com: a sample's weight is the instructions spent in its stack.
    Firefox,
}

/// `rxpath kernels`.
#[derive(Debug, Args)]
pub struct KernelsOptions {
    /// What to do with them.
    #[command(subcommand)]
    pub command: KernelsCommand,
}

/// The commands about kernels.
#[derive(Debug, Subcommand)]
pub enum KernelsCommand {
    /// What is pinned, and what of it is in the cache.
    List {
        /// As JSON, for a CI matrix.
        #[arg(long)]
        json: bool,
    },
    /// Bring pinned kernels, and QEMU, into the cache.
    Fetch {
        /// Which series [default: all].
        series: Vec<String>,
        /// Where packages come from.
        #[command(flatten)]
        packages: Packages,
    },
    /// Pin the newest version of series, and QEMU, and say what changed.
    Update {
        /// Which series, or `qemu` [default: all].
        series: Vec<String>,
    },
}

/// `rxpath cases`.
#[derive(Debug, Args)]
pub struct CasesOptions {
    /// What to do with them.
    #[command(subcommand)]
    pub command: CasesCommand,
}

/// The commands about cases.
#[derive(Debug, Subcommand)]
pub enum CasesCommand {
    /// Group, title, machine and kernels of every case.
    List,
    /// Check every case file and tell everything that is wrong.
    Check,
    /// Start a case: a file that runs as it is, to be changed.
    New {
        /// GROUP/NAME, for example recv/tcp-peek.
        name: String,
    },
    /// Print the language's JSON Schema, as it lies in cases/schema.json for editors.
    Schema,
}

/// `rxpath cache`.
#[derive(Debug, Args)]
pub struct CacheOptions {
    /// What to do with it [default: list].
    #[command(subcommand)]
    pub command: Option<CacheCommand>,
}

/// The commands about the cache.
#[derive(Debug, Subcommand)]
pub enum CacheCommand {
    /// The warm images, and what the cache takes on the disk.
    List,
    /// Remove the warm images that no case on a pinned kernel needs any more.
    Prune,
}

/// `rxpath bench`.
#[derive(Debug, Args)]
pub struct BenchArguments {
    /// Where packages come from.
    #[command(flatten)]
    pub packages: Packages,
    /// Only this kernel; may be given more than once.
    #[arg(long = "kernel", short, value_name = "SERIES")]
    pub kernels: Vec<String>,
    /// The case that is timed from command to verdict.
    #[arg(long, value_name = "CASE", default_value = "recv/tcp-blocking")]
    pub case: String,
    /// How often each thing is measured.
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub runs: usize,
    /// How often each kernel is booted [default: as often as the rest].
    #[arg(long, value_name = "N")]
    pub boots: Option<usize>,
    /// How often all cases are run on all kernels.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub matrix_runs: usize,
    /// Write the figures as JSON.
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Tell each figure against that of an earlier measurement.
    #[arg(long, value_name = "FILE")]
    pub compare: Option<PathBuf>,
}
