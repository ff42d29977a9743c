//! From the machine that a case describes to the machine that vm/ boots.

use rxpath_guest::{Module, Preparation};

use crate::case::{self, Case, Gate, WarmSetup};
use crate::kernel::{Kernel, KernelError, KnownParts, Qemu};
use crate::vm::{Accelerator, GuestKernel, Machine, Nic, QemuProgram};

/// What distinguishes the warm images of one kernel. The default has no modules and suits any case that needs none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct ImageSpec {
    pub(crate) machine: Machine,
    /// Each with the kernels that need it.
    pub(super) modules: Vec<(String, Gate)>,
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
        let needed = modules.into_iter().map(|name| (name.to_owned(), Gate::default()));
        let modules = needed.chain(case.machine.modules.iter().cloned()).collect();
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
        known.check_modules(&spec.modules_on(kernel))?;
        Ok(spec)
    }

    /// The modules that this kernel needs.
    fn modules_on(&self, kernel: &Kernel) -> Vec<&str> {
        let needed = self.modules.iter().filter(|(_, gate)| gate.admits(kernel.series));
        needed.map(|(name, _)| name.as_str()).collect()
    }

    /// The image of a machine without additional modules.
    pub(crate) fn for_machine(machine: Machine) -> Self {
        Self { machine, ..Self::default() }
    }

    /// The image that this one is derived from; itself if it is booted.
    pub(crate) fn base(&self) -> Self {
        Self::for_machine(self.machine.clone())
    }

    /// The kernel with the modules and setups of this image. Only the machine itself has to be booted.
    pub(crate) fn guest_kernel(&self, kernel: &Kernel) -> Result<GuestKernel, KernelError> {
        let modules = kernel.module_closure(&self.modules_on(kernel))?;
        let modules = modules.into_iter().map(|module| Module { name: module.name, bytes: module.bytes }).collect();
        let derived = Preparation { modules, setups: self.warm_setup.own().to_vec() };
        Ok(GuestKernel {
            series: kernel.name().to_string(),
            vmlinux: kernel.boot_image(),
            digest: kernel.digest.to_string(),
            files: Vec::new(),
            booted: Preparation { modules: Vec::new(), setups: WarmSetup::usual().to_vec() },
            derived: (derived != Preparation::default()).then_some(derived),
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

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::suite::project::{Project, ProjectOptions};

    #[test]
    fn a_new_kernel_is_booted_three_times_for_all_cases() {
        let root = Some(std::path::PathBuf::from(env!("CARGO_MANIFEST_DIR")));
        let cases = Project::open(&ProjectOptions { root, ..ProjectOptions::default() }).unwrap().cases().unwrap();
        let images: HashSet<ImageSpec> = cases.iter().map(|case| ImageSpec::of(case, Accelerator::Exact)).collect();
        let booted: HashSet<ImageSpec> = images.iter().map(ImageSpec::base).collect();
        let mut machines: Vec<String> = booted.iter().map(|image| image.machine.to_string()).collect();
        machines.sort();
        assert_eq!(machines, ["1 CPUs, 256 MiB, loopback", "2 CPUs, 256 MiB, loopback", "2 CPUs, 256 MiB, virtio"]);
        assert!(images.len() > 10, "{} images", images.len());
    }
}
