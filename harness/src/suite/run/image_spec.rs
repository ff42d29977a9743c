//! From the machine that a case describes to the machine that vm/ boots.

use crate::case::{self, Case, WarmSetup};
use crate::kernel::{Kernel, KernelError, KnownParts, Qemu};
use crate::vm::{Accelerator, GuestKernel, KernelModule, Machine, Nic, QemuProgram};

/// What distinguishes the warm images of one kernel. The default has no modules and suits any case that needs none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct ImageSpec {
    pub(crate) machine: Machine,
    pub(super) modules: Vec<&'static str>,
    pub(super) warm_setup: WarmSetup,
}

impl ImageSpec {
    /// The image that a case runs on.
    pub(crate) fn of(case: &Case, accelerator: Accelerator) -> Self {
        let machine = Machine {
            cpus: case.machine.cpus,
            memory_mib: (case.machine.memory >> 20) as u32,
            nic: match case.machine.nic {
                case::Nic::Virtio => Nic::Virtio,
                _ => Nic::Loopback,
            },
            command_line: case.machine.append.split_whitespace().map(str::to_owned).collect(),
            accelerator,
        };
        let mut modules: Vec<&str> = match case.machine.nic {
            case::Nic::Virtio => vec!["virtio_pci", "virtio_net"],
            case::Nic::Veth => vec!["veth"],
            case::Nic::Tun => vec!["tun"],
            case::Nic::Loopback => Vec::new(),
        };
        modules.extend(case.machine.features.iter().flat_map(|feature| feature.modules()));
        Self { machine, modules, warm_setup: case.warm_setup() }
    }

    /// The image that a case runs on with this kernel, or why it does not run on it.
    pub(crate) fn on_kernel(
        case: &Case,
        kernel: &Kernel,
        known: &KnownParts,
        accelerator: Accelerator,
    ) -> Result<Self, String> {
        case.runs_on_kernel(kernel.series, known.config.as_ref())?;
        let spec = Self::of(case, accelerator);
        known.check_modules(&spec.modules)?;
        Ok(spec)
    }

    /// The image of a machine without additional modules.
    pub(crate) fn for_machine(machine: Machine) -> Self {
        Self { machine, ..Self::default() }
    }

    /// The kernel with the modules and setup steps of this image.
    pub(crate) fn guest_kernel(&self, kernel: &Kernel) -> Result<GuestKernel, KernelError> {
        let modules = kernel.module_closure(&self.modules)?;
        Ok(GuestKernel {
            series: kernel.name().to_string(),
            vmlinux: kernel.boot_image(),
            digest: kernel.image_digest(&modules).to_string(),
            modules: modules
                .into_iter()
                .map(|module| KernelModule { name: module.name, bytes: module.bytes })
                .collect(),
            setups: self.warm_setup.setups().to_vec(),
            files: Vec::new(),
        })
    }
}

/// A fetched QEMU as vm/ starts it.
pub(crate) fn qemu_program(qemu: &Qemu) -> QemuProgram {
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
