//! Runs a different recorder, such as `trace-cmd record`, during the rounds and sends the file that it writes.

use std::fs::{self, File};
use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};

use rxpath_guest::Tag;

use crate::devices::SharedRegion;
use crate::sys;
use crate::tracing::Tracing;

/// The file that receives the recorder's output, because the serial console would take guest time.
const LOG: &str = "/tmp/recorder.log";

/// How long the recorder may take to start, and to end, in nanoseconds of guest time. trace-cmd takes about a second
/// for each: it reads the format of every event and all of kallsyms, and compresses what it writes.
const PATIENCE_NS: u64 = 120_000_000_000;
const POLL_INTERVAL_NS: u64 = 10_000_000;

/// A recorder that has switched tracing on.
pub struct Recorder {
    name: String,
    child: Child,
}

impl Recorder {
    /// Starts the command and waits until tracing is on.
    pub fn start(command: &[String], tracing: &Tracing) -> Result<Self, String> {
        let (program, arguments) = command.split_first().ok_or("the plan has no command for the recorder")?;
        close_descriptors_on_exec()?;
        let log = File::create(LOG).map_err(|error| format!("creating {LOG}: {error}"))?;
        let log_copy = log.try_clone().map_err(|error| format!("duplicating {LOG}: {error}"))?;
        let mut starting = Command::new(program);
        starting.args(arguments).current_dir("/tmp").stdin(Stdio::null()).stdout(log).stderr(log_copy);
        let child = starting.spawn().map_err(|error| format!("starting {program}: {error}"))?;
        let mut recorder = Self { name: command.join(" "), child };
        let deadline = deadline();
        while !tracing.is_recording()? {
            if let Some(status) = recorder.exit_status()? {
                return Err(recorder.failure(&format!("expected it to switch tracing on, but it ended with {status}")));
            }
            if !sleep_before(deadline) {
                let _ = recorder.child.kill();
                return Err(recorder.failure(&format!("it did not switch tracing on within {} s", seconds())));
            }
        }
        Ok(recorder)
    }

    /// Interrupts the recorder and waits until it has ended.
    pub fn finish(&mut self) -> Result<(), String> {
        sys::interrupt(self.child.id() as i32).map_err(|error| format!("interrupting {}: {error}", self.name))?;
        let deadline = deadline();
        loop {
            match self.exit_status()? {
                Some(status) if status.success() => return Ok(()),
                Some(status) => {
                    return Err(self.failure(&format!("expected it to succeed, but it ended with {status}")));
                }
                None if sleep_before(deadline) => {}
                None => {
                    let _ = self.child.kill();
                    return Err(self.failure(&format!("it did not end within {} s after SIGINT", seconds())));
                }
            }
        }
    }

    fn exit_status(&mut self) -> Result<Option<ExitStatus>, String> {
        self.child.try_wait().map_err(|error| format!("waiting for {}: {error}", self.name))
    }

    /// An error message with the last lines of the recorder's output.
    fn failure(&self, problem: &str) -> String {
        const LINES: usize = 10;
        let log = fs::read(LOG).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let lines: Vec<&str> = log.lines().collect();
        format!("{}: {problem}; its last output:\n{}", self.name, lines[lines.len().saturating_sub(LINES)..].join("\n"))
    }
}

/// Sends the file that the recorder wrote.
pub fn send(output: &Path, region: &mut SharedRegion) -> Result<(), String> {
    let mut file =
        File::open(output).map_err(|error| format!("opening the recorder's file {}: {error}", output.display()))?;
    region.section_from(Tag::ForeignFile, 0, |room| file.read(room))
}

/// Keeps the agent's descriptors from the recorder: closing a socket of the case does not release it while another
/// process has it open.
fn close_descriptors_on_exec() -> Result<(), String> {
    let listing = fs::read_dir("/proc/self/fd").map_err(|error| format!("listing /proc/self/fd: {error}"))?;
    let numbers = listing.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    for fd in numbers.filter(|fd| *fd > libc::STDERR_FILENO).collect::<Vec<_>>() {
        // The listing's own descriptor is closed by now.
        let _ = sys::close_on_exec(fd);
    }
    Ok(())
}

fn deadline() -> u64 {
    sys::clock_ns(libc::CLOCK_MONOTONIC) + PATIENCE_NS
}

/// Sleeps for a poll interval; returns `false` if the deadline has passed.
fn sleep_before(deadline: u64) -> bool {
    let now = sys::clock_ns(libc::CLOCK_MONOTONIC);
    sys::sleep_until(now + POLL_INTERVAL_NS);
    now < deadline
}

fn seconds() -> u64 {
    PATIENCE_NS / 1_000_000_000
}
