//! Results that need no second run: in exact mode, the same case on the same kernel gives the same bytes.

use std::fs;
use std::path::PathBuf;
use std::time::UNIX_EPOCH;

use xxhash_rust::xxh3::xxh3_128;

use crate::case::Case;
use crate::kernel::verified::{read_with_digest, write_with_digest};
use crate::kernel::{Cache, Kernel, KernelError, Qemu};
use crate::suite::run::image_spec::ImageSpec;
use crate::suite::store::run_results::{CaseResult, RESULTS_VERSION, Verdict};
use crate::vm::Accelerator;

/// The results of exact mode that are saved in the cache.
pub(crate) struct ResultCache {
    folder: PathBuf,
    /// Which rxpath this is: a different one may judge differently.
    program: String,
}

impl ResultCache {
    pub(crate) fn new(cache: &Cache) -> Self {
        let program = fs::metadata("/proc/self/exe").ok();
        let changed = program.as_ref().and_then(|file| file.modified().ok()?.duration_since(UNIX_EPOCH).ok());
        let size = program.map(|file| file.len());
        let program = format!("{} {size:?} {changed:?}", env!("CARGO_PKG_VERSION"));
        Self { folder: cache.root().join("results"), program }
    }

    /// The saved result of a case on a kernel.
    pub(crate) fn get(&self, case: &Case, kernel: &Kernel, qemu: &Qemu) -> Option<CaseResult> {
        let text = read_with_digest(&self.file(case, kernel, qemu).ok()?)?;
        serde_json::from_slice(&text).ok().map(|result: CaseResult| CaseResult { kernel: kernel.name(), ..result })
    }

    /// Saves a result, unless a second run may end differently.
    pub(crate) fn put(&self, result: &CaseResult, case: &Case, kernel: &Kernel, qemu: &Qemu) {
        let repeats = result.verdict != Verdict::Skipped && result.verdict <= Verdict::Failed;
        // An error means that the case is run again.
        if let (true, Ok(file), Ok(text)) = (repeats, self.file(case, kernel, qemu), serde_json::to_vec(result))
            && fs::create_dir_all(&self.folder).is_ok()
        {
            write_with_digest(&file, text);
        }
    }

    fn file(&self, case: &Case, kernel: &Kernel, qemu: &Qemu) -> Result<PathBuf, KernelError> {
        let guest = ImageSpec::of(case, Accelerator::Exact).guest_kernel(kernel)?;
        let (program, pinned) = (&self.program, kernel.is_pinned());
        let inputs = format!("{RESULTS_VERSION} {program} {} {} {pinned} {case:?}", guest.digest, qemu.digest);
        Ok(self.folder.join(format!("{:032x}.json", xxh3_128(inputs.as_bytes()))))
    }
}
