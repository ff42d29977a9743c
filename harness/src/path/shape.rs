//! Turns one context's calls into a path: renames functions to canonical names, leaves hidden ones out and places
//! marks.

use std::sync::Arc;

use super::contexts::Kept;
use super::profiles::{Filter, Visibility};
use super::{CallPath, NameTable, PathEntry, PathNode, subtree_ends};
use crate::trace::{FuncAddr, NodeKind};

/// The task that a wake-up woke.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Woken {
    /// An actor, by name. Always shown.
    Actor(Arc<str>),
    /// Any other task, by class. Not shown if the function that woke it is hidden.
    Other(Arc<str>),
}

pub(super) struct Shaper<'s, 'a> {
    pub names: &'s mut NameTable<'a>,
    pub filter: &'s Filter,
    /// Identifies the task with a pid.
    pub woken: &'s dyn Fn(i32) -> Woken,
    /// Whether context switches were recorded. If not, no call is known to have slept.
    pub switches_recorded: bool,
}

impl Shaper<'_, '_> {
    /// Appends the path of the nodes at `depth`, without folding it. Returns, for each appended line, the index of its node.
    pub(super) fn append(&mut self, kept: &[Kept], depth: u32, path: &mut CallPath) -> Vec<usize> {
        let mut shown = Vec::new();
        let ends = subtree_ends(kept.iter().map(|kept| kept.depth));
        let mut frames: Vec<PathFrame> = Vec::new();
        let mut at = 0;
        while at < kept.len() {
            let Kept { depth: raw_depth, node, .. } = kept[at];
            while frames.last().is_some_and(|frame| frame.raw_depth >= raw_depth) {
                frames.pop();
            }
            let parent =
                frames.last().copied().unwrap_or(PathFrame { raw_depth: 0, func: None, inner: depth, hidden: false });
            let NodeKind::Call { func, .. } = node.kind else {
                if let Some(entry) = self.mark(&node.kind, parent.hidden) {
                    path.nodes.push(PathNode::once(parent.inner, entry));
                    shown.push(at);
                }
                at += 1;
                continue;
            };
            let name = self.names.canonical(func);
            if self.is_unslept_preemption(&name, &kept[at..ends[at]]) {
                at = ends[at];
                continue;
            }
            let mut frame = PathFrame { raw_depth, func: Some(func), ..parent };
            match self.filter.visibility(&name) {
                _ if self.is_part_of(&parent, func, &name) => {}
                Visibility::Shown if parent.hidden => {}
                Visibility::Shown | Visibility::Expected => {
                    path.nodes.push(PathNode::once(parent.inner, PathEntry::Call(name)));
                    shown.push(at);
                    frame.inner += 1;
                    frame.hidden = false;
                }
                Visibility::Inlined => {}
                Visibility::Hidden => frame.hidden = true,
            }
            frames.push(frame);
            at += 1;
        }
        shown
    }

    fn mark(&self, kind: &NodeKind, hidden: bool) -> Option<PathEntry> {
        match kind {
            NodeKind::Waking { pid } => match (self.woken)(*pid) {
                Woken::Actor(name) => Some(PathEntry::Wakes(name)),
                Woken::Other(class) => (!hidden).then_some(PathEntry::Wakes(class)),
            },
            NodeKind::SwitchOut { state: 'R', .. } => (!self.filter.hides_preemption()).then_some(PathEntry::Preempted),
            NodeKind::SwitchOut { .. } => Some(PathEntry::Sleeps),
            _ => None,
        }
    }

    /// Whether the compiler split this function off its caller (`f` calls `f.part.0`). Readers see them as one
    /// function.
    fn is_part_of(&mut self, caller: &PathFrame, func: FuncAddr, name: &str) -> bool {
        caller.func.is_some_and(|caller| caller != func && *self.names.canonical(caller) == *name)
    }

    fn is_unslept_preemption(&self, name: &str, subtree: &[Kept]) -> bool {
        let is_sleep = |kept: &Kept| matches!(kept.node.kind, NodeKind::SwitchOut { state, .. } if state != 'R');
        self.switches_recorded && self.filter.hides_unless_slept(name) && !subtree.iter().any(is_sleep)
    }
}

#[derive(Clone, Copy)]
struct PathFrame {
    raw_depth: u32,
    func: Option<FuncAddr>,
    /// The depth of lines beneath it.
    inner: u32,
    /// Only marks and expected functions are shown beneath it.
    hidden: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::path::contexts::{ContextRules, separate};
    use crate::path::profiles::Profiles;
    use crate::path::sample::Sample;
    use crate::path::text;
    use crate::trace::TaskKey;

    fn check(forest: &str, expected_functions: &[&str], path: &str) {
        let sample = Sample::parse(&format!("task 1 t\n{forest}"));
        let mut names = NameTable::new(&sample.symbols);
        let nodes = &sample.forests.by_task[&TaskKey::Task(1)].nodes;
        let separated = separate(nodes, &[], &mut names, ContextRules::embedded().unwrap());
        let filter = Profiles::embedded().unwrap().select(&[] as &[&str], expected_functions).unwrap();
        let woken = |pid: i32| match pid {
            10 => Woken::Actor("receiver".into()),
            _ => Woken::Other("other".into()),
        };
        let mut shaper = Shaper { names: &mut names, filter: &filter, woken: &woken, switches_recorded: true };
        let mut found = CallPath::default();
        let shown = shaper.append(&separated.own, 0, &mut found);
        assert_eq!(text::write(&found), path);
        assert_eq!(shown.len(), found.nodes.len());
    }

    #[test]
    fn a_hidden_function_takes_its_callees_with_it_and_an_inlined_one_leaves_them() {
        check(
            "x64_sys_call\n  __x64_sys_recvfrom\n    _raw_spin_lock_bh\n      inner\n    tcp_recvmsg.isra.0\n",
            &[],
            "__x64_sys_recvfrom\n  tcp_recvmsg\n",
        );
    }

    #[test]
    fn a_sleep_is_shown_though_the_scheduler_is_hidden() {
        check(
            "wait_woken\n  schedule\n    update_rq_clock\n    __traceiter_sched_switch\n      @out S 2\n    @in 2\n    finish_task_switch\n",
            &[],
            "wait_woken\n  schedule\n    ~ sleeps\n",
        );
    }

    #[test]
    fn a_part_that_the_compiler_split_off_is_not_a_level_but_recursion_is() {
        check("f\n  f.part.0\n    g\n      g\n", &[], "f\n  g\n    g\n");
    }

    #[test]
    fn a_preemption_leaves_no_line() {
        check("tcp_sendmsg\nschedule\n  pick_next_task\n  @out R 2\n  @in 2\n", &["schedule"], "tcp_sendmsg\n");
    }

    #[test]
    fn a_hidden_function_still_shows_that_it_woke_an_actor_but_not_another_task() {
        check(
            "f\n  rcu_core\n    g\n      @waking 10\n      @waking 11\n  @waking 11\n",
            &[],
            "f\n  ~ wakes receiver\n  ~ wakes other\n",
        );
    }

    #[test]
    fn an_expected_function_is_shown_with_its_callees_even_beneath_a_hidden_one() {
        check(
            "f\n  kfree_skb_list\n  security_x\n    y\n      bpf_prog\n        z\n        kfree\n    w\n",
            &["bpf_prog"],
            "f\n  kfree_skb_list\n  bpf_prog\n    z\n",
        );
    }
}
