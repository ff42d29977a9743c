//! Checks the functions that cases name without booting anything: on the pinned kernels that have images in the cache.

use std::collections::HashMap;

use crate::case::{Case, CaseName, Diagnostics};
use crate::kernel::{self, Kernel, KernelError, KernelName, KnownParts, Series};
use crate::suite::kernel_metadata::KernelMetadata;
use crate::suite::matrix::functions;
use crate::suite::project::Project;
use crate::suite::run::image_spec::{ImageSpec, qemu_program};
use crate::vm::{Accelerator, Images, QemuProgram};

/// The kernels whose functions were compared with those that cases name, and what is wrong.
#[derive(Debug, Default)]
pub(crate) struct FunctionCheck {
    /// Each with the number of cases: those that need modules have images of their own.
    pub(crate) kernels: Vec<(KernelName, usize)>,
    /// Pinned kernels without an image in the cache.
    pub(crate) unknown: Vec<KernelName>,
    pub(crate) wrong: Diagnostics,
}

/// Compares the functions that cases name with those of kernels in the cache.
pub(crate) fn check_functions_in_cache(project: &Project, cases: &[Case]) -> Result<FunctionCheck, KernelError> {
    let listed = kernel::list(&project.pins, &project.lock, &project.cache)?;
    let (cached, missing): (Vec<_>, Vec<_>) =
        listed.kernels.iter().partition(|kernel| listed.qemu.cached && kernel.cached);
    let cached: Vec<Series> = cached.iter().map(|kernel| kernel.series).collect();
    let unknown = missing.iter().map(|kernel| kernel.series.into()).collect();
    let mut check = FunctionCheck { unknown, ..FunctionCheck::default() };
    if cached.is_empty() {
        return Ok(check);
    }
    let fetched = project.fetch(&cached, &|_| {})?;
    let qemu = qemu_program(&fetched.qemu);
    let images = project.images();
    let known = fetched.kernels.iter().map(|kernel| {
        let parts = kernel.known_parts()?;
        let mut known = KnownFunctions { kernel, parts, metadata: HashMap::new(), by_case: HashMap::new() };
        cases.iter().for_each(|case| known.load(case, &images, &qemu));
        Ok(known)
    });
    let known: Vec<KnownFunctions<'_>> = known.collect::<Result<_, KernelError>>()?;
    let mut wrong = Vec::new();
    for case in cases {
        let kernels = known.iter().filter_map(|kernel| Some((kernel.kernel.series, kernel.of(case)?)));
        wrong.extend(functions::check(case, &kernels.collect::<Vec<_>>()));
    }
    check.wrong = Diagnostics::new(wrong);
    for kernel in known {
        match cases.iter().filter(|case| kernel.of(case).is_some()).count() {
            0 => check.unknown.push(kernel.kernel.name()),
            checked => check.kernels.push((kernel.kernel.name(), checked)),
        }
    }
    Ok(check)
}

/// What the images of one kernel in the cache know of it.
struct KnownFunctions<'k> {
    kernel: &'k Kernel,
    parts: KnownParts,
    /// `None` if the cache has no such image.
    metadata: HashMap<ImageSpec, Option<KernelMetadata>>,
    /// The image that knows the most of each case's functions.
    by_case: HashMap<CaseName, ImageSpec>,
}

impl KnownFunctions<'_> {
    /// Finds the image that knows the functions of a case; none if it does not run on this kernel. All machines of a kernel have the
    /// functions of the kernel itself, so those of the usual one will do, unless the case names functions of a module.
    fn load(&mut self, case: &Case, images: &Images, qemu: &QemuProgram) {
        let kernel = self.kernel;
        let Ok(spec) = ImageSpec::on_kernel(case, kernel, &self.parts, Accelerator::Exact) else { return };
        for spec in [ImageSpec::default(), spec] {
            let of_image = |spec: &ImageSpec| {
                let image = images.cached(&spec.guest_kernel(kernel).ok()?, &spec.machine, qemu)?;
                KernelMetadata::load(&image).ok()
            };
            let metadata = self.metadata.entry(spec.clone()).or_insert_with_key(of_image);
            let Some(metadata) = metadata else { continue };
            self.by_case.insert(case.name.clone(), spec);
            if functions::has_all(case, &(kernel.series, metadata)) {
                return;
            }
        }
    }

    fn of(&self, case: &Case) -> Option<&KernelMetadata> {
        self.metadata.get(self.by_case.get(&case.name)?)?.as_ref()
    }
}
