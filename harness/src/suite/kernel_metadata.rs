//! What is true of a kernel whatever is run on it: how its records look, which functions it has.

use rxpath_guest::{Section, Tag};
use serde::{Deserialize, Serialize};

use crate::kernel::write_best_effort;
use crate::path::FunctionNames;
use crate::trace::{CaptureText, DecodeError, Endian, Layout, Presence, Symbols, SymbolsError};
use crate::vm::{VmError, WarmImage};

/// The symbols as they are kept beside the image, ready to load.
const SYMBOLS_FILE: &str = "symbols";
/// What the layout is made of, as JSON: a few kilobytes of what the guest sent, which is mostly symbols.
const LAYOUT_FILE: &str = "layout";

/// One kernel's layouts and symbols.
#[derive(Debug)]
pub struct KernelMetadata {
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

impl KernelMetadata {
    /// The facts that an image's guest sent when it was made.
    ///
    /// Parsing 150,000 lines takes longer than a run; what it gave is kept, and made anew if it cannot be read.
    pub fn load(image: &WarmImage) -> Result<Self, FactsError> {
        match Self::kept(image) {
            Some(facts) => Ok(facts),
            None => Self::make(image),
        }
    }

    fn kept(image: &WarmImage) -> Option<Self> {
        let read = |file: &str| std::fs::read(image.folder().join(file)).ok();
        let texts: LayoutTexts = serde_json::from_slice(&read(LAYOUT_FILE)?).ok()?;
        let symbols = Symbols::from_bytes(&read(SYMBOLS_FILE)?).ok()?;
        Some(Self { layout: texts.layout().ok()?, symbols })
    }

    fn make(image: &WarmImage) -> Result<Self, FactsError> {
        let region = image.facts()?;
        let sections = rxpath_guest::sections(&region)?;
        let texts = LayoutTexts::of(&sections)?;
        let layout = texts.layout()?;
        let symbols = Symbols::parse(text(&sections, Tag::Symbols)?, text(&sections, Tag::Traceable)?)?;
        write_best_effort(&image.folder().join(SYMBOLS_FILE), &symbols.to_bytes());
        // Plain texts always become text.
        write_best_effort(&image.folder().join(LAYOUT_FILE), &serde_json::to_vec(&texts).unwrap_or_default());
        Ok(Self { layout, symbols })
    }

    /// Whether the kernel has a function of this canonical name, and whether it can be traced.
    pub fn presence(&self, name: &str) -> Presence {
        self.symbols.presence(name)
    }
}

impl FunctionNames for KernelMetadata {
    fn raw_name(&self, func: u64) -> Option<&str> {
        self.symbols.name(func)
    }
}

/// What a layout is made of.
#[derive(Debug, Serialize, Deserialize)]
struct LayoutTexts {
    header_page: String,
    formats: Vec<String>,
}

impl LayoutTexts {
    fn of(sections: &[Section<'_>]) -> Result<Self, FactsError> {
        let formats = sections.iter().filter(|section| section.tag == Tag::Format);
        let formats = formats.map(|section| {
            let text = std::str::from_utf8(section.bytes).map_err(|_| FactsError::NoText { what: "format" })?;
            Ok(text.to_owned())
        });
        Ok(Self {
            header_page: text(sections, Tag::HeaderPage)?.to_owned(),
            formats: formats.collect::<Result<_, FactsError>>()?,
        })
    }

    fn layout(&self) -> Result<Layout, FactsError> {
        let formats = self.formats.iter().map(String::as_str).collect();
        let header_page = &self.header_page;
        Ok(Layout::new(&CaptureText { header_page, formats, page_size: None, endian: Endian::Little })?)
    }
}

/// A section that is text.
pub(crate) fn text<'a>(sections: &[Section<'a>], tag: Tag) -> Result<&'a str, FactsError> {
    let what = match tag {
        Tag::HeaderPage => "header_page",
        Tag::Symbols => "kallsyms",
        _ => "list of traceable functions",
    };
    let section = sections.iter().find(|section| section.tag == tag).ok_or(FactsError::NoText { what })?;
    std::str::from_utf8(section.bytes).map_err(|_| FactsError::NoText { what })
}
