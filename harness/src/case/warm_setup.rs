//! Setups that the agent goes through before a machine is saved, so that the runs of most cases need not.

use std::path::PathBuf;
use std::sync::{Arc, LazyLock};

use rxpath_guest::{Network, Op, Setup, Step};

use super::case::Case;
use super::diagnostic::Source;
use super::load;
use super::model::Nic;

/// The presets that are gone through beforehand. All of them are in every usual image: each is a few sockets that only
/// whoever is handed them ever uses.
const PRESETS: [&str; 4] = ["tcp-pair", "tcp6-pair", "udp-pair", "udp6-pair"];

/// How often a setup repeats a preset before an image of its own is worth its boot: a hundred connections take a traced guest some
/// 80 ms, a thousand more than half a second.
const MANY: usize = 100;

static SETUPS: LazyLock<Vec<Setup>> = LazyLock::new(|| PRESETS.iter().map(|preset| setup_of(preset)).collect());

/// What a machine has gone through when it is saved. Of a kernel's images on one machine, it tells one from another.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum WarmSetup {
    /// The setups that many cases begin with, each of them once.
    #[default]
    Usual,
    /// One setup that takes too long to go through in each run.
    Long(Arc<Setup>),
}

impl WarmSetup {
    /// What the agent is to go through, for [`rxpath_guest::SETUPS_FILE`].
    pub fn setups(&self) -> &[Setup] {
        match self {
            Self::Usual => &SETUPS,
            Self::Long(setup) => std::slice::from_ref(setup),
        }
    }
}

/// How a run begins.
pub(super) struct SplitSetup {
    /// What was done before its machine was saved.
    pub warm_setup: WarmSetup,
    /// Which of its setups the run continues, if any.
    pub completed: Option<u16>,
    /// Settings of the machine that the run makes itself.
    pub settings: Vec<Step>,
    /// What is left to do of the run's own setup.
    pub left: Vec<Step>,
}

impl Case {
    /// What this case's machine has gone through when it is saved.
    pub fn warm_setup(&self) -> WarmSetup {
        self.split_setup().warm_setup
    }

    pub(super) fn split_setup(&self) -> SplitSetup {
        let steps: Vec<Step> = self.setup.iter().map(|step| step.step.clone()).collect();
        if self.machine.nic != Nic::Loopback {
            return self.with_nic(steps);
        }
        // What is done before the usual machine is saved is done under the kernel's own settings.
        if self.machine.sysctls.is_empty() && self.machine.files.is_empty() {
            split(steps)
        } else {
            let settings = self.settings().collect();
            SplitSetup { warm_setup: WarmSetup::Usual, completed: None, settings, left: steps }
        }
    }

    /// The settings are made and the NIC is made before a machine of its own is saved, which cases with the same ones share: making a
    /// device is thousands of blocks of the kernel's code.
    fn with_nic(&self, mut steps: Vec<Step>) -> SplitSetup {
        let makes_nic = |step: &&Step| matches!(step.op, Op::Network(Network::Tun { .. }));
        let left = steps.split_off(steps.iter().take_while(makes_nic).count());
        let slots = slots_of(&steps);
        let steps = self.settings().chain(self.network()).chain(steps).collect();
        let warm_setup = WarmSetup::Long(Arc::new(Setup { slots, steps }));
        SplitSetup { warm_setup, completed: Some(0), settings: Vec::new(), left }
    }

    /// What sets up the machine, as steps.
    fn settings(&self) -> impl Iterator<Item = Step> {
        let sysctls = self.machine.sysctls.iter();
        let sysctls = sysctls.map(|(name, value)| (format!("/proc/sys/{}", name.replace('.', "/")), value.clone()));
        sysctls.chain(self.machine.files.iter().cloned()).map(|(path, value)| Step {
            when: Vec::new(),
            op: Op::WriteFile { path, value },
            into: None,
            recorded: false,
        })
    }
}

/// How many slots a run has when these steps have made theirs.
fn slots_of(steps: &[Step]) -> u16 {
    steps.iter().filter_map(|step| step.into).max().map_or(0, |last| last + 1)
}

fn split(mut steps: Vec<Step>) -> SplitSetup {
    let many = SETUPS.iter().map(|preset| repeated(preset, &steps)).max().unwrap_or_default();
    if many > 0 {
        let left = steps.split_off(many);
        let slots = slots_of(&steps);
        let warm_setup = WarmSetup::Long(Arc::new(Setup { slots, steps }));
        return SplitSetup { warm_setup, completed: Some(0), settings: Vec::new(), left };
    }
    // Names are numbered in the order in which they are made, so what comes first is the same to the slot.
    let mut real = (0..).zip(&*SETUPS).filter(|(_, setup)| !setup.steps.is_empty());
    let found = real.find_map(|(at, setup)| Some((at, steps.strip_prefix(&*setup.steps)?.to_vec())));
    let (completed, left) = found.map_or((None, steps), |(at, left)| (Some(at), left));
    SplitSetup { warm_setup: WarmSetup::Usual, completed, settings: Vec::new(), left }
}

/// How many of the steps do what this preset does again and again; 0 unless it is done [`MANY`] times. Each time makes slots of
/// its own, so only the kinds of the operations are compared: what is done beforehand are the steps themselves.
fn repeated(preset: &Setup, steps: &[Step]) -> usize {
    let alike = |(one, other): (&Step, &Step)| {
        std::mem::discriminant(&one.op) == std::mem::discriminant(&other.op)
            && one.into.is_some() == other.into.is_some()
    };
    let whole = steps.chunks_exact(preset.steps.len().max(1));
    let times = whole.take_while(|chunk| preset.steps.iter().zip(*chunk).all(alike)).count();
    if times < MANY { 0 } else { times * preset.steps.len() }
}

