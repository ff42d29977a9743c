//! Writes a capture as a `trace.dat` of version 6 (trace-cmd.dat.v6(5)), for trace-cmd and KernelShark.

use super::{
    cpu_events::{CaptureText, CpuPages},
    format::{Format, FormatError, HeaderPage},
    ring_page::Endian,
};
use std::collections::BTreeMap;

/// `events/header_event`, the same text in every kernel (`ring_buffer_print_entry_header` in
/// `kernel/trace/ring_buffer.c`).
const HEADER_EVENT: &str = "# compressed entry header\n\
    \ttype_len    :    5 bits\n\
    \ttime_delta  :   27 bits\n\
    \tarray       :   32 bits\n\
    \n\
    \tpadding     : type == 29\n\
    \ttime_extend : type == 30\n\
    \ttime_stamp : type == 31\n\
    \tdata max type_len  == 28\n";

/// The least alignment of a CPU's pages, in bytes.
const LEAST_ALIGN: usize = 4096;
/// The option with a CPU's statistics.
const OPTION_CPUSTAT: u16 = 2;

/// Returns a capture as the bytes of a `trace.dat`.
///
/// `kallsyms` is the text of `/proc/kallsyms`, or those of its lines that the pages need; `comms` are task names by
/// pid. CPUs that are missing between 0 and the highest number are written without pages, because trace-cmd numbers
/// CPUs by position.
/// Fails if `header_page` or one of the formats cannot be understood (an event's system follows from its name).
pub fn write_tracedat(
    text: &CaptureText<'_>,
    cpus: &[CpuPages<'_>],
    kallsyms: &str,
    comms: &BTreeMap<i32, String>,
) -> Result<Vec<u8>, FormatError> {
    let header_page = HeaderPage::parse(text.header_page)?;
    // trace-cmd also takes this for the size of the ring buffer's pages.
    let align = text.page_size.unwrap_or(header_page.page_size()).next_multiple_of(LEAST_ALIGN);
    let mut out = Writer { bytes: Vec::new(), endian: text.endian };
    out.bytes.extend(b"\x17\x08\x44tracing6\0");
    out.bytes.push(u8::from(text.endian == Endian::Big));
    out.bytes.push(header_page.commit_size as u8);
    out.u32(align as u32);
    out.bytes.extend(b"header_page\0");
    out.sized(text.header_page);
    out.bytes.extend(b"header_event\0");
    out.sized(HEADER_EVENT);
    write_formats(&mut out, &text.formats)?;
    out.u32(kallsyms.len() as u32);
    out.bytes.extend(kallsyms.as_bytes());
    out.u32(0);
    let cmdlines: String = comms.iter().map(|(pid, comm)| format!("{pid} {comm}\n")).collect();
    out.sized(&cmdlines);
    write_cpus(&mut out, cpus, align);
    Ok(out.bytes)
}

fn write_formats(out: &mut Writer, formats: &[&str]) -> Result<(), FormatError> {
    let mut systems: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for format in formats {
        systems.entry(system_of(&Format::parse(format)?.name)).or_default().push(format);
    }
    let ftrace = systems.remove("ftrace").unwrap_or_default();
    out.u32(ftrace.len() as u32);
    for format in ftrace {
        out.sized(format);
    }
    out.u32(systems.len() as u32);
    for (system, formats) in systems {
        out.bytes.extend(system.as_bytes());
        out.bytes.push(0);
        out.u32(formats.len() as u32);
        for format in formats {
            out.sized(format);
        }
    }
    Ok(())
}

/// The system of an event that rxpath records; its format does not name it.
fn system_of(event: &str) -> &'static str {
    match event {
        event if event.starts_with("sched_") => "sched",
        event if event.starts_with("irq_") || event.starts_with("softirq_") => "irq",
        _ => "ftrace",
    }
}

fn write_cpus(out: &mut Writer, cpus: &[CpuPages<'_>], align: usize) {
    let count = cpus.iter().map(|cpu| usize::from(cpu.cpu) + 1).max().unwrap_or(0);
    out.u32(count as u32);
    out.bytes.extend(b"options  \0");
    for cpu in cpus.iter().filter(|cpu| !cpu.stats.is_empty()) {
        let stats = if cpu.stats.starts_with("CPU:") {
            cpu.stats.to_owned()
        } else {
            format!("CPU: {}\n{}", cpu.cpu, cpu.stats)
        };
        out.u16(OPTION_CPUSTAT);
        out.u32(stats.len() as u32 + 1);
        out.bytes.extend(stats.as_bytes());
        out.bytes.push(0);
    }
    out.u16(0);
    out.bytes.extend(b"flyrecord\0");
    let mut at = (out.bytes.len() + count * 16).next_multiple_of(align);
    let mut places = Vec::new();
    for number in 0..count {
        let pages = cpus.iter().find(|cpu| usize::from(cpu.cpu) == number).map_or(&[][..], |cpu| cpu.pages);
        out.u64(at as u64);
        out.u64(pages.len() as u64);
        places.push((at, pages));
        at = (at + pages.len()).next_multiple_of(align);
    }
    for (at, pages) in places {
        out.bytes.resize(at, 0);
        out.bytes.extend(pages);
    }
}

struct Writer {
    bytes: Vec<u8>,
    endian: Endian,
}

impl Writer {
    fn u16(&mut self, value: u16) {
        match self.endian {
            Endian::Little => self.bytes.extend(value.to_le_bytes()),
            Endian::Big => self.bytes.extend(value.to_be_bytes()),
        }
    }

    fn u32(&mut self, value: u32) {
        match self.endian {
            Endian::Little => self.bytes.extend(value.to_le_bytes()),
            Endian::Big => self.bytes.extend(value.to_be_bytes()),
        }
    }

    fn u64(&mut self, value: u64) {
        match self.endian {
            Endian::Little => self.bytes.extend(value.to_le_bytes()),
            Endian::Big => self.bytes.extend(value.to_be_bytes()),
        }
    }

    /// Writes a text after its length in eight bytes.
    fn sized(&mut self, text: &str) {
        self.u64(text.len() as u64);
        self.bytes.extend(text.as_bytes());
    }
}
