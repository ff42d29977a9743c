//! A case, read and checked: every name resolved, every phrase understood.

use rxpath_guest::{ActorIndex, ActorKind, Policy, StepIndex};

use super::case_name::CaseName;
use super::diagnostic::Location;
use super::expect::Expectation;
use super::gate::Gate;
use super::model::{Feature, Nic};
use crate::kernel::Series;

/// A case that can be run.
#[derive(Clone, Debug)]
pub struct Case {
    /// Its name.
    pub name: CaseName,
    /// What happens here, in one line.
    pub title: String,
    /// What the kernel does there, in two or three sentences.
    pub about: String,
    /// Where its title stands.
    pub at: Location,
    /// The machine it needs.
    pub machine: Machine,
    /// The kernels it says it runs on.
    pub kernels: Gate,
    /// Steps run once, before the actors start.
    pub setup: Vec<CaseStep>,
    /// Who acts.
    pub actors: Vec<CaseActor>,
    /// Names of the slots.
    pub slots: Vec<String>,
    /// How often every actor goes through its steps.
    pub iterations: u32,
    /// Iterations run first and thrown away.
    pub warmup: u32,
    /// Groups of functions that snapshots leave out.
    pub hide: Vec<String>,
    /// What must hold.
    pub expectations: Vec<Expectation>,
    /// Durations across steps.
    pub measures: Vec<Measure>,
    /// Functions whose durations the timing pass takes.
    pub milestones: Vec<Gated<String>>,
}

impl Case {
    /// Whether it runs on kernels of this series; else why not.
    pub fn runs_on(&self, series: Series) -> Result<(), String> {
        if self.kernels.admits(series) { Ok(()) } else { Err(format!("the case is for kernels {}", self.kernels)) }
    }

    /// `receiver.recv`.
    pub fn step_name(&self, actor: ActorIndex, step: StepIndex) -> String {
        let actor = self.actors.get(usize::from(actor));
        let step = actor.and_then(|actor| actor.steps.get(usize::from(step)));
        format!("{}.{}", actor.map_or("?", |actor| &actor.name), step.map_or("?", |step| &step.name))
    }

    /// Every function that the case names, on whatever kernel.
    pub fn functions(&self) -> impl Iterator<Item = Gated<&str>> {
        let calls = self.expectations.iter().flat_map(|expectation| {
            let calls = expectation.calls.iter().chain(&expectation.never);
            calls.flat_map(|call| {
                let gate = both(&expectation.gate, &call.gate);
                call.value.names.iter().map(move |name| Gated {
                    gate: gate.clone(),
                    value: name.as_str(),
                    at: call.at.clone(),
                })
            })
        });
        let milestones = self.milestones.iter();
        calls.chain(milestones.map(|one| Gated {
            gate: one.gate.clone(),
            value: one.value.as_str(),
            at: one.at.clone(),
        }))
    }
}

/// The gate that both let through.
fn both(one: &Gate, other: &Gate) -> Gate {
    let since = one.since.max(other.since);
    let before = match (one.before, other.before) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    };
    let only = match (one.only.is_empty(), other.only.is_empty()) {
        (true, _) => other.only.clone(),
        (_, true) => one.only.clone(),
        _ => one.only.iter().copied().filter(|series| other.only.contains(series)).collect(),
    };
    Gate { since, before, only }
}

/// What a case needs of the virtual machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Machine {
    /// Number of CPUs.
    pub cpus: u16,
    /// Memory, in bytes.
    pub memory: u64,
    /// How packets travel.
    pub nic: Nic,
    /// Kernel parameters, by their sysctl(8) name.
    pub sysctls: Vec<(String, String)>,
    /// Files written before setup.
    pub files: Vec<(String, String)>,
    /// Words added to the kernel command line.
    pub append: String,
    /// What the kernel must have been built with.
    pub features: Vec<Feature>,
}

impl Feature {
    /// The kernel's configuration options, all of which must be set (`y` or `m`).
    pub fn configuration(self) -> &'static [&'static str] {
        match self {
            Self::IoUring => &["CONFIG_IO_URING"],
            Self::Mptcp => &["CONFIG_MPTCP"],
            Self::Vsock => &["CONFIG_VSOCKETS", "CONFIG_VSOCKETS_LOOPBACK"],
            Self::Tun => &["CONFIG_TUN"],
            Self::Veth => &["CONFIG_VETH"],
            Self::VirtioNet => &["CONFIG_VIRTIO_NET"],
            Self::Packet => &["CONFIG_PACKET"],
            Self::Bpf => &["CONFIG_BPF_SYSCALL"],
            Self::TcIngress => &["CONFIG_NET_CLS_ACT", "CONFIG_NET_SCH_INGRESS", "CONFIG_NET_CLS_MATCHALL"],
            Self::BusyPoll => &["CONFIG_NET_RX_BUSY_POLL"],
            Self::Rps => &["CONFIG_RPS"],
        }
    }

    /// The modules to load where it is not built in.
    pub fn modules(self) -> &'static [&'static str] {
        match self {
            Self::Vsock => &["vsock", "vsock_loopback"],
            Self::Tun => &["tun"],
            Self::Veth => &["veth"],
            Self::VirtioNet => &["virtio_net"],
            Self::Packet => &["af_packet"],
            Self::TcIngress => &["sch_ingress", "cls_matchall"],
            _ => &[],
        }
    }
}

/// One step with its names.
#[derive(Clone, Debug)]
pub struct CaseStep {
    /// What it goes by within its actor.
    pub name: String,
    /// The operation's name.
    pub operation: &'static str,
    /// Where it stands.
    pub at: Location,
    /// Where what it waits for stands; the step itself, if it waits for nothing.
    pub waits_at: Location,
    /// What the guest does.
    pub step: rxpath_guest::Step,
}

/// One actor.
#[derive(Clone, Debug)]
pub struct CaseActor {
    /// Its role's name.
    pub name: String,
    /// Thread or process.
    pub kind: ActorKind,
    /// The CPU it is bound to.
    pub cpu: u16,
    /// Its scheduling policy.
    pub policy: Policy,
    /// Its network namespace.
    pub netns: u8,
    /// What it does in every iteration.
    pub steps: Vec<CaseStep>,
}

/// Something that holds on some kernels, and where the file says so.
#[derive(Clone, Debug)]
pub struct Gated<T> {
    /// On which kernels.
    pub gate: Gate,
    /// What.
    pub value: T,
    /// Where.
    pub at: Location,
}

/// A step of an actor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StepRef {
    /// Whose.
    pub actor: ActorIndex,
    /// Which.
    pub step: StepIndex,
}

/// A duration across steps of the same iteration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Measure {
    /// Its name.
    pub name: String,
    /// From this step's begin.
    pub from: StepRef,
    /// To this step's end.
    pub to: StepRef,
}
