//! The matrix: all chosen cases on all chosen kernels, as many guests at a time as there are jobs.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock};
use std::time::Instant;

use indexmap::IndexMap;
use rxpath_guest::{Pass, Plan};

use crate::case::{Case, CaseName, Diagnostics, Lowered, PassKind, WarmSetup};
use crate::kernel::{Fetched, Kernel, KernelName, Series};
use crate::path::cost::TracerCost;
use crate::vm::{Accelerator, ImageKind, Images, Machine, QemuProgram, RunLimits, VmError, WarmImage};

use crate::suite::judge::downgrade::record_test_bed_error;
use crate::suite::judge::milestones;
use crate::suite::kernel_metadata::{FactsError, KernelMetadata};
use crate::suite::run::functions;
use crate::suite::run::passes::{PassError, Recorded};
use crate::suite::run::test_bed as prepare;
use crate::suite::run::tracer::tracer_cost;
use crate::suite::store::results::{CaseResult, Problem, RESULTS_VERSION, Results, RunKernel, Verdict};
use crate::suite::store::saved::{self, SavedFunctions};
use crate::suite::store::saved_capture::{CaptureMetadata, SAVED_VERSION, SavedCapture};
use crate::suite::store::snapshot::Snapshots;

/// How a matrix is run.
#[derive(Clone, Debug)]
pub struct MatrixOptions {
    /// Guests at a time, at least 1.
    pub jobs: usize,
    /// Supervision of each run.
    pub limits: RunLimits,
    /// Whether differences are written as pending snapshots.
    pub propose: bool,
    /// What executes the guests. Only exact timings are held against snapshots and bounds.
    pub accelerator: Accelerator,
    /// Where to keep the traced passes' captures, if anywhere: GROUP/CASE/KERNEL/ beneath it (see [`crate::suite::SavedCapture`]).
    pub save_captures: Option<PathBuf>,
}

/// Told what happens, from any thread.
pub trait Watcher: Sync {
    /// An image is being booted, and why.
    fn booting(&self, kernel: &str, machine: &str, reason: &str);
    /// A case has come to its verdict.
    fn judged(&self, result: &CaseResult);
}

/// Watches nothing.
#[derive(Clone, Copy, Debug)]
pub struct Silent;

impl Watcher for Silent {
    fn booting(&self, _: &str, _: &str, _: &str) {}
    fn judged(&self, _: &CaseResult) {}
}

/// A kernel on a machine, ready to run.
pub(super) struct TestBed {
    pub(super) image: WarmImage,
    pub(super) facts: KernelMetadata,
    /// What tracing a call costs, or why that is not known; `None` outside exact mode, where times mean nothing.
    pub(super) tracer: Option<Result<TracerCost, String>>,
}

