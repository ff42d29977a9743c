//! All chosen cases on all chosen kernels, with as many guests at a time as there are workers.

use std::collections::{BTreeSet, HashSet};
use std::path::PathBuf;
use std::sync::{Mutex, OnceLock, PoisonError};

use indexmap::IndexMap;

use crate::case::{Case, CaseName, Diagnostic, Diagnostics, PassKind};
use crate::kernel::{Fetched, Kernel, KnownParts, Series};
use crate::suite::judge::costs::judge_costs;
use crate::suite::judge::verdict::{Judge, Judged};
use crate::suite::judge::verdict_of_test_bed;
use crate::suite::kernel_metadata::KernelMetadata;
use crate::suite::matrix::functions;
use crate::suite::matrix::job::{BothPasses, Job, TestBedKey};
use crate::suite::matrix::workers::work_off;
use crate::suite::run::case_pass::CasePass;
use crate::suite::run::image_spec::qemu_program;
use crate::suite::run::test_bed::{ImageSource, TestBed, TestBedError};
use crate::suite::run::watcher::Watcher;
use crate::suite::store::path_document::read_document;
use crate::suite::store::run_results::{CaseResult, Problem, RESULTS_VERSION, Results, RunKernel, Verdict};
use crate::suite::store::saved::SavedFunctions;
use crate::suite::store::snapshot::Snapshots;
use crate::vm::{Accelerator, Images, RunLimits, is_cancelled};

/// How a matrix is run.
#[derive(Clone, Debug)]
pub struct MatrixOptions {
    /// The number of guests at a time, at least 1.
    pub jobs: usize,
    /// The supervision of each run.
    pub limits: RunLimits,
    /// Whether insta is to write differences as pending snapshots.
    pub propose: bool,
    /// What executes the guests. Only exact timings are compared with snapshots and bounds.
    pub accelerator: Accelerator,
    /// Where to save the captures of the traced passes, if anywhere: in GROUP/CASE/KERNEL/ below it (see
    /// [`crate::suite::SavedCapture`]).
    pub save_captures: Option<PathBuf>,
}

/// Runs every case on every kernel; the results are ordered by case, then by kernel. If the user cancels the run, only finished
/// cases have a result.
/// A case that names a function which is missing in the pinned kernels that it runs on fails there, and is not run.
pub fn run_matrix(
    cases: &[&Case],
    fetched: &Fetched,
    images: &Images,
    snapshots: &Snapshots,
    options: &MatrixOptions,
    watcher: &dyn Watcher,
) -> Results {
    let known: Vec<_> = fetched.kernels.iter().map(Kernel::known_parts).collect();
    let kernels = || fetched.kernels.iter().zip(&known).enumerate();
    let pairs = cases.iter().flat_map(|case| kernels().map(move |(index, kernel)| (case, index, kernel)));
    let jobs = pairs.map(|(case, index, kernel)| Job::new(case, index, kernel, options.accelerator));
    let mut jobs: Vec<Job<'_>> = jobs.collect();
    let qemu = qemu_program(&fetched.qemu);
    let source = ImageSource { images, qemu: &qemu, watcher };
    let compiler = |known: &KnownParts| Some(known.config.as_ref()?.value("CONFIG_CC_VERSION_TEXT")?.to_owned());
    let compilers = kernels().filter_map(|(_, (kernel, known))| Some((kernel.name(), compiler(known.as_ref().ok()?)?)));
    let compilers = compilers.collect();
    let judge = Judge { snapshots, propose: options.propose, accelerator: options.accelerator, compilers };
    let keys = jobs.iter().filter_map(|job| job.test_bed.clone().ok());
    let test_beds = keys.map(|key| (key, OnceLock::new())).collect();
    let matrix = Matrix { fetched, source, options, judge, test_beds, functions: Mutex::default() };
    matrix.prepare();
    // A cancelled preparation leaves kernels out.
    if !is_cancelled() {
        matrix.refuse_wrong_functions(cases, &jobs);
    }
    matrix.run(&jobs);
    let mut results: Vec<CaseResult> = jobs.iter_mut().filter_map(|job| job.result.take()).collect();
    let functions = matrix.saved_functions(&results);
    if options.accelerator == Accelerator::Exact {
        for job in jobs.iter().filter(|job| job.test_bed.is_ok()) {
            judge_costs(job.case, job.kernel, &mut results);
        }
    }
    let run_kernels = fetched
        .kernels
        .iter()
        .zip(&known)
        .map(|(kernel, known)| RunKernel::of(kernel, known.as_ref().ok().and_then(|known| known.config.as_ref())));
    Results {
        against: None,
        version: RESULTS_VERSION,
        kernels: run_kernels.collect(),
        qemu: fetched.qemu.version.clone(),
        mode: options.accelerator.word().to_owned(),
        cases: results,
        functions,
    }
}

struct Matrix<'a> {
    fetched: &'a Fetched,
    source: ImageSource<'a>,
    options: &'a MatrixOptions,
    judge: Judge<'a>,
    test_beds: IndexMap<TestBedKey, OnceLock<Result<TestBed, TestBedError>>>,
    /// The functions of the paths so far, each once: a run has a few thousand, and each pair some hundred of them.
    functions: Mutex<BTreeSet<String>>,
}

