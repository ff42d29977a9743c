//! Captures kept in folders, to be decoded again later or elsewhere: `rxpath run --save-capture DIR`, `rxpath decode DIR`.
//!
//! DIR/GROUP/CASE/KERNEL/ holds, all as the guest's kernel wrote it if not said otherwise:
//!
//! | file | what |
//! |---|---|
//! | `capture.json` | which case and kernel: [`CaptureMetadata`] |
//! | `header_page` | `events/header_page`: the layout of a ring-buffer page |
//! | `formats/EVENT` | `events/*/EVENT/format` of the recorded events |
//! | `cpuN.pages` | the traced pass's pages of CPU N, oldest first, as `per_cpu/cpuN/trace_pipe_raw` gave them |
//! | `cpuN.stats` | `per_cpu/cpuN/stats` after that |
//! | `kallsyms` | of `/proc/kallsyms`, the lines of the functions that were recorded, and the next after each |
//! | `available_filter_functions` | the same functions' lines of that file |
//! | `cmdlines` | lines of pid and name, of all tasks that scheduler events named |
//! | `trace.dat` | the same for trace-cmd and KernelShark (version 6 of the format) |
//!
//! Reading needs `header_page`, `formats/`, `kallsyms` and at least one `cpuN.pages`; the rest may be missing, so that a
//! capture copied out of any tracefs by hand can be read too.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use rxpath_guest::{Section, Tag};
use serde::{Deserialize, Serialize};

use crate::case::CaseName;
use crate::kernel::KernelName;
use crate::trace::{
    CallForests, CaptureText, CpuPages, DecodeError, Layout, NodeKind, Symbols, SymbolsError, write_tracedat,
};

use crate::suite::kernel_metadata::{FactsError, KernelMetadata, text};
use crate::suite::run::passes::{PassError, Recorded};

const ABOUT: &str = "capture.json";
const HEADER_PAGE: &str = "header_page";
const FORMATS: &str = "formats";
const KALLSYMS: &str = "kallsyms";
const TRACEABLE: &str = "available_filter_functions";
const CMDLINES: &str = "cmdlines";
const PAGES: &str = ".pages";
const STATS: &str = ".stats";
const TRACE_DAT: &str = "trace.dat";

/// The version of [`CaptureMetadata`] and of the folder's layout; raised when one changes its meaning.
pub const SAVED_VERSION: u32 = 1;

/// Which capture a folder holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaptureMetadata {
    /// [`SAVED_VERSION`].
    pub version: u32,
    pub case: CaseName,
    pub kernel: KernelName,
    /// What `uname -r` said.
    pub release: String,
    /// Digest of everything that came back from the guest, as in a run's results.
    pub digest: String,
}

/// A raw capture with what is needed to decode it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SavedCapture {
    /// `events/header_page`.
    pub header_page: String,
    /// The formats of the recorded events.
    pub formats: Vec<String>,
    /// The CPUs in ascending order.
    pub cpus: Vec<SavedCpu>,
    /// Lines of `/proc/kallsyms`.
    pub kallsyms: String,
    /// Lines of `available_filter_functions`; empty if unknown.
    pub traceable: String,
    /// Names of tasks by pid.
    pub comms: BTreeMap<i32, String>,
}

/// What one CPU recorded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SavedCpu {
    /// Which CPU.
    pub cpu: u16,
    /// Whole pages one after another, oldest first.
    pub pages: Vec<u8>,
    /// The counters of what was lost; empty if unknown.
    pub stats: String,
}

