//! Checks the functions that cases name without booting anything: on the pinned kernels that have images in the cache.

use std::collections::HashMap;

use crate::case::{Case, Diagnostics};
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
        let mut known = KnownFunctions { kernel, parts: kernel.known_parts()?, metadata: HashMap::new() };
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
}

impl KnownFunctions<'_> {
    /// The images that know the functions of a case; none if it does not run on this kernel. Without modules, all machines of a
    /// kernel have the same functions, so those of the usual one will do.
    fn specs(&self, case: &Case) -> Vec<ImageSpec> {
        match ImageSpec::on_kernel(case, self.kernel, &self.parts, Accelerator::Exact) {
            Ok(spec) if spec.has_modules() => vec![spec],
            Ok(spec) => vec![ImageSpec::default(), spec],
            Err(_) => Vec::new(),
        }
    }

    fn load(&mut self, case: &Case, images: &Images, qemu: &QemuProgram) {
        for spec in self.specs(case) {
            let kernel = self.kernel;
            let of_image = |spec: &ImageSpec| {
                let image = images.cached(&spec.guest_kernel(kernel).ok()?, &spec.machine, qemu)?;
                KernelMetadata::load(&image).ok()
            };
            if self.metadata.entry(spec).or_insert_with_key(of_image).is_some() {
                return;
            }
        }
    }

    fn of(&self, case: &Case) -> Option<&KernelMetadata> {
        self.specs(case).iter().find_map(|spec| self.metadata.get(spec)?.as_ref())
    }
}
