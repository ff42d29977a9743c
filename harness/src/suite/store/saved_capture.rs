//! Captures saved in folders, for decoding later or elsewhere: `rxpath run --save-capture DIR`, `rxpath decode DIR`.
//!
//! DIR/GROUP/CASE/KERNEL/ holds these files, as the guest's kernel wrote them unless stated otherwise:
//!
//! | file | content |
//! |---|---|
//! | `capture.json` | [`CaptureMetadata`] |
//! | `header_page` | `events/header_page`: the layout of a ring-buffer page |
//! | `formats/EVENT` | `events/*/EVENT/format` of the recorded events |
//! | `cpuN.pages` | the traced pass's pages of CPU N, oldest first, as `per_cpu/cpuN/trace_pipe_raw` gave them |
//! | `cpuN.stats` | `per_cpu/cpuN/stats` after the run |
//! | `kallsyms` | the lines of `/proc/kallsyms` with the recorded functions, and the line after each |
//! | `available_filter_functions` | the lines of that file that name the same functions |
//! | `cmdlines` | pid and name of all tasks that scheduler events name, one on each line |
//! | `trace.dat` | the same capture for trace-cmd and KernelShark (version 6 of the format) |
//!
//! Reading needs `header_page`, `formats/`, `kallsyms` and at least one `cpuN.pages`. The other files may be missing, so
//! captures copied by hand from any tracefs can be read too.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::case::CaseName;
use crate::kernel::KernelName;
use crate::read_file::{read_file, read_text as read_text_file};
use crate::trace::{CallForests, CaptureText, CpuPages, DecodeError, Layout, Symbols, SymbolsError, write_tracedat};

const METADATA: &str = "capture.json";
const HEADER_PAGE: &str = "header_page";
const FORMATS: &str = "formats";
const KALLSYMS: &str = "kallsyms";
const TRACEABLE: &str = "available_filter_functions";
const CMDLINES: &str = "cmdlines";
const PAGES: &str = ".pages";
const STATS: &str = ".stats";
/// The most bytes of each file of a capture.
const MOST_BYTES: u64 = 1 << 30;
const TRACE_DAT: &str = "trace.dat";

/// The version of [`CaptureMetadata`] and of the folder's layout. It is raised when either changes its meaning.
pub const SAVED_VERSION: u32 = 1;

/// The origin of a capture.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaptureMetadata {
    /// [`SAVED_VERSION`].
    pub version: u32,
    pub case: CaseName,
    pub kernel: KernelName,
    /// The output of `uname -r`.
    pub release: String,
    /// Digest of everything that the guest sent, as in a run's results.
    pub digest: String,
}

/// A raw capture with everything that decoding it needs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SavedCapture {
    /// `events/header_page`.
    pub header_page: String,
    /// The formats of the recorded events.
    pub formats: Vec<String>,
    /// Sorted by CPU.
    pub cpus: Vec<SavedCpu>,
    /// Lines of `/proc/kallsyms`.
    pub kallsyms: String,
    /// Lines of `available_filter_functions`; empty if unknown.
    pub traceable: String,
    /// Names of tasks by pid.
    pub comms: BTreeMap<i32, String>,
}

/// The records of one CPU.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SavedCpu {
    pub cpu: u16,
    /// Concatenated pages, oldest first.
    pub pages: Vec<u8>,
    /// The counters of lost records; empty if unknown.
    pub stats: String,
}

