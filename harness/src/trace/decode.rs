//! The events of a CPU, in order, out of its pages; and what can go wrong between a page and a call tree.

use super::{
    event::{Common, Event, EventDecoder},
    format::{Format, FormatError, HeaderPage},
    page::{Endian, Malformed, Missed, Page, PageError, Record, Records},
};
use thiserror::Error;

/// The kernel's own descriptions of what it recorded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CaptureText<'a> {
    /// `events/header_page`.
    pub header_page: &'a str,
    /// `events/*/*/format` of every event that matters; others may be missing.
    pub formats: Vec<&'a str>,
    /// Size of a page in bytes, where it is known better than from `header_page` (`buffer_subbuf_size_kb`).
    pub page_size: Option<usize>,
    /// The byte order of the machine that traced.
    pub endian: Endian,
}

/// What one CPU recorded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CpuPages<'a> {
    /// Which CPU.
    pub cpu: u16,
    /// Whole pages one after another, oldest first, as `per_cpu/cpuN/trace_pipe_raw` gave them.
    pub pages: &'a [u8],
    /// `per_cpu/cpuN/stats`, read after the pages; empty if it was not read.
    pub stats: &'a str,
}

/// Why a capture could not be decoded.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum DecodeError {
    /// A description is not what ftrace writes.
    #[error("cannot understand the kernel's description of its records: {0}")]
    Format(#[from] FormatError),
    /// No page can have that size.
    #[error("a ring-buffer page of {page_size} bytes cannot be: its header alone takes {header}")]
    PageSize {
        /// As given.
        page_size: usize,
        /// As `header_page` says.
        header: usize,
    },
    /// The formats of function_graph's records are missing.
    #[error(
        "no format for funcgraph_entry and funcgraph_exit among the {given} given: \
        copy events/ftrace/funcgraph_entry/format and funcgraph_exit/format of the kernel that traced"
    )]
    NoFunctionGraph {
        /// How many formats there are.
        given: usize,
    },
    /// A page holds what no kernel writes.
    #[error("cpu {cpu}, page {page}, byte {offset}: {what}")]
    Page {
        /// Whose page.
        cpu: u16,
        /// Which of that CPU's pages, from 0.
        page: usize,
        /// Offset in the page, in bytes.
        offset: usize,
        /// What is wrong there.
        what: Malformed,
    },
    /// A record is shorter than its event's format.
    #[error("cpu {cpu}, page {page}, byte {offset}: a record of {length} bytes is too short for {event}")]
    Record {
        /// Whose page.
        cpu: u16,
        /// Which of that CPU's pages, from 0.
        page: usize,
        /// Offset in the page, in bytes.
        offset: usize,
        /// The record's length, in bytes.
        length: usize,
        /// The event, by its number.
        event: String,
    },
}

/// The layouts of one kernel, ready to decode with.
#[derive(Clone, Debug)]
pub struct Layout {
    page: HeaderPage,
    events: EventDecoder,
    endian: Endian,
}

impl Layout {
    /// Understands the descriptions of one kernel.
    pub fn new(text: &CaptureText<'_>) -> Result<Self, DecodeError> {
        let mut page = HeaderPage::parse(text.header_page)?;
        if let Some(page_size) = text.page_size {
            let header = page.data_at;
            let data_size = u32::try_from(page_size).ok().and_then(|size| size.checked_sub(header));
            page.data_size = data_size
                .filter(|size| *size > 0)
                .ok_or(DecodeError::PageSize { page_size, header: header as usize })?;
        }
        let formats = text.formats.iter().map(|format| Format::parse(format)).collect::<Result<Vec<_>, _>>()?;
        let events = EventDecoder::new(&formats, text.endian)?;
        if !events.has_function_graph() {
            return Err(DecodeError::NoFunctionGraph { given: formats.len() });
        }
        Ok(Self { page, events, endian: text.endian })
    }

    /// Size of a page, in bytes.
    pub fn page_size(&self) -> usize {
        self.page.page_size()
    }

