//! The command line.

use std::path::PathBuf;

use clap::{Args, ColorChoice, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

pub(crate) use super::run_arguments::{AccelChoice, ModeChoice, RunArguments};
use crate::kernel::{FetchOptions, ReleasePattern, ReleaseRef};
use crate::path::canonical;
use crate::path::tree_view::{FunctionView, TreeView};
use crate::report::terminal::Detail;
use crate::suite::ProjectOptions;

/// Boots Linux kernels, traces their receive path and shows what changed between them.
///
/// Exit codes: 0 all passed, 1 something changed or failed, 2 the request is invalid, 3 rxpath or its surroundings broke.
#[derive(Debug, Parser)]
#[command(name = "rxpath", version, max_term_width = 100)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) common: Common,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The options of all commands.
#[derive(Debug, Args)]
pub(crate) struct Common {
    /// The repository, with kernels/, cases/ and snapshots/ [default: $RXPATH_ROOT, else the current folder or the nearest one above it, else the cases in this program].
    #[arg(long, global = true, value_name = "DIR", help_heading = "All commands")]
    pub(crate) root: Option<PathBuf>,
    /// Use this QEMU instead of the pinned one.
    #[arg(long, global = true, value_name = "PATH", help_heading = "All commands")]
    pub(crate) qemu: Option<PathBuf>,
    /// Print everything: all verdicts, all cases of each change, and each diff in full.
    #[arg(long, short, global = true, conflicts_with = "quiet", help_heading = "All commands")]
    pub(crate) verbose: bool,
    /// Print only how many cases ended in each verdict, and no progress.
    #[arg(long, short, global = true, help_heading = "All commands")]
    pub(crate) quiet: bool,
    /// When to print colours.
    #[arg(long, global = true, value_enum, value_name = "WHEN", default_value_t, help_heading = "All commands")]
    color: ColorChoice,
}

impl Common {
    /// Lets `--color` decide for all output.
    pub(crate) fn set_colours(&self) {
        let choice = match self.color {
            ColorChoice::Auto => return,
            ColorChoice::Always => anstream::ColorChoice::Always,
            ColorChoice::Never => anstream::ColorChoice::Never,
        };
        choice.write_global();
    }

    /// How much of a run to print.
    pub(crate) fn detail(&self) -> Detail {
        match (self.quiet, self.verbose) {
            (true, _) => Detail::Quiet,
            (_, true) => Detail::Full,
            _ => Detail::Brief,
        }
    }

    /// The options that open the project, with packages from `packages`.
    pub(crate) fn project(&self, packages: &Packages) -> ProjectOptions {
        let fetch =
            FetchOptions { from: packages.from.clone(), unlocked: packages.unlocked, host_qemu: self.qemu.clone() };
        ProjectOptions { root: self.root.clone(), fetch }
    }
}

/// Where packages come from.
#[derive(Debug, Default, Args)]
pub(crate) struct Packages {
    /// Take packages from this folder; those that it lacks come from the archive.
    #[arg(long = "packages", id = "packages", value_name = "DIR", help_heading = "Packages")]
    pub(crate) from: Option<PathBuf>,
    /// Use the newest version of each kernel instead of the locked one; every report says so.
    #[arg(long, help_heading = "Packages")]
    pub(crate) unlocked: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run cases on kernels and compare them with their snapshots.
    Run(RunArguments),
    /// Run a case on a kernel and print its call trees.
    Show(ShowArguments),
    /// Show where a function is called, by what, and what it costs on each kernel, from saved results.
    Calls(CallsArguments),
    /// Show what changed between any two kernels, why, and what it costs.
    Diff(DiffArguments),
    /// Show which kernels take the same path, and where each change first appeared, from the accepted snapshots.
    Matrix(MatrixArguments),
    /// Print the call trees of a saved capture, or of a trace.dat file from trace-cmd.
    Decode(DecodeArguments),
    /// Turn saved results into HTML, Markdown or JSON.
    Report(ReportArguments),
    /// Accept or reject pending snapshots, grouped by what changed.
    Review(ReviewArguments),
    /// Run a case on a kernel and export its recording for trace-cmd, Perfetto, flame graphs or Firefox.
    Export(ExportArguments),
    /// List, fetch or update the pinned or the archive's kernels; print the options that a kernel of your own needs.
    Kernels(KernelsArguments),
    /// List, check or create cases.
    Cases(CasesArguments),
    /// List the kernels in the cache with their sizes, or their saved images, or remove some.
    Cache(CacheArguments),
    /// Measure how much time and memory rxpath itself takes on this machine.
    Bench(BenchArguments),
    /// Check what rxpath needs on this machine, and which modes work.
    Doctor,
    /// Print completions for a shell: `rxpath completions bash > ~/.local/share/bash-completion/completions/rxpath`.
    Completions { shell: Shell },
    /// Print the manual page of rxpath or of one of its commands: `rxpath man run | man -l -`.
    Man {
        /// The command, such as run.
        command: Option<String>,
    },
    /// Make a repository of your own in a new folder, with this program's cases, pins and snapshots.
    Init {
        /// A folder that is empty or does not exist yet.
        #[arg(value_name = "DIR")]
        folder: PathBuf,
    },
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  rxpath show recv/tcp-blocking -k 7.3")]
pub(crate) struct ShowArguments {
    /// The case, such as recv/tcp-peek.
    pub(crate) case: String,
    /// The kernel, named as for `rxpath run`; with a second one (-k A -k B), both side by side.
    #[arg(long = "kernel", short, value_name = "KERNEL", required = true)]
    pub(crate) kernels: Vec<String>,
    /// Show only the calls of this function, with everything beneath them.
    #[arg(long, value_name = "FUNCTION", conflicts_with = "callers")]
    pub(crate) under: Option<String>,
    /// Show this function with its callers beneath it, and theirs beneath them.
    #[arg(long, value_name = "FUNCTION")]
    pub(crate) callers: Option<String>,
    /// Show only the lines with this text, or that match this pattern with `*`, and the calls above them.
    #[arg(long, value_name = "TEXT")]
    pub(crate) filter: Option<String>,
    /// Show only this many levels.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) depth: Option<u32>,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
    /// Draw one iteration over time as SVG instead: who runs, who sleeps, who wakes whom, and the calls; `-` is standard output.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["under", "callers", "filter", "depth", "json"])]
    pub(crate) svg: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) packages: Packages,
}

impl ShowArguments {
    /// Which lines to show.
    pub(crate) fn view(&self) -> TreeView {
        let name = |function: &String| canonical(function).to_owned();
        let under = self.under.as_ref().map(|function| FunctionView::Under(name(function)));
        let callers = self.callers.as_ref().map(|function| FunctionView::Callers(name(function)));
        TreeView { function: under.or(callers), filter: self.filter.clone(), depth: self.depth }
    }
}

#[derive(Debug, Args)]
pub(crate) struct CallsArguments {
    /// The function, such as tcp_rcv_established.
    pub(crate) function: String,
    /// Show only these kernels of the results; separate several with commas, or repeat the option [default: all].
    #[arg(long = "kernel", short, value_name = "KERNEL", value_delimiter = ',')]
    pub(crate) kernels: Vec<String>,
    /// Results that `rxpath run --json FILE` saved; may be repeated [default: the results of the last run].
    #[arg(long = "results", alias = "from", value_name = "FILE")]
    pub(crate) from: Vec<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  rxpath diff --from 6.12 --to 6.18\n  rxpath diff recv/tcp-ready --from 6.12.107 --to ./linux"
)]
pub(crate) struct DiffArguments {
    /// Compare only this case (recv/tcp-peek), group (recv) or pattern ('*/tcp-*'), and show each case in full [default: all
    /// cases, each change once].
    #[arg(value_name = "CASE")]
    pub(crate) cases: Vec<String>,
    /// The old kernel: a pinned one (6.12), a release (6.12.107) or a path.
    #[arg(long, value_name = "KERNEL")]
    pub(crate) from: String,
    /// The new kernel.
    #[arg(long, value_name = "KERNEL")]
    pub(crate) to: String,
    /// The format of the output.
    #[arg(long, value_enum, default_value_t = DiffFormat::Text)]
    pub(crate) format: DiffFormat,
    /// Write the results of both kernels and what changed as HTML into this folder.
    #[arg(long, value_name = "DIR")]
    pub(crate) html: Option<PathBuf>,
    /// The number of changes and functions to list; JSON always has all.
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub(crate) top: usize,
    /// The number of unchanged lines around each change; JSON always has all lines.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) context: usize,
    /// Show only the paths, or only the costs.
    #[arg(long, value_enum)]
    pub(crate) only: Option<DiffPart>,
    /// The number of guests that run at the same time [default: the number of cores].
    #[arg(long, short, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(crate) jobs: Option<u16>,
    #[command(flatten)]
    pub(crate) packages: Packages,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum DiffFormat {
    /// For a terminal.
    Text,
    /// For a pull request.
    Markdown,
    /// For other programs.
    Json,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum DiffPart {
    /// The call paths.
    Path,
    /// The costs of operations and functions.
    Timing,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  rxpath matrix recv/tcp-ready\n  rxpath matrix --all -k 6.12,6.18")]
pub(crate) struct MatrixArguments {
    /// The case, such as recv/tcp-peek.
    pub(crate) case: Option<String>,
    /// Show all cases.
    #[arg(long)]
    pub(crate) all: bool,
    /// Show only these kernels, pinned ones such as 6.12; separate several with commas, or repeat the option [default: all].
    #[arg(long = "kernel", short, value_name = "SERIES", value_delimiter = ',')]
    pub(crate) kernels: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct DecodeArguments {
    /// A folder with captures from `rxpath run --save-capture`, or a trace.dat file with function_graph records.
    #[arg(value_name = "DIR|trace.dat")]
    pub(crate) path: PathBuf,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  rxpath report                                         the last run, each change once\n  rxpath report -v                                      and each diff in full\n  rxpath report --merge */results.json --markdown -     one report of several jobs"
)]
pub(crate) struct ReportArguments {
    /// Results that `rxpath run --json FILE` saved; may be repeated [default: the results of the last run].
    #[arg(long = "results", alias = "from", value_name = "FILE")]
    pub(crate) from: Vec<PathBuf>,
    /// Join the results of several runs, such as one for each kernel, into one report.
    #[arg(long, value_name = "FILE", num_args = 1..)]
    pub(crate) merge: Vec<PathBuf>,
    /// Compare timings with these earlier results; they also show which functions the kernels had then.
    #[arg(long, value_name = "FILE")]
    pub(crate) against: Option<PathBuf>,
    /// Write Markdown; `-` is standard output.
    #[arg(long, value_name = "FILE")]
    pub(crate) markdown: Option<PathBuf>,
    /// The maximum size of the Markdown: GitHub allows 1048576 for a job summary, 65536 for a comment or a pull request.
    #[arg(long, value_name = "BYTES", default_value_t = crate::report::markdown::SUMMARY_LIMIT)]
    pub(crate) limit: usize,
    /// Write HTML into this folder.
    #[arg(long, value_name = "DIR")]
    pub(crate) html: Option<PathBuf>,
    /// Write the joined results as JSON.
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct ReviewArguments {
    /// Only print what there is to decide, each change with its letter.
    #[arg(long)]
    pub(crate) list: bool,
    /// Print it as JSON.
    #[arg(long, requires = "list")]
    pub(crate) json: bool,
    /// Accept the pending snapshots of this case (recv/tcp-peek), group (recv) or pattern ('*/tcp-*'), on all kernels or on some
    /// (recv@6.12, '*@7.*'); may be repeated.
    #[arg(long, value_name = "PATTERN", conflicts_with = "list")]
    pub(crate) accept: Vec<String>,
    /// Accept the snapshots that have only these changes, by the letters of --list; separate several with commas, or repeat the
    /// option.
    #[arg(long, value_name = "LETTER", value_delimiter = ',', conflicts_with = "list")]
    pub(crate) accept_change: Vec<String>,
    /// Reject the pending snapshots that match, as for --accept: their files are removed; may be repeated.
    #[arg(long, value_name = "PATTERN", conflicts_with = "list")]
    pub(crate) reject: Vec<String>,
    /// Accept all timings that differ only within the tolerance, and note what they were measured with. Snapshots whose path or
    /// timing changed stay as they are.
    #[arg(long, conflicts_with_all = ["list", "accept", "accept_change", "reject"])]
    pub(crate) refresh: bool,
    /// Results that list the functions of the kernels, to explain changes, and the timings for --refresh [default: the results of the last run].
    #[arg(long = "results", alias = "from", value_name = "FILE")]
    pub(crate) from: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct ExportArguments {
    /// The case, such as recv/tcp-peek.
    pub(crate) case: String,
    /// The kernel, named as for `rxpath run`.
    #[arg(long, short, value_name = "KERNEL")]
    pub(crate) kernel: String,
    /// The program that will read the file.
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub(crate) format: ExportFormat,
    /// The file to write; `-` is standard output.
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: PathBuf,
    /// Export this iteration; 0 is the first one after the warm-up [default: the first that takes the steady paths].
    #[arg(long, value_name = "N", conflicts_with = "all")]
    pub(crate) iteration: Option<u32>,
    /// Export only the calls of this actor; may be repeated.
    #[arg(long = "actor", value_name = "ACTOR")]
    pub(crate) actors: Vec<String>,
    /// Export the whole recording.
    #[arg(long)]
    pub(crate) all: bool,
    #[command(flatten)]
    pub(crate) packages: Packages,
}

/// All formats but trace.dat have times without the tracer's share: what the calls take in `rxpath show`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ExportFormat {
    /// trace-cmd report and KernelShark: the whole recording, with raw stamps that include the tracer's share.
    #[value(name = "trace.dat")]
    TraceDat,
    /// ui.perfetto.dev: Chrome's JSON, with arrows from a waking task to the task that it wakes; 1 ns is 1 instruction.
    Perfetto,
    /// inferno-flamegraph and flamegraph.pl: stacks with the instructions spent in each, without time asleep.
    Folded,
    /// profiler.firefox.com: samples weighted by the instructions spent in a stack.
    Firefox,
}

#[derive(Debug, Args)]
pub(crate) struct KernelsArguments {
    #[command(subcommand)]
    pub(crate) command: KernelsCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum KernelsCommand {
    /// List the pinned kernels and QEMU, and whether they are in the cache.
    List {
        /// Print JSON, for a CI matrix.
        #[arg(long)]
        json: bool,
    },
    /// List the kernels in Debian's archive.
    Available {
        /// A version (6.12.107), a series (6.18.*) or a range (6.16..6.19), both ends included.
        #[arg(default_value = "*")]
        pattern: ReleasePattern,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Fetch kernels and QEMU into the cache.
    Fetch {
        /// Pinned kernels, such as 6.12, or releases in the archive (6.12.107, '6.18.*', 6.16..6.19) [default: all pinned kernels].
        #[arg(value_name = "KERNEL")]
        kernels: Vec<String>,
        #[command(flatten)]
        packages: Packages,
    },
    /// Print the options that a kernel of your own needs, for scripts/kconfig/merge_config.sh.
    Config,
    /// Pin the newest version of kernels and QEMU, and print what changed.
    Update {
        /// The kernels, such as 6.12, or `qemu` [default: all].
        series: Vec<String>,
    },
    /// Forget which packages belong to releases: their next use looks them up again.
    Forget {
        /// The releases, such as 6.12.107.
        #[arg(required = true, value_name = "RELEASE")]
        releases: Vec<ReleaseRef>,
    },
}

#[derive(Debug, Args)]
pub(crate) struct CasesArguments {
    #[command(subcommand)]
    pub(crate) command: CasesCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum CasesCommand {
    /// List the cases with their titles, machines and kernels.
    List,
    /// Check every case file and report every error.
    Check,
    /// Create a case file that runs, to be changed.
    New {
        /// GROUP/NAME, such as recv/tcp-peek.
        name: String,
    },
    /// Print the JSON Schema of case files, which is also in cases/schema.json for editors.
    Schema,
}

#[derive(Debug, Args)]
pub(crate) struct CacheArguments {
    #[command(subcommand)]
    pub(crate) command: Option<CacheCommand>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum CacheCommand {
    /// List the saved images of booted kernels, with their sizes and when they were used last.
    List,
    /// Remove the images that no case needs, and kernels of your own that were not used for 30 days. With a limit, also remove
    /// kernels with everything unpacked and all images, the least recently used first.
    Prune {
        /// Say what would be removed, and remove nothing.
        #[arg(long)]
        dry_run: bool,
        /// Keep only the N kernels that were used last.
        #[arg(long, value_name = "N")]
        keep: Option<usize>,
        /// Remove kernels until the whole cache takes at most this much, such as 500M or 4G (1G is 1,000,000,000 bytes).
        #[arg(long, value_name = "SIZE", value_parser = size)]
        max_size: Option<u64>,
    },
}

#[derive(Debug, Args)]
pub(crate) struct BenchArguments {
    /// Measure this kernel only, named as for `rxpath run`; may be repeated [default: all pinned kernels].
    #[arg(long = "kernel", short, value_name = "KERNEL")]
    pub(crate) kernels: Vec<String>,
    /// The case whose whole run is measured.
    #[arg(long, value_name = "CASE", default_value = "recv/tcp-blocking")]
    pub(crate) case: String,
    /// How often to measure each figure.
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub(crate) runs: usize,
    /// How often to boot each kernel [default: the number of runs].
    #[arg(long, value_name = "N")]
    pub(crate) boots: Option<usize>,
    /// How often to run all cases on each kernel as if it were new, without saved images.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) new_runs: usize,
    /// How often to run all cases on all kernels.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) matrix_runs: usize,
    /// How often to run all cases on all kernels without saved images, which takes many minutes.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) cold_runs: usize,
    /// Write the figures as JSON.
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Compare each figure with this earlier measurement: times by their ratios to a plain boot, measured beside them.
    #[arg(long, value_name = "FILE")]
    pub(crate) compare: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) packages: Packages,
}

/// Reads a number of bytes with an optional unit.
fn size(text: &str) -> Result<u64, String> {
    let upper = text.to_ascii_uppercase();
    let number = upper.trim_end_matches('B');
    let (number, unit) = match number.as_bytes().last() {
        Some(b'K') => (&number[..number.len() - 1], 1_000),
        Some(b'M') => (&number[..number.len() - 1], 1_000_000),
        Some(b'G') => (&number[..number.len() - 1], 1_000_000_000),
        Some(b'T') => (&number[..number.len() - 1], 1_000_000_000_000),
        _ => (number, 1),
    };
    let bytes = number.parse::<u64>().ok().and_then(|number| number.checked_mul(unit));
    bytes.ok_or_else(|| "expected a whole number with K, M, G or T, such as 500M or 4G".to_owned())
}
