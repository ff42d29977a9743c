//! Takes apart ring-buffer pages, as `per_cpu/cpuN/trace_pipe_raw` gives them, and the records on them (kernel:
//! `include/linux/ring_buffer.h`, `kernel/trace/ring_buffer.c`, `ring_buffer_read_page`).

use super::format::HeaderPage;
use thiserror::Error;

/// The byte order of the traced machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Endian {
    /// Least significant byte first (x86-64).
    #[default]
    Little,
    /// Most significant byte first (s390x).
    Big,
}

impl Endian {
    #[inline]
    pub(super) fn u16(self, data: &[u8], at: usize) -> Option<u16> {
        let bytes = *data.get(at..)?.first_chunk()?;
        Some(if self == Self::Little { u16::from_le_bytes(bytes) } else { u16::from_be_bytes(bytes) })
    }

    #[inline]
    pub(super) fn u32(self, data: &[u8], at: usize) -> Option<u32> {
        let bytes = *data.get(at..)?.first_chunk()?;
        Some(if self == Self::Little { u32::from_le_bytes(bytes) } else { u32::from_be_bytes(bytes) })
    }

    #[inline]
    pub(super) fn u64(self, data: &[u8], at: usize) -> Option<u64> {
        let bytes = *data.get(at..)?.first_chunk()?;
        Some(if self == Self::Little { u64::from_le_bytes(bytes) } else { u64::from_be_bytes(bytes) })
    }
}

/// Why bytes are not a page that a kernel wrote.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Malformed {
    #[error("the page ends after {found} of {expected} bytes")]
    ShortPage { expected: usize, found: usize },
    /// The commit word counts more bytes than the page can hold.
    #[error("its commit word counts {committed} bytes of records, the page has room for {room}")]
    Commit { committed: usize, room: usize },
    /// A record extends beyond the committed data.
    #[error("a record of type {kind} needs {needed} bytes, {left} are left")]
    Overrun {
        /// The record's `type_len`.
        kind: u32,
        /// Bytes that its own header asks for.
        needed: usize,
        /// Bytes left on the page.
        left: usize,
    },
    /// A record's length word is too small to count itself.
    #[error("a record says it is {length} bytes long, the length word alone takes 4")]
    Length { length: usize },
}

#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("at byte {offset} of the page")]
pub struct PageError {
    /// In bytes from the page's start.
    pub offset: usize,
    pub source: Malformed,
}

/// What a page says about records that were lost before its first one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missed {
    Nothing,
    /// Some were lost; the page had no room for their number.
    Unknown,
    /// This many were lost.
    Records(u64),
}

/// One page with its header decoded.
#[derive(Clone, Copy, Debug)]
pub struct Page<'a> {
    /// The trace clock, in nanoseconds, that the first record's delta counts from.
    pub timestamp: u64,
    pub missed: Missed,
    data: &'a [u8],
    data_at: usize,
    endian: Endian,
}

/// `RB_MISSED_EVENTS` of `kernel/trace/ring_buffer.c`.
const MISSED_EVENTS: u64 = 1 << 31;
/// `RB_MISSED_STORED` of `kernel/trace/ring_buffer.c`.
const MISSED_STORED: u64 = 1 << 30;

impl<'a> Page<'a> {
    /// Decodes a page's header. `bytes` must start with a whole page.
    pub fn new(bytes: &'a [u8], layout: &HeaderPage, endian: Endian) -> Result<Self, PageError> {
        let size = layout.page_size();
        let short =
            || PageError { offset: bytes.len(), source: Malformed::ShortPage { expected: size, found: bytes.len() } };
        if bytes.len() < size {
            return Err(short());
        }
        let long = |data, at| match layout.commit_size {
            4 => endian.u32(data, at).map(u64::from),
            _ => endian.u64(data, at),
        };
        let timestamp = endian.u64(bytes, layout.timestamp_at as usize).ok_or_else(short)?;
        let commit = long(bytes, layout.commit_at as usize).ok_or_else(short)?;
        let data_at = layout.data_at as usize;
        let all = bytes.get(data_at..size).ok_or_else(short)?;
        // The kernel adds the flags as a negative int, so that an 8-byte commit word has all of its upper bits set.
        let committed = (commit & (MISSED_STORED - 1)) as usize;
        let beyond = |committed| PageError {
            offset: layout.commit_at as usize,
            source: Malformed::Commit { committed, room: all.len() },
        };
        let data = all.get(..committed).ok_or_else(|| beyond(committed))?;
        let missed = match (commit & MISSED_EVENTS != 0, commit & MISSED_STORED != 0) {
            (false, _) => Missed::Nothing,
            (true, false) => Missed::Unknown,
            (true, true) => {
                Missed::Records(long(all, committed).ok_or_else(|| beyond(committed + layout.commit_size as usize))?)
            }
        };
        Ok(Self { timestamp, missed, data, data_at, endian })
    }

    #[inline]
    pub fn records(&self) -> Records<'a> {
        Records { data: self.data, at: 0, time: self.timestamp, data_at: self.data_at, endian: self.endian }
    }
}

