//! What is the same in every run of a kernel: the format of its trace records, and its functions.

use rxpath_guest::{RegionError, Section, Tag};
use serde::{Deserialize, Serialize};

use crate::kernel::verified::{read_with_digest, write_with_digest};
use crate::path::FunctionNames;
use crate::trace::{CaptureText, DecodeError, Endian, Layout, Presence, Symbols, SymbolsError};
use crate::vm::{VmError, WarmImage};

/// The parsed symbols, cached beside the image.
const SYMBOLS_FILE: &str = "symbols-2";
/// [`LayoutTexts`] as JSON, cached beside the image: a few kilobytes of what the guest sent, which is mostly symbols.
const LAYOUT_FILE: &str = "layout-2";

/// The layout of a kernel's ring buffer, and its symbols.
#[derive(Debug)]
pub struct KernelMetadata {
    pub layout: Layout,
    pub symbols: Symbols,
}

/// Why a kernel's metadata is not available.
#[derive(Debug, thiserror::Error)]
pub enum MetadataError {
    #[error(transparent)]
    Vm(#[from] VmError),
    #[error("cannot read the kernel's metadata that the guest sent")]
    Region(#[from] RegionError),
    #[error("the guest sent no {what}, or one that is not text")]
    NotText { what: &'static str },
    #[error(transparent)]
    Layout(#[from] DecodeError),
    #[error("cannot read the guest's symbols")]
    Symbols(#[from] SymbolsError),
}

impl KernelMetadata {
    /// Loads the metadata that the guest sent when the image was made.
    ///
    /// Parsing 150,000 lines takes longer than a run, so the parsed form is cached beside the image.
    pub fn load(image: &WarmImage) -> Result<Self, MetadataError> {
        match Self::cached(image) {
            Some(metadata) => Ok(metadata),
            None => Self::parse(image),
        }
    }

    fn cached(image: &WarmImage) -> Option<Self> {
        let read = |file: &str| read_with_digest(&image.folder().join(file));
        let texts: LayoutTexts = serde_json::from_slice(&read(LAYOUT_FILE)?).ok()?;
        let symbols = Symbols::from_bytes(&read(SYMBOLS_FILE)?).ok()?;
        Some(Self { layout: texts.layout().ok()?, symbols })
    }

    fn parse(image: &WarmImage) -> Result<Self, MetadataError> {
        let region = image.facts()?;
        let sections = rxpath_guest::sections(&region)?;
        let texts = LayoutTexts::of(&sections)?;
        let layout = texts.layout()?;
        let symbols = Symbols::parse(text(&sections, Tag::Symbols)?, text(&sections, Tag::Traceable)?)?;
        write_with_digest(&image.folder().join(SYMBOLS_FILE), symbols.to_bytes());
        // Serializing strings cannot fail.
        write_with_digest(&image.folder().join(LAYOUT_FILE), serde_json::to_vec(&texts).unwrap_or_default());
        Ok(Self { layout, symbols })
    }

    /// Whether the kernel has a function with this canonical name, and whether it can be traced.
    pub fn presence(&self, name: &str) -> Presence {
        self.symbols.presence(name)
    }
}

impl FunctionNames for KernelMetadata {
    fn raw_name(&self, func: u64) -> Option<&str> {
        self.symbols.name(func)
    }
}

/// The texts that a layout is parsed from.
#[derive(Debug, Serialize, Deserialize)]
struct LayoutTexts {
    header_page: String,
    formats: Vec<String>,
}

impl LayoutTexts {
    fn of(sections: &[Section<'_>]) -> Result<Self, MetadataError> {
        let formats = sections.iter().filter(|section| section.tag == Tag::Format);
        let formats = formats.map(|section| {
            let text = std::str::from_utf8(section.bytes).map_err(|_| MetadataError::NotText { what: "format" })?;
            Ok(text.to_owned())
        });
        Ok(Self {
            header_page: text(sections, Tag::HeaderPage)?.to_owned(),
            formats: formats.collect::<Result<_, MetadataError>>()?,
        })
    }

    fn layout(&self) -> Result<Layout, MetadataError> {
        let formats = self.formats.iter().map(String::as_str).collect();
        let header_page = &self.header_page;
        Ok(Layout::new(&CaptureText { header_page, formats, page_size: None, endian: Endian::Little })?)
    }
}

/// The first section with this tag, as text.
pub(crate) fn text<'a>(sections: &[Section<'a>], tag: Tag) -> Result<&'a str, MetadataError> {
    let what = match tag {
        Tag::HeaderPage => "header_page",
        Tag::Symbols => "kallsyms",
        _ => "list of traceable functions",
    };
    let section = sections.iter().find(|section| section.tag == tag).ok_or(MetadataError::NotText { what })?;
    std::str::from_utf8(section.bytes).map_err(|_| MetadataError::NotText { what })
}
