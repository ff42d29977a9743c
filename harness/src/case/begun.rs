//! Setups that the agent goes through before a machine is saved, so that the runs of most cases need not.

use std::path::PathBuf;
use std::sync::LazyLock;

use rxpath_guest::{Setup, Step};

use super::diagnostic::Source;
use super::load;

/// The presets that are gone through beforehand. All of them are in every image: each is a few sockets that only whoever
/// is handed them ever uses.
const PRESETS: [&str; 4] = ["tcp-pair", "tcp6-pair", "udp-pair", "udp6-pair"];

static SETUPS: LazyLock<Vec<Setup>> = LazyLock::new(|| PRESETS.iter().map(|preset| setup_of(preset)).collect());

/// What the agent is to go through before a machine is saved, for [`rxpath_guest::SETUPS_FILE`].
pub fn setups() -> &'static [Setup] {
    &SETUPS
}

/// The setup, by its place in [`setups`], that these steps begin with; and the steps that are left to do.
pub(super) fn begin(steps: &[Step]) -> (Option<u16>, &[Step]) {
    // Names are numbered in the order in which they are made, so what comes first is the same to the slot.
    let mut real = (0..).zip(setups()).filter(|(_, setup)| !setup.steps.is_empty());
    let found = real.find_map(|(at, setup)| Some((at, steps.strip_prefix(&*setup.steps)?)));
    found.map_or((None, steps), |(at, left)| (Some(at), left))
}

/// A preset's steps, as a case has them that begins with it.
fn setup_of(preset: &str) -> Setup {
    // A case has an actor, and an actor a step.
    let actors = "{nobody: {steps: [socket: {family: AF_INET, type: SOCK_STREAM}]}}";
    let text = format!("rxpath: 1\ntitle: {preset}\nabout: {preset}\nsetup: {preset}\nactors: {actors}\n");
    // The file of presets is part of the program, and a test below goes through all of them.
    let cases = load::parse("setup", Source { path: PathBuf::from("presets.yaml"), text }).unwrap_or_default();
    let case = cases.into_iter().next();
    case.map_or(Setup { slots: 0, steps: Vec::new() }, |case| Setup {
        slots: case.slots.len() as u16,
        steps: case.setup.into_iter().map(|step| step.step).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_done_beforehand_makes_every_name_of_its_preset() {
        let [tcp, tcp6, udp, udp6] = setups() else { panic!("{} setups", setups().len()) };
        for (setup, slots, steps) in [(tcp, 3, 9), (tcp6, 3, 9), (udp, 2, 6), (udp6, 2, 6)] {
            assert_eq!((usize::from(setup.slots), setup.steps.len()), (slots, steps));
        }
    }

    #[test]
    fn a_case_begins_with_what_was_done_beforehand_and_does_the_rest_itself() {
        let tcp = &setups()[0].steps;
        let more = [&tcp[..], &tcp[..1]].concat();
        assert_eq!(begin(&more), (Some(0), &tcp[..1]));
        assert_eq!(begin(&tcp[1..]), (None, &tcp[1..]), "the listener is missing");
        assert_eq!(begin(&[]), (None, &[][..]));
    }
}
