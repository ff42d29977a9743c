//! The region of memory that the guest and the host share (QEMU's `ivshmem-plain`): how the capture comes out.
//!
//! Layout, little endian: [`WIRE_MAGIC`] (8 bytes), 8 unused bytes, the length of all sections in bytes (8). From
//! [`SECTIONS_AT`] on, one section after another: tag (4), CPU (4), length in bytes (8), then the bytes, padded to
//! [`SECTION_ALIGN`]. The agent writes the region's header last, so a region with the magic is complete.

/// First bytes of a region that an agent has finished writing.
pub const WIRE_MAGIC: [u8; 8] = *b"rxpath01";
/// Offset of the first section, in bytes.
pub const SECTIONS_AT: usize = 4096;
/// Sections start at multiples of this many bytes.
pub const SECTION_ALIGN: usize = 64;
/// Length of a section's own header, in bytes.
pub const SECTION_HEADER: usize = 16;

/// Offset of the length of all sections, in bytes.
const LENGTH_AT: usize = 16;

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
    /// The `format` file of one event, as text.
    Format = 5,
    /// `/proc/kallsyms`, as text.
    Symbols = 6,
    /// `available_filter_functions`, as text.
    Traceable = 7,
    /// `/proc/modules`, as text.
    Modules = 8,
    /// Ring-buffer pages of one CPU from the milestones part of a timing pass.
    MilestonePages = 9,
    /// The file that a different recorder wrote ([`crate::Pass::Foreign`]), unchanged.
    ForeignFile = 10,
}

impl Tag {
    const ALL: [Self; 10] = [
        Self::Report,
        Self::Pages,
        Self::Stats,
        Self::HeaderPage,
        Self::Format,
        Self::Symbols,
        Self::Traceable,
        Self::Modules,
        Self::MilestonePages,
        Self::ForeignFile,
    ];

    /// The tag with this number, if there is one.
    pub fn from_number(number: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|tag| *tag as u32 == number)
    }
}

/// One section of a region, borrowed from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Section<'a> {
    /// What it holds.
    pub tag: Tag,
    /// The CPU it belongs to; 0 where no CPU applies.
    pub cpu: u32,
    /// Its contents.
    pub bytes: &'a [u8],
}

/// What can be wrong with a region.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RegionError {
    /// The agent did not finish writing: the magic at the start is missing.
    Unfinished,
    /// The header or a section contradicts the layout.
    Malformed {
        /// Offset of the offending field or section, in bytes.
        at: usize,
        /// The contradiction.
        problem: &'static str,
    },
}

impl std::fmt::Display for RegionError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unfinished => {
                write!(f, "the guest did not finish writing its capture (the magic at its start is missing)")
            }
            Self::Malformed { at, problem } => write!(f, "malformed capture: {problem} (at byte {at})"),
        }
    }
}

impl std::error::Error for RegionError {}

/// Writes the header of a region whose sections are complete and this many bytes long. Panics if `region` is shorter
/// than [`SECTIONS_AT`].
pub fn write_region_header(region: &mut [u8], sections_length: usize) {
    region[LENGTH_AT..LENGTH_AT + 8].copy_from_slice(&(sections_length as u64).to_le_bytes());
    region[..WIRE_MAGIC.len()].copy_from_slice(&WIRE_MAGIC);
}

/// Length of all sections, in bytes, from a region's first [`SECTIONS_AT`] bytes.
pub fn sections_length(region: &[u8]) -> Result<usize, RegionError> {
    if region.len() < SECTIONS_AT || !region.starts_with(&WIRE_MAGIC) {
        return Err(RegionError::Unfinished);
    }
    let length = region[LENGTH_AT..].first_chunk().copied().map_or(u64::MAX, u64::from_le_bytes);
    usize::try_from(length).map_err(|_| RegionError::Malformed { at: LENGTH_AT, problem: TOO_LONG })
}

const TOO_LONG: &str = "the sections are longer than the region";

/// The header of a section.
pub fn section_header(tag: Tag, cpu: u32, length: usize) -> [u8; SECTION_HEADER] {
    let mut header = [0; SECTION_HEADER];
    header[0..4].copy_from_slice(&(tag as u32).to_le_bytes());
    header[4..8].copy_from_slice(&cpu.to_le_bytes());
    header[8..16].copy_from_slice(&(length as u64).to_le_bytes());
    header
}

