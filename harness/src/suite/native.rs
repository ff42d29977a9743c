//! Native mode: the accelerator that it uses on this machine, and why.

use crate::kernel::{Fetched, KernelError};
use crate::vm::probe::{Kvm, probe};
use crate::vm::{Accelerator, VmError};

use crate::suite::project::Project;
use crate::suite::run::image_spec::{ImageSpec, qemu_program};

/// The accelerator that the user wants in native mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// KVM if it works, else the translator.
    Best,
    Kvm,
    Translator,
}

/// Why native mode is not available.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NativeError {
    #[error(
        "--accel kvm: KVM does not work on this machine: {reason}\n`--mode native` alone uses QEMU's translator instead; exact mode, the default, does not need KVM"
    )]
    NoKvm { reason: String },
    #[error("testing KVM requires a kernel, and none was fetched")]
    NoKernel,
    #[error(transparent)]
    Kernel(#[from] KernelError),
    #[error(transparent)]
    Vm(#[from] VmError),
}

/// The accelerator that native mode uses, and a note for the user about the choice.
pub(crate) fn accelerator(
    project: &Project,
    fetched: &Fetched,
    wanted: Wanted,
) -> Result<(Accelerator, Option<String>), NativeError> {
    const MEANINGLESS: &str = "its times mean nothing; paths are checked as in exact mode";
    if wanted == Wanted::Translator {
        return Ok((Accelerator::Translator, Some(format!("native mode on QEMU's translator: {MEANINGLESS}"))));
    }
    match (probe_kvm(project, fetched)?, wanted) {
        (Kvm::Works { .. }, _) => Ok((Accelerator::Kvm, None)),
        (Kvm::Broken(reason), Wanted::Kvm) => Err(NativeError::NoKvm { reason }),
        (Kvm::Broken(reason), _) => {
            let note = format!("native mode on QEMU's translator, because {reason}: {MEANINGLESS}");
            Ok((Accelerator::Translator, Some(note)))
        }
    }
}

/// Whether KVM works here: the result of an earlier test, or of a test now.
pub(crate) fn probe_kvm(project: &Project, fetched: &Fetched) -> Result<Kvm, NativeError> {
    let kernel = fetched.kernels.last().ok_or(NativeError::NoKernel)?;
    Ok(probe(&project.cache, &ImageSpec::default().guest_kernel(kernel)?, &qemu_program(&fetched.qemu))?)
}
