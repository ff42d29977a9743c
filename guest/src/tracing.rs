//! Tracing in the guest: function_graph and the events beside it (Documentation/trace/ftrace.rst).

use std::fs::{self, File};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use rxpath_guest::{Marker, Tag};

use crate::devices::SharedRegion;
use crate::sys;

const ROOT: &str = "/sys/kernel/tracing";

/// The largest pid there can be without a change of pid_max: no guest has as many tasks.
const NO_TASK: &str = "32767";

/// Room for records, per CPU. Pages that were never written cost nothing in a saved image.
const BUFFER_KB: &str = "8192";

/// Events recorded beside the call graph: who wakes, who sleeps, which interrupts.
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

/// Formats the host needs to read the records; which of the call-graph ones exist differs per kernel.
const OWN_FORMATS: [&str; 5] = [
    "ftrace/funcgraph_entry",
    "ftrace/fgraph_retaddr_entry",
    "ftrace/funcgraph_exit",
    "ftrace/raw_data",
    "ftrace/print",
];

/// The switch and the marker file of the tracer, open.
pub struct Tracing {
    on: File,
    marker: File,
    /// Open from the arming on: while it is open, the kernel refuses another tracer (kernel/trace/trace.c,
    /// `tracing_set_tracer`).
    buffers: OnceLock<Vec<CpuBuffer>>,
}

/// What the ring buffer of one CPU is read through.
struct CpuBuffer {
    raw: File,
    stats: File,
}

impl Tracing {
    /// Sizes the buffers and opens the files; switches nothing on.
    pub fn prepare() -> Result<Self, String> {
        write("tracing_on", "0")?;
        write("buffer_size_kb", BUFFER_KB)?;
        let open = |name: &str| {
            File::options().write(true).open(path(name)).map_err(|why| format!("opening {ROOT}/{name}: {why}"))
        };
        Ok(Self { on: open("tracing_on")?, marker: open("trace_marker_raw")?, buffers: OnceLock::new() })
    }

    /// Switches function_graph and the events on, with recording still off. Patches every traceable function.
    pub fn arm(&self) -> Result<(), String> {
        self.hide_agent()?;
        for event in EVENTS {
            write(&format!("events/{event}/enable"), "1")?;
        }
        write("current_tracer", "function_graph")?;
        let _ = self.buffers.set(open_buffers()?);
        Ok(())
    }

    /// Switches function_graph on for the functions at these positions of `available_filter_functions` only, and the event
    /// that tells a call's sleep from its work.
    pub fn arm_only(&self, positions: &[u32]) -> Result<(), String> {
        let list: Vec<String> = positions.iter().map(u32::to_string).collect();
        write("set_ftrace_filter", &list.join(" "))?;
        write("events/sched/sched_switch/enable", "1")?;
        write("current_tracer", "function_graph")
    }

    /// Hides a task that there is not: what calls of all others cost is then what they cost once somebody is hidden.
    pub fn hide_nobody(&self) -> Result<(), String> {
        write("set_ftrace_notrace_pid", NO_TASK)
    }

    /// The controller polls task states while actors work; nothing of that belongs to the case.
    pub fn hide_agent(&self) -> Result<(), String> {
        write("set_ftrace_notrace_pid", &sys::gettid().to_string())
    }

    /// Starts or stops recording.
    pub fn record(&self, on: bool) -> Result<(), String> {
        (&self.on).write_all(if on { b"1" } else { b"0" }).map_err(|why| format!("writing tracing_on: {why}"))
    }

    /// Whether anything is recorded at present, whoever switched it on.
    pub fn is_recording(&self) -> Result<bool, String> {
        Ok(read(&path("tracing_on"))?.starts_with(b"1"))
    }

    /// Writes a marker into the ring buffer of the calling task's CPU.
    pub fn mark(&self, marker: Marker) {
        // Fails while nothing is recorded, which is what is wanted then.
        let _ = (&self.marker).write(&marker.to_bytes());
    }

    /// Sends every CPU's records and loss counters.
    pub fn drain(&self, region: &mut SharedRegion, pages: Tag) -> Result<(), String> {
        let opened = if self.buffers.get().is_some() { Vec::new() } else { open_buffers()? };
        for (cpu, buffer) in (0..).zip(self.buffers.get().unwrap_or(&opened)) {
            region.section_from(pages, cpu, |room| read_page(&buffer.raw, room))?;
            let mut stats = [0; 1024];
            let count =
                buffer.stats.read_at(&mut stats, 0).map_err(|why| format!("reading stats of CPU {cpu}: {why}"))?;
            region.section(Tag::Stats, cpu, &stats[..count])?;
        }
        Ok(())
    }

    /// Sends what is true of this kernel whatever is run: formats, symbols, traceable functions.
    pub fn write_facts(&self, region: &mut SharedRegion) -> Result<(), String> {
        region.section(Tag::HeaderPage, 0, &read(&path("events/header_page"))?)?;
        for event in OWN_FORMATS.iter().chain(&EVENTS) {
            // A kernel without the event has no format for it either.
            if let Ok(format) = read(&path(&format!("events/{event}/format"))) {
                region.section(Tag::Format, 0, &format)?;
            }
        }
        for (tag, file) in
            [(Tag::Symbols, PathBuf::from("/proc/kallsyms")), (Tag::Traceable, path("available_filter_functions"))]
        {
            let mut file = File::open(&file).map_err(|why| format!("opening {}: {why}", file.display()))?;
            region.section_from(tag, 0, |room| {
                // Larger reads make the kernel allocate larger buffers, to no gain.
                let room_len = room.len().min(64 * 1024);
                file.read(&mut room[..room_len])
            })?;
        }
        Ok(())
    }
}

/// Opens the ring buffer of each CPU.
fn open_buffers() -> Result<Vec<CpuBuffer>, String> {
    let folders = (0..).map(|cpu| path(&format!("per_cpu/cpu{cpu}"))).take_while(|folder| folder.exists());
    let open = |path: PathBuf| {
        let file = File::options().read(true).custom_flags(libc::O_NONBLOCK).open(&path);
        file.map_err(|why| format!("opening {}: {why}", path.display()))
    };
    folders
        .map(|folder| Ok(CpuBuffer { raw: open(folder.join("trace_pipe_raw"))?, stats: open(folder.join("stats"))? }))
        .collect()
}

/// One read of trace_pipe_raw gives one sub-buffer; nothing more to read shows as EAGAIN or as 0 bytes.
fn read_page(mut raw: &File, room: &mut [u8]) -> std::io::Result<usize> {
    let page = room.len().min(4096);
    match raw.read(&mut room[..page]) {
        Err(why) if why.kind() == ErrorKind::WouldBlock => Ok(0),
        other => other,
    }
}

fn path(name: &str) -> PathBuf {
    Path::new(ROOT).join(name)
}

/// Reads a small file of tracefs in one go: some of them (events/header_page) answer only the first read, with as much as
/// that one has room for (kernel/trace/trace_events.c, `show_header_page`).
fn read(path: &Path) -> Result<Vec<u8>, String> {
    let mut out = vec![0; 64 * 1024];
    let count = File::open(path).and_then(|mut file| file.read(&mut out));
    out.truncate(count.map_err(|why| format!("reading {}: {why}", path.display()))?);
    Ok(out)
}

fn write(name: &str, value: &str) -> Result<(), String> {
    fs::write(path(name), value).map_err(|why| format!("writing {value:?} to {ROOT}/{name}: {why}"))
}
