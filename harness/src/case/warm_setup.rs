//! Setup that the agent runs before a warm image is saved, so that most runs need not repeat it.

use std::path::PathBuf;
use std::sync::{Arc, LazyLock};

use rxpath_guest::{Network, Op, Setup, Step};

use super::case::Case;
use super::case_file::Nic;
use super::diagnostic::Source;
use super::load;

/// The presets that every image has run: each is only a few sockets, which only a run that starts with the preset
/// uses.
pub(super) const PRESETS: [&str; 4] = ["tcp-pair", "tcp6-pair", "udp-pair", "udp6-pair"];

/// How often a setup must repeat a preset to be worth an image of its own. In a traced guest, a hundred
/// connections take about 80 ms, a thousand more than half a second.
const MANY: usize = 100;

static SETUPS: LazyLock<Vec<Setup>> = LazyLock::new(|| PRESETS.iter().map(|preset| setup_of(preset)).collect());

/// The setup that a warm image has run. It distinguishes the images of one kernel on one machine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) enum WarmSetup {
    /// Each of the setups that many cases begin with, once.
    #[default]
    Usual,
    /// After those, a single setup that would take too long in each run.
    Long(Arc<Setup>),
}

/// The number of the setup of [`WarmSetup::Long`].
const LONG: u16 = PRESETS.len() as u16;

impl WarmSetup {
    /// The setups that every image has run.
    pub(crate) fn usual() -> &'static [Setup] {
        &SETUPS
    }

    /// The setups that the image has run beyond the usual ones.
    pub(crate) fn own(&self) -> &[Setup] {
        match self {
            Self::Usual => &[],
            Self::Long(setup) => std::slice::from_ref(setup),
        }
    }
}

/// A case's setup, split at the point where the warm image is saved.
pub(crate) struct SplitSetup {
    /// What the image has run.
    pub(crate) warm_setup: WarmSetup,
    /// The index of the image's setup that the run starts with, if any.
    pub(crate) completed: Option<u16>,
    /// The machine's settings that the run makes itself.
    pub(crate) settings: Vec<Step>,
    /// The rest of the setup, which the run does itself.
    pub(crate) left: Vec<Step>,
}

impl Case {
    /// The setup that this case's warm image has run.
    pub(crate) fn warm_setup(&self) -> WarmSetup {
        self.split_setup().warm_setup
    }

    pub(crate) fn split_setup(&self) -> SplitSetup {
        let steps: Vec<Step> = self.setup.iter().map(|step| step.step.clone()).collect();
        if self.machine.nic != Nic::Loopback {
            return self.with_nic(steps);
        }
        // The usual image ran its setups with the kernel's default settings.
        if self.machine.sysctls.is_empty() && self.machine.files.is_empty() {
            split_at_image(steps)
        } else {
            let settings = self.settings().collect();
            SplitSetup { warm_setup: WarmSetup::Usual, completed: None, settings, left: steps }
        }
    }

    /// The settings and the NIC are made before a separate image is saved, which cases with the same settings and NIC
    /// share: creating a device runs thousands of blocks of kernel code.
    fn with_nic(&self, mut steps: Vec<Step>) -> SplitSetup {
        let makes_nic = |step: &&Step| matches!(step.op, Op::Network(Network::Tun { .. }));
        let left = steps.split_off(steps.iter().take_while(makes_nic).count());
        let slots = slots_of(&steps);
        let steps = self.settings().chain(self.network()).chain(steps).collect();
        let warm_setup = WarmSetup::Long(Arc::new(Setup { slots, steps }));
        SplitSetup { warm_setup, completed: Some(LONG), settings: Vec::new(), left }
    }

