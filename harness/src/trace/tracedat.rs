//! Reads a `trace.dat` that trace-cmd wrote (trace-cmd.dat.v6(5), trace-cmd.dat.v7(5)). It contains the same kernel
//! texts and pages as a capture that rxpath records.

mod compression;
mod reader;

use std::borrow::Cow;

use thiserror::Error;

use self::compression::{Compression, unpack_chunks};
use self::reader::{File, Reader};
use super::cpu_events::{CaptureText, CpuPages};
use super::ring_page::Endian;

/// Why a file is not a readable `trace.dat`.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TraceDatError {
    #[error("not a trace.dat: expected the bytes 17 08 44 and `tracing` at its start")]
    NotTraceDat,
    #[error("trace.dat version {found:?}: expected 6 or 7; `trace-cmd convert --file-version 6` converts it")]
    Version {
        /// Shortened.
        found: String,
    },
    #[error("byte {at} of {part}: expected {expected}")]
    Malformed {
        /// In bytes, within the part.
        at: usize,
        /// The file, or a section that was compressed.
        part: &'static str,
        expected: &'static str,
    },
    #[error("compressed with {found:?}: expected none, zlib or zstd; `trace-cmd convert --compression none` undoes it")]
    Compression {
        /// Shortened.
        found: String,
    },
    /// The compressed bytes are damaged, or would expand to more than they declare or than is plausible.
    #[error("byte {at} of the file: {length} compressed bytes do not expand to {expected} bytes")]
    Compressed {
        /// In bytes, within the file.
        at: usize,
        length: usize,
        expected: usize,
    },
    /// The file was recorded with `-l` or from a `trace` file, so it contains text.
    #[error("contains latency text instead of ring-buffer pages: record it with `trace-cmd record`")]
    Latency,
}

/// The parts of a `trace.dat` that call trees need.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TraceDat<'a> {
    /// 6 or 7.
    pub version: u32,
    /// The byte order of the traced machine.
    pub endian: Endian,
    /// `events/header_page`.
    pub header_page: Cow<'a, str>,
    /// The formats of the systems ftrace, sched and irq.
    pub formats: Vec<Cow<'a, str>>,
    /// `/proc/kallsyms`.
    pub kallsyms: Cow<'a, str>,
    /// `saved_cmdlines`: lines of pid and name.
    pub cmdlines: Cow<'a, str>,
    /// The CPUs of the top trace instance, in the file's order.
    pub cpus: Vec<TraceDatCpu<'a>>,
}

/// The recording of one CPU.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TraceDatCpu<'a> {
    pub cpu: u16,
    /// Whole pages, concatenated.
    pub pages: Cow<'a, [u8]>,
    /// `per_cpu/cpuN/stats` after the recording; empty if the file lacks it.
    pub stats: Cow<'a, str>,
}

impl<'a> TraceDat<'a> {
    /// Parses a whole file.
    pub fn parse(file: &'a [u8]) -> Result<Self, TraceDatError> {
        let rest = file.strip_prefix(b"\x17\x08\x44tracing").ok_or(TraceDatError::NotTraceDat)?;
        let end = rest.iter().take(16).position(|byte| *byte == 0);
        let version = end.map_or(rest.get(..16).unwrap_or(rest), |end| &rest[..end]);
        let mut reader = Reader { bytes: file, at: 10 + version.len() + 1, endian: Endian::Little, part: "the file" };
        let number = match version {
            b"6" => 6,
            b"7" => 7,
            _ => return Err(TraceDatError::Version { found: String::from_utf8_lossy(version).into_owned() }),
        };
        reader.endian = match reader.u8()? {
            0 => Endian::Little,
            1 => Endian::Big,
            _ => return Err(reader.malformed("0 (little endian) or 1 (big endian)")),
        };
        let _user_long_size = reader.u8()?;
        let _machine_page_size = reader.u32()?;
        let mut dat = Self { version: number, endian: reader.endian, ..Self::default() };
        match number {
            6 => dat.read_v6(&mut File { bytes: file, unclaimed: file.len() }, &mut reader)?,
            _ => dat.read_v7(&mut File { bytes: file, unclaimed: file.len() }, &mut reader)?,
        }
        Ok(dat)
    }

