//! Another recorder beside the rounds, such as `trace-cmd record`: started, waited for, ended, and its file sent.

use std::fs::{self, File};
use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};

use rxpath_guest::Tag;

use crate::devices::SharedRegion;
use crate::sys;
use crate::tracing::Tracing;

/// Where what the recorder says goes: the console would take time on the serial line.
const SAYS: &str = "/tmp/recorder.log";

/// How long the recorder may take to begin, and to end, in nanoseconds of guest time. trace-cmd takes about a second for
/// each: it reads every event's format and all of kallsyms, and compresses what it writes.
const PATIENCE_NS: u64 = 120_000_000_000;
const LOOK_EVERY_NS: u64 = 10_000_000;

/// A recorder that records.
pub struct Recorder {
    name: String,
    child: Child,
}

impl Recorder {
    /// Starts the command; returns once tracing is on.
    pub fn start(command: &[String], tracing: &Tracing) -> Result<Self, String> {
        let (program, arguments) = command.split_first().ok_or("the plan names no recorder: expected a command")?;
        keep_descriptors()?;
        let says = File::create(SAYS).map_err(|why| format!("creating {SAYS}: {why}"))?;
        let also = says.try_clone().map_err(|why| format!("duplicating {SAYS}: {why}"))?;
        let mut starting = Command::new(program);
        starting.args(arguments).current_dir("/tmp").stdin(Stdio::null()).stdout(says).stderr(also);
        let child = starting.spawn().map_err(|why| format!("starting {program}: {why}"))?;
        let mut recorder = Self { name: command.join(" "), child };
        let deadline = deadline();
        while !tracing.is_recording()? {
            if let Some(status) = recorder.ended()? {
                return Err(recorder.complaint(&format!("expected it to switch tracing on, but it ended ({status})")));
            }
            if !look_again(deadline) {
                let _ = recorder.child.kill();
                return Err(recorder.complaint(&format!("it has not switched tracing on for {} s", seconds())));
            }
        }
        Ok(recorder)
    }

    /// Asks it to end, and waits until it has.
    pub fn finish(&mut self) -> Result<(), String> {
        sys::interrupt(self.child.id() as i32).map_err(|why| format!("interrupting {}: {why}", self.name))?;
        let deadline = deadline();
        loop {
            match self.ended()? {
                Some(status) if status.success() => return Ok(()),
                Some(status) => return Err(self.complaint(&format!("expected it to end well, found {status}"))),
                None if look_again(deadline) => {}
                None => {
                    let _ = self.child.kill();
                    return Err(self.complaint(&format!("it has not ended for {} s after SIGINT", seconds())));
                }
            }
        }
    }

    fn ended(&mut self) -> Result<Option<ExitStatus>, String> {
        self.child.try_wait().map_err(|why| format!("waiting for {}: {why}", self.name))
    }

    /// What is wrong with it, with the last of what it said.
    fn complaint(&self, what: &str) -> String {
        const LINES: usize = 10;
        let said = fs::read(SAYS).unwrap_or_default();
        let said = String::from_utf8_lossy(&said);
        let lines: Vec<&str> = said.lines().collect();
        format!(
            "{}: {what}; the last of what it said:\n{}",
            self.name,
            lines[lines.len().saturating_sub(LINES)..].join("\n")
        )
    }
}

/// Sends the file that the recorder wrote.
pub fn send(output: &Path, region: &mut SharedRegion) -> Result<(), String> {
    let mut file =
        File::open(output).map_err(|why| format!("opening what the recorder wrote: {}: {why}", output.display()))?;
    region.section_from(Tag::ForeignFile, 0, |room| file.read(room))
}

/// The recorder is to have none of the agent's descriptors: a socket of the case that somebody else holds too is not
/// released by closing it.
fn keep_descriptors() -> Result<(), String> {
    let listing = fs::read_dir("/proc/self/fd").map_err(|why| format!("listing /proc/self/fd: {why}"))?;
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

/// Sleeps a little; `false` if the deadline has passed.
fn look_again(deadline: u64) -> bool {
    let now = sys::clock_ns(libc::CLOCK_MONOTONIC);
    sys::sleep_until(now + LOOK_EVERY_NS);
    now < deadline
}

fn seconds() -> u64 {
    PATIENCE_NS / 1_000_000_000
}
