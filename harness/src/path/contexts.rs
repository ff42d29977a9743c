//! Separates contexts: takes interrupts and softirqs out of what they interrupted, as trees of their own.

use std::sync::{Arc, LazyLock};

use serde::Deserialize;

use super::data_file::{self, DataFileError};
use super::own_times::OwnTime;
use super::{NameTable, Patterns};
use crate::trace::{Interrupted, Node, NodeKind};

/// The context of a call. A greater one may interrupt a lesser one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Context {
    /// A task's own work: a system call, or the work of a kernel thread.
    Process,
    Softirq,
    HardIrq,
    Nmi,
}

impl From<Interrupted> for Context {
    fn from(flags: Interrupted) -> Self {
        match flags {
            Interrupted { nmi: true, .. } => Self::Nmi,
            Interrupted { hardirq: true, .. } => Self::HardIrq,
            Interrupted { softirq: true, .. } => Self::Softirq,
            _ => Self::Process,
        }
    }
}

/// A node with its depth within its own context.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Kept<'a> {
    /// The nesting level within its own context, from 0.
    pub depth: u32,
    /// The recorded node. Its own `depth` is that within the whole stack.
    pub node: &'a Node,
    /// The node's index among those that were separated.
    pub at: usize,
    /// What it took itself; 0 if unknown.
    pub own: OwnTime,
    /// Whether a hard interrupt came while the call ran itself, not a call beneath it.
    pub interrupted: bool,
}

/// A tree that was cut out of what it interrupted.
#[derive(Clone, Debug, PartialEq)]
pub struct CutTree<'a> {
    /// Never [`Context::Process`].
    pub context: Context,
    /// Whether it ran in a hard interrupt's entry or exit rather than because the interrupted task called it.
    pub by_interrupt: bool,
    /// The trace clock at its start, in nanoseconds.
    pub at: u64,
    /// One root with its descendants in the same context.
    pub nodes: Vec<Kept<'a>>,
}

/// A range of a forest, separated by context.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Separated<'a> {
    /// The task's own calls.
    pub own: Vec<Kept<'a>>,
    /// What interrupted the task, in order of start.
    pub cut: Vec<CutTree<'a>>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ContextRules {
    pub(crate) interrupt_glue: Patterns,
    pub(crate) softirq_glue: Patterns,
    pub(crate) softirqs_of_no_concern: Patterns,
    pub(crate) interrupts_of_concern: Patterns,
    pub(crate) tasks_of_concern: Patterns,
    pub(crate) everywhere: Patterns,
    task_classes: Vec<String>,
}

impl ContextRules {
    /// The rules in the binary.
    pub fn embedded() -> Result<&'static Self, &'static DataFileError> {
        static RULES: LazyLock<Result<ContextRules, DataFileError>> =
            LazyLock::new(|| data_file::parse("contexts.yaml", include_str!("contexts.yaml")));
        RULES.as_ref()
    }

    /// The classes of tasks that are not actors, except `other`.
    pub fn task_classes(&self) -> impl Iterator<Item = &str> {
        self.task_classes.iter().map(String::as_str)
    }

    /// The class of a task that is not an actor, by its `comm`: `ksoftirqd`, `kworker`, …, or `other`.
    pub fn class_of(&self, comm: &str) -> Arc<str> {
        let longest = self.task_classes().filter(|class| comm.starts_with(class)).max_by_key(|class| class.len());
        longest.unwrap_or("other").into()
    }
}

/// Separates a range of one task's forest by context. Linear.
///
/// The ring buffer's flags give a call's context. The rules name what the flags cannot show: functions that only enter
/// or leave an interrupt, or only lead to the softirqs' actions. Those are left out with everything they call in the
/// same context, except context switches of the task.
///
/// `own` holds each node's own time; it is empty if that is unknown.
pub fn separate<'a>(nodes: &'a [Node], own: &[OwnTime], names: &mut NameTable, rules: &ContextRules) -> Separated<'a> {
    let mut out = Separated::default();
    let mut frames: Vec<ContextFrame> = Vec::new();

    for (at, node) in nodes.iter().enumerate() {
        let own = own.get(at).copied().unwrap_or_default();
        let kept = |depth| Kept { depth, node, at, own, interrupted: false };
        while frames.last().is_some_and(|frame| frame.raw_depth >= node.depth) {
            frames.pop();
        }
        let parent = frames.last().copied().unwrap_or(ROOT);
        let NodeKind::Call { func, .. } = node.kind else {
            let is_switch = matches!(node.kind, NodeKind::SwitchOut { .. } | NodeKind::SwitchIn { .. });
            if !parent.glue || is_switch && parent.to == To::Own {
                out.keep(parent.to, kept(parent.depth));
            }
            continue;
        };
        let mut frame = enter(parent, node, &names.canonical(func), rules, &mut out);
        if let (true, false, Some(call)) = (frame.in_interrupt, parent.in_interrupt, parent.kept) {
            out.nodes(parent.to)[call].interrupted = true;
        }
        if !frame.glue {
            frame.kept = Some(out.keep(frame.to, kept(frame.depth - 1)));
        }
        frames.push(frame);
    }
    out
}

