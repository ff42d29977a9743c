//! The machine that a guest runs on, and what runs on it.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;

use rxpath_guest::{Network, Op, Preparation};

use crate::plural::count;

/// A QEMU that can be run: the pinned one through its own loader, or one that the user named.
#[derive(Clone, Debug)]
pub(crate) struct QemuProgram {
    pub(crate) program: PathBuf,
    /// Arguments that come before QEMU's own.
    pub(crate) leading: Vec<OsString>,
    pub(crate) environment: Vec<(OsString, OsString)>,
    /// Identifies its bytes; part of every image's key.
    pub(crate) digest: String,
    pub(crate) version: String,
}

/// A kernel as a machine needs it.
#[derive(Clone, Debug)]
pub(crate) struct GuestKernel {
    pub(crate) series: String,
    /// The uncompressed ELF image.
    pub(crate) vmlinux: PathBuf,
    /// Identifies its bytes; part of every image's key.
    pub(crate) digest: String,
    /// Files in the guest beside the agent. A case's own passes have none.
    pub(crate) files: Vec<GuestFile>,
    /// What the agent does after the boot.
    pub(crate) booted: Preparation,
    /// What the agent does after that, in a copy of the machine that has booted.
    pub(crate) derived: Option<Preparation>,
}

impl GuestKernel {
    /// The kernel as it was booted, if anything is derived from that.
    pub(super) fn base(&self) -> Option<Self> {
        self.derived.is_some().then(|| Self { derived: None, ..self.clone() })
    }

    /// Whether it has loaded modules when it is saved.
    pub(super) fn has_modules(&self) -> bool {
        [Some(&self.booted), self.derived.as_ref()].iter().flatten().any(|one| !one.modules.is_empty())
    }

    /// Describes a machine that runs this kernel: its shape, the module that the others were loaded for, its settings, the number
    /// of files beside the agent, and the length of its setup if that is long.
    pub(crate) fn on(&self, machine: &Machine) -> String {
        /// The most steps of a setup that are not worth a word.
        const FEW: usize = 100;
        let Preparation { modules, setups } = self.derived.as_ref().unwrap_or(&self.booted);
        let module = modules.last().map(|module| format!(", with {}", module.name));
        let files = (!self.files.is_empty()).then(|| format!(", and {}", count(self.files.len(), "file")));
        let longest = setups.iter().map(|setup| setup.steps.len()).max().filter(|steps| *steps > FEW);
        let setup = longest.map(|steps| format!(", after {steps} steps"));
        let steps = setups.iter().flat_map(|setup| &setup.steps);
        let settings: String = steps.filter_map(|step| Some(format!(", {}", setting(&step.op)?))).collect();
        [Some(machine.to_string()), module, Some(settings), files, setup].into_iter().flatten().collect()
    }
}

/// Describes what an operation sets, if it sets anything.
fn setting(op: &Op) -> Option<String> {
    match op {
        Op::WriteFile { path, value } => Some(format!("{}={value}", path.rsplit('/').next().unwrap_or(path))),
        Op::Network(Network::Tun { napi: true }) => Some("NAPI".to_owned()),
        _ => None,
    }
}

/// A file in the guest: a program that is run there, or what it needs.
#[derive(Clone, Debug)]
pub struct GuestFile {
    /// The path from the guest's root, without a leading slash: `trace-cmd/libc.so.6`.
    pub path: String,
    /// The contents, which everyone in the guest may execute.
    pub bytes: Vec<u8>,
}

/// Which network devices a machine has beside lo.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Nic {
    #[default]
    Loopback,
    /// Two virtio-net devices joined by a hub inside QEMU.
    Virtio,
}

/// What executes the guest's instructions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Accelerator {
    /// Exact mode: QEMU's translator in one thread, one instruction a nanosecond. It works on any host.
    #[default]
    Exact,
    /// Native mode in real time: the host's CPU.
    Kvm,
    /// Native mode without meaningful times: QEMU's translator, with a thread for each CPU.
    Translator,
}

impl Accelerator {
    pub fn word(self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::Kvm => "native (KVM)",
            Self::Translator => "native (translated)",
        }
    }
}

/// The shape of a machine. Everything in it is part of a warm image's key.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Machine {
    /// 1 to 8.
    pub cpus: u16,
    pub memory_mib: u32,
    pub nic: Nic,
    /// Additions to the kernel's command line.
    pub command_line: Vec<String>,
    pub accelerator: Accelerator,
}

impl Default for Machine {
    fn default() -> Self {
        Self { cpus: 2, memory_mib: 256, nic: Nic::Loopback, command_line: Vec::new(), accelerator: Accelerator::Exact }
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nic = match self.nic {
            Nic::Loopback => "loopback",
            Nic::Virtio => "virtio",
        };
        write!(f, "{} CPUs, {} MiB, {nic}", self.cpus, self.memory_mib)?;
        if !self.command_line.is_empty() {
            write!(f, ", {}", self.command_line.join(" "))?;
        }
        if self.accelerator == Accelerator::Exact { Ok(()) } else { write!(f, ", {}", self.accelerator.word()) }
    }
}

#[cfg(test)]
mod tests {
    use rxpath_guest::{Setup, Step};

    use super::*;

    #[test]
    fn the_description_of_a_machine_has_its_settings() {
        let on = |ops: Vec<Op>| {
            let steps = ops.into_iter().map(|op| Step { when: Vec::new(), op, into: None, recorded: false });
            let setups = vec![Setup { slots: 0, steps: steps.collect() }];
            let kernel = GuestKernel {
                series: "6.12".to_owned(),
                vmlinux: PathBuf::new(),
                digest: String::new(),
                files: Vec::new(),
                booted: Preparation::default(),
                derived: Some(Preparation { modules: Vec::new(), setups }),
            };
            kernel.on(&Machine::default())
        };
        let plain = "2 CPUs, 256 MiB, loopback";
        assert_eq!(on(Vec::new()), plain);
        let sysctl = Op::WriteFile { path: "/proc/sys/net/core/dev_weight".to_owned(), value: "1".to_owned() };
        let tun = |napi| Op::Network(Network::Tun { napi });
        assert_eq!(on(vec![sysctl.clone(), tun(false)]), format!("{plain}, dev_weight=1"));
        assert_eq!(on(vec![sysctl, tun(true)]), format!("{plain}, dev_weight=1, NAPI"));
    }
}
