//! The command line of `rxpath run`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::command_line::Packages;
use crate::suite::Partition;

const EXAMPLES: &str = "\
Examples:
  rxpath run                                      all cases on all pinned kernels
  rxpath run recv/tcp-ready -k 6.12               one case on one kernel
  rxpath run tcp-large recv -k 6.12,6.18          a case by its last part, and a group, on two kernels
  rxpath run recv -k ./linux --against 6.12       a kernel of your own, compared with a pinned one
  rxpath run --partition 2/5 --junit junit.xml    the second of five CI jobs";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct RunArguments {
    /// Run only these cases: a name (recv/tcp-peek), its last part if that is unique (tcp-lowat), a group (recv) or a pattern
    /// ('*/tcp-*') [default: all cases].
    #[arg(value_name = "CASE")]
    named: Vec<String>,
    /// The same as a CASE; may be repeated.
    #[arg(long = "case", short, value_name = "CASE")]
    cases: Vec<String>,
    /// Run on these kernels only: pinned ones (6.12), releases in the archive (6.12.107, '6.18.*', 6.16..6.19), or paths (a build
    /// tree, an image, a folder with boot/ and lib/modules/, .deb files). Separate several with commas, or repeat the option; .deb
    /// files in a row are one kernel [default: all pinned kernels].
    #[arg(long = "kernel", short, value_name = "KERNEL")]
    pub(crate) kernels: Vec<String>,
    /// Run this kernel too, and compare paths and timings of the others with it: a difference is `changed`. Or compare with a file
    /// that `--json` saved, with the results of one kernel.
    #[arg(long, value_name = "KERNEL|FILE")]
    pub(crate) against: Option<String>,
    /// The number of guests that run at the same time [default: the number of cores].
    #[arg(long, short, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(crate) jobs: Option<u16>,
    /// Write an HTML report into this folder.
    #[arg(long, value_name = "DIR", help_heading = "Output")]
    pub(crate) html: Option<PathBuf>,
    /// Write the results as JSON, for `rxpath report`; `-` is standard output.
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub(crate) json: Option<PathBuf>,
    /// Write the results as JUnit XML, with the same test names as `cargo nextest run`; `-` is standard output.
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub(crate) junit: Option<PathBuf>,
    /// Save each raw trace in DIR/GROUP/CASE/KERNEL/, for `rxpath decode` and (trace.dat) for trace-cmd.
    #[arg(long, value_name = "DIR", help_heading = "Output")]
    pub(crate) save_capture: Option<PathBuf>,
    /// Run only one part of the cases: `2/5` is the second of five parts that take about the same time.
    #[arg(long, value_name = "N/OF", help_heading = "For CI and git")]
    pub(crate) partition: Option<Partition>,
    /// Results whose durations the parts are made by; all parts need the same file [default: an estimate from each case].
    #[arg(long, value_name = "FILE", requires = "partition", help_heading = "For CI and git")]
    pub(crate) durations: Option<PathBuf>,
    /// Answer `git bisect run`: exit with 0 if the kernel is good, 1 if it is bad, 125 if it cannot be judged, 129 if rxpath broke
    /// or the request is invalid. The last line says why.
    #[arg(long, conflicts_with = "repeat", help_heading = "For CI and git")]
    pub(crate) bisect: bool,
    /// Leave nothing of the kernels in the cache that was not there before, whatever the outcome: for kernels that are looked at
    /// once, as in a bisection.
    #[arg(long, help_heading = "For CI and git")]
    pub(crate) no_keep: bool,
    /// How guests run [default: exact].
    #[arg(long, value_enum, help_heading = "Guests")]
    pub(crate) mode: Option<ModeChoice>,
    /// What runs the guests of native mode [default: KVM if it works, otherwise QEMU's translator].
    #[arg(long, value_enum, help_heading = "Guests")]
    pub(crate) accel: Option<AccelChoice>,
    /// Run everything N times, and print the distinct digests of the captures.
    #[arg(
        long,
        value_name = "N",
        default_value_t = 1,
        value_parser = clap::value_parser!(u32).range(1..),
        help_heading = "Guests"
    )]
    pub(crate) repeat: u32,
    #[command(flatten)]
    pub(crate) packages: Packages,
}

impl RunArguments {
    /// The names of the cases to run; none for all.
    pub(crate) fn wanted(&self) -> Vec<String> {
        self.named.iter().chain(&self.cases).cloned().collect()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ModeChoice {
    /// Count instructions: every run gives the same bytes.
    Exact,
    /// Measure real time with KVM; without KVM, record paths only.
    Native,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum AccelChoice {
    /// The host's CPU.
    Kvm,
    /// QEMU's translator.
    Tcg,
}