    /// The machine's sysctls and files as steps.
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

/// The number of slots that these steps fill.
fn slots_of(steps: &[Step]) -> u16 {
    steps.iter().filter_map(|step| step.into).max().map_or(0, |last| last + 1)
}

fn split_at_image(mut steps: Vec<Step>) -> SplitSetup {
    let many = SETUPS.iter().map(|preset| repeated(preset, &steps)).max().unwrap_or_default();
    if many > 0 {
        let left = steps.split_off(many);
        let slots = slots_of(&steps);
        let warm_setup = WarmSetup::Long(Arc::new(Setup { slots, steps }));
        return SplitSetup { warm_setup, completed: Some(LONG), settings: Vec::new(), left };
    }
    // Slots are numbered in the order in which they are filled, so equal first steps fill the same slots.
    let mut real = (0..).zip(&*SETUPS).filter(|(_, setup)| !setup.steps.is_empty());
    let found = real.find_map(|(at, setup)| Some((at, steps.strip_prefix(&*setup.steps)?.to_vec())));
    let (completed, left) = found.map_or((None, steps), |(at, left)| (Some(at), left));
    SplitSetup { warm_setup: WarmSetup::Usual, completed, settings: Vec::new(), left }
}

/// The number of steps that repeat this preset from the start; 0 if it is repeated fewer than [`MANY`] times. Every
/// repetition fills slots of its own, so only the kinds of operations are compared.
fn repeated(preset: &Setup, steps: &[Step]) -> usize {
    let alike = |(one, other): (&Step, &Step)| {
        std::mem::discriminant(&one.op) == std::mem::discriminant(&other.op)
            && one.into.is_some() == other.into.is_some()
    };
    let whole = steps.chunks_exact(preset.steps.len().max(1));
    let times = whole.take_while(|chunk| preset.steps.iter().zip(*chunk).all(alike)).count();
    if times < MANY { 0 } else { times * preset.steps.len() }
}

/// The steps of a preset, as in a case that begins with it.
fn setup_of(preset: &str) -> Setup {
    // The presets are part of the program, and a test below checks all of them.
    case_of(preset).map_or(Setup { slots: 0, steps: Vec::new() }, |case| Setup {
        slots: case.slots.len() as u16,
        steps: case.setup.into_iter().map(|step| step.step).collect(),
    })
}

/// A case with this setup and next to no other steps.
fn case_of(setup: &str) -> Option<Case> {
    // A case needs an actor, and an actor needs a step.
    let actors = "{any: {steps: [socket: {family: AF_INET, type: SOCK_STREAM}]}}";
    let text = format!("rxpath: 1\ntitle: setup\nabout: setup\nsetup: {setup}\nactors: {actors}\n");
    let cases = load::parse("setup", Source { path: PathBuf::from("presets.yaml"), text }).ok()?;
    cases.into_iter().next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setup_in_the_image_has_all_steps_and_slots_of_its_preset() {
        let [tcp, tcp6, udp, udp6] = &SETUPS[..] else { panic!("{} setups", SETUPS.len()) };
        for (setup, slots, steps) in [(tcp, 3, 9), (tcp6, 3, 9), (udp, 2, 6), (udp6, 2, 6)] {
            assert_eq!((usize::from(setup.slots), setup.steps.len()), (slots, steps));
        }
    }

    #[test]
    fn a_run_starts_with_a_setup_of_the_image_and_does_the_rest_itself() {
        let tcp = &SETUPS[0].steps;
        let parts = |steps: &[Step]| {
            let SplitSetup { warm_setup, completed, left, .. } = split_at_image(steps.to_vec());
            assert_eq!(warm_setup, WarmSetup::Usual);
            (completed, left)
        };
        let more = [&tcp[..], &tcp[..1]].concat();
        assert_eq!(parts(&more), (Some(0), tcp[..1].to_vec()));
        assert_eq!(parts(&tcp[1..]), (None, tcp[1..].to_vec()), "the listener is missing");
        assert_eq!(parts(&[]), (None, Vec::new()));
    }

    #[test]
    fn many_repetitions_of_a_preset_get_an_image_of_their_own() {
        let case = |times: usize| {
            let steps = "[{preset: tcp-pair, repeat: TIMES}, {epoll_create1: {}, as: epoll}]"
                .replace("TIMES", &times.to_string());
            case_of(&steps).unwrap()
        };
        let split_setup = case(MANY).split_setup();
        let WarmSetup::Long(long) = &split_setup.warm_setup else { panic!("{MANY} are not many") };
        assert_eq!((usize::from(long.slots), long.steps.len()), (3 * MANY, 9 * MANY));
        assert_eq!((split_setup.completed, split_setup.left.len()), (Some(LONG), 1), "epoll_create1 is the run's own");
        assert_eq!(split_setup.warm_setup.own(), [Setup::clone(long)]);
        let few = case(MANY - 1).split_setup();
        assert_eq!((few.warm_setup, few.completed), (WarmSetup::Usual, Some(0)), "the first of them is usual");
        assert_eq!(few.left.len(), 9 * (MANY - 2) + 1);
    }

    #[test]
    fn settings_and_nic_get_an_image_of_their_own_and_are_not_made_again() {
        let case = |nic: &str, setup: &str| {
            let machine = format!("{{nic: {nic}, sysctls: {{net.ipv4.tcp_ecn: 0}}, files: {{/sys/x: 1}}}}");
            let actors = "{any: {steps: [socket: {family: AF_INET, type: SOCK_STREAM}]}}";
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
                panic!("{nic}: a usual image")
            };
            assert_eq!(paths(&long.steps), ["/proc/sys/net/ipv4/tcp_ecn", "/sys/x", "network"], "{nic}");
            assert_eq!((long.slots, completed, paths(&left)), (slots, Some(LONG), vec!["other".to_owned()]), "{nic}");
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