impl Matrix<'_> {
    /// Makes all test beds ready: first one of each machine, which has to be booted, so that workers boot different machines at the
    /// same time instead of waiting for one; then those that are derived from them.
    fn prepare(&self) {
        let mut machines = HashSet::new();
        let (first, derived): (Vec<_>, Vec<_>) =
            self.test_beds.keys().partition(|(kernel, spec)| machines.insert((kernel, &spec.machine)));
        work_off(first.into_iter().chain(derived), self.workers(), |key| {
            self.test_bed(key);
        });
    }

    fn workers(&self) -> usize {
        self.options.jobs.max(1)
    }

    fn test_bed(&self, key: &TestBedKey) -> &Result<TestBed, TestBedError> {
        self.test_beds[key].get_or_init(|| {
            let test_bed = self.source.test_bed(&key.1, &self.fetched.kernels[key.0], &self.options.limits)?;
            // The index is built here, beside other test beds: the check of the cases' functions takes one kernel at a time.
            test_bed.metadata.symbols.index();
            Ok(test_bed)
        })
    }

    /// Fails the cases that name functions which their pinned kernels lack: one that is misspelt need not run to be wrong.
    fn refuse_wrong_functions(&self, cases: &[&Case], jobs: &[Job<'_>]) {
        for case in cases {
            let wrong = functions::check(case, &self.kernels_of(case, jobs));
            if wrong.is_empty() {
                continue;
            }
            let lines: Vec<String> = Diagnostics::new(wrong).all.iter().map(Diagnostic::line).collect();
            let of_case = |job: &&Job<'_>| job.case.name == case.name && job.kernel.is_pinned() && job.test_bed.is_ok();
            for job in jobs.iter().filter(of_case) {
                let mut result = job.empty_result();
                result.downgrade(Verdict::Failed, Problem::new("functions", lines.join("\n")));
                self.finish(job, result);
            }
        }
    }

    /// The pinned kernels of the case that are ready, with their metadata. Any other kernel may have inlined a function that
    /// the case names, which is not a mistake in the case.
    fn kernels_of<'s>(&'s self, case: &Case, jobs: &[Job<'_>]) -> Vec<(Series, &'s KernelMetadata)> {
        let of_case = jobs.iter().filter(|job| job.case.name == case.name && job.kernel.is_pinned());
        of_case
            .filter_map(|job| {
                let test_bed = self.test_bed(job.test_bed.as_ref().ok()?).as_ref().ok()?;
                Some((job.kernel.series, &test_bed.metadata))
            })
            .collect()
    }

    /// Gives every job a result.
    fn run(&self, jobs: &[Job<'_>]) {
        for job in jobs {
            if let Err(reason) = &job.test_bed {
                let notes = vec![reason.clone()];
                self.finish(job, CaseResult { verdict: Verdict::Skipped, notes, ..job.empty_result() });
            }
        }
        let left = jobs.iter().filter(|job| job.result.get().is_none());
        let runnable = left.filter_map(|job| Some((job, job.test_bed.as_ref().ok()?)));
        let passes = runnable.flat_map(|(job, key)| [PassKind::Trace, PassKind::Timing].map(|pass| (job, key, pass)));
        work_off(passes, self.workers(), |(job, key, pass)| self.run_pass(job, key, pass));
    }

    /// Runs one pass; the last pass of a job judges it.
    ///
    /// A job that is cancelled in the middle gets no result: it says nothing about the case.
    fn run_pass(&self, job: &Job<'_>, key: &TestBedKey, kind: PassKind) {
        job.start();
        let test_bed = match self.test_bed(key) {
            _ if is_cancelled() => return,
            Ok(test_bed) => test_bed,
            Err(error) => {
                // Of the two passes, one reports it.
                if kind == PassKind::Trace {
                    let (mut result, (verdict, problem)) = (job.empty_result(), verdict_of_test_bed(job.case, error));
                    result.downgrade(verdict, problem);
                    self.finish(job, result);
                }
                return;
            }
        };
        let mut pass = CasePass::run(job.case, job.kernel, kind, test_bed, &self.options.limits);
        if is_cancelled() {
            return;
        }
        if let (PassKind::Trace, Some(folder)) = (kind, &self.options.save_captures) {
            pass = pass.save(folder, job.case, job.kernel, test_bed);
        }
        if let Some(BothPasses { trace, timing, started }) = job.add(kind, pass) {
            let Judged { mut result, functions } = self.judge.judge(job.case, job.kernel, test_bed, &trace, &timing);
            result.took_ms = started.elapsed().as_millis() as u64;
            self.functions.lock().unwrap_or_else(PoisonError::into_inner).extend(functions);
            self.finish(job, result);
        }
    }

    fn finish(&self, job: &Job<'_>, result: CaseResult) {
        self.source.watcher.judged(&result);
        // Each job is finished once.
        let _ = job.result.set(result);
    }

    /// Which functions each kernel has, of those in the paths of this run and in the accepted snapshots of these results' cases.
    fn saved_functions(&self, results: &[CaseResult]) -> Vec<SavedFunctions> {
        let cases: BTreeSet<&CaseName> = results.iter().map(|one| &one.case).collect();
        let accepted = cases.into_iter().flat_map(|case| self.judge.snapshots.all_accepted(case));
        let mut names = std::mem::take(&mut *self.functions.lock().unwrap_or_else(PoisonError::into_inner));
        for (_, path) in accepted.flat_map(|document| read_document(&document).unwrap_or_default()) {
            names.extend(path.functions().map(str::to_owned));
        }
        let ready = |index: usize| -> Vec<&KernelMetadata> {
            let of_kernel = self.test_beds.iter().filter(|(key, _)| key.0 == index);
            of_kernel.filter_map(|(_, test_bed)| Some(&test_bed.get()?.as_ref().ok()?.metadata)).collect()
        };
        let kernels = self.fetched.kernels.iter().enumerate().map(|(index, kernel)| (kernel.name(), ready(index)));
        let ready = kernels.filter(|(_, metadata)| !metadata.is_empty());
        ready.map(|(name, metadata)| SavedFunctions::of(name, &metadata, &names)).collect()
    }
}
