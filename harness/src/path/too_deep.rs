//! Calls that were not recorded because they were nested too deep, where a path would show them.
//!
//! Up to 6.10 a task's shadow stack holds 50 calls, and a packet that is sent, received and acknowledged within one system
//! call goes deeper. The calls at that depth are mostly the scheduler's accounting of the wake-up, which paths hide.

use std::collections::BTreeMap;

use rxpath_guest::RunReport;

use super::profiles::{Filter, Visibility};
use super::recorded_operations::Operation;
use super::{NameTable, Role};
use crate::trace::{CallForests, Forest, Node, NodeKind, TaskKey, TooDeep};

const HELP: &str = "let a different CPU receive the packets (`machine: {files: {/sys/class/net/lo/queues/rx-0/rps_cpus: 2}}`), or write \
                    `record: false` at the step";

/// Describes the missing calls of a capture that paths would show: for each place, how many there are and what to do.
pub(super) fn problems(
    forests: &CallForests,
    report: &RunReport,
    found: &[Operation<'_>],
    windows: &BTreeMap<u32, (u64, u64)>,
    names: &mut NameTable<'_>,
    (roles, filter): (&[Role], &Filter),
) -> Vec<String> {
    let is_watched = |task: TaskKey| match task {
        TaskKey::Task(pid) => !report.actor_tids.contains(&pid) && !report.agent_tids.contains(&pid),
        TaskKey::Idle(_) => true,
    };
    let mut places: BTreeMap<String, (u64, String)> = BTreeMap::new();
    for loss in &forests.too_deep {
        let at = forests.by_task.get(&loss.task).and_then(|forest| Some((forest, place_of(loss, forest)?)));
        let place = match at {
            None => "a task whose calls are incomplete".to_owned(),
            Some((forest, at)) if is_hidden(&forest.nodes[..=at], names, filter) => continue,
            Some((forest, at)) => {
                let operation =
                    |op: &&Operation<'_>| op.task == loss.task && (op.first..op.first + op.nodes.len()).contains(&at);
                let interrupted = forest.nodes[at].interrupted;
                let is_interrupt = interrupted.softirq || interrupted.hardirq || interrupted.nmi;
                match found.iter().find(operation) {
                    Some(op) => step_name(op, roles),
                    None if !is_interrupt && !is_watched(loss.task) => continue,
                    None if !windows.values().any(|(start, end)| (*start..=*end).contains(&loss.time)) => continue,
                    None => "softirqs between the recorded steps".to_owned(),
                }
            }
        };
        let beneath = names.canonical(loss.func).to_string();
        let (calls, _) = places.entry(place).or_insert((0, beneath));
        *calls = calls.saturating_add(loss.calls);
    }
    let describe = |(place, (calls, beneath)): (String, (u64, String))| {
        format!(
            "{place}: {calls} calls, the first beneath {beneath}, are nested more than 50 deep, which this kernel does not record: {HELP}"
        )
    };
    places.into_iter().map(describe).collect()
}

/// The index of the call beneath which calls are missing.
fn place_of(loss: &TooDeep, forest: &Forest) -> Option<usize> {
    let is_it =
        |node: &Node| matches!(node.kind, NodeKind::Call { func, end } if func == loss.func && end == Some(loss.time));
    forest.nodes.iter().position(is_it)
}

/// Whether paths hide the last of these nodes or one of its callers with everything beneath.
fn is_hidden(nodes: &[Node], names: &mut NameTable<'_>, filter: &Filter) -> bool {
    let mut depth = nodes.last().map_or(0, |node| node.depth + 1);
    nodes.iter().rev().any(|node| {
        let NodeKind::Call { func, .. } = node.kind else { return false };
        if node.depth >= depth {
            return false;
        }
        depth = node.depth;
        filter.visibility(&names.canonical(func)) == Visibility::Hidden
    })
}

/// `receiver.recv`.
fn step_name(op: &Operation<'_>, roles: &[Role]) -> String {
    let role = roles.get(usize::from(op.actor));
    let step = role.and_then(|role| role.steps.get(usize::from(op.step)));
    format!("{}.{}", role.map_or("?", |role| &role.name), step.map_or("?", String::as_str))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::path::sample::Sample;
    use crate::path::{CaptureSettings, ContextRules, Profiles, capture_paths};

    /// The problems of a capture of the steps `one`, recorded, and of what comes before and after it, with calls missing
    /// beneath the call with this name.
    fn problems_beneath(name: &str) -> Vec<String> {
        let text = "\
task 10 peer
before
  deep_before
w
  @marker 1 0 0 0
recv
  deep_inside
    update_curr
      deep_hidden
w
  @marker 0 0 0 0
between
  deep_between
  softirq_between !s
    deep_softirq !s
w
  @marker 1 0 1 0
send
w
  @marker 0 0 1 0
after
  deep_after !s
task 11 other
other_work
";
        let mut sample = Sample::parse(text);
        let (func, _) = sample.symbols.iter().find(|(_, symbol)| *symbol == name).unwrap();
        let func = *func;
        let forest = sample.forests.by_task.get_mut(&TaskKey::Task(10)).unwrap();
        let node =
            forest.nodes.iter_mut().find(|node| matches!(node.kind, NodeKind::Call { func: it, .. } if it == func));
        let node = node.unwrap();
        node.kind = NodeKind::Call { func, end: Some(node.start) };
        let loss = TooDeep { task: TaskKey::Task(10), time: node.start, func, calls: 3 };
        sample.forests.too_deep.push(loss);
        let roles = [Role { name: "peer".to_owned(), steps: vec!["recv".to_owned(), "send".to_owned()] }];
        let report = RunReport { actor_tids: vec![10], ..RunReport::default() };
        let (rules, filter) =
            (ContextRules::embedded().unwrap(), Profiles::embedded().unwrap().select::<&str, &str>(&[], &[]).unwrap());
        let settings = CaptureSettings { roles: &roles, rules, filter: &filter, tracer: None };
        capture_paths(&sample.forests, &report, &sample.symbols, &settings).problems
    }

    #[test]
    fn missing_calls_count_where_a_path_would_show_them() {
        for (name, place) in [
            ("deep_inside", Some("peer.recv: 3 calls, the first beneath deep_inside, are nested more than 50 deep")),
            ("deep_softirq", Some("softirqs between the recorded steps: 3 calls")),
            ("deep_before", None),
            ("deep_between", None),
            ("deep_after", None),
        ] {
            let found = problems_beneath(name);
            assert_eq!(found.len(), usize::from(place.is_some()), "{name}: {found:?}");
            assert!(found.iter().zip(place).all(|(found, place)| found.starts_with(place)), "{name}: {found:?}");
        }
    }

    #[test]
    fn missing_calls_do_not_count_beneath_what_paths_hide() {
        assert_eq!(problems_beneath("deep_hidden"), [""; 0]);
    }
}