    pub fn text(&self) -> CaptureText<'_> {
        CaptureText {
            header_page: &self.header_page,
            formats: self.formats.iter().map(|format| &**format).collect(),
            page_size: None,
            endian: self.endian,
        }
    }

    pub fn cpu_pages(&self) -> Vec<CpuPages<'_>> {
        self.cpus.iter().map(|cpu| CpuPages { cpu: cpu.cpu, pages: &cpu.pages, stats: &cpu.stats }).collect()
    }

    fn read_v6(&mut self, file: &mut File<'a>, reader: &mut Reader<'a>) -> Result<(), TraceDatError> {
        self.header_page = read_header_info(reader)?;
        self.formats = read_ftrace_formats(reader)?;
        self.formats.extend(read_event_formats(reader)?);
        let length = reader.u32()?;
        self.kallsyms = text(reader.take(length.into())?);
        let length = reader.u32()?;
        reader.take(length.into())?;
        let length = reader.u64()?;
        self.cmdlines = text(reader.take(length)?);
        let cpus = reader.u32()?;
        let mut stats = Vec::new();
        loop {
            match reader.take(10)? {
                b"options  \0" => read_v6_options(reader, &mut stats)?,
                b"flyrecord\0" => break,
                b"latency  \0" => return Err(TraceDatError::Latency),
                _ => return Err(reader.malformed("`options`, `flyrecord` or `latency` before this")),
            }
        }
        for cpu in 0..cpus {
            let (from, length) = (reader.u64()?, reader.u64()?);
            let pages = file.claim(from, length).ok_or_else(|| reader.malformed(PAGES_EXPECTED))?;
            self.push_cpu(reader, cpu, Cow::Borrowed(pages))?;
        }
        self.attach(&stats);
        Ok(())
    }

    fn read_v7(&mut self, file: &mut File<'a>, reader: &mut Reader<'a>) -> Result<(), TraceDatError> {
        let compression = Compression::by_name(reader.string()?)?;
        let _compression_version = reader.string()?;
        let mut next = reader.u64()?;
        let mut stats = Vec::new();
        while next != 0 {
            let section = FileSection::open(file, next, self.endian, compression)?;
            next = self.read_v7_options(file, &section, compression, &mut stats)?;
        }
        self.attach(&stats);
        Ok(())
    }

    /// Reads one options section. Returns the offset of the next, or 0 after the last.
    fn read_v7_options(
        &mut self,
        file: &mut File<'a>,
        section: &FileSection<'a>,
        compression: Compression,
        stats: &mut Vec<String>,
    ) -> Result<u64, TraceDatError> {
        let mut reader = section.reader(self.endian);
        loop {
            let (id, length) = (reader.u16()?, reader.u32()?);
            let mut option = Reader { bytes: reader.take(length.into())?, at: 0, ..reader };
            match id {
                OPTION_DONE => return option.u64(),
                OPTION_CPUSTAT => stats.push(text(option.bytes).into_owned()),
                OPTION_BUFFER => self.read_v7_buffer(file, &mut option, compression)?,
                OPTION_HEADER_INFO..=OPTION_EVENT_FORMATS | OPTION_KALLSYMS | OPTION_CMDLINES => {
                    let section = FileSection::open(file, option.u64()?, self.endian, compression)?;
                    self.read_v7_section(id, &section)?;
                }
                _ => {}
            }
        }
    }

    fn read_v7_section(&mut self, id: u16, section: &FileSection<'a>) -> Result<(), TraceDatError> {
        let mut reader = section.reader(self.endian);
        match id {
            OPTION_HEADER_INFO => self.header_page = owned(read_header_info(&mut reader)?),
            OPTION_FTRACE_FORMATS => self.formats.extend(read_ftrace_formats(&mut reader)?.into_iter().map(owned)),
            OPTION_EVENT_FORMATS => self.formats.extend(read_event_formats(&mut reader)?.into_iter().map(owned)),
            OPTION_KALLSYMS => {
                let length = reader.u32()?;
                self.kallsyms = owned(text(reader.take(length.into())?));
            }
            _ => {
                let length = reader.u64()?;
                self.cmdlines = owned(text(reader.take(length)?));
            }
        }
        Ok(())
    }

    fn read_v7_buffer(
        &mut self,
        file: &mut File<'a>,
        option: &mut Reader<'_>,
        compression: Compression,
    ) -> Result<(), TraceDatError> {
        let at = option.u64()?;
        let instance = option.string()?;
        let _clock = option.string()?;
        if !instance.is_empty() {
            return Ok(());
        }
        let mut header = Reader::new(file.bytes, self.endian, "the file");
        header.seek(at)?;
        let (_id, flags) = (header.u16()?, header.u16()?);
        let compression = if flags & SECTION_COMPRESSED != 0 { compression } else { Compression::None };
        let _page_size = option.u32()?;
        for _ in 0..option.u32()? {
            let (cpu, from, length) = (option.u32()?, option.u64()?, option.u64()?);
            // trace-cmd (3.1.6) does not include the word with the number of chunks.
            let counted = if compression == Compression::None || length == 0 { 0 } else { 4 };
            let bytes =
                file.claim(from, length.saturating_add(counted)).ok_or_else(|| option.malformed(PAGES_EXPECTED))?;
            let pages = match compression {
                Compression::None => Cow::Borrowed(bytes),
                _ if bytes.is_empty() => Cow::Borrowed(bytes),
                _ => Cow::Owned(unpack_chunks(bytes, from as usize, self.endian, compression)?),
            };
            self.push_cpu(option, cpu, pages)?;
        }
        Ok(())
    }

    fn push_cpu(&mut self, reader: &Reader<'_>, cpu: u32, pages: Cow<'a, [u8]>) -> Result<(), TraceDatError> {
        let cpu = u16::try_from(cpu).map_err(|_| reader.malformed("a CPU's number up to 65535 before this"))?;
        self.cpus.push(TraceDatCpu { cpu, pages, stats: Cow::Borrowed("") });
        Ok(())
    }

    /// Assigns each CPU its statistics, which start with `CPU: N`.
    fn attach(&mut self, stats: &[String]) {
        for text in stats {
            let Some(number) = text.trim_start().strip_prefix("CPU:").and_then(|rest| rest.lines().next()) else {
                continue;
            };
            let Ok(number) = number.trim().parse::<u16>() else { continue };
            // The statistics of other instances' buffers come after those of the top instance.
            let cpu = self.cpus.iter_mut().find(|cpu| cpu.cpu == number && cpu.stats.is_empty());
            if let Some(cpu) = cpu {
                cpu.stats = Cow::Owned(text.clone());
            }
        }
    }
}