/// A preset's steps, as a case has them that begins with it.
fn setup_of(preset: &str) -> Setup {
    // The file of presets is part of the program, and a test below goes through all of them.
    case_of(preset).map_or(Setup { slots: 0, steps: Vec::new() }, |case| Setup {
        slots: case.slots.len() as u16,
        steps: case.setup.into_iter().map(|step| step.step).collect(),
    })
}

/// A case with this setup that does nothing else.
fn case_of(setup: &str) -> Option<Case> {
    // A case has an actor, and an actor a step.
    let actors = "{nobody: {steps: [socket: {family: AF_INET, type: SOCK_STREAM}]}}";
    let text = format!("rxpath: 1\ntitle: setup\nabout: setup\nsetup: {setup}\nactors: {actors}\n");
    let cases = load::parse("setup", Source { path: PathBuf::from("presets.yaml"), text }).ok()?;
    cases.into_iter().next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_done_beforehand_makes_every_name_of_its_preset() {
        let [tcp, tcp6, udp, udp6] = &SETUPS[..] else { panic!("{} setups", SETUPS.len()) };
        for (setup, slots, steps) in [(tcp, 3, 9), (tcp6, 3, 9), (udp, 2, 6), (udp6, 2, 6)] {
            assert_eq!((usize::from(setup.slots), setup.steps.len()), (slots, steps));
        }
    }

    #[test]
    fn a_case_begins_with_what_was_done_beforehand_and_does_the_rest_itself() {
        let tcp = &SETUPS[0].steps;
        let begins = |steps: &[Step]| {
            let SplitSetup { warm_setup, completed, left, .. } = split(steps.to_vec());
            assert_eq!(warm_setup, WarmSetup::Usual);
            (completed, left)
        };
        let more = [&tcp[..], &tcp[..1]].concat();
        assert_eq!(begins(&more), (Some(0), tcp[..1].to_vec()));
        assert_eq!(begins(&tcp[1..]), (None, tcp[1..].to_vec()), "the listener is missing");
        assert_eq!(begins(&[]), (None, Vec::new()));
    }

    #[test]
    fn many_repetitions_of_a_preset_are_done_before_a_machine_of_their_own_is_saved() {
        let case = |times: usize| {
            let steps = "[{preset: tcp-pair, repeat: TIMES}, {epoll_create1: {}, as: epoll}]"
                .replace("TIMES", &times.to_string());
            case_of(&steps).unwrap()
        };
        let split_setup = case(MANY).split_setup();
        let WarmSetup::Long(long) = &split_setup.warm_setup else { panic!("{MANY} are not many") };
        assert_eq!((usize::from(long.slots), long.steps.len()), (3 * MANY, 9 * MANY));
        assert_eq!((split_setup.completed, split_setup.left.len()), (Some(0), 1), "epoll_create1 is the run's own");
        assert_eq!(split_setup.warm_setup.setups(), [Setup::clone(long)]);
        let few = case(MANY - 1).split_setup();
        assert_eq!((few.warm_setup, few.completed), (WarmSetup::Usual, Some(0)), "the first of them is usual");
        assert_eq!(few.left.len(), 9 * (MANY - 2) + 1);
    }

    #[test]
    fn settings_and_nic_are_made_before_a_machine_of_their_own_is_saved_and_not_again() {
        let case = |nic: &str, setup: &str| {
            let machine = format!("{{nic: {nic}, sysctls: {{net.ipv4.tcp_ecn: 0}}, files: {{/sys/x: 1}}}}");
            let actors = "{nobody: {steps: [socket: {family: AF_INET, type: SOCK_STREAM}]}}";
            let text =
                format!("rxpath: 1\ntitle: nic\nabout: nic\nmachine: {machine}\nsetup: {setup}\nactors: {actors}\n");
            load::parse("nic", Source { path: PathBuf::from("nic.yaml"), text }).unwrap().remove(0)
        };
        let own = "{socket: {family: AF_INET, type: SOCK_DGRAM}, as: own}";
        let paths = |steps: &[Step]| -> Vec<String> {
            let written = steps.iter().map(|step| match &step.op {
                Op::WriteFile { path, .. } => path.clone(),
                Op::Network(_) => "network".to_owned(),
                _ => "other".to_owned(),
            });
            written.collect()
        };
        for (nic, setup, slots) in
            [("tun", format!("[{{tun: {{}}, as: tun}}, {own}]"), 1), ("veth", format!("[{own}]"), 0)]
        {
            let case = case(nic, &setup);
            let SplitSetup { warm_setup: WarmSetup::Long(long), completed, left, .. } = case.split_setup() else {
                panic!("{nic}: a usual machine")
            };
            assert_eq!(paths(&long.steps), ["/proc/sys/net/ipv4/tcp_ecn", "/sys/x", "network"], "{nic}");
            assert_eq!((long.slots, completed, paths(&left)), (slots, Some(0), vec!["other".to_owned()]), "{nic}");
            let plan = case.lower("6.12".parse().unwrap(), super::super::PassKind::Timing).plan;
            assert_eq!(plan.settings, [], "{nic}");
        }
        let usual = case("loopback", &format!("[{own}]"));
        assert_eq!(usual.split_setup().warm_setup, WarmSetup::Usual);
        let plan = usual.lower("6.12".parse().unwrap(), super::super::PassKind::Timing).plan;
        assert_eq!(
            (paths(&plan.settings), plan.setup.len()),
            (vec!["/proc/sys/net/ipv4/tcp_ecn".to_owned(), "/sys/x".to_owned()], 1)
        );
    }
}
