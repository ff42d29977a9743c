//! Lowers a case to what the guest runs, for one kernel and one pass.

use std::collections::BTreeSet;

use rxpath_guest::{Actor, Network, Op, Pass, Plan, Step};

use super::case::{Case, CaseStep};
use super::case_file::Nic;
use super::expectation::Expectation;
use super::sent_packet;
use super::step_ref::StepRef;
use super::warm_setup::SplitSetup;
use crate::kernel::Series;

/// The time limit for a guest's actors, in nanoseconds of guest time, for every [`ITERATIONS`] that have begun: far more than any
/// case needs.
const DEADLINE_NS: u64 = 5_000_000_000;

/// An iteration starts after a tick, so a hundred take at least 0.4 s at 250 Hz.
const ITERATIONS: u32 = 100;

/// The most iterations to trace. A path needs iterations that agree, not the many samples of a median; and tracing
/// takes a few milliseconds an iteration, because the tracer executes hundreds of instructions at each call.
const MOST_TRACED: u32 = 5;

/// A pass of a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PassKind {
    /// Traces every function.
    Trace,
    /// Measures timings; traces only the milestones.
    Timing,
}

/// A case, lowered for one kernel.
#[derive(Clone, Debug)]
pub struct Lowered {
    /// What the guest runs.
    pub plan: Plan,
    /// The names of actors and their steps: `receiver`, `recv`.
    pub names: Vec<(String, Vec<String>)>,
    /// What must hold on this kernel.
    pub(crate) expectations: Vec<Expectation>,
    /// Functions that profiles must not hide, because the case names them.
    pub(crate) never_hide: BTreeSet<String>,
    /// The canonical names of the functions whose durations the timing pass measures. The plan needs their positions in
    /// the kernel's list of functions, which only an image knows: see `suite/run/milestone_functions.rs`.
    pub(crate) milestones: Vec<String>,
}

impl Case {
    /// The last CPU that is in use. CPUs tick one after the other, so after its tick no other CPU ticks for a while.
    fn sync_cpu(&self) -> u16 {
        match self.machine.nic {
            // Its interrupts can arrive on any CPU.
            Nic::Virtio => self.machine.cpus.saturating_sub(1),
            Nic::Loopback | Nic::Veth | Nic::Tun => self.actors.iter().map(|actor| actor.cpu).max().unwrap_or_default(),
        }
    }

    /// What the guest runs for this case on a kernel of this series, and what must hold on that kernel.
    pub fn lower(&self, series: Series, pass: PassKind) -> Lowered {
        let (pass, iterations) = match pass {
            PassKind::Trace => (Pass::Trace, self.iterations.min(MOST_TRACED)),
            PassKind::Timing => (Pass::Timing { milestones: None }, self.iterations),
        };
        let steps = |steps: &[CaseStep]| -> Vec<Step> { steps.iter().map(|step| step.step.clone()).collect() };
        let expectations: Vec<Expectation> = self.expectations.iter().filter_map(|one| one.on(series)).collect();
        let actors = (0..).zip(&self.actors).map(|(index, actor)| Actor {
            name: actor.name.clone(),
            kind: actor.kind,
            cpu: actor.cpu,
            policy: actor.policy,
            netns: actor.netns,
            steps: (0..)
                .zip(steps(&actor.steps))
                .map(|(step, body)| sent_packet::reporting(body, StepRef { actor: index, step }, &expectations))
                .collect(),
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
            deadline_ns: self
                .deadline_ns
                .unwrap_or_else(|| DEADLINE_NS * u64::from((self.warmup + iterations).div_ceil(ITERATIONS).max(1))),
            skip_interrupts: self.deadline_ns.is_some(),
        };
        let names = self
            .actors
            .iter()
            .map(|actor| (actor.name.clone(), actor.steps.iter().map(|step| step.name.clone()).collect()));
        Lowered {
            plan,
            names: names.collect(),
            expectations,
            never_hide: self.functions().map(|function| function.value.to_owned()).collect(),
            milestones: self
                .milestones
                .iter()
                .filter(|one| one.gate.admits(series))
                .map(|one| one.value.clone())
                .collect(),
        }
    }

    /// The step that creates the machine's network, before any other setup.
    pub(crate) fn network(&self) -> Option<Step> {
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
    fn the_deadline_grows_with_the_iterations() {
        let deadline = |iterations: u32| {
            let text = super::super::TEMPLATE.replacen("\nactors:", &format!("\niterations: {iterations}\nactors:"), 1);
            let case = load::parse("a/b", Source { path: PathBuf::from("b.yaml"), text }).unwrap().remove(0);
            [PassKind::Trace, PassKind::Timing].map(|pass| case.lower("6.12".parse().unwrap(), pass).plan.deadline_ns)
        };
        assert_eq!(deadline(32), [DEADLINE_NS, DEADLINE_NS]);
        assert_eq!(deadline(10_000), [DEADLINE_NS, 101 * DEADLINE_NS]);
    }

    #[test]
    fn a_case_with_a_deadline_gets_that_one_and_no_ticks() {
        let text = |more: &str| super::super::TEMPLATE.replacen("\nactors:", &format!("\n{more}\nactors:"), 1);
        let parse = |more: &str| load::parse("a/b", Source { path: PathBuf::from("b.yaml"), text: text(more) });
        let case = parse("deadline: 10 s").unwrap().remove(0);
        for pass in [PassKind::Trace, PassKind::Timing] {
            let plan = case.lower("6.12".parse().unwrap(), pass).plan;
            assert_eq!((plan.deadline_ns, plan.skip_interrupts), (10_000_000_000, true));
        }
        assert!(!parse("warmup: 0").unwrap()[0].lower("6.12".parse().unwrap(), PassKind::Trace).plan.skip_interrupts);
        for wrong in ["10", "0 s", "601 s", "soon"] {
            let error = parse(&format!("deadline: {wrong}")).unwrap_err().to_string();
            assert!(error.contains("is not a deadline") && error.contains("1 ms to 600 s"), "{error}");
        }
    }

    #[test]
    fn iterations_start_after_the_tick_of_the_last_cpu_in_use() {
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