/// The destination of nodes: the task itself, or one of the trees cut out of it.
#[derive(Clone, Copy, PartialEq)]
enum To {
    Own,
    Cut(usize),
}

/// A call whose children are being visited.
#[derive(Clone, Copy)]
struct ContextFrame {
    raw_depth: u32,
    context: Context,
    to: To,
    /// The depth of its children in their own tree.
    depth: u32,
    /// It only enters or leaves a context: neither it nor what it calls in its own context is kept.
    glue: bool,
    /// The index, in its own tree, of the innermost call that is kept.
    kept: Option<usize>,
    /// A hard interrupt is being served, from its entry to its exit.
    in_interrupt: bool,
    beneath_interrupt: bool,
    beneath_softirq: bool,
}

/// The frame around roots.
const ROOT: ContextFrame = ContextFrame {
    raw_depth: 0,
    context: Context::Process,
    to: To::Own,
    depth: 0,
    glue: false,
    kept: None,
    in_interrupt: false,
    beneath_interrupt: false,
    beneath_softirq: false,
};

fn enter(parent: ContextFrame, node: &Node, name: &str, rules: &ContextRules, out: &mut Separated) -> ContextFrame {
    let mut frame = ContextFrame { raw_depth: node.depth, ..parent };
    let enters_interrupt = rules.interrupt_glue.matches(name);
    if enters_interrupt || rules.softirq_glue.matches(name) {
        frame.glue = true;
        frame.in_interrupt |= enters_interrupt;
        frame.beneath_interrupt |= enters_interrupt;
        return frame;
    }
    let context = Context::from(node.interrupted);
    let softirq_at_interrupt_exit =
        context == Context::Softirq && context < parent.context && !parent.beneath_softirq && parent.beneath_interrupt;
    if context > parent.context || softirq_at_interrupt_exit {
        let by_interrupt = parent.beneath_interrupt;
        out.cut.push(CutTree { context, by_interrupt, at: node.start, nodes: Vec::new() });
        frame.to = To::Cut(out.cut.len() - 1);
        frame.context = context;
        frame.depth = 1;
        frame.glue = false;
        frame.kept = None;
        frame.in_interrupt = context >= Context::HardIrq;
        frame.beneath_interrupt |= context >= Context::HardIrq;
        frame.beneath_softirq |= context == Context::Softirq;
    } else if context < parent.context {
        frame.glue = true;
    } else if !parent.glue {
        frame.depth += 1;
    }
    frame
}

