//! Setups that the agent goes through before a machine is saved, so that the runs of most cases need not.

use std::path::PathBuf;
use std::sync::{Arc, LazyLock};

use rxpath_guest::{Setup, Step};

use super::case::Case;
use super::diagnostic::Source;
use super::load;

/// The presets that are gone through beforehand. All of them are in every usual image: each is a few sockets that only
/// whoever is handed them ever uses.
const PRESETS: [&str; 4] = ["tcp-pair", "tcp6-pair", "udp-pair", "udp6-pair"];

/// How often a setup repeats a preset before an image of its own is worth its boot: a hundred connections take a traced guest some
/// 80 ms, a thousand more than half a second.
const MANY: usize = 100;

static SETUPS: LazyLock<Vec<Setup>> = LazyLock::new(|| PRESETS.iter().map(|preset| setup_of(preset)).collect());

/// What a machine has gone through when it is saved. Of a kernel's images on one machine, it tells one from another.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum Beforehand {
    /// The setups that many cases begin with, each of them once.
    #[default]
    Usual,
    /// One setup that is too long to go through in each run.
    Long(Arc<Setup>),
}

impl Beforehand {
    /// What the agent is to go through, for [`rxpath_guest::SETUPS_FILE`].
    pub fn setups(&self) -> &[Setup] {
        match self {
            Self::Usual => &SETUPS,
            Self::Long(setup) => std::slice::from_ref(setup),
        }
    }
}

/// How a run begins.
pub(super) struct Beginning {
    /// What was done before its machine was saved.
    pub beforehand: Beforehand,
    /// Which of its setups the run begins with, if it begins with one.
    pub begun: Option<u16>,
    /// What is left to do of the run's own setup.
    pub left: Vec<Step>,
}

impl Case {
    /// What this case's machine has gone through when it is saved.
    pub fn beforehand(&self) -> Beforehand {
        self.beginning().beforehand
    }

    pub(super) fn beginning(&self) -> Beginning {
        let own = self.setup.iter().map(|step| step.step.clone());
        let steps: Vec<Step> = self.network().into_iter().chain(own).collect();
        // What is done before the machine is saved is done under the kernel's own settings.
        if self.machine.sysctls.is_empty() && self.machine.files.is_empty() {
            begin(steps)
        } else {
            Beginning { beforehand: Beforehand::Usual, begun: None, left: steps }
        }
    }
}

fn begin(mut steps: Vec<Step>) -> Beginning {
    let many = SETUPS.iter().map(|preset| repeated(preset, &steps)).max().unwrap_or_default();
    if many > 0 {
        let left = steps.split_off(many);
        let slots = steps.iter().filter_map(|step| step.into).max().map_or(0, |last| last + 1);
        let beforehand = Beforehand::Long(Arc::new(Setup { slots, steps }));
        return Beginning { beforehand, begun: Some(0), left };
    }
    // Names are numbered in the order in which they are made, so what comes first is the same to the slot.
    let mut real = (0..).zip(&*SETUPS).filter(|(_, setup)| !setup.steps.is_empty());
    let found = real.find_map(|(at, setup)| Some((at, steps.strip_prefix(&*setup.steps)?.to_vec())));
    let (begun, left) = found.map_or((None, steps), |(at, left)| (Some(at), left));
    Beginning { beforehand: Beforehand::Usual, begun, left }
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
            let Beginning { beforehand, begun, left } = begin(steps.to_vec());
            assert_eq!(beforehand, Beforehand::Usual);
            (begun, left)
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
        let beginning = case(MANY).beginning();
        let Beforehand::Long(long) = &beginning.beforehand else { panic!("{MANY} are not many") };
        assert_eq!((usize::from(long.slots), long.steps.len()), (3 * MANY, 9 * MANY));
        assert_eq!((beginning.begun, beginning.left.len()), (Some(0), 1), "epoll_create1 is the run's own");
        assert_eq!(beginning.beforehand.setups(), [Setup::clone(long)]);
        let few = case(MANY - 1).beginning();
        assert_eq!((few.beforehand, few.begun), (Beforehand::Usual, Some(0)), "the first of them is usual");
        assert_eq!(few.left.len(), 9 * (MANY - 2) + 1);
    }
}