/// What a failed preparation leaves for the cases that needed it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TestBedError {
    #[error(transparent)]
    Kernel(#[from] crate::kernel::KernelError),
    #[error(transparent)]
    Vm(#[from] VmError),
    #[error(transparent)]
    Facts(#[from] FactsError),
}

/// Which image a case needs: kernel's index, machine, modules, and what was done before it was saved.
type TestBedKey = (usize, Machine, Vec<&'static str>, WarmSetup);

/// Runs every case on every kernel; the result is in the order of the cases, then of the kernels.
///
/// # Errors
///
/// When a case names a function that the kernels it runs on do not have; nothing is run then.
pub fn run_matrix(
    cases: &[&Case],
    fetched: &Fetched,
    images: &Images,
    snapshots: &Snapshots,
    options: &MatrixOptions,
    watcher: &dyn Watcher,
) -> Result<Results, Diagnostics> {
    let qemu = prepare::program(&fetched.qemu);
    let mut jobs = Vec::new();
    for case in cases {
        for (index, kernel) in fetched.kernels.iter().enumerate() {
            jobs.push(Job::new(case, index, kernel, options.accelerator));
        }
    }
    let keys: IndexMap<TestBedKey, OnceLock<Result<TestBed, TestBedError>>> =
        jobs.iter().filter(|job| job.skip.is_none()).map(|job| (job.key.clone(), OnceLock::new())).collect();
    let suite = Suite { fetched, images, snapshots, options, watcher, qemu, test_beds: keys };
    suite.prepare(&jobs);
    functions::check(cases, |case| suite.kernels_of(case, &jobs))?;
    let mut found = suite.run(&jobs);
    if options.accelerator == Accelerator::Exact {
        super::judging::judge_costs(&jobs, &mut found);
    }
    Ok(Results {
        version: RESULTS_VERSION,
        kernels: fetched
            .kernels
            .iter()
            .map(|one| RunKernel { name: one.series.into(), version: one.version.clone(), unlocked: one.unlocked })
            .collect(),
        qemu: fetched.qemu.version.clone(),
        mode: options.accelerator.word().to_owned(),
        functions: suite.functions(&found),
        cases: found,
    })
}

/// One case on one kernel.
pub(super) struct Job<'a> {
    pub(super) case: &'a Case,
    pub(super) kernel: &'a Kernel,
    pub(super) key: TestBedKey,
    pub(super) skip: Option<String>,
}

impl<'a> Job<'a> {
    fn new(case: &'a Case, index: usize, kernel: &'a Kernel, accelerator: Accelerator) -> Self {
        let key = (index, prepare::machine_on(case, accelerator), prepare::modules(case), case.warm_setup());
        Self { case, kernel, key, skip: case.runs_on(kernel.series).err() }
    }

    pub(super) fn result(&self, verdict: Verdict, problems: Vec<Problem>) -> CaseResult {
        CaseResult::new(self.case, self.kernel_name(), verdict, problems)
    }

    pub(super) fn kernel_name(&self) -> KernelName {
        self.kernel.series.into()
    }
}

pub(super) struct Suite<'a> {
    pub(super) fetched: &'a Fetched,
    pub(super) images: &'a Images,
    pub(super) snapshots: &'a Snapshots,
    pub(super) options: &'a MatrixOptions,
    pub(super) watcher: &'a dyn Watcher,
    pub(super) qemu: QemuProgram,
    pub(super) test_beds: IndexMap<TestBedKey, OnceLock<Result<TestBed, TestBedError>>>,
}

/// A thing for a worker to do.
enum Task {
    /// Make a bench ready.
    Prepare(TestBedKey),
    /// Run one pass of a job.
    Pass(usize, PassKind),
}

/// What is there of a job so far.
#[derive(Default)]
struct Parts {
    started: Option<Instant>,
    trace: Option<Result<Recorded, PassError>>,
    timing: Option<Result<Recorded, PassError>>,
}

impl Suite<'_> {
    /// Makes every image ready, as many at a time as there are jobs.
    fn prepare(&self, jobs: &[Job<'_>]) {
        let prepare = self.test_beds.keys().cloned().map(Task::Prepare).collect();
        self.work_off(prepare, jobs, &Mutex::default(), &Mutex::default());
    }

    /// The kernels that a case runs on here and that are ready, with their facts.
    fn kernels_of(&self, case: &Case, jobs: &[Job<'_>]) -> Vec<(Series, &KernelMetadata)> {
        let mine = jobs.iter().filter(|job| job.skip.is_none() && job.case.name == case.name);
        mine.filter_map(|job| Some((job.kernel.series, &self.test_bed(&job.key).as_ref().ok()?.facts))).collect()
    }

    /// What each kernel has of the functions in these results and in the accepted snapshots of their cases.
    fn functions(&self, found: &[CaseResult]) -> Vec<SavedFunctions> {
        let cases: BTreeSet<&CaseName> = found.iter().map(|one| &one.case).collect();
        let documents = cases.into_iter().flat_map(|case| self.snapshots.all_accepted(case));
        let names = saved::vocabulary(found.iter().flat_map(|one| &one.paths), documents);
        let ready = |index: usize| {
            let test_bed =
                self.test_beds.iter().find(|(key, test_bed)| key.0 == index && matches!(test_bed.get(), Some(Ok(_))));
            test_bed.and_then(|(_, test_bed)| test_bed.get()?.as_ref().ok())
        };
        let kernels = self.fetched.kernels.iter().enumerate();
        kernels
            .filter_map(|(index, kernel)| Some(SavedFunctions::of(kernel.series.into(), &ready(index)?.facts, &names)))
            .collect()
    }

    fn run(&self, jobs: &[Job<'_>]) -> Vec<CaseResult> {
        let mut passes = VecDeque::new();
        for (index, _) in jobs.iter().enumerate().filter(|(_, job)| job.skip.is_none()) {
            passes.extend([Task::Pass(index, PassKind::Trace), Task::Pass(index, PassKind::Timing)]);
        }
        let results = Mutex::new(BTreeMap::new());
        for (index, job) in jobs.iter().enumerate() {
            if let Some(why) = &job.skip {
                let mut result = job.result(Verdict::Skipped, Vec::new());
                result.notes.push(why.clone());
                self.finish(index, result, &results);
            }
        }
        self.work_off(passes, jobs, &Mutex::default(), &results);
        results.into_inner().unwrap_or_default().into_values().collect()
    }

    /// Does the tasks in order, on as many threads as there are jobs.
    fn work_off(
        &self,
        tasks: VecDeque<Task>,
        jobs: &[Job<'_>],
        parts: &Mutex<BTreeMap<usize, Parts>>,
        results: &Mutex<BTreeMap<usize, CaseResult>>,
    ) {
        let queue = Mutex::new(tasks);
        let next = || queue.lock().ok()?.pop_front();
        std::thread::scope(|scope| {
            for _ in 0..self.options.jobs.max(1) {
                scope.spawn(|| {
                    while let Some(task) = next() {
                        match task {
                            Task::Prepare(key) => {
                                self.test_bed(&key);
                            }
                            Task::Pass(index, pass) => self.pass(index, pass, &jobs[index], parts, results),
                        }
                    }
                });
            }
        });
    }

    fn test_bed(&self, key: &TestBedKey) -> &Result<TestBed, TestBedError> {
        self.test_beds[key].get_or_init(|| {
            let kernel = prepare::guest_kernel(&self.fetched.kernels[key.0], &key.2, &key.3)?;
            let booting = |reason: &str| self.watcher.booting(&kernel.series, &kernel.on(&key.1), reason);
            let image = self.images.get(&kernel, &key.1, &self.qemu, &booting)?;
            let facts = KernelMetadata::load(&image)?;
            // Here, beside other benches: the check of the cases' functions asks one kernel after another.
            facts.symbols.index();
            let series = self.fetched.kernels[key.0].series;
            let tracer = (self.options.accelerator == Accelerator::Exact)
                .then(|| tracer_cost(&image, &facts, series, &self.options.limits).map_err(|why| why.to_string()));
            Ok(TestBed { image, facts, tracer })
        })
    }

    /// Runs one pass; whoever brings the last one of a job judges it.
    fn pass(
        &self,
        index: usize,
        pass: PassKind,
        job: &Job<'_>,
        parts: &Mutex<BTreeMap<usize, Parts>>,
        results: &Mutex<BTreeMap<usize, CaseResult>>,
    ) {
        let lock = || parts.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        lock().entry(index).or_default().started.get_or_insert_with(Instant::now);
        let test_bed = match self.test_bed(&job.key) {
            Ok(test_bed) => test_bed,
            Err(why) => {
                if pass == PassKind::Trace {
                    let (verdict, problem) = record_test_bed_error(why);
                    self.finish(index, job.result(verdict, vec![problem]), results);
                }
                return;
            }
        };
        let mut lowered = job.case.lower(job.kernel.series, pass);
        let kind = if pass == PassKind::Trace { ImageKind::Traced } else { ImageKind::Untraced };
        let mut limits = self.options.limits.clone();
        limits.keep_failures = limits.keep_failures.map(|folder| {
            let name = format!("{}-{}-{pass:?}", job.case.name.replace('/', "-"), job.kernel.series).to_lowercase();
            folder.join(name)
        });
        let mut recorded =
            plan_of(&mut lowered, test_bed).and_then(|plan| Recorded::run(&test_bed.image, kind, plan, &limits));
        if let (PassKind::Trace, Some(folder)) = (pass, &self.options.save_captures) {
            recorded = recorded.and_then(|recorded| {
                save_capture(folder, job, test_bed, &recorded)?;
                Ok(recorded)
            });
        }
        let mut all = lock();
        let mine = all.entry(index).or_default();
        match pass {
            PassKind::Trace => mine.trace = Some(recorded),
            PassKind::Timing => mine.timing = Some(recorded),
        }
        if mine.trace.is_some() && mine.timing.is_some() {
            let Some(Parts { started: Some(started), trace: Some(trace), timing: Some(timing) }) = all.remove(&index)
            else {
                return;
            };
            drop(all);
            // Whichever pass came last, paths are those of the iterations that were traced.
            let traced = job.case.lower(job.kernel.series, PassKind::Trace);
            let mut result = self.judge(job, &traced, test_bed, trace, timing);
            result.took_ms = started.elapsed().as_millis() as u64;
            self.finish(index, result, results);
        }
    }

    fn finish(&self, index: usize, result: CaseResult, results: &Mutex<BTreeMap<usize, CaseResult>>) {
        self.watcher.judged(&result);
        results.lock().unwrap_or_else(std::sync::PoisonError::into_inner).insert(index, result);
    }
}

/// The plan of a pass, with the case's milestones as the image's kernel numbers them.
fn plan_of(lowered: &mut Lowered, test_bed: &TestBed) -> Result<Plan, PassError> {
    if let (Pass::Timing { milestones }, false) = (&mut lowered.plan.pass, lowered.milestones.is_empty()) {
        *milestones = Some(milestones::milestones(&test_bed.image, &lowered.milestones).map_err(Box::new)?);
    }
    Ok(lowered.plan.clone())
}

fn save_capture(folder: &Path, job: &Job<'_>, test_bed: &TestBed, recorded: &Recorded) -> Result<(), PassError> {
    let kernel = job.kernel_name();
    let place = folder.join(job.case.name.as_str()).join(kernel.as_str());
    let (case, release, digest) = (job.case.name.clone(), job.kernel.release.clone(), recorded.digest.clone());
    let about = CaptureMetadata { version: SAVED_VERSION, case, kernel, release, digest };
    Ok(SavedCapture::of(recorded, &test_bed.facts, &test_bed.image.facts()?)?.write(&place, &about)?)
}