/// Why a saved capture cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum SavedError {
    #[error("{doing} {path}")]
    Io {
        doing: &'static str,
        path: String,
        #[source]
        source: io::Error,
    },
    #[error(
        "{path} exists and is not a saved capture (it has no {METADATA}): expected a free name, or an older capture"
    )]
    InTheWay { path: String },
    #[error("{path} is not a saved capture: expected {expected} in it")]
    NoCapture { path: String, expected: &'static str },
    #[error("{path}, line {line}: expected a pid and a task's name, found {found:?}")]
    Cmdline { path: String, line: usize, found: String },
    #[error(transparent)]
    Symbols(#[from] SymbolsError),
    #[error(transparent)]
    Decode(#[from] DecodeError),
}

fn io_error<'p>(doing: &'static str, path: &'p Path) -> impl FnOnce(io::Error) -> SavedError + 'p {
    move |source| SavedError::Io { doing, path: path.display().to_string(), source }
}

impl SavedCapture {
    /// The kernel's descriptions of its records.
    pub(crate) fn text(&self) -> CaptureText<'_> {
        let formats = self.formats.iter().map(String::as_str).collect();
        CaptureText { header_page: &self.header_page, formats, ..CaptureText::default() }
    }

    fn cpu_pages(&self) -> Vec<CpuPages<'_>> {
        self.cpus.iter().map(|one| CpuPages { cpu: one.cpu, pages: &one.pages, stats: &one.stats }).collect()
    }

    /// The capture as a `trace.dat`, for trace-cmd and KernelShark.
    pub(crate) fn tracedat(&self) -> Result<Vec<u8>, SavedError> {
        let dat = write_tracedat(&self.text(), &self.cpu_pages(), &self.kallsyms, &self.comms);
        Ok(dat.map_err(DecodeError::from)?)
    }

    /// Writes the capture to a folder atomically, and replaces an older capture there.
    pub fn write(&self, folder: &Path, metadata: &CaptureMetadata) -> Result<(), SavedError> {
        if folder.exists() && !folder.join(METADATA).is_file() {
            return Err(SavedError::InTheWay { path: folder.display().to_string() });
        }
        let parent = folder.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(parent).map_err(io_error("creating", parent))?;
        let made = tempfile::Builder::new()
            .prefix(".capture-")
            .tempdir_in(parent)
            .map_err(io_error("creating a folder in", parent))?;
        let write = |name: &str, bytes: &[u8]| {
            let path = made.path().join(name);
            fs::write(&path, bytes).map_err(io_error("writing", &path))
        };
        write(METADATA, (serde_json::to_string_pretty(metadata).unwrap_or_default() + "\n").as_bytes())?;
        write(HEADER_PAGE, self.header_page.as_bytes())?;
        let formats = made.path().join(FORMATS);
        fs::create_dir(&formats).map_err(io_error("creating", &formats))?;
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
            fs::remove_dir_all(folder).map_err(io_error("replacing", folder))?;
        }
        fs::rename(made.keep(), folder).map_err(io_error("naming", folder))
    }

    /// Reads the capture in a folder.
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
            let pages = read_file(&path, MOST_BYTES).map_err(io_error("reading", &path))?;
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

    /// The call forests, and the symbols that name their functions.
    pub fn decode(&self) -> Result<(CallForests, Symbols), SavedError> {
        let mut forests = crate::trace::build(&Layout::new(&self.text())?, &self.cpu_pages())?;
        for (pid, comm) in &self.comms {
            forests.comms.entry(*pid).or_insert_with(|| comm.clone());
        }
        Ok((forests, Symbols::parse(&self.kallsyms, &self.traceable)?))
    }
}

/// The folders with saved captures at or below `folder`, sorted. Does not follow links.
pub fn saved_captures(folder: &Path) -> Result<Vec<PathBuf>, SavedError> {
    /// GROUP/CASE/KERNEL, and one level more for folders of several runs.
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

/// The event's name in a format file.
fn event_name(format: &str) -> &str {
    let name = format.lines().find_map(|line| line.strip_prefix("name: ")).unwrap_or("unnamed").trim();
    if name.contains('/') { "unnamed" } else { name }
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>, SavedError> {
    let listed = fs::read_dir(folder).and_then(|all| all.map(|one| Ok(one?.path())).collect::<Result<Vec<_>, _>>());
    let mut paths = listed.map_err(io_error("listing", folder))?;
    paths.sort();
    Ok(paths)
}

fn cpu_of(path: &Path) -> Option<u16> {
    path.file_name()?.to_str()?.strip_prefix("cpu")?.strip_suffix(PAGES)?.parse().ok()
}

fn read_text(path: &Path) -> Result<String, SavedError> {
    read_text_file(path, MOST_BYTES).map_err(io_error("reading", path))
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
