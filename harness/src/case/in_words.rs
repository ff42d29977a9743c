//! Names the parts of a case that did not work in a guest: its place in the file, and the case's own words.

use rxpath_guest::{Condition, FailedSetup, StepIndex};

use super::case::{Case, CaseStep};
use super::constants;
use super::diagnostic::Location;
use super::warm_setup::PRESETS;

impl Case {
    /// The step of a run's setup that failed: `cases/g/c.yaml:7:5: listen: {socket: s} failed with EINVAL`.
    pub(crate) fn failed_in_run(&self, failed: FailedSetup) -> String {
        let split = self.split_setup();
        let all = self.setup_words();
        let first = if failed.is_setting { 0 } else { all.len() - split.left.len() };
        failed_with(all.get(first + usize::from(failed.step)).copied(), failed.errno)
    }

    /// The same for the setup that is a part of the case's warm image.
    pub(crate) fn failed_in_image(&self, setup: usize, step: StepIndex, errno: i32) -> String {
        match PRESETS.get(setup) {
            None => failed_with(self.setup_words().get(usize::from(step)).copied(), errno),
            Some(preset) => {
                let errno = constants::errno_name(errno);
                format!(
                    "step {} of the preset {preset}, which every image has completed, failed with {errno}",
                    step + 1
                )
            }
        }
    }

    /// A kernel module that could not be loaded.
    pub(crate) fn failed_module(&self, name: &str, errno: i32) -> String {
        format!("{}: loading the module {name} failed with {}", self.machine_at, constants::errno_name(errno))
    }

    /// Everything that is done before the actors start, in its order: settings, network, steps.
    fn setup_words(&self) -> Vec<(&Location, &str)> {
        let settings = self.settings_at.iter().map(|(at, words)| (at, words.as_str()));
        let network = self.network().map(|_| (&self.machine_at, "making the network"));
        let steps = self.setup.iter().map(|CaseStep { at, words, .. }| (at, words.as_str()));
        settings.chain(network).chain(steps).collect()
    }

    /// A condition as the case writes it: `receiver sleeps`, `after: sender.send`.
    pub(crate) fn condition_words(&self, condition: &Condition) -> String {
        let slot = |slot: u16| self.slots.get(usize::from(slot)).map_or("?", String::as_str);
        let actor = |actor: u16| self.actors.get(usize::from(actor)).map_or("?", |actor| &actor.name);
        match *condition {
            Condition::Sleeps { actor: index, step: None } => format!("{} sleeps", actor(index)),
            Condition::Sleeps { actor: index, step: Some(step) } => {
                let name = self.step_name(index, step);
                format!("{} sleeps in {}", actor(index), name.split_once('.').map_or("?", |(_, step)| step))
            }
            Condition::After { actor, step } => format!("after: {}", self.step_name(actor, step)),
            Condition::QueueIn { socket, bytes } => format!("queue of {} holds {bytes}", slot(socket)),
            Condition::QueueOut { socket, .. } => format!("everything of {} is acknowledged", slot(socket)),
            Condition::Ready { socket, events: libc::POLLIN } => format!("{} is readable", slot(socket)),
            Condition::Ready { socket, events: libc::POLLERR } => format!("{} has an error", slot(socket)),
            Condition::Ready { socket, .. } => format!("{} has hung up", slot(socket)),
            Condition::TcpState { socket, state } => {
                let state = constants::name(constants::TCP_STATES, state.into()).unwrap_or("?");
                format!("{} is in {state}", slot(socket))
            }
        }
    }
}

