//! Reads the events of a CPU from its pages, in order, and names what can go wrong between a page and a call tree.

use super::{
    event::{Common, Event},
    event_decoder::{EventDecoder, TooShort},
    format::{Format, FormatError, HeaderPage},
    ring_page::{Endian, Malformed, Missed, Page, PageError, Record, Records},
};
use thiserror::Error;

/// The kernel's own descriptions of its records.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CaptureText<'a> {
    /// `events/header_page`.
    pub header_page: &'a str,
    /// `events/*/*/format` of the events that matter; others may be missing.
    pub formats: Vec<&'a str>,
    /// Size of a page in bytes, if it is known better than from `header_page` (`buffer_subbuf_size_kb`).
    pub page_size: Option<usize>,
    /// The byte order of the traced machine.
    pub endian: Endian,
}

/// The recording of one CPU.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CpuPages<'a> {
    pub cpu: u16,
    /// Whole pages, concatenated, oldest first, as `per_cpu/cpuN/trace_pipe_raw` gave them.
    pub pages: &'a [u8],
    /// `per_cpu/cpuN/stats`, read after the pages; empty if it was not read.
    pub stats: &'a str,
}

/// Why a capture could not be decoded.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum DecodeError {
    #[error("cannot understand the kernel's description of its records")]
    Format(#[from] FormatError),
    #[error("invalid size of a ring-buffer page: {page_size} bytes, of which the header alone takes {header}")]
    PageSize { page_size: usize, header: usize },
    #[error(
        "the {given} formats given lack funcgraph_entry or funcgraph_exit: \
        copy events/ftrace/funcgraph_entry/format and funcgraph_exit/format of the kernel that traced"
    )]
    NoFunctionGraph { given: usize },
    #[error("cpu {cpu}, page {page}, byte {offset}")]
    Page {
        cpu: u16,
        /// Which of that CPU's pages, from 0.
        page: usize,
        /// In bytes, within the page.
        offset: usize,
        source: Malformed,
    },
    #[error("cpu {cpu}, page {page}, byte {offset}: a record of {length} bytes is too short for {event}")]
    Record {
        cpu: u16,
        /// Which of that CPU's pages, from 0.
        page: usize,
        /// In bytes, within the page.
        offset: usize,
        /// In bytes.
        length: usize,
        /// The event, named by its number.
        event: String,
    },
}

/// The layouts of one kernel's records.
#[derive(Clone, Debug)]
pub struct Layout {
    page: HeaderPage,
    events: EventDecoder,
    endian: Endian,
}

impl Layout {
    /// Parses the descriptions of one kernel.
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

    /// Size of a page in bytes.
    pub fn page_size(&self) -> usize {
        self.page.page_size()
    }

    /// Reads the events of one CPU in the order in which they were recorded.
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
    pub common: Common,
    pub event: Event<'a>,
}

/// The events of one CPU. It ends after an error.
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
    pub fn cpu(&self) -> u16 {
        self.cpu
    }

    /// The pages read so far that had lost records before them, by index.
    pub fn missed(&self) -> &[(usize, Missed)] {
        &self.missed
    }

    /// The trace clock, in nanoseconds, at the first record of each page read so far.
    pub fn page_starts(&self) -> &[u64] {
        &self.page_starts
    }

    /// Returns the next event, or `None` after the last page.
    #[inline]
    pub fn step(&mut self) -> Result<Option<Stamped<'a>>, DecodeError> {
        let Some(record) = self.record()? else { return Ok(None) };
        let (common, event) = self.decode(&record)?;
        Ok(Some(Stamped { time: record.time, common, event }))
    }

    /// Returns the next record, not decoded, or `None` after the last page.
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

    /// Decodes the record that [`CpuEvents::record`] returned last.
    #[inline(always)]
    pub(super) fn decode(&mut self, record: &Record<'a>) -> Result<(Common, Event<'a>), DecodeError> {
        match self.layout.events.decode(record.data) {
            Ok(event) => Ok(event),
            Err(short) => Err(self.too_short(record.offset, short)),
        }
    }

    /// Opens the next page. Returns `false` if there is none.
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
        DecodeError::Page { cpu: self.cpu, page: self.index, offset: error.offset, source: error.source }
    }

    #[cold]
    fn too_short(&mut self, offset: usize, short: TooShort) -> DecodeError {
        self.end();
        let event = short.id.map_or_else(|| "any event".to_owned(), |id| format!("event {id}"));
        DecodeError::Record { cpu: self.cpu, page: self.index, offset, length: short.length, event }
    }

    fn end(&mut self) {
        self.pages = &[];
        self.records = Records::default();
    }
}