impl<'a> Separated<'a> {
    fn nodes(&mut self, of: To) -> &mut Vec<Kept<'a>> {
        match of {
            To::Own => &mut self.own,
            To::Cut(tree) => &mut self.cut[tree].nodes,
        }
    }

    /// Returns the node's index in its tree.
    fn keep(&mut self, to: To, kept: Kept<'a>) -> usize {
        let nodes = self.nodes(to);
        nodes.push(kept);
        nodes.len() - 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::path::sample::Sample;
    use crate::trace::TaskKey;

    fn check(forest: &str, expected: &str) {
        let sample = Sample::parse(&format!("task 1 t\n{forest}"));
        let mut names = NameTable::new(&sample.symbols);
        let nodes = &sample.forests.by_task[&TaskKey::Task(1)].nodes;
        let separated = separate(nodes, &[], &mut names, ContextRules::embedded().unwrap());
        let write = |nodes: &[Kept]| -> String {
            let line = |kept: &Kept| {
                let interrupted = if kept.interrupted { " !" } else { "" };
                format!("{}{}{interrupted}\n", "  ".repeat(kept.depth as usize), sample.describe(kept.node))
            };
            nodes.iter().map(line).collect()
        };
        let mut found = write(&separated.own);
        for tree in &separated.cut {
            let by = if tree.by_interrupt { " by interrupt" } else { "" };
            found.push_str(&format!("-- {:?}{by}\n{}", tree.context, write(&tree.nodes)));
        }
        assert_eq!(found, expected);
    }

    #[test]
    fn a_hard_interrupt_is_cut_out_with_its_entry_and_exit() {
        check(
            "\
tcp_recvmsg
  tcp_cleanup_rbuf
    irq_enter_rcu
      tick_irq_enter !h
    __sysvec_apic_timer_interrupt !h
      hrtimer_interrupt !h
    irq_exit_rcu !h
      idle_cpu
    after
",
            "tcp_recvmsg\n  tcp_cleanup_rbuf !\n    after\n-- HardIrq by interrupt\ntick_irq_enter\n-- \
             HardIrq\n__sysvec_apic_timer_interrupt\n  hrtimer_interrupt\n",
        );
    }

    #[test]
    fn softirqs_on_top_of_a_system_call_become_trees_of_their_own() {
        check(
            "\
__dev_queue_xmit
  __local_bh_enable_ip
    do_softirq.part.0
      __do_softirq
        handle_softirqs
          @irq softirq_entry 3 !s
          net_rx_action !s
            process_backlog !s
          @irq softirq_exit 3 !s
          rcu_core_si !s
  after
",
            "__dev_queue_xmit\n  __local_bh_enable_ip\n  after\n-- Softirq\nnet_rx_action\n  process_backlog\n\
             -- Softirq\nrcu_core_si\n",
        );
    }

    #[test]
    fn softirqs_at_the_end_of_an_interrupt_differ_from_those_of_a_call() {
        check(
            "\
do_idle
  common_interrupt
    __common_interrupt !h
      vring_interrupt !h
    irq_exit_rcu !h
      __do_softirq
        net_rx_action !s
",
            "do_idle !\n-- HardIrq by interrupt\n__common_interrupt\n  vring_interrupt\n-- Softirq by interrupt\nnet_rx_action\n",
        );
    }

    #[test]
    fn an_interrupt_within_a_softirq_leaves_the_softirq_in_one_tree() {
        check(
            "\
net_rx_action !s
  ip_rcv !s
    irq_enter_rcu !s
    handle_edge_irq !hs
      vring_interrupt !hs
    irq_exit_rcu !hs
      idle_cpu !s
    tcp_v4_rcv !s
",
            "-- Softirq\nnet_rx_action\n  ip_rcv !\n    tcp_v4_rcv\n-- HardIrq\nhandle_edge_irq\n  vring_interrupt\n",
        );
    }

    #[test]
    fn an_interrupt_on_top_of_a_softirq_that_another_one_ran_marks_the_softirq() {
        check(
            "\
f
  irq_exit_rcu
    __do_softirq
      net_rx_action !s
        irq_enter_rcu !s
        handle_edge_irq !hs
",
            "f !\n-- Softirq by interrupt\nnet_rx_action !\n-- HardIrq by interrupt\nhandle_edge_irq\n",
        );
    }

    #[test]
    fn a_preemption_at_the_end_of_an_interrupt_stays_with_the_task() {
        check(
            "\
tcp_ack
  irq_exit_rcu !h
  raw_irqentry_exit_cond_resched
    preempt_schedule_irq
      @out R 2
      @in 2
  after
",
            "tcp_ack !\n  @out R\n  @in\n  after\n",
        );
    }

    #[test]
    fn an_nmi_in_a_hard_interrupt_is_a_tree_of_its_own() {
        check(
            "f\n  hard !h\n    nmi_handle !hn\n      perf !hn\n    more !h\n",
            "f !\n-- HardIrq\nhard\n  more\n-- Nmi by interrupt\nnmi_handle\n  perf\n",
        );
    }

    #[test]
    fn the_class_of_a_task_is_the_start_of_its_name() {
        let rules = ContextRules::embedded().unwrap();
        for (comm, class) in [
            ("ksoftirqd/0", "ksoftirqd"),
            ("kworker/u4:1", "kworker"),
            ("rcu_preempt", "other"),
            ("napi/eth0-8", "napi"),
        ] {
            assert_eq!(&*rules.class_of(comm), class);
        }
    }
}
