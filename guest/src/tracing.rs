//! Tracing in the guest: function_graph and events (Documentation/trace/ftrace.rst).

use std::fs::{self, File};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use rxpath_guest::{Marker, SentPacket, Tag};

use crate::devices::SharedRegion;
use crate::sys;

const ROOT: &str = "/sys/kernel/tracing";

/// The pid of no task: the largest that the default pid_max allows, and no guest has that many tasks.
const NO_TASK: &str = "32767";

/// Length of the ring buffer of each CPU. Pages that were never written take no space in a saved image.
const BUFFER_KB: &str = "8192";

/// Events recorded with the call graph: wake-ups, task switches, interrupts.
const EVENTS: [&str; 8] = [
    "sched/sched_switch",
    "sched/sched_waking",
    "sched/sched_wakeup",
    "irq/irq_handler_entry",
    "irq/irq_handler_exit",
    "irq/softirq_raise",
    "irq/softirq_entry",
    "irq/softirq_exit",
];

/// Further formats that the host needs to decode the records. Which of the call graph's exist depends on the kernel.
const OWN_FORMATS: [&str; 5] = [
    "ftrace/funcgraph_entry",
    "ftrace/fgraph_retaddr_entry",
    "ftrace/funcgraph_exit",
    "ftrace/raw_data",
    "ftrace/print",
];

/// The tracer, by its open switch and marker file.
pub struct Tracing {
    on: File,
    marker: File,
    /// Opened by [`Self::arm`]: while these files are open, the kernel refuses to change the tracer
    /// (kernel/trace/trace.c, `tracing_set_tracer`).
    buffers: OnceLock<Vec<CpuBuffer>>,
}

/// The files through which the ring buffer of one CPU is read.
struct CpuBuffer {
    raw: File,
    stats: File,
}

impl Tracing {
    /// Sets the size of the ring buffers and opens the files, with tracing off.
    pub fn prepare() -> Result<Self, String> {
        write("tracing_on", "0")?;
        write("buffer_size_kb", BUFFER_KB)?;
        let open = |name: &str| {
            File::options().write(true).open(path(name)).map_err(|error| format!("opening {ROOT}/{name}: {error}"))
        };
        Ok(Self { on: open("tracing_on")?, marker: open("trace_marker_raw")?, buffers: OnceLock::new() })
    }

    /// Switches function_graph and the events on, which patches every traceable function. Recording stays off.
    pub fn arm(&self) -> Result<(), String> {
        self.hide_agent()?;
        for event in EVENTS {
            write(&format!("events/{event}/enable"), "1")?;
        }
        write("current_tracer", "function_graph")?;
        let _ = self.buffers.set(open_buffers()?);
        Ok(())
    }

    /// Switches function_graph on for only the functions at these positions in `available_filter_functions`, and the
    /// event that separates the sleep within a call from its work.
    pub fn arm_only(&self, positions: &[u32]) -> Result<(), String> {
        let list: Vec<String> = positions.iter().map(u32::to_string).collect();
        write("set_ftrace_filter", &list.join(" "))?;
        write("events/sched/sched_switch/enable", "1")?;
        write("current_tracer", "function_graph")
    }

    /// Hides a task that does not exist, so that the calls of all others cost as much as they do once the agent is
    /// hidden.
    pub fn hide_no_task(&self) -> Result<(), String> {
        write("set_ftrace_notrace_pid", NO_TASK)
    }

    /// Hides the agent: its controller polls the states of tasks while actors work, which is not part of the case.
    pub fn hide_agent(&self) -> Result<(), String> {
        write("set_ftrace_notrace_pid", &sys::gettid().to_string())
    }

    /// Leaves hard interrupts out of the trace: with `nohz=off`, each idle CPU ticks 250 times a second, and of the 75 calls of
    /// a tick, 60 are made in the interrupt. Softirqs are recorded, those after a tick too.
    pub fn skip_interrupts(&self) -> Result<(), String> {
        write("options/funcgraph-irqs", "0")
    }

    pub fn record(&self, on: bool) -> Result<(), String> {
        (&self.on).write_all(if on { b"1" } else { b"0" }).map_err(|error| format!("writing tracing_on: {error}"))
    }

    /// Whether recording is on, no matter which process switched it on.
    pub fn is_recording(&self) -> Result<bool, String> {
        Ok(read(&path("tracing_on"))?.starts_with(b"1"))
    }

