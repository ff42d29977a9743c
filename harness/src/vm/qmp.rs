//! QEMU's machine protocol, as much of it as saving an image takes (docs/interop/qmp-spec.rst).

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::error::VmError;

/// How long QEMU may take to open its monitor, or to answer.
const PATIENCE: Duration = Duration::from_secs(20);

/// A connection to a monitor, past its greeting.
pub(super) struct Monitor {
    to: UnixStream,
    from: BufReader<UnixStream>,
    /// How often the machine has stopped without anybody having waited for it.
    stops: u32,
}

impl Monitor {
    /// Connects as soon as QEMU listens, unless it has ended.
    pub(super) fn connect(socket: &Path, is_running: &dyn Fn() -> bool) -> Result<Self, VmError> {
        let failed = |why: String| VmError::Monitor { doing: "connecting", why };
        let deadline = Instant::now() + PATIENCE;
        let to = loop {
            match UnixStream::connect(socket) {
                Ok(stream) => break stream,
                Err(why) if Instant::now() > deadline || !is_running() => return Err(failed(why.to_string())),
                Err(_) => std::thread::sleep(Duration::from_millis(2)),
            }
        };
        to.set_read_timeout(Some(PATIENCE)).map_err(|why| failed(why.to_string()))?;
        let from = BufReader::new(to.try_clone().map_err(|why| failed(why.to_string()))?);
        let mut monitor = Self { to, from, stops: 0 };
        monitor.message("reading the greeting")?;
        monitor.ask("greeting it", "qmp_capabilities", json!({}))?;
        Ok(monitor)
    }

    /// Waits until the machine has stopped by itself; asks nothing, for an answer would wake QEMU's main loop.
    pub(super) fn wait_for_stop(&mut self) -> Result<(), VmError> {
        while self.stops == 0 {
            let message = self.message("waiting for the machine to stop")?;
            self.note_event(&message);
        }
        self.stops -= 1;
        Ok(())
    }

    fn note_event(&mut self, message: &Value) {
        // qapi/run-state.json: emitted when the machine has been stopped, for whatever reason.
        if message["event"] == "STOP" {
            self.stops += 1;
        }
    }

    /// Saves the machine into a file whose pages lie at fixed places (docs/devel/migration/mapped-ram.rst).
    pub(super) fn save(&mut self, to: &Path, deadline: Instant) -> Result<(), VmError> {
        let capabilities = json!({"capabilities": [{"capability": "mapped-ram", "state": true}]});
        self.ask("choosing how to save", "migrate-set-capabilities", capabilities)?;
        // Unlimited: the default would spread 60 MB over half a second.
        self.ask("choosing how to save", "migrate-set-parameters", json!({"max-bandwidth": 0}))?;
        self.ask("saving the machine", "migrate", json!({"uri": format!("file:{}", to.display())}))?;
        loop {
            let state = self.ask("saving the machine", "query-migrate", json!({}))?;
            match state["status"].as_str() {
                Some("completed") => return Ok(()),
                Some("failed" | "cancelled") => {
                    let why = state["error-desc"].as_str().unwrap_or("no reason given").to_owned();
                    return Err(VmError::Monitor { doing: "saving the machine", why });
                }
                _ if Instant::now() > deadline => {
                    return Err(VmError::Monitor { doing: "saving the machine", why: "it takes too long".to_owned() });
                }
                _ => std::thread::sleep(Duration::from_millis(5)),
            }
        }
    }

    /// Lets a stopped machine go on.
    pub(super) fn resume(&mut self) -> Result<(), VmError> {
        self.ask("letting the machine go on", "cont", json!({})).map(drop)
    }

    fn ask(&mut self, doing: &'static str, command: &str, arguments: Value) -> Result<Value, VmError> {
        let request = json!({"execute": command, "arguments": arguments}).to_string() + "\n";
        self.to.write_all(request.as_bytes()).map_err(|why| VmError::Monitor { doing, why: why.to_string() })?;
        loop {
            let mut message = self.message(doing)?;
            if let Some(error) = message.get("error") {
                return Err(VmError::Monitor {
                    doing,
                    why: error["desc"].as_str().unwrap_or("no reason given").to_owned(),
                });
            }
            if let Some(answer) = message.get_mut("return") {
                return Ok(answer.take());
            }
            self.note_event(&message);
        }
    }

    fn message(&mut self, doing: &'static str) -> Result<Value, VmError> {
        let mut line = String::new();
        let failed = |why: String| VmError::Monitor { doing, why };
        match self.from.read_line(&mut line) {
            Ok(0) => Err(failed("QEMU closed it".to_owned())),
            Ok(_) => serde_json::from_str(&line).map_err(|why| failed(why.to_string())),
            Err(why) => Err(failed(why.to_string())),
        }
    }
}