fn failed_with(what: Option<(&Location, &str)>, errno: i32) -> String {
    let errno = constants::errno_name(errno);
    match what {
        Some((at, words)) => format!("{at}: {words} failed with {errno}"),
        None => format!("a step of the setup failed with {errno}"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::diagnostic::Source;
    use super::super::load;
    use super::*;

    fn case(text: &str) -> Case {
        let text = format!("rxpath: 1\ntitle: t\nabout: t\n{text}");
        load::parse("a/b", Source { path: "b.yaml".into(), text }).unwrap_or_else(|wrong| panic!("{wrong}")).remove(0)
    }

    const ACTORS: &str = "actors: {a: {steps: [socket: {family: AF_INET, type: SOCK_STREAM}]}}\n";
    const EINVAL: i32 = 22;
    const ENOENT: i32 = 2;

    #[test]
    fn a_failed_step_of_a_run_has_its_place_and_the_cases_words() {
        let case = case(&format!(
            "machine:\n  sysctls: {{net.ipv4.tcp_ecn: 0, net.ipv4.nothing: 1}}\n  files: {{/sys/x: 2}}\nsetup:\n- preset: \
             udp-pair\n- listen:\n    socket: client\n    backlog: -1\n{ACTORS}"
        ));
        let failed = |is_setting, step| case.failed_in_run(FailedSetup { is_setting, step, errno: EINVAL });
        assert_eq!(failed(true, 1), "b.yaml:5:34: net.ipv4.nothing: 1 failed with EINVAL");
        assert_eq!(failed(true, 2), "b.yaml:6:11: /sys/x: 2 failed with EINVAL");
        assert_eq!(failed(false, 0), "b.yaml:8:3: socket of the preset failed with EINVAL");
        assert_eq!(failed(false, 6), "b.yaml:9:3: listen: socket: client backlog: -1 failed with EINVAL");
        assert_eq!(failed(false, 7), "a step of the setup failed with EINVAL");
    }

    #[test]
    fn what_an_image_has_completed_does_not_count_in_the_steps_of_a_run() {
        let case = case(&format!("setup: [preset: tcp-pair, listen: {{socket: server}}]\n{ACTORS}"));
        let failed = case.failed_in_run(FailedSetup { is_setting: false, step: 0, errno: EINVAL });
        assert_eq!(failed, "b.yaml:4:27: listen: {socket: server} failed with EINVAL");
        let failed = case.failed_in_image(1, 2, ENOENT);
        assert_eq!(failed, "step 3 of the preset tcp6-pair, which every image has completed, failed with ENOENT");
    }

    #[test]
    fn a_failed_step_of_an_image_is_found_behind_settings_and_network() {
        let case = case(&format!("machine: {{nic: veth, sysctls: {{net.ipv4.nothing: 1}}}}\nsetup: []\n{ACTORS}"));
        assert_eq!(
            case.failed_in_image(PRESETS.len(), 0, ENOENT),
            "b.yaml:4:32: net.ipv4.nothing: 1 failed with ENOENT"
        );
        assert_eq!(case.failed_in_image(PRESETS.len(), 1, EINVAL), "b.yaml:4:1: making the network failed with EINVAL");
        assert_eq!(case.failed_module("veth", 999), "b.yaml:4:1: loading the module veth failed with errno 999");
    }

    #[test]
    fn conditions_are_named_as_cases_write_them() {
        let words = [
            "receiver sleeps",
            "receiver sleeps in recv",
            "queue of server holds 64",
            "everything of client is acknowledged",
            "server is readable",
            "client has hung up",
            "client has an error",
            "client is in TCP_CLOSE_WAIT",
        ];
        let words_of_all = words.join(", ");
        let sender = format!("{{when: [{words_of_all}], after: feeder.send, send: {{socket: client, bytes: 64}}}}");
        let actors = format!(
            "{{sender: {{steps: [{sender}]}}, receiver: {{steps: [recv: {{socket: server, bytes: 1}}]}}, \
             feeder: {{steps: [send: {{socket: client, bytes: 64}}]}}}}"
        );
        let case = case(&format!("setup: tcp-pair\nactors: {actors}\n"));
        let found = case.actors[0].steps[0].step.when.iter().map(|condition| case.condition_words(condition));
        let expected: Vec<&str> = words.into_iter().chain(["after: feeder.send"]).collect();
        assert_eq!(found.collect::<Vec<_>>(), expected);
    }
}