/// Why a capture cannot be kept or read.
#[derive(Debug, thiserror::Error)]
pub enum SavedError {
    /// A file or folder.
    #[error("{doing} {path}: {why}")]
    Io {
        /// What was being done.
        doing: &'static str,
        /// With what.
        path: String,
        /// What the system said.
        why: std::io::Error,
    },
    /// Something there is not a saved capture and would be overwritten.
    #[error("{path} is there and is no saved capture (it has no {ABOUT}): expected a free name, or an older capture")]
    InTheWay {
        /// What.
        path: String,
    },
    /// Not a capture.
    #[error("{path} is no saved capture: expected {expected} in it")]
    NoCapture {
        /// The folder.
        path: String,
        /// What is missing.
        expected: &'static str,
    },
    /// A line that is not a pid and a name.
    #[error("{path}, line {line}: expected a pid and a task's name, found {found:?}")]
    Cmdline {
        /// The file.
        path: String,
        /// From 1.
        line: usize,
        /// As it stands.
        found: String,
    },
    /// Its symbols.
    #[error(transparent)]
    Symbols(#[from] SymbolsError),
    /// What the guest sent beside the pages.
    #[error(transparent)]
    Facts(#[from] FactsError),
    /// The pages, or the kernel's description of them.
    #[error(transparent)]
    Decode(#[from] DecodeError),
}

fn io<'p>(doing: &'static str, path: &'p Path) -> impl FnOnce(std::io::Error) -> SavedError + 'p {
    move |why| SavedError::Io { doing, path: path.display().to_string(), why }
}

impl SavedCapture {
    /// What is to be kept of a traced pass. `facts_region` is what the image's guest said of its kernel.
    pub fn of(recorded: &Recorded, facts: &KernelMetadata, facts_region: &[u8]) -> Result<Self, PassError> {
        let forests = recorded.forests(facts, Tag::Pages)?;
        let sections = rxpath_guest::sections(facts_region)?;
        let (kallsyms, traceable) = needed_symbols(&forests, &sections)?;
        let formats = sections.iter().filter(|section| section.tag == Tag::Format);
        let formats = formats.map(|section| String::from_utf8_lossy(section.bytes).into_owned()).collect();
        let header_page = text(&sections, Tag::HeaderPage).map_err(SavedError::from)?.to_owned();
        let cpus = recorded.cpu_pages(Tag::Pages)?;
        let saved =
            |cpu: &CpuPages<'_>| SavedCpu { cpu: cpu.cpu, pages: cpu.pages.to_vec(), stats: cpu.stats.to_owned() };
        let cpus = cpus.iter().map(saved).collect();
        Ok(Self { header_page, formats, cpus, kallsyms, traceable, comms: forests.comms })
    }

    /// The kernel's descriptions, to decode with.
    pub fn text(&self) -> CaptureText<'_> {
        let formats = self.formats.iter().map(String::as_str).collect();
        CaptureText { header_page: &self.header_page, formats, ..CaptureText::default() }
    }

    /// The pages, to decode.
    pub fn cpu_pages(&self) -> Vec<CpuPages<'_>> {
        self.cpus.iter().map(|one| CpuPages { cpu: one.cpu, pages: &one.pages, stats: &one.stats }).collect()
    }

    /// The same as a `trace.dat`, for trace-cmd and KernelShark.
    pub fn tracedat(&self) -> Result<Vec<u8>, SavedError> {
        let dat = write_tracedat(&self.text(), &self.cpu_pages(), &self.kallsyms, &self.comms);
        Ok(dat.map_err(DecodeError::from)?)
    }

    /// Writes it to a folder, in the place of an older capture there. A reader sees all of it or nothing.
    pub fn write(&self, folder: &Path, about: &CaptureMetadata) -> Result<(), SavedError> {
        if folder.exists() && !folder.join(ABOUT).is_file() {
            return Err(SavedError::InTheWay { path: folder.display().to_string() });
        }
        let parent = folder.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(parent).map_err(io("creating", parent))?;
        let made = tempfile::Builder::new()
            .prefix(".capture-")
            .tempdir_in(parent)
            .map_err(io("creating a folder in", parent))?;
        let write = |name: &str, bytes: &[u8]| {
            let path = made.path().join(name);
            fs::write(&path, bytes).map_err(io("writing", &path))
        };
        write(ABOUT, (serde_json::to_string_pretty(about).unwrap_or_default() + "\n").as_bytes())?;
        write(HEADER_PAGE, self.header_page.as_bytes())?;
        let formats = made.path().join(FORMATS);
        fs::create_dir(&formats).map_err(io("creating", &formats))?;
        for format in &self.formats {
            write(&format!("{FORMATS}/{}", event_name(format)), format.as_bytes())?;
        }
        for cpu in &self.cpus {
            write(&format!("cpu{}{PAGES}", cpu.cpu), &cpu.pages)?;
            write(&format!("cpu{}{STATS}", cpu.cpu), cpu.stats.as_bytes())?;
        }
        write(KALLSYMS, self.kallsyms.as_bytes())?;
        write(TRACEABLE, self.traceable.as_bytes())?;
        let cmdlines: String = self.comms.iter().map(|(pid, comm)| format!("{pid} {comm}\n")).collect();
        write(CMDLINES, cmdlines.as_bytes())?;
        write(TRACE_DAT, &self.tracedat()?)?;
        if folder.exists() {
            fs::remove_dir_all(folder).map_err(io("replacing", folder))?;
        }
        fs::rename(made.keep(), folder).map_err(io("naming", folder))
    }

    /// Reads a folder.
    pub fn read(folder: &Path) -> Result<Self, SavedError> {
        let lacks = |expected| SavedError::NoCapture { path: folder.display().to_string(), expected };
        let header_page = optional(&folder.join(HEADER_PAGE))?.ok_or_else(|| lacks("header_page"))?;
        let kallsyms = optional(&folder.join(KALLSYMS))?.ok_or_else(|| lacks("kallsyms"))?;
        let formats = folder.join(FORMATS);
        if !formats.is_dir() {
            return Err(lacks("a folder formats/ with events' format files"));
        }
        let formats = entries(&formats)?.iter().map(|path| read_text(path)).collect::<Result<_, _>>()?;
        let mut cpus = Vec::new();
        for path in entries(folder)? {
            let Some(cpu) = cpu_of(&path) else { continue };
            let pages = fs::read(&path).map_err(io("reading", &path))?;
            let stats = optional(&folder.join(format!("cpu{cpu}{STATS}")))?.unwrap_or_default();
            cpus.push(SavedCpu { cpu, pages, stats });
        }
        if cpus.is_empty() {
            return Err(lacks("cpuN.pages of at least one CPU"));
        }
        cpus.sort_by_key(|cpu| cpu.cpu);
        let traceable = optional(&folder.join(TRACEABLE))?.unwrap_or_default();
        let comms = read_cmdlines(&folder.join(CMDLINES))?;
        Ok(Self { header_page, formats, cpus, kallsyms, traceable, comms })
    }

    /// Its call forests and the symbols that name them.
    pub fn decode(&self) -> Result<(CallForests, Symbols), SavedError> {
        let mut forests = crate::trace::build(&Layout::new(&self.text())?, &self.cpu_pages())?;
        for (pid, comm) in &self.comms {
            forests.comms.entry(*pid).or_insert_with(|| comm.clone());
        }
        Ok((forests, Symbols::parse(&self.kallsyms, &self.traceable)?))
    }
}

/// The folders beneath (and at) `folder` that hold a saved capture, sorted. Does not follow links.
pub fn saved_captures(folder: &Path) -> Result<Vec<PathBuf>, SavedError> {
    /// GROUP/CASE/KERNEL, and a folder above for those who keep several runs.
    const DEEPEST: usize = 4;
    let mut found = Vec::new();
    let mut to_see = vec![(folder.to_owned(), 0)];
    while let Some((folder, depth)) = to_see.pop() {
        if folder.join(HEADER_PAGE).is_file() {
            found.push(folder);
        } else if depth < DEEPEST {
            let folders = entries(&folder)?.into_iter().filter(|path| path.is_dir() && !path.is_symlink());
            to_see.extend(folders.map(|path| (path, depth + 1)));
        }
    }
    found.sort();
    if found.is_empty() {
        let path = folder.display().to_string();
        return Err(SavedError::NoCapture { path, expected: "header_page, or folders GROUP/CASE/KERNEL with one" });
    }
    Ok(found)
}

/// What a format file says its event is called.
fn event_name(format: &str) -> &str {
    let name = format.lines().find_map(|line| line.strip_prefix("name: ")).unwrap_or("unnamed").trim();
    if name.contains('/') { "unnamed" } else { name }
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>, SavedError> {
    let listed = fs::read_dir(folder).and_then(|all| all.map(|one| Ok(one?.path())).collect::<Result<Vec<_>, _>>());
    let mut paths = listed.map_err(io("listing", folder))?;
    paths.sort();
    Ok(paths)
}

fn cpu_of(path: &Path) -> Option<u16> {
    path.file_name()?.to_str()?.strip_prefix("cpu")?.strip_suffix(PAGES)?.parse().ok()
}

fn read_text(path: &Path) -> Result<String, SavedError> {
    fs::read_to_string(path).map_err(io("reading", path))
}

fn optional(path: &Path) -> Result<Option<String>, SavedError> {
    if path.is_file() { read_text(path).map(Some) } else { Ok(None) }
}

fn read_cmdlines(path: &Path) -> Result<BTreeMap<i32, String>, SavedError> {
    let text = optional(path)?.unwrap_or_default();
    let pair = |(index, line): (usize, &str)| {
        let parts = line.split_once(' ').and_then(|(pid, comm)| Some((pid.parse().ok()?, comm.to_owned())));
        let (path, found) = (path.display().to_string(), line.chars().take(60).collect());
        parts.ok_or(SavedError::Cmdline { path, line: index + 1, found })
    };
    text.lines().enumerate().map(pair).collect()
}

/// Of both symbol files, the lines of recorded functions; of kallsyms also what lies next after each, which bounds it.
fn needed_symbols(forests: &CallForests, sections: &[Section<'_>]) -> Result<(String, String), SavedError> {
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

/// Whether a line of kallsyms names a function that code can lie in.
fn is_function(line: &str) -> bool {
    matches!(line.as_bytes().get(17), Some(b't' | b'T' | b'w' | b'W')) && !line[18..].starts_with(" __pfx_")
}