/// The sections of a finished region, in the order they were written.
pub fn sections(region: &[u8]) -> Result<Vec<Section<'_>>, RegionError> {
    let end = SECTIONS_AT
        .checked_add(sections_length(region)?)
        .filter(|end| *end <= region.len())
        .ok_or(RegionError::Malformed { at: LENGTH_AT, problem: TOO_LONG })?;
    let mut out = Vec::new();
    let mut at = SECTIONS_AT;
    while at < end {
        let malformed = |problem| RegionError::Malformed { at, problem };
        let header = region[at..end].first_chunk::<SECTION_HEADER>().ok_or(malformed("truncated section header"))?;
        let word =
            |from: usize| u32::from_le_bytes([header[from], header[from + 1], header[from + 2], header[from + 3]]);
        let tag = Tag::from_number(word(0)).ok_or(malformed("unknown section tag"))?;
        let length = u64::from(word(8)) | u64::from(word(12)) << 32;
        let from = at + SECTION_HEADER;
        let to = usize::try_from(length).ok().and_then(|length| from.checked_add(length)).filter(|to| *to <= end);
        let to = to.ok_or(malformed("a section is longer than the bytes that are left"))?;
        out.push(Section { tag, cpu: word(4), bytes: &region[from..to] });
        at = to.next_multiple_of(SECTION_ALIGN);
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A region as the agent writes it.
    fn region(sections: &[Section]) -> Vec<u8> {
        let mut out = vec![0; SECTIONS_AT];
        for section in sections {
            out.extend(section_header(section.tag, section.cpu, section.bytes.len()));
            out.extend(section.bytes);
            out.resize(out.len().next_multiple_of(SECTION_ALIGN), 0);
        }
        let length = out.len() - SECTIONS_AT;
        write_region_header(&mut out, length);
        out
    }

    fn three() -> [Section<'static>; 3] {
        [
            Section { tag: Tag::Pages, cpu: 1, bytes: &[7; 4096] },
            Section { tag: Tag::Stats, cpu: 0, bytes: b"" },
            Section { tag: Tag::Report, cpu: 3, bytes: b"report" },
        ]
    }

    fn problem(region: &[u8]) -> (usize, &'static str) {
        match sections(region) {
            Err(RegionError::Malformed { at, problem }) => (at, problem),
            other => panic!("expected a malformed region, found {other:?}"),
        }
    }

    #[test]
    fn sections_come_back_as_they_were_written() {
        for sections in [&three()[..], &three()[..1], &[]] {
            assert_eq!(super::sections(&region(sections)).as_deref(), Ok(sections));
        }
    }

    #[test]
    fn bytes_after_the_sections_are_ignored() {
        let mut region = region(&three());
        region.resize(region.len() + 1000, 0xee);
        assert_eq!(sections(&region).as_deref(), Ok(&three()[..]));
    }

    #[test]
    fn every_tag_has_its_number() {
        for tag in Tag::ALL {
            assert_eq!(Tag::from_number(tag as u32), Some(tag));
        }
        assert_eq!([0, 11, u32::MAX].map(Tag::from_number), [None; 3]);
    }

    #[test]
    fn without_the_magic_a_region_is_unfinished() {
        let mut wrong = region(&three());
        wrong[7] ^= 1;
        for region in [&[][..], &WIRE_MAGIC, &region(&[])[..SECTIONS_AT - 1], &vec![0; SECTIONS_AT], &wrong] {
            assert_eq!(sections(region), Err(RegionError::Unfinished));
        }
    }

    #[test]
    fn malformed_regions_are_errors() {
        let whole = region(&three());
        let third = SECTIONS_AT + (SECTION_HEADER + 4096_usize).next_multiple_of(SECTION_ALIGN) + SECTION_ALIGN;

        assert_eq!(problem(&whole[..whole.len() - 1]), (LENGTH_AT, TOO_LONG), "truncated");

        let mut endless = whole.clone();
        endless[LENGTH_AT..LENGTH_AT + 8].fill(0xff);
        assert_eq!(problem(&endless), (LENGTH_AT, TOO_LONG));

        let mut short = whole.clone();
        write_region_header(&mut short, third + SECTION_HEADER - 1 - SECTIONS_AT);
        assert_eq!(problem(&short), (third, "truncated section header"));

        let mut unknown = whole.clone();
        unknown[third] = 99;
        assert_eq!(problem(&unknown), (third, "unknown section tag"));

        for too_long in [49, u64::MAX] {
            let mut region = whole.clone();
            region[third + 8..third + 16].copy_from_slice(&too_long.to_le_bytes());
            assert_eq!(problem(&region), (third, "a section is longer than the bytes that are left"), "{too_long}");
        }
    }
}
