//! QEMU's machine protocol, as much of it as saving a machine takes (docs/interop/qmp-spec.rst).

use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use super::error::{MonitorError, VmError};
use super::process::{POLL_INTERVAL, QemuProcess};

/// A QEMU and the connection to its monitor, past the greeting.
pub(super) struct Monitor {
    pub(super) qemu: QemuProcess,
    to: UnixStream,
    from: BufReader<UnixStream>,
    /// How often the machine has stopped without a [`wait_for_stop`](Self::wait_for_stop) that returned.
    stops: u32,
}

impl Monitor {
    /// Connects as soon as QEMU listens.
    pub(super) fn connect(mut qemu: QemuProcess) -> Result<Self, VmError> {
        const DOING: &str = "connecting";
        let failed = |error: io::Error| VmError::Monitor { doing: DOING, source: error.into() };
        let socket = qemu.folder().monitor();
        let to = loop {
            match UnixStream::connect(&socket) {
                Ok(stream) => break stream,
                Err(_) => qemu.expect_running("starting", Duration::from_millis(2))?,
            }
        };
        to.set_read_timeout(Some(POLL_INTERVAL)).map_err(failed)?;
        let from = BufReader::new(to.try_clone().map_err(failed)?);
        let mut monitor = Self { qemu, to, from, stops: 0 };
        monitor.message(DOING)?;
        monitor.ask(DOING, "qmp_capabilities", json!({}))?;
        Ok(monitor)
    }

    /// Waits until the machine has stopped by itself. Asks nothing: answering would wake QEMU's main loop.
    pub(super) fn wait_for_stop(&mut self, doing: &'static str) -> Result<(), VmError> {
        while self.stops == 0 {
            let message = self.message(doing)?;
            self.note_event(&message);
        }
        self.stops -= 1;
        Ok(())
    }

    fn note_event(&mut self, message: &Value) {
        // qapi/run-state.json: sent when the machine stops, for whatever reason.
        if message["event"] == "STOP" {
            self.stops += 1;
        }
    }

    /// Saves the machine into a file in which every page has a fixed place (docs/devel/migration/mapped-ram.rst).
    pub(super) fn save(&mut self, to: &Path) -> Result<(), VmError> {
        const DOING: &str = "saving the machine";
        let capabilities = json!({"capabilities": [{"capability": "mapped-ram", "state": true}]});
        self.ask(DOING, "migrate-set-capabilities", capabilities)?;
        // Unlimited: the default would spread 60 MB over half a second.
        self.ask(DOING, "migrate-set-parameters", json!({"max-bandwidth": 0}))?;
        self.ask(DOING, "migrate", json!({"uri": format!("file:{}", to.display())}))?;
        loop {
            let state = self.ask(DOING, "query-migrate", json!({}))?;
            match state["status"].as_str() {
                Some("completed") => return Ok(()),
                Some("failed" | "cancelled") => return Err(refused(DOING, &state["error-desc"])),
                _ => self.qemu.expect_running(DOING, Duration::from_millis(5))?,
            }
        }
    }

    /// Lets a stopped machine go on.
    pub(super) fn resume(&mut self) -> Result<(), VmError> {
        self.ask("starting the machine", "cont", json!({})).map(drop)
    }

    fn ask(&mut self, doing: &'static str, command: &str, arguments: Value) -> Result<Value, VmError> {
        let request = json!({"execute": command, "arguments": arguments}).to_string() + "\n";
        match self.to.write_all(request.as_bytes()) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Err(self.closed(doing)),
            written => written.map_err(|error| VmError::Monitor { doing, source: error.into() })?,
        }
        loop {
            let mut message = self.message(doing)?;
            if let Some(error) = message.get("error") {
                return Err(refused(doing, &error["desc"]));
            }
            if let Some(answer) = message.get_mut("return") {
                return Ok(answer.take());
            }
            self.note_event(&message);
        }
    }

    fn message(&mut self, doing: &'static str) -> Result<Value, VmError> {
        let mut line = Vec::new();
        let failed = |source: MonitorError| VmError::Monitor { doing, source };
        while line.last() != Some(&b'\n') {
            // What it read before it timed out stays in `line`.
            match self.from.read_until(b'\n', &mut line) {
                Ok(0) => return Err(self.closed(doing)),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.qemu.expect_running(doing, Duration::ZERO)?;
                }
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return Err(self.closed(doing)),
                Err(error) => return Err(failed(error.into())),
            }
        }
        serde_json::from_slice(&line).map_err(|error| failed(error.into()))
    }

    /// The fault of a QEMU that has closed its monitor: it is about to end.
    fn closed(&mut self, doing: &'static str) -> VmError {
        match self.qemu.wait(doing) {
            Ok(status) => self.qemu.fault_of_end(doing, status),
            Err(error) => error,
        }
    }
}

fn refused(doing: &'static str, reason: &Value) -> VmError {
    let reason = reason.as_str().unwrap_or("no reason given").to_owned();
    VmError::Monitor { doing, source: MonitorError::Refused(reason) }
}
