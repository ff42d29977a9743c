//! Makes a [`SavedCapture`] of a traced pass.

use std::collections::BTreeSet;

use rxpath_guest::{Section, Tag};

use crate::suite::kernel_metadata::{KernelMetadata, MetadataError, text};
use crate::suite::run::passes::{PassError, Recorded};
use crate::suite::store::saved_capture::{SavedCapture, SavedCpu, SavedError};
use crate::trace::{CallForests, CpuPages, NodeKind};

/// Why a capture cannot be saved.
#[derive(Debug, thiserror::Error)]
pub enum SaveCaptureError {
    #[error(transparent)]
    Pass(#[from] PassError),
    #[error(transparent)]
    Metadata(#[from] MetadataError),
    #[error(transparent)]
    Saved(#[from] SavedError),
}

/// The part of a traced pass that is saved. `facts` is what the image's guest sent about its kernel.
pub(crate) fn saved_capture(
    recorded: &Recorded,
    metadata: &KernelMetadata,
    facts: &[u8],
) -> Result<SavedCapture, SaveCaptureError> {
    let forests = recorded.forests(metadata, Tag::Pages)?;
    let sections = rxpath_guest::sections(facts).map_err(PassError::from)?;
    let (kallsyms, traceable) = needed_symbols(&forests, &sections)?;
    let formats = sections.iter().filter(|section| section.tag == Tag::Format);
    let formats = formats.map(|section| String::from_utf8_lossy(section.bytes).into_owned()).collect();
    let header_page = text(&sections, Tag::HeaderPage)?.to_owned();
    let cpus = recorded.cpu_pages(Tag::Pages)?;
    let saved = |cpu: &CpuPages<'_>| SavedCpu { cpu: cpu.cpu, pages: cpu.pages.to_vec(), stats: cpu.stats.to_owned() };
    let cpus = cpus.iter().map(saved).collect();
    Ok(SavedCapture { header_page, formats, cpus, kallsyms, traceable, comms: forests.comms })
}

/// The lines of kallsyms and of the traceable functions that name recorded functions. Of kallsyms also the line after each,
/// which bounds it.
fn needed_symbols(forests: &CallForests, sections: &[Section<'_>]) -> Result<(String, String), MetadataError> {
    let (kallsyms, traceable) = (text(sections, Tag::Symbols)?, text(sections, Tag::Traceable)?);
    let address = |line: &str| u64::from_str_radix(line.get(..16)?, 16).ok();
    let mut lines: Vec<(u64, &str)> =
        kallsyms.lines().filter(|line| is_function(line)).filter_map(|line| Some((address(line)?, line))).collect();
    lines.sort_by_key(|(address, _)| *address);
    let mut starts = BTreeSet::new();
    for node in forests.by_task.values().flat_map(|forest| &forest.nodes) {
        if let NodeKind::Call { func, .. } = node.kind {
            let after = lines.partition_point(|(address, _)| *address <= func);
            starts.extend(after.checked_sub(1).map(|at| lines[at].0));
            starts.extend(lines.get(after).map(|(address, _)| *address));
        }
    }
    let kept: Vec<&str> = lines.iter().filter(|(at, _)| starts.contains(at)).map(|(_, line)| *line).collect();
    let of_line = |line: &'_ str| line.get(19..).unwrap_or_default().replace('\t', " ");
    let names: BTreeSet<String> = kept.iter().map(|line| of_line(line)).collect();
    let joined = |lines: &mut dyn Iterator<Item = &str>| lines.map(|line| format!("{line}\n")).collect::<String>();
    let traceable = joined(&mut traceable.lines().filter(|line| names.contains(*line)));
    Ok((joined(&mut kept.into_iter()), traceable))
}

/// Whether a line of kallsyms names a function.
fn is_function(line: &str) -> bool {
    matches!(line.as_bytes().get(17), Some(b't' | b'T' | b'w' | b'W')) && !line[18..].starts_with(" __pfx_")
}
