//! What is the same in every run of a kernel: the format of its trace records, and its functions.

use rxpath_guest::{RegionError, Section, Tag};
use serde::{Deserialize, Serialize};

use crate::kernel::verified::{read_with_digest, write_with_digest};
use crate::path::FunctionNames;
use crate::trace::{
    CaptureText, DecodeError, Endian, Layout, MovedModule, Presence, Symbols, SymbolsError, move_symbols,
};
use crate::vm::{VmError, WarmImage};

/// The parsed symbols, cached beside the image.
const SYMBOLS_FILE: &str = "symbols-3";
/// [`LayoutTexts`] as JSON, cached beside the image: a few kilobytes of what the guest sent, which is mostly symbols.
const LAYOUT_FILE: &str = "layout-3";

/// The layout of a kernel's ring buffer, and its symbols.
#[derive(Debug)]
pub struct KernelMetadata {
    pub layout: Layout,
    /// As in the traced image.
    pub symbols: Symbols,
    /// From the untraced image to the traced one.
    pub(crate) modules: Vec<MovedModule>,
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
        let read = |file: &str| read_with_digest(&image.kernel_folder().join(file));
        let texts: LayoutTexts = serde_json::from_slice(&read(LAYOUT_FILE)?).ok()?;
        let symbols = Symbols::from_bytes(&read(SYMBOLS_FILE)?).ok()?;
        Some(Self { layout: texts.layout().ok()?, symbols, modules: texts.modules })
    }

    fn parse(image: &WarmImage) -> Result<Self, MetadataError> {
        let (region, modules) = traced_facts(image)?;
        let sections = rxpath_guest::sections(&region)?;
        let texts = LayoutTexts::of(&sections, modules)?;
        let layout = texts.layout()?;
        let symbols = Symbols::parse(text(&sections, Tag::Symbols)?, text(&sections, Tag::Traceable)?)?;
        write_with_digest(&image.kernel_folder().join(SYMBOLS_FILE), symbols.to_bytes());
        // Serializing strings cannot fail.
        write_with_digest(&image.kernel_folder().join(LAYOUT_FILE), serde_json::to_vec(&texts).unwrap_or_default());
        Ok(Self { layout, symbols, modules: texts.modules })
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

/// What describes the kernel of a traced image, and how its modules have moved since the untraced one.
pub(crate) fn traced_facts(image: &WarmImage) -> Result<(Vec<u8>, Vec<MovedModule>), MetadataError> {
    let (mut region, traced) = (image.facts()?, image.traced_modules()?);
    if traced.is_empty() {
        return Ok((region, Vec::new()));
    }
    let sections = rxpath_guest::sections(&region)?;
    let modules =
        MovedModule::of(text(&sections, Tag::Modules)?, text(&rxpath_guest::sections(&traced)?, Tag::Modules)?);
    move_symbols(&mut region, &modules);
    Ok((region, modules))
}

/// The texts that a layout is parsed from, and the modules.
#[derive(Debug, Serialize, Deserialize)]
struct LayoutTexts {
    header_page: String,
    formats: Vec<String>,
    modules: Vec<MovedModule>,
}

impl LayoutTexts {
    fn of(sections: &[Section<'_>], modules: Vec<MovedModule>) -> Result<Self, MetadataError> {
        let formats = sections.iter().filter(|section| section.tag == Tag::Format);
        let formats = formats.map(|section| {
            let text = std::str::from_utf8(section.bytes).map_err(|_| MetadataError::NotText { what: "format" })?;
            Ok(text.to_owned())
        });
        Ok(Self {
            header_page: text(sections, Tag::HeaderPage)?.to_owned(),
            formats: formats.collect::<Result<_, MetadataError>>()?,
            modules,
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
        Tag::Modules => "list of modules",
        _ => "list of traceable functions",
    };
    let section = sections.iter().find(|section| section.tag == tag).ok_or(MetadataError::NotText { what })?;
    std::str::from_utf8(section.bytes).map_err(|_| MetadataError::NotText { what })
}
