//! Native mode: which accelerator it runs on here, and why.

use crate::kernel::Fetched;
use crate::vm::probe::{Kvm, probe};
use crate::vm::{Accelerator, VmError};

use crate::suite::project::Project;
use crate::suite::run::test_bed as prepare;

/// What is wanted of native mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// KVM where it works, else the translator.
    Best,
    /// KVM or nothing.
    Kvm,
    /// The translator, whatever there is.
    Translator,
}

/// Why there is no native mode as wanted.
#[derive(Debug, thiserror::Error)]
pub enum NativeError {
    /// KVM does not work here.
    #[error(
        "--accel kvm: KVM does not work on this machine: {why}\n`--mode native` alone takes QEMU's translator instead; exact mode, the default, needs no KVM"
    )]
    NoKvm {
        /// What was tried, and what came of it.
        why: String,
    },
    /// Nothing to try it with.
    #[error("whether KVM works is found out by booting a kernel, and none was fetched")]
    NoKernel,
    /// The kernel's files.
    #[error(transparent)]
    Kernel(#[from] crate::kernel::KernelError),
    /// QEMU.
    #[error(transparent)]
    Vm(#[from] VmError),
}

/// The accelerator that native mode runs on, with what the user ought to know of the choice.
pub fn accelerator(
    project: &Project,
    fetched: &Fetched,
    wanted: Wanted,
) -> Result<(Accelerator, Option<String>), NativeError> {
    const MEANINGLESS: &str = "its times mean nothing; paths are checked as ever";
    if wanted == Wanted::Translator {
        return Ok((Accelerator::Translator, Some(format!("native mode on QEMU's translator: {MEANINGLESS}"))));
    }
    let kernel = fetched.kernels.last().ok_or(NativeError::NoKernel)?;
    let guest = prepare::plain_kernel(kernel)?;
    match (probe(&project.cache, &guest, &prepare::program(&fetched.qemu))?, wanted) {
        (Kvm::Works { .. }, _) => Ok((Accelerator::Kvm, None)),
        (Kvm::Broken(why), Wanted::Kvm) => Err(NativeError::NoKvm { why }),
        (Kvm::Broken(why), _) => {
            Ok((Accelerator::Translator, Some(format!("native mode on QEMU's translator, since {why}: {MEANINGLESS}"))))
        }
    }
}

/// What there is to know of KVM here, by trying it if it was not tried before.
pub fn find_out_about_kvm(project: &Project, fetched: &Fetched) -> Result<Kvm, NativeError> {
    let kernel = fetched.kernels.last().ok_or(NativeError::NoKernel)?;
    Ok(probe(&project.cache, &prepare::plain_kernel(kernel)?, &prepare::program(&fetched.qemu))?)
}
