//! A traced pass as it was recorded, for other programs to look at: nothing folded, nothing left out.

use std::collections::{BTreeMap, BTreeSet};

use rxpath_guest::Tag;

use super::facts::KernelFacts;
use super::matrix::Watcher;
use super::observe::Observation;
use super::passes::{PassError, Recorded};
use super::prepare;
use super::timeline::Timeline;
use crate::case::{Case, Lowered, PassKind};
use crate::kernel::{Kernel, Qemu};
use crate::trace::{CaptureText, CpuPages, Endian, Forests, What, write_tracedat};
use crate::vm::{Images, RunLimits, Stage};

/// A traced pass with what is needed to read it.
#[derive(Debug)]
pub struct Capture {
    /// What came back.
    pub recorded: Recorded,
    /// The kernel's layouts and symbols.
    pub facts: KernelFacts,
    /// What the guest said of its kernel when its image was made.
    texts: Vec<u8>,
    lowered: Lowered,
}

/// Runs the traced pass of a case.
pub fn record_case(
    case: &Case,
    kernel: &Kernel,
    qemu: Option<&Qemu>,
    images: &Images,
    limits: &RunLimits,
    watcher: &dyn Watcher,
) -> Result<Capture, Box<dyn std::error::Error>> {
    let machine = prepare::machine(case);
    let guest = prepare::guest_kernel(kernel, &prepare::modules(case))?;
    let program = prepare::program(qemu.ok_or("no QEMU was fetched")?);
    let booting = |reason: &str| watcher.booting(&guest.series, &machine.to_string(), reason);
    let image = images.get(&guest, &machine, &program, &booting)?;
    let lowered = case.lower(kernel.series, PassKind::Trace);
    let recorded = Recorded::run(&image, Stage::Armed, lowered.plan.clone(), limits)?;
    Ok(Capture { recorded, facts: KernelFacts::load(&image)?, texts: image.facts()?, lowered })
}

impl Capture {
    /// The call forests, whole.
    pub fn forests(&self) -> Result<Forests, PassError> {
        self.recorded.forests(&self.facts, Tag::Pages)
    }

    /// What `rxpath show` shows of it.
    pub fn observation(&self, case: &Case) -> Result<Observation, PassError> {
        Observation::of(case, &self.lowered, &self.recorded, &self.facts)
    }

    /// Who did what when.
    pub fn timeline(&self) -> Result<Timeline, PassError> {
        let tids = self.recorded.report.actor_tids.iter().zip(&self.lowered.names);
        let actors: BTreeMap<i32, String> = tids.map(|(tid, (name, _))| (*tid, name.clone())).collect();
        Ok(Timeline::of(&self.forests()?, &self.facts, &actors))
    }

    /// The capture as a `trace.dat`, for trace-cmd and KernelShark.
    pub fn tracedat(&self) -> Result<Vec<u8>, Box<dyn std::error::Error>> {
        let texts = rxpath_guest::sections(&self.texts)?;
        let text = |tag: Tag| texts.iter().filter(move |one| one.tag == tag).map(|one| std::str::from_utf8(one.bytes));
        let header_page = text(Tag::HeaderPage).next().ok_or("the image holds no header_page")??;
        let formats = text(Tag::Format).collect::<Result<Vec<_>, _>>()?;
        let sections = rxpath_guest::sections(self.recorded.bytes())?;
        let stats = |cpu| {
            let mine = sections.iter().find(|one| one.tag == Tag::Stats && one.cpu == cpu);
            mine.and_then(|one| std::str::from_utf8(one.bytes).ok()).unwrap_or("")
        };
        let pages = sections.iter().filter(|one| one.tag == Tag::Pages);
        let cpus: Vec<CpuPages> =
            pages.map(|one| CpuPages { cpu: one.cpu as u16, pages: one.bytes, stats: stats(one.cpu) }).collect();
        let forests = self.forests()?;
        let capture = CaptureText { header_page, formats, page_size: None, endian: Endian::Little };
        Ok(write_tracedat(&capture, &cpus, &self.symbols_of(&forests), &forests.comms)?)
    }

    /// The functions that were called, as lines of kallsyms: under the names that rxpath uses, where a function has several.
    fn symbols_of(&self, forests: &Forests) -> String {
        let nodes = forests.by_task.values().flat_map(|forest| &forest.nodes);
        let called: BTreeSet<(u64, &str)> = nodes
            .filter_map(|node| match node.what {
                What::Call { func, .. } => Some((self.facts.symbols.start(func)?, self.facts.symbols.name(func)?)),
                _ => None,
            })
            .collect();
        called.into_iter().map(|(address, name)| format!("{address:016x} T {name}\n")).collect()
    }
}
