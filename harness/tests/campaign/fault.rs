//! One fault: how it is injected, and what must come of it.

use std::fmt;
use std::process::{Child, Command};
use std::thread;
use std::time::{Duration, Instant};

use super::left_over::Before;
use super::sandbox::Sandbox;

/// Instead of an exit code: the command is ended by a signal.
pub(crate) const SIGNAL: i32 = -1;

/// The longest that a command may take.
const PATIENCE: Duration = Duration::from_secs(60);

type Inject = Box<dyn Fn(&Sandbox) -> Command + Send + Sync>;
type During = Box<dyn Fn(&Sandbox, &Child) + Send + Sync>;
type Check = Box<dyn Fn(&Sandbox) -> Result<(), String> + Send + Sync>;

pub(crate) struct Fault {
    pub(crate) name: &'static str,
    /// The exit code that must come; [`SIGNAL`] for a command that is killed.
    code: i32,
    /// What a line of the output must contain.
    says: &'static str,
    inject: Inject,
    during: Option<During>,
    check: Option<Check>,
    /// Files that may be left, by the beginnings of their paths in the sandbox.
    leaves: &'static [&'static str],
    pub(crate) has_guest: bool,
}

/// A fault that `inject` makes; it returns the command to run then.
pub(crate) fn fault(
    name: &'static str,
    code: i32,
    says: &'static str,
    inject: impl Fn(&Sandbox) -> Command + Send + Sync + 'static,
) -> Fault {
    let inject = Box::new(inject);
    Fault { name, code, says, inject, during: None, check: None, leaves: &[], has_guest: false }
}

impl Fault {
    /// What is done while the command runs.
    pub(crate) fn during(self, during: impl Fn(&Sandbox, &Child) + Send + Sync + 'static) -> Self {
        Self { during: Some(Box::new(during)), ..self }
    }

    /// What must hold afterwards.
    pub(crate) fn check(self, check: impl Fn(&Sandbox) -> Result<(), String> + Send + Sync + 'static) -> Self {
        Self { check: Some(Box::new(check)), ..self }
    }

    pub(crate) fn leaves(self, leaves: &'static [&'static str]) -> Self {
        Self { leaves, ..self }
    }

    pub(crate) fn with_guest(self) -> Self {
        Self { has_guest: true, ..self }
    }

    /// Injects the fault and compares what comes of it.
    pub(crate) fn inject(&self, sandbox: &Sandbox) -> Outcome {
        let mut command = (self.inject)(sandbox);
        let before = Before::of(sandbox);
        let child = match command.spawn() {
            Ok(child) => child,
            Err(error) => return Outcome::failed(&error),
        };
        if let Some(during) = &self.during {
            during(sandbox, &child);
        }
        let Some((code, said)) = finish(child) else {
            return Outcome {
                verdict: "no end".to_owned(),
                wrong: Some("it did not end".to_owned()),
                ..Outcome::default()
            };
        };
        let left = before.left_over(sandbox, self.leaves);
        let mut wrong = Vec::new();
        if code.unwrap_or(SIGNAL) != self.code {
            wrong.push(format!("expected exit code {}, found {code:?}", self.code));
        }
        let is_said = said.lines().any(|line| line.contains(self.says)) || self.says.is_empty() && said.is_empty();
        if !is_said {
            wrong.push(format!("no line says `{}`", self.says));
        }
        if said.contains('\u{1b}') {
            wrong.push("it controls the terminal".to_owned());
        }
        if said.contains("panicked at") {
            wrong.push("it panicked".to_owned());
        }
        if !left.is_empty() {
            wrong.push(format!("left over: {}", left.join(", ")));
        }
        if let Some(Err(error)) = self.check.as_ref().map(|check| check(sandbox)) {
            wrong.push(error);
        }
        let wrong = (!wrong.is_empty()).then(|| format!("{}\n{}", wrong.join("; "), said.trim_end()));
        Outcome { verdict: verdict(code, &said), code, left, wrong }
    }
}

/// What came of a fault.
#[derive(Default)]
pub(crate) struct Outcome {
    verdict: String,
    code: Option<i32>,
    left: Vec<String>,
    /// What is not as expected, with the output.
    pub(crate) wrong: Option<String>,
}

impl Outcome {
    pub(crate) fn failed(error: &std::io::Error) -> Self {
        Self { verdict: "not run".to_owned(), wrong: Some(error.to_string()), ..Self::default() }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let code = self.code.map_or("-".to_owned(), |code| code.to_string());
        let left = if self.left.is_empty() { "nothing".to_owned() } else { self.left.join(", ") };
        let mark = if self.wrong.is_some() { "  WRONG" } else { "" };
        write!(f, "{:<13} {code:>4}  {left}{mark}", self.verdict)
    }
}

/// The verdict of the case; without one, what the exit code means.
fn verdict(code: Option<i32>, said: &str) -> String {
    const VERDICTS: [&str; 6] = ["changed", "failed", "inconclusive", "crashed", "hung", "broken"];
    let of_case = |verdict: &&&str| said.lines().any(|line| line.starts_with(&format!("{verdict}: ")));
    let meaning = match code {
        Some(0) => "pass",
        Some(1) => "failed",
        Some(2) => "refused",
        Some(3) => "broken",
        _ => "killed",
    };
    VERDICTS.iter().find(of_case).unwrap_or(&meaning).to_string()
}

/// Waits for the end; returns the exit code and everything that was printed. `None` if the command had to be killed.
fn finish(child: Child) -> Option<(Option<i32>, String)> {
    let pid = rustix::process::Pid::from_child(&child);
    let (done, ended) = std::sync::mpsc::channel();
    let waiter = thread::spawn(move || {
        let output = child.wait_with_output();
        let _ = done.send(());
        output
    });
    let started = Instant::now();
    let in_time = ended.recv_timeout(PATIENCE).is_ok();
    if !in_time {
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
    }
    let output = waiter.join().ok()?.ok()?;
    if !in_time {
        eprintln!("killed after {:?}", started.elapsed());
        return None;
    }
    let said = [String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr)].concat();
    Some((output.status.code(), said))
}
