//! From a case to what the guest runs, for one kernel and one pass.

use std::collections::BTreeSet;

use rxpath_guest::{Actor, Network, Op, Pass, Plan, Step};

use super::case::{Case, CaseStep};
use super::expect::Expectation;
use super::model::Nic;
use super::warm_setup::SplitSetup;
use crate::kernel::Series;

/// How long a guest's actors may take, in nanoseconds of guest time: far more than any case needs.
const DEADLINE_NS: u64 = 5_000_000_000;

/// The most iterations that are traced: a path needs agreement, not the many samples that a timing is the median of; each takes
/// a few milliseconds, for the tracer executes hundreds of instructions at each call.
const MOST_TRACED: u32 = 5;

/// Which pass a case is lowered for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PassKind {
    /// Every function is traced.
    Trace,
    /// Only the milestones are.
    Timing,
}

/// A case, lowered for one kernel.
#[derive(Clone, Debug)]
pub struct Lowered {
    /// What the guest does.
    pub plan: Plan,
    /// By actor and step, the names they go by: `receiver`, `recv`.
    pub names: Vec<(String, Vec<String>)>,
    /// What must hold on this kernel.
    pub expectations: Vec<Expectation>,
    /// Functions that no profile may hide, because the case speaks of them.
    pub never_hide: BTreeSet<String>,
    /// Functions whose durations the timing pass is to measure, by canonical name. The plan has them by their positions in
    /// the kernel's list, which only an image knows: see `suite/milestones.rs`.
    pub milestones: Vec<String>,
}

impl Case {
    /// The last CPU that is at work. CPUs tick one after another, so after its tick none of them does for a while.
    fn sync_cpu(&self) -> u16 {
        match self.machine.nic {
            // Any CPU gets its interrupts.
            Nic::Virtio => self.machine.cpus.saturating_sub(1),
            Nic::Loopback | Nic::Veth | Nic::Tun => self.actors.iter().map(|actor| actor.cpu).max().unwrap_or_default(),
        }
    }

    /// What the guest does for this case on a kernel of this series, and what must hold of it there.
    pub fn lower(&self, series: Series, pass: PassKind) -> Lowered {
        let (pass, iterations) = match pass {
            PassKind::Trace => (Pass::Trace, self.iterations.min(MOST_TRACED)),
            PassKind::Timing => (Pass::Timing { milestones: None }, self.iterations),
        };
        let steps = |steps: &[CaseStep]| -> Vec<Step> { steps.iter().map(|step| step.step.clone()).collect() };
        let actors = self.actors.iter().map(|actor| Actor {
            name: actor.name.clone(),
            kind: actor.kind,
            cpu: actor.cpu,
            policy: actor.policy,
            netns: actor.netns,
            steps: steps(&actor.steps),
        });
        let SplitSetup { completed, settings, left, .. } = self.split_setup();
        let plan = Plan {
            iterations,
            pass,
            warmup: self.warmup,
            sync_cpu: self.sync_cpu(),
            slots: self.slots.len() as u16,
            completed_setup: completed,
            settings,
            setup: left,
            actors: actors.collect(),
            deadline_ns: DEADLINE_NS,
        };
        let names = self
            .actors
            .iter()
            .map(|actor| (actor.name.clone(), actor.steps.iter().map(|step| step.name.clone()).collect()));
        Lowered {
            plan,
            names: names.collect(),
            expectations: self.expectations.iter().filter_map(|one| one.on(series)).collect(),
            never_hide: self.functions().map(|function| function.value.to_owned()).collect(),
            milestones: self
                .milestones
                .iter()
                .filter(|one| one.gate.admits(series))
                .map(|one| one.value.clone())
                .collect(),
        }
    }

    /// What makes the network that the machine asks for, before anything else is set up.
    pub(super) fn network(&self) -> Option<Step> {
        let network = match self.machine.nic {
            Nic::Loopback | Nic::Tun => return None,
            Nic::Veth => Network::Veth,
            Nic::Virtio => Network::Virtio,
        };
        Some(Step { when: Vec::new(), op: Op::Network(network), into: None, recorded: false })
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::super::diagnostic::Source;
    use super::super::load;
    use super::*;

    #[test]
    fn rounds_begin_after_the_sync_cpu_the_last_cpu_at_work() {
        let sync_cpu = |machine: &str, cpus: [u16; 2]| {
            let actor = |cpu| format!("{{cpu: {cpu}, steps: [socket: {{family: AF_INET, type: SOCK_STREAM}}]}}");
            let actors = format!("{{first: {}, second: {}}}", actor(cpus[0]), actor(cpus[1]));
            let text = format!("rxpath: 1\ntitle: t\nabout: t\nmachine: {machine}\nsetup: []\nactors: {actors}\n");
            let case = load::parse("tick", Source { path: PathBuf::from("tick.yaml"), text }).unwrap().remove(0);
            case.lower("6.12".parse().unwrap(), PassKind::Trace).plan.sync_cpu
        };
        assert_eq!(sync_cpu("{}", [0, 0]), 0);
        assert_eq!(sync_cpu("{}", [1, 0]), 1);
        assert_eq!(sync_cpu("{nic: veth}", [0, 0]), 0);
        assert_eq!(sync_cpu("{nic: virtio}", [0, 0]), 1, "interrupts go to any CPU");
        assert_eq!(sync_cpu("{nic: virtio, cpus: 1}", [0, 0]), 0);
    }
}
