//! From what is pinned and what a case asks for to what a machine is made of.

use crate::case::{self, Case, WarmSetup};
use crate::kernel::{Fetched, Kernel, KernelError, Qemu};
use crate::vm::{
    Accelerator, GuestFile, GuestKernel, Images, KernelModule, Machine, Nic, QemuProgram, VmError, WarmImage,
};

use crate::suite::run::matrix::Watcher;

/// The QEMU as vm/ runs it.
pub(crate) fn program(qemu: &Qemu) -> QemuProgram {
    let mut prefix = qemu.command_prefix().into_iter();
    let program = prefix.next().unwrap_or_default();
    QemuProgram {
        program: program.into(),
        leading: prefix.collect(),
        environment: qemu.environment().into_iter().map(|(name, value)| (name.into(), value)).collect(),
        digest: qemu.digest.to_string(),
        version: qemu.version.clone(),
    }
}

/// The machine a case asks for, in exact mode.
pub(crate) fn machine(case: &Case) -> Machine {
    machine_on(case, Accelerator::Exact)
}

/// The machine a case asks for, executed by this.
pub(crate) fn machine_on(case: &Case, accelerator: Accelerator) -> Machine {
    Machine {
        cpus: case.machine.cpus,
        memory_mib: (case.machine.memory >> 20) as u32,
        nic: match case.machine.nic {
            case::Nic::Virtio => Nic::Virtio,
            _ => Nic::Loopback,
        },
        command_line: case.machine.append.split_whitespace().map(str::to_owned).collect(),
        accelerator,
    }
}

/// Modules that a case's machine needs, by name.
pub(crate) fn modules(case: &Case) -> Vec<&'static str> {
    let mut names: Vec<&str> = match case.machine.nic {
        case::Nic::Virtio => vec!["virtio_pci", "virtio_net"],
        case::Nic::Veth => vec!["veth"],
        case::Nic::Tun => vec!["tun"],
        case::Nic::Loopback => Vec::new(),
    };
    names.extend(case.machine.features.iter().flat_map(|feature| feature.modules()));
    names
}

/// The kernel as vm/ boots it for a case.
pub(crate) fn kernel_for(case: &Case, kernel: &Kernel) -> Result<GuestKernel, KernelError> {
    guest_kernel(kernel, &modules(case), &case.warm_setup())
}

/// The kernel as vm/ boots it for no case in particular.
pub(crate) fn plain_kernel(kernel: &Kernel) -> Result<GuestKernel, KernelError> {
    guest_kernel(kernel, &[], &WarmSetup::Usual)
}

/// The kernel as vm/ boots it, with these modules, and saves it when this was done.
pub(crate) fn guest_kernel(
    kernel: &Kernel,
    modules: &[&str],
    warm_setup: &WarmSetup,
) -> Result<GuestKernel, KernelError> {
    let modules = kernel.module_closure(modules)?;
    Ok(GuestKernel {
        series: kernel.series.to_string(),
        vmlinux: kernel.vmlinux.clone(),
        digest: kernel.digest.to_string(),
        modules: modules.into_iter().map(|module| KernelModule { name: module.name, bytes: module.bytes }).collect(),
        setups: warm_setup.setups().to_vec(),
        files: Vec::new(),
    })
}

/// The warm image of a kernel on the machine that a case asks for, booted first if there is none.
pub(crate) fn image(
    case: &Case,
    kernel: &Kernel,
    qemu: &Qemu,
    images: &Images,
    watcher: &dyn Watcher,
) -> Result<WarmImage, VmError> {
    let machine = machine(case);
    let guest = kernel_for(case, kernel)?;
    let booting = |reason: &str| watcher.booting(&guest.series, &guest.on(&machine), reason);
    images.get(&guest, &machine, &program(qemu), &booting)
}

/// The warm image of a kernel on the machine that a case asks for, with these files in the guest beside the agent.
pub fn image_with_files(
    case: &Case,
    kernel: &Kernel,
    fetched: &Fetched,
    images: &Images,
    files: Vec<GuestFile>,
) -> Result<WarmImage, VmError> {
    let guest = GuestKernel { files, ..kernel_for(case, kernel)? };
    images.get(&guest, &machine(case), &program(&fetched.qemu), &|_| {})
}

/// The warm image of a kernel on a machine without further modules, booted first if there is none.
pub fn image_for_machine(
    machine: &Machine,
    kernel: &Kernel,
    fetched: &Fetched,
    images: &Images,
) -> Result<WarmImage, VmError> {
    let guest = plain_kernel(kernel)?;
    images.get(&guest, machine, &program(&fetched.qemu), &|_| {})
}