/// One data record: an event's bytes, starting with `common_type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// The trace clock, in nanoseconds (or in the unit of the trace clock in use).
    pub time: u64,
    /// The event, padded to a multiple of four bytes.
    pub data: &'a [u8],
    /// Where `data` starts, in bytes from the page's start.
    pub offset: usize,
}

/// The data records of a page. It never takes more steps than the page has words.
#[derive(Clone, Debug, Default)]
pub struct Records<'a> {
    data: &'a [u8],
    at: usize,
    time: u64,
    data_at: usize,
    endian: Endian,
}

/// Values of `type_len` in `struct ring_buffer_event` that are not a length (`enum ring_buffer_type`).
const PADDING: u32 = 29;
const TIME_EXTEND: u32 = 30;
const TIME_STAMP: u32 = 31;
/// `TS_SHIFT`.
const DELTA_BITS: u32 = 27;
/// Bits of an absolute time stamp. `TS_MSB` in `kernel/trace/ring_buffer.c` masks the missing ones.
const ABSOLUTE_BITS: u32 = 59;

impl<'a> Records<'a> {
    /// Returns the next data record, or `None` at the page's end.
    #[inline(always)]
    pub fn step(&mut self) -> Result<Option<Record<'a>>, PageError> {
        loop {
            let at = self.at;
            let left = self.data.len() - at;
            if left == 0 {
                return Ok(None);
            }
            let Some(head) = self.endian.u32(self.data, at) else {
                return Err(self.overrun(0, 4));
            };
            // The compiler puts the first bit field of a word into its low bits on little endian, its high bits on big.
            let (kind, delta) = match self.endian {
                Endian::Little => (head & 31, head >> 5),
                Endian::Big => (head >> DELTA_BITS, head & ((1 << DELTA_BITS) - 1)),
            };
            if (1..PADDING).contains(&kind) {
                return self.take(kind, delta, at + 4, kind as usize * 4).map(Some);
            }
            if kind == PADDING && delta == 0 {
                self.at = self.data.len();
                return Ok(None);
            }
            let Some(word) = self.endian.u32(self.data, at + 4) else {
                return Err(self.overrun(kind, 8));
            };
            match kind {
                0 => {
                    let length = (word as usize).checked_sub(4).ok_or_else(|| self.error(4, word))?;
                    return self.take(kind, delta, at + 8, length.next_multiple_of(4)).map(Some);
                }
                PADDING => self.skip_discarded(delta, word as usize)?,
                TIME_EXTEND => {
                    self.time = self.time.wrapping_add(u64::from(word) << DELTA_BITS | u64::from(delta));
                    self.at = at + 8;
                }
                _ => {
                    debug_assert_eq!(kind, TIME_STAMP);
                    self.time = restore_absolute(u64::from(word) << DELTA_BITS | u64::from(delta), self.time);
                    self.at = at + 8;
                }
            }
        }
    }

    #[inline(always)]
    fn take(&mut self, kind: u32, delta: u32, from: usize, length: usize) -> Result<Record<'a>, PageError> {
        let to = from.saturating_add(length);
        let Some(data) = self.data.get(from..to) else {
            return Err(self.overrun(kind, to.saturating_sub(self.at)));
        };
        self.time = self.time.wrapping_add(u64::from(delta));
        self.at = to;
        Ok(Record { time: self.time, data, offset: self.data_at + from })
    }

    /// Skips a record that was written and then discarded: its time delta still counts.
    #[cold]
    fn skip_discarded(&mut self, delta: u32, length: usize) -> Result<(), PageError> {
        let to = (self.at + 4).saturating_add(length.max(4).next_multiple_of(4));
        if to > self.data.len() {
            return Err(self.overrun(PADDING, to.saturating_sub(self.at)));
        }
        // rb_event_discard turns a delta of 0 into 1, because 0 means that the rest of the page is empty.
        if delta != 1 {
            self.time = self.time.wrapping_add(u64::from(delta));
        }
        self.at = to;
        Ok(())
    }

    #[cold]
    fn overrun(&self, kind: u32, needed: usize) -> PageError {
        let left = self.data.len() - self.at;
        PageError { offset: self.data_at + self.at, source: Malformed::Overrun { kind, needed, left } }
    }

    #[cold]
    fn error(&self, skip: usize, word: u32) -> PageError {
        PageError { offset: self.data_at + self.at + skip, source: Malformed::Length { length: word as usize } }
    }
}

/// Adds the top bits that an absolute time stamp lacks (`rb_fix_abs_ts`): those of the time before it, plus one if the
/// result would be earlier than that time.
fn restore_absolute(stamp: u64, before: u64) -> u64 {
    let stamp = stamp & ((1 << ABSOLUTE_BITS) - 1);
    let top = before >> ABSOLUTE_BITS << ABSOLUTE_BITS;
    if top == 0 {
        return stamp;
    }
    let whole = top | stamp;
    if whole < before { whole.wrapping_add(1 << ABSOLUTE_BITS) } else { whole }
}
