//! Says where the actors of a hung case are: in which step, for what it waits, since when, and in which iteration.

use rxpath_guest::{Doing, Plan, StuckActor};

use crate::case::Case;
use crate::suite::store::run_results::Problem;

/// The problem of a pass whose actors had not finished by the plan's deadline.
pub(super) fn stuck_problem(case: &Case, place: &str, plan: &Plan, stuck: &[StuckActor]) -> Problem {
    let deadline = seconds(plan.deadline_ns);
    let mut lines = vec![format!(
        "not done after {deadline} of guest time, the deadline (`deadline:` in the case sets a later one)"
    )];
    lines.extend(stuck.iter().map(|actor| line(case, plan, actor)));
    // An actor that waits for a condition sleeps in the agent.
    let is_in_kernel = |actor: &&StuckActor| {
        !matches!(actor.doing, Doing::Starting | Doing::Waiting(_)) && !actor.stack.trim().is_empty()
    };
    let stacks = stuck.iter().filter(is_in_kernel).map(|actor| {
        let frames: Vec<String> = actor.stack.lines().map(|frame| format!("  {frame}")).collect();
        format!("stack of {}:\n{}\n", name(case, actor), frames.join("\n"))
    });
    Problem { evidence: stacks.collect(), ..Problem::new(place, lines.join("\n")) }
}

fn name<'c>(case: &'c Case, actor: &StuckActor) -> &'c str {
    case.actors.get(usize::from(actor.actor)).map_or("?", |actor| &actor.name)
}

/// `receiver.recv: in its call for 4.9 s, in iteration 2; cases/g/c.yaml:9:9: recv: {socket: server, bytes: 64}`.
fn line(case: &Case, plan: &Plan, actor: &StuckActor) -> String {
    let steps = case.actors.get(usize::from(actor.actor)).map_or(&[][..], |actor| &actor.steps);
    let Some(step) = steps.get(usize::from(actor.step)) else {
        let name = name(case, actor);
        return format!("{name}: runs for {} after its last step, {}", seconds(actor.for_ns), round(plan, actor));
    };
    let doing = match &actor.doing {
        Doing::Starting => "has not started".to_owned(),
        Doing::Calling => format!("in its call for {}", seconds(actor.for_ns)),
        Doing::Running => format!("about to make its call for {}", seconds(actor.for_ns)),
        Doing::Waiting(open) => {
            let open = open.iter().filter_map(|index| step.step.when.get(usize::from(*index)));
            let open: Vec<String> = open.map(|condition| format!("`{}`", case.condition_words(condition))).collect();
            format!("waits for {} for {}", open.join(" and "), seconds(actor.for_ns))
        }
    };
    let name = case.step_name(actor.actor, actor.step);
    format!("{name}: {doing}, {}; {}: {}", round(plan, actor), step.at, step.words)
}

/// Which round the actor was in.
fn round(plan: &Plan, actor: &StuckActor) -> String {
    match actor.rounds.checked_sub(plan.warmup) {
        None => format!("in warm-up iteration {}", actor.rounds + 1),
        Some(iteration) if iteration < plan.iterations => format!("in iteration {}", iteration + 1),
        Some(_) => "in the iterations for milestones".to_owned(),
    }
}

fn seconds(ns: u64) -> String {
    let tenths = ns / 100_000_000;
    if tenths == 0 { format!("{} ms", ns / 1_000_000) } else { format!("{}.{} s", tenths / 10, tenths % 10) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::case::{PassKind, Source, parse};

    #[test]
    fn a_hang_names_step_condition_time_iteration_and_stack() {
        let text = "rxpath: 1
title: t
about: t
setup: tcp-pair
warmup: 2
actors:
  sender: {steps: [{send: {socket: client, bytes: 64}, when: [receiver sleeps, client is readable]}]}
  receiver: {steps: [recv: {socket: server, bytes: 64}]}
";
        let case = parse("g/c", Source { path: "c.yaml".into(), text: text.to_owned() }).unwrap().remove(0);
        let plan = case.lower("6.12".parse().unwrap(), PassKind::Trace).plan;
        let stuck = |actor, rounds, doing, stack: &str| StuckActor {
            actor,
            step: 0,
            rounds,
            doing,
            for_ns: 4_950_000_000,
            stack: stack.to_owned(),
        };
        let all = [stuck(0, 1, Doing::Waiting(vec![0]), ""), stuck(1, 2, Doing::Calling, "[<0>] wait_woken+0x5/0x6\n")];
        let problem = stuck_problem(&case, "traced pass", &plan, &all);
        assert_eq!(
            problem.message,
            "not done after 5.0 s of guest time, the deadline (`deadline:` in the case sets a later one)
sender.send: waits for `receiver sleeps` for 4.9 s, in warm-up iteration 2; c.yaml:7:21: send: {socket: client, bytes: 64}
receiver.recv: in its call for 4.9 s, in iteration 1; c.yaml:8:22: recv: {socket: server, bytes: 64}"
        );
        assert_eq!(problem.evidence, "stack of receiver:\n  [<0>] wait_woken+0x5/0x6\n");
        let late = stuck(1, 2 + plan.iterations, Doing::Running, "");
        assert!(
            line(&case, &plan, &late).contains("about to make its call for 4.9 s, in the iterations for milestones")
        );
        let past = StuckActor { step: 1, ..late };
        assert!(line(&case, &plan, &past).starts_with("receiver: runs for 4.9 s after its last step"));
    }
}