const OPTION_DONE: u16 = 0;
const OPTION_CPUSTAT: u16 = 2;
const OPTION_BUFFER: u16 = 3;
const OPTION_HEADER_INFO: u16 = 16;
const OPTION_FTRACE_FORMATS: u16 = 17;
const OPTION_EVENT_FORMATS: u16 = 18;
const OPTION_KALLSYMS: u16 = 19;
const OPTION_CMDLINES: u16 = 21;
const SECTION_COMPRESSED: u16 = 1;
/// Bytes of a section's header: id (2), flags (2), description (4), size (8).
const SECTION_HEADER: usize = 16;

fn read_header_info<'a>(reader: &mut Reader<'a>) -> Result<Cow<'a, str>, TraceDatError> {
    if reader.take(12)? != b"header_page\0" {
        return Err(reader.malformed("`header_page` before this"));
    }
    let length = reader.u64()?;
    let header_page = text(reader.take(length)?);
    if reader.take(13)? != b"header_event\0" {
        return Err(reader.malformed("`header_event` before this"));
    }
    let length = reader.u64()?;
    reader.take(length)?;
    Ok(header_page)
}

fn read_ftrace_formats<'a>(reader: &mut Reader<'a>) -> Result<Vec<Cow<'a, str>>, TraceDatError> {
    let mut formats = Vec::new();
    for _ in 0..reader.u32()? {
        let length = reader.u64()?;
        formats.push(text(reader.take(length)?));
    }
    Ok(formats)
}

/// Reads the formats of the systems that call trees need, because names are unique only within a system.
fn read_event_formats<'a>(reader: &mut Reader<'a>) -> Result<Vec<Cow<'a, str>>, TraceDatError> {
    let mut formats = Vec::new();
    for _ in 0..reader.u32()? {
        let wanted = matches!(reader.string()?, b"sched" | b"irq");
        for _ in 0..reader.u32()? {
            let length = reader.u64()?;
            let format = reader.take(length)?;
            if wanted {
                formats.push(text(format));
            }
        }
    }
    Ok(formats)
}

fn read_v6_options(reader: &mut Reader<'_>, stats: &mut Vec<String>) -> Result<(), TraceDatError> {
    loop {
        let id = reader.u16()?;
        if id == OPTION_DONE {
            return Ok(());
        }
        let length = reader.u32()?;
        let option = reader.take(length.into())?;
        if id == OPTION_CPUSTAT {
            stats.push(text(option).into_owned());
        }
    }
}

/// Decodes a text of the file, without the zero that may end it.
fn text(bytes: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(bytes.strip_suffix(b"\0").unwrap_or(bytes))
}

fn owned<'b>(text: Cow<'_, str>) -> Cow<'b, str> {
    Cow::Owned(text.into_owned())
}

const PAGES_EXPECTED: &str = "a CPU's pages inside the file, which nothing else uses, before this";

/// An unpacked section of a version 7 file.
struct FileSection<'a> {
    bytes: Cow<'a, [u8]>,
    part: &'static str,
}

impl<'a> FileSection<'a> {
    fn open(file: &mut File<'a>, at: u64, endian: Endian, compression: Compression) -> Result<Self, TraceDatError> {
        let mut reader = Reader::new(file.bytes, endian, "the file");
        reader.seek(at)?;
        let (_id, flags, _description) = (reader.u16()?, reader.u16()?, reader.u32()?);
        let length = reader.u64()?;
        if file.claim(at, length.saturating_add(SECTION_HEADER as u64)).is_none() {
            return Err(reader.malformed("a section inside the file, which nothing else uses, before this"));
        }
        if flags & SECTION_COMPRESSED == 0 {
            return Ok(Self { bytes: Cow::Borrowed(reader.take(length)?), part: "a section" });
        }
        let mut reader = Reader { bytes: &file.bytes[..reader.at + length as usize], ..reader };
        let (packed, unpacked) = (reader.u32()?, reader.u32()?);
        let from = reader.at;
        let bytes = compression.unpack(reader.take(packed.into())?, unpacked as usize, from)?;
        Ok(Self { bytes: Cow::Owned(bytes), part: "an unpacked section" })
    }

    fn reader(&self, endian: Endian) -> Reader<'_> {
        Reader::new(&self.bytes, endian, self.part)
    }
}