    /// The events of one CPU, in the order they were recorded.
    pub fn events<'a>(&'a self, cpu: u16, pages: &'a [u8]) -> CpuEvents<'a> {
        CpuEvents {
            layout: self,
            cpu,
            pages,
            index: 0,
            started: false,
            records: Records::default(),
            missed: Vec::new(),
            page_starts: Vec::new(),
        }
    }
}

/// An event with its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamped<'a> {
    /// The trace clock, in nanoseconds.
    pub time: u64,
    /// What every record has.
    pub common: Common,
    /// The event.
    pub event: Event<'a>,
}

/// The events of one CPU. After an error it has ended.
#[derive(Clone, Debug)]
pub struct CpuEvents<'a> {
    layout: &'a Layout,
    cpu: u16,
    pages: &'a [u8],
    index: usize,
    started: bool,
    records: Records<'a>,
    missed: Vec<(usize, Missed)>,
    page_starts: Vec<u64>,
}

impl<'a> CpuEvents<'a> {
    /// The CPU.
    pub fn cpu(&self) -> u16 {
        self.cpu
    }

    /// Which pages, by their index, had lost records before them, among those begun so far.
    pub fn missed(&self) -> &[(usize, Missed)] {
        &self.missed
    }

    /// The trace clock at the first record of each page begun so far, in nanoseconds.
    pub fn page_starts(&self) -> &[u64] {
        &self.page_starts
    }

    /// The next event; `None` when all pages are read.
    #[inline]
    pub fn step(&mut self) -> Result<Option<Stamped<'a>>, DecodeError> {
        let Some(record) = self.record()? else { return Ok(None) };
        let (common, event) = self.decode(&record)?;
        Ok(Some(Stamped { time: record.time, common, event }))
    }

    /// The next record, not looked into yet; `None` when all pages are read.
    #[inline(always)]
    pub(super) fn record(&mut self) -> Result<Option<Record<'a>>, DecodeError> {
        loop {
            match self.records.step() {
                Ok(Some(record)) => return Ok(Some(record)),
                Ok(None) => {}
                Err(error) => return Err(self.malformed(error)),
            }
            if !self.open_page()? {
                return Ok(None);
            }
        }
    }

    /// What the record says that [`CpuEvents::record`] gave last.
    #[inline(always)]
    pub(super) fn decode(&mut self, record: &Record<'a>) -> Result<(Common, Event<'a>), DecodeError> {
        match self.layout.events.decode(record.data) {
            Ok(event) => Ok(event),
            Err(short) => Err(self.too_short(record.offset, short)),
        }
    }

    /// Opens the next page; `false` if there is none.
    #[inline(never)]
    fn open_page(&mut self) -> Result<bool, DecodeError> {
        if self.pages.is_empty() {
            return Ok(false);
        }
        self.index += usize::from(std::mem::replace(&mut self.started, true));
        let page = match Page::new(self.pages, &self.layout.page, self.layout.endian) {
            Ok(page) => page,
            Err(error) => return Err(self.malformed(error)),
        };
        self.pages = &self.pages[self.layout.page_size()..];
        if page.missed != Missed::Nothing {
            self.missed.push((self.index, page.missed));
        }
        self.page_starts.push(page.timestamp);
        self.records = page.records();
        Ok(true)
    }

    #[cold]
    fn malformed(&mut self, error: PageError) -> DecodeError {
        self.end();
        DecodeError::Page { cpu: self.cpu, page: self.index, offset: error.offset, what: error.what }
    }

    #[cold]
    fn too_short(&mut self, offset: usize, short: super::event::TooShort) -> DecodeError {
        self.end();
        let event = short.id.map_or_else(|| "any event".to_owned(), |id| format!("event {id} by that event's format"));
        DecodeError::Record { cpu: self.cpu, page: self.index, offset, length: short.length, event }
    }

    fn end(&mut self) {
        self.pages = &[];
        self.records = Records::default();
    }
}