    /// Writes a marker into the ring buffer of the calling task's CPU.
    pub fn mark(&self, marker: Marker) {
        // Fails, as it should, while recording is off.
        let _ = (&self.marker).write(&marker.to_bytes());
    }

    /// Writes a packet that a step has read into the ring buffer of the calling task's CPU.
    pub fn report(&self, packet: &SentPacket) {
        let _ = (&self.marker).write(&packet.to_bytes());
    }

    /// Sends the records and the loss counters of every CPU.
    pub fn drain(&self, region: &mut SharedRegion, pages: Tag) -> Result<(), String> {
        let opened = if self.buffers.get().is_some() { Vec::new() } else { open_buffers()? };
        for (cpu, buffer) in (0..).zip(self.buffers.get().unwrap_or(&opened)) {
            region.section_from(pages, cpu, |room| read_page(&buffer.raw, room))?;
            let mut stats = [0; 1024];
            let count =
                buffer.stats.read_at(&mut stats, 0).map_err(|error| format!("reading stats of CPU {cpu}: {error}"))?;
            region.section(Tag::Stats, cpu, &stats[..count])?;
        }
        Ok(())
    }

    /// Sends what describes the kernel in every run: formats, symbols, traceable functions.
    pub fn write_facts(&self, region: &mut SharedRegion) -> Result<(), String> {
        region.section(Tag::HeaderPage, 0, &read(&path("events/header_page"))?)?;
        for event in OWN_FORMATS.iter().chain(&EVENTS) {
            // A kernel without the event has no format for it.
            if let Ok(format) = read(&path(&format!("events/{event}/format"))) {
                region.section(Tag::Format, 0, &format)?;
            }
        }
        for (tag, file) in
            [(Tag::Symbols, PathBuf::from("/proc/kallsyms")), (Tag::Traceable, path("available_filter_functions"))]
        {
            let mut file = File::open(&file).map_err(|error| format!("opening {}: {error}", file.display()))?;
            region.section_from(tag, 0, |room| {
                // Larger reads make the kernel allocate larger buffers, without any gain.
                let room_len = room.len().min(64 * 1024);
                file.read(&mut room[..room_len])
            })?;
        }
        self.write_modules(region)
    }

    /// Sends where modules were loaded; nothing if the kernel knows no modules.
    pub fn write_modules(&self, region: &mut SharedRegion) -> Result<(), String> {
        region.section(Tag::Modules, 0, &read(Path::new("/proc/modules")).unwrap_or_default())
    }
}

/// Opens the ring buffer of each CPU.
fn open_buffers() -> Result<Vec<CpuBuffer>, String> {
    let folders = (0..).map(|cpu| path(&format!("per_cpu/cpu{cpu}"))).take_while(|folder| folder.exists());
    let open = |path: PathBuf| {
        let file = File::options().read(true).custom_flags(libc::O_NONBLOCK).open(&path);
        file.map_err(|error| format!("opening {}: {error}", path.display()))
    };
    folders
        .map(|folder| Ok(CpuBuffer { raw: open(folder.join("trace_pipe_raw"))?, stats: open(folder.join("stats"))? }))
        .collect()
}

/// One read of trace_pipe_raw gives one sub-buffer. At the end, the read gives EAGAIN or 0 bytes.
fn read_page(mut raw: &File, room: &mut [u8]) -> std::io::Result<usize> {
    let page = room.len().min(4096);
    match raw.read(&mut room[..page]) {
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(0),
        other => other,
    }
}

fn path(name: &str) -> PathBuf {
    Path::new(ROOT).join(name)
}

/// Reads a small file of tracefs in a single read: some of them (events/header_page) answer only the first, up to its
/// length (kernel/trace/trace_events.c, `show_header_page`).
fn read(path: &Path) -> Result<Vec<u8>, String> {
    let mut out = vec![0; 64 * 1024];
    let count = File::open(path).and_then(|mut file| file.read(&mut out));
    out.truncate(count.map_err(|error| format!("reading {}: {error}", path.display()))?);
    Ok(out)
}

fn write(name: &str, value: &str) -> Result<(), String> {
    fs::write(path(name), value).map_err(|error| format!("writing {value:?} to {ROOT}/{name}: {error}"))
}
