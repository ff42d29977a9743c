//! What is true of a kernel whatever is run on it: how its records look, which functions it has.

use rxpath_guest::{Section, Tag};

use crate::kernel::keep;
use crate::path::FunctionNames;
use crate::trace::{CaptureText, DecodeError, Endian, Layout, Presence, Symbols, SymbolsError};
use crate::vm::{VmError, WarmImage};

/// The symbols as they are kept beside the image, ready to load.
const SYMBOLS_FILE: &str = "symbols";

/// One kernel's layouts and symbols.
#[derive(Debug)]
pub struct KernelFacts {
    /// How to read its ring buffer.
    pub layout: Layout,
    /// Its functions.
    pub symbols: Symbols,
}

/// Why a kernel's facts cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum FactsError {
    /// The image.
    #[error(transparent)]
    Vm(#[from] VmError),
    /// What the guest sent.
    #[error("what the guest said of its kernel cannot be read: {0}")]
    Region(#[from] rxpath_guest::RegionError),
    /// Not the text that was expected.
    #[error("the {what} that the guest sent is no text")]
    NoText {
        /// Which part.
        what: &'static str,
    },
    /// The formats.
    #[error(transparent)]
    Layout(#[from] DecodeError),
    /// The symbols.
    #[error("the guest's symbols: {0}")]
    Symbols(#[from] SymbolsError),
}

impl KernelFacts {
    /// The facts that an image's guest sent when it was made.
    pub fn load(image: &WarmImage) -> Result<Self, FactsError> {
        let region = image.facts()?;
        let sections = rxpath_guest::sections(&region)?;
        let layout = layout(&sections)?;
        let kept = image.folder().join(SYMBOLS_FILE);
        // Parsing 150,000 lines takes longer than a run; what it gave is kept, and made anew if it cannot be read.
        let symbols = match std::fs::read(&kept).ok().and_then(|bytes| Symbols::from_bytes(&bytes).ok()) {
            Some(symbols) => symbols,
            None => {
                let symbols = Symbols::parse(text(&sections, Tag::Symbols)?, text(&sections, Tag::Traceable)?)?;
                keep(&kept, &symbols.to_bytes());
                symbols
            }
        };
        Ok(Self { layout, symbols })
    }

    /// Whether the kernel has a function of this canonical name, and whether it can be traced.
    pub fn presence(&self, name: &str) -> Presence {
        self.symbols.presence(name)
    }
}

impl FunctionNames for KernelFacts {
    fn raw_name(&self, func: u64) -> Option<&str> {
        self.symbols.name(func)
    }
}

fn layout(sections: &[Section<'_>]) -> Result<Layout, FactsError> {
    let formats = sections.iter().filter(|section| section.tag == Tag::Format);
    let formats = formats
        .map(|section| std::str::from_utf8(section.bytes).map_err(|_| FactsError::NoText { what: "format" }))
        .collect::<Result<Vec<_>, _>>()?;
    let header_page = text(sections, Tag::HeaderPage)?;
    Ok(Layout::new(&CaptureText { header_page, formats, page_size: None, endian: Endian::Little })?)
}

/// A section that is text.
pub(super) fn text<'a>(sections: &[Section<'a>], tag: Tag) -> Result<&'a str, FactsError> {
    let what = match tag {
        Tag::HeaderPage => "header_page",
        Tag::Symbols => "kallsyms",
        _ => "list of traceable functions",
    };
    let section = sections.iter().find(|section| section.tag == tag).ok_or(FactsError::NoText { what })?;
    std::str::from_utf8(section.bytes).map_err(|_| FactsError::NoText { what })
}
