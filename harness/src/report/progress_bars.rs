//! Progress bars. indicatif draws them on a terminal only.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use crate::kernel::Progress;
use crate::output;
use crate::suite::{CaseResult, Verdict, Watcher};

/// A bar for each kernel that is fetched, and for QEMU.
#[derive(Debug, Default)]
pub(crate) struct FetchBars {
    all: MultiProgress,
    by_name: Mutex<BTreeMap<String, ProgressBar>>,
}

impl FetchBars {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn show(&self, progress: Progress<'_>) {
        match progress {
            Progress::Resolving => self.say("archive", "reading the package indexes"),
            Progress::Waiting { name } => self.say(name, "waiting for another rxpath process to fetch it"),
            Progress::Damaged { name, reason } => {
                self.all.suspend(|| output::warn(format_args!("{name} is fetched again: {reason}")));
            }
            Progress::Downloading { name, done, total } => {
                let bar = self.bar(name);
                bar.set_style(style("{prefix:<14} {bar:30} {bytes} of {total_bytes}"));
                bar.set_length(total);
                bar.set_position(done);
            }
            Progress::Unpacking { name } => self.say(name, "unpacking"),
            Progress::Ready { name } => self.bar(name).finish_with_message("ready"),
        }
    }

    pub(crate) fn finish(&self) {
        let _ = self.all.clear();
    }

    fn say(&self, name: &str, message: &'static str) {
        let bar = self.bar(name);
        bar.set_style(style("{prefix:<14} {msg}"));
        bar.set_message(message);
        bar.tick();
    }

    fn bar(&self, name: &str) -> ProgressBar {
        let mut bars = self.by_name.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let new = || self.all.add(ProgressBar::new(0).with_prefix(name.to_owned()));
        bars.entry(name.to_owned()).or_insert_with(new).clone()
    }
}

/// A bar for the verdicts of a run, and a line for each image that is made.
#[derive(Debug)]
pub(crate) struct MatrixBars {
    bar: ProgressBar,
}

impl MatrixBars {
    pub(crate) fn new(total: usize) -> Self {
        let bar = ProgressBar::new(total as u64).with_style(style("{bar:30} {pos} of {len} {wide_msg}"));
        bar.enable_steady_tick(Duration::from_millis(200));
        Self { bar }
    }

    /// Shows that the next item has been started.
    pub(crate) fn next(&self, item: &str) {
        self.bar.set_message(item.to_owned());
        self.bar.inc(1);
    }

    /// Hides the bar while `print` writes to the terminal.
    pub(crate) fn suspended<T>(&self, print: impl FnOnce() -> T) -> T {
        self.bar.suspend(print)
    }

    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

impl Watcher for MatrixBars {
    fn making_image(&self, kernel: &str, machine: &str, reason: &str) {
        let text = format!("preparing {kernel} ({machine}): {reason}");
        if self.bar.is_hidden() {
            output::warn(text);
        } else {
            self.bar.set_message(text);
        }
    }

    fn judged(&self, result: &CaseResult) {
        self.bar.inc(1);
        self.bar.set_message(format!("{} on {}", result.case, result.kernel));
        if result.verdict > Verdict::Skipped {
            self.bar.println(format!("{} {} on {}", result.verdict.word(), result.case, result.kernel));
        }
    }
}

fn style(template: &str) -> ProgressStyle {
    // All templates are in this file; an invalid one would only look plain.
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}
