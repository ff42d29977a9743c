//! Progress bars. indicatif draws them on a terminal only.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

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

/// How often a log that is not a terminal gets a line.
const LINE_EVERY: Duration = Duration::from_secs(15);

/// A bar for the verdicts of a run, and a line for each image that is made. What is not a terminal gets a line now and then.
#[derive(Debug)]
pub(crate) struct MatrixBars {
    bar: ProgressBar,
    last_line: Mutex<Instant>,
}

impl MatrixBars {
    pub(crate) fn new(total: usize) -> Self {
        let bar = ProgressBar::new(total as u64)
            .with_style(style("{bar:30} {pos} of {len}, {elapsed}, about {eta} left  {wide_msg}"));
        bar.enable_steady_tick(Duration::from_millis(200));
        Self { bar, last_line: Mutex::new(Instant::now()) }
    }

    /// Writes how far the run is where no bar can be drawn.
    fn line(&self) {
        let mut last = self.last_line.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if self.bar.is_hidden() && last.elapsed() >= LINE_EVERY {
            *last = Instant::now();
            output::warn(far(self.bar.position(), self.bar.length().unwrap_or(0), self.bar.elapsed()));
        }
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
        self.line();
        self.bar.set_message(format!("{} on {}", result.case, result.kernel));
        if result.verdict > Verdict::Skipped {
            self.bar.println(format!("{} {} on {}", result.verdict.word(), result.case, result.kernel));
        }
    }
}

/// `412 of 1236, 62 s, about 124 s left`.
fn far(done: u64, all: u64, elapsed: Duration) -> String {
    let seconds = elapsed.as_secs();
    let left = (seconds * all.saturating_sub(done)).checked_div(done).unwrap_or(0);
    format!("{done} of {all}, {seconds} s, about {left} s left")
}

/// Shows what a command waits for, with the seconds since then, until the result is dropped.
pub(crate) fn waiting(message: &str) -> Waiting {
    let bar =
        ProgressBar::new_spinner().with_style(style("{spinner} {msg}, {elapsed}")).with_message(message.to_owned());
    bar.enable_steady_tick(Duration::from_millis(200));
    Waiting(bar)
}

/// A line that [`waiting`] shows.
pub(crate) struct Waiting(ProgressBar);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

fn style(template: &str) -> ProgressStyle {
    // All templates are in this file; an invalid one would only look plain.
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_progress_has_seconds_and_an_estimate() {
        assert_eq!(far(412, 1236, Duration::from_secs(62)), "412 of 1236, 62 s, about 124 s left");
        assert_eq!(far(0, 7, Duration::from_secs(3)), "0 of 7, 3 s, about 0 s left");
    }
}
