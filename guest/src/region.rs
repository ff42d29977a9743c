//! The region of memory that the guest and the host share (QEMU's `ivshmem-plain`): how the capture comes out.
//!
//! Layout, little endian: [`WIRE_MAGIC`] (8), state (4), length of the sections in bytes (8, at offset 16); from
//! [`SECTIONS_AT`] on, sections one after another: tag (4), cpu (4), length in bytes (8), then the bytes, padded to
//! [`SECTION_ALIGN`]. The agent writes the header last, so a region with the magic is complete.

/// First bytes of a region that an agent has finished writing.
pub const WIRE_MAGIC: [u8; 8] = *b"rxpath01";
/// Where the sections begin.
pub const SECTIONS_AT: usize = 4096;
/// Sections start at multiples of this many bytes.
pub const SECTION_ALIGN: usize = 64;
/// Bytes of a section's own header.
pub const SECTION_HEADER: usize = 16;

/// What a section holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u32)]
pub enum Tag {
    /// A postcard-encoded [`crate::RunReport`].
    Report = 1,
    /// Ring-buffer pages of one CPU, as `trace_pipe_raw` gives them.
    Pages = 2,
    /// `per_cpu/cpuN/stats` of one CPU, as text.
    Stats = 3,
    /// `events/header_page`, as text.
    HeaderPage = 4,
    /// An event's `format` file, as text; one section an event.
    Format = 5,
    /// `/proc/kallsyms`, as text.
    Symbols = 6,
    /// `available_filter_functions`, as text.
    Traceable = 7,
    /// A line of the agent's own log, as text.
    Log = 8,
    /// Ring-buffer pages of one CPU from the milestones part of a timing pass.
    MilestonePages = 9,
    /// The file that another recorder wrote ([`crate::Pass::Foreign`]), as it wrote it.
    ForeignFile = 10,
}

impl Tag {
    /// The tag with this number, if there is one.
    pub fn from_number(number: u32) -> Option<Self> {
        use Tag::*;
        [Report, Pages, Stats, HeaderPage, Format, Symbols, Traceable, Log, MilestonePages, ForeignFile]
            .into_iter()
            .find(|tag| *tag as u32 == number)
    }
}

/// One section of a region, borrowed from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Section<'a> {
    /// What it holds.
    pub tag: Tag,
    /// Which CPU it belongs to; 0 where that means nothing.
    pub cpu: u32,
    /// Its bytes.
    pub bytes: &'a [u8],
}

/// What can be wrong with a region.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RegionError {
    /// The agent never finished writing: no magic at its start.
    Unfinished,
    /// A section that cannot be: offset into the region, and why.
    Malformed {
        /// Offset of the section's header, in bytes.
        at: usize,
        /// Why it cannot be.
        why: &'static str,
    },
}

impl std::fmt::Display for RegionError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unfinished => write!(f, "the guest never finished writing its capture (no magic at its start)"),
            Self::Malformed { at, why } => {
                write!(f, "malformed section at byte {at} of the capture: {why}")
            }
        }
    }
}

impl std::error::Error for RegionError {}

/// The sections of a finished region, in the order they were written.
pub fn sections(region: &[u8]) -> Result<Vec<Section<'_>>, RegionError> {
    if region.len() < SECTIONS_AT || region[..8] != WIRE_MAGIC {
        return Err(RegionError::Unfinished);
    }
    let length = u64::from_le_bytes(region[16..24].try_into().unwrap_or_default());
    let end = usize::try_from(length)
        .ok()
        .and_then(|length| SECTIONS_AT.checked_add(length))
        .filter(|end| *end <= region.len())
        .ok_or(RegionError::Malformed { at: 16, why: "it says it is longer than the region" })?;
    let mut out = Vec::new();
    let mut at = SECTIONS_AT;
    while at < end {
        let header =
            region.get(at..at + SECTION_HEADER).ok_or(RegionError::Malformed { at, why: "no room for a header" })?;
        let word =
            |from: usize| u32::from_le_bytes([header[from], header[from + 1], header[from + 2], header[from + 3]]);
        let tag = Tag::from_number(word(0)).ok_or(RegionError::Malformed { at, why: "unknown tag" })?;
        let length = usize::try_from(u64::from(word(8)) | u64::from(word(12)) << 32)
            .map_err(|_| RegionError::Malformed { at, why: "length beyond memory" })?;
        let from = at + SECTION_HEADER;
        let to = from.checked_add(length).filter(|to| *to <= end);
        let to = to.ok_or(RegionError::Malformed { at, why: "longer than what is left" })?;
        out.push(Section { tag, cpu: word(4), bytes: &region[from..to] });
        at = to.next_multiple_of(SECTION_ALIGN);
    }
    Ok(out)
}

/// What the agent writes to the exit port when the capture is complete; QEMU's exit code is `2 * code + 1`, and these
/// give ones that QEMU itself never ends with.
pub const EXIT_DONE: u8 = 0x30;
/// What the agent writes when it gave up; its last words are on the console.
pub const EXIT_FAILED: u8 = 0x31;
