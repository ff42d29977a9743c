//! One case on one kernel: its passes so far, and its result.

use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Instant;

use crate::case::{Case, PassKind};
use crate::kernel::{Kernel, KernelError, KernelName, KnownParts};
use crate::suite::run::case_pass::CasePass;
use crate::suite::run::image_spec::ImageSpec;
use crate::suite::store::run_results::CaseResult;
use crate::vm::Accelerator;

/// The test bed of a job: the kernel's index, and the image.
pub(super) type TestBedKey = (usize, ImageSpec);

pub(super) struct Job<'a> {
    pub(super) case: &'a Case,
    pub(super) kernel: &'a Kernel,
    /// The test bed that both passes run on, or why the case does not run on this kernel.
    pub(super) test_bed: Result<TestBedKey, String>,
    passes: Mutex<Passes>,
    pub(super) result: OnceLock<CaseResult>,
}

#[derive(Default)]
struct Passes {
    started: Option<Instant>,
    trace: Option<CasePass>,
    timing: Option<CasePass>,
}

/// Both passes of a job.
pub(super) struct BothPasses {
    pub(super) trace: CasePass,
    pub(super) timing: CasePass,
    /// When the first of them was started.
    pub(super) started: Instant,
}

impl<'a> Job<'a> {
    pub(super) fn new(
        case: &'a Case,
        index: usize,
        (kernel, known): (&'a Kernel, &Result<KnownParts, KernelError>),
        accelerator: Accelerator,
    ) -> Self {
        let test_bed = match known {
            Ok(known) => ImageSpec::on_kernel(case, kernel, known, accelerator),
            // The test bed reports what cannot be read.
            Err(_) => Ok(ImageSpec::of(case, accelerator)),
        };
        let test_bed = test_bed.map(|spec| (index, spec));
        Self { case, kernel, test_bed, passes: Mutex::default(), result: OnceLock::new() }
    }

    pub(super) fn kernel_name(&self) -> KernelName {
        self.kernel.name()
    }

    pub(super) fn empty_result(&self) -> CaseResult {
        CaseResult::new(self.case, self.kernel_name())
    }

    /// Notes that a pass is about to run.
    pub(super) fn start(&self) {
        self.passes().started.get_or_insert_with(Instant::now);
    }

    /// Adds a pass; the last one returns both.
    pub(super) fn add(&self, kind: PassKind, pass: CasePass) -> Option<BothPasses> {
        let mut passes = self.passes();
        match kind {
            PassKind::Trace => passes.trace = Some(pass),
            PassKind::Timing => passes.timing = Some(pass),
        }
        match std::mem::take(&mut *passes) {
            Passes { started: Some(started), trace: Some(trace), timing: Some(timing) } => {
                Some(BothPasses { trace, timing, started })
            }
            incomplete => {
                *passes = incomplete;
                None
            }
        }
    }

    fn passes(&self) -> std::sync::MutexGuard<'_, Passes> {
        self.passes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
