//! Who ran it: takes interrupts and softirqs out of what they interrupted, as trees of their own.

use serde::Deserialize;
use std::sync::Arc;
use thiserror::Error;

use super::{NameTable, Patterns};
use crate::trace::{Interrupted, Node, NodeKind};

/// The context of a call, from the one that everything may interrupt to the one that nothing may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Context {
    /// A task's own work: a system call, or what a kernel thread does.
    Process,
    /// Serving a softirq.
    Softirq,
    /// Serving a hard interrupt.
    HardIrq,
    /// In a non-maskable interrupt.
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

/// A node at the depth that is left once its context is on its own.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Kept<'a> {
    /// Nesting within its own context, from 0.
    pub depth: u32,
    /// The node as it was recorded (its own `depth` is that of the whole stack).
    pub node: &'a Node,
    /// What it took by itself (see [`super::cost::Costing::own_times`]); 0 where that is not known.
    pub own: u64,
}

/// A tree that was cut out of what it interrupted.
#[derive(Clone, Debug, PartialEq)]
pub struct CutTree<'a> {
    /// Never [`Context::Process`].
    pub context: Context,
    /// Whether it ran beneath a hard interrupt's entry or exit, rather than by a call of whom it was found in.
    pub by_interrupt: bool,
    /// The trace clock at its beginning, in nanoseconds.
    pub at: u64,
    /// One root with everything beneath it that belongs to the same context.
    pub nodes: Vec<Kept<'a>>,
}

/// A stretch of a forest, taken apart.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Separated<'a> {
    /// What the task itself did.
    pub own: Vec<Kept<'a>>,
    /// What interrupted it, in the order it began.
    pub cut: Vec<CutTree<'a>>,
}

/// The lists of `contexts.yaml`.
#[derive(Clone, Debug)]
pub struct ContextRules {
    pub(crate) interrupt_glue: Patterns,
    pub(crate) softirq_glue: Patterns,
    pub(crate) softirqs_of_no_concern: Patterns,
    pub(crate) interrupts_of_concern: Patterns,
    pub(crate) tasks_of_concern: Patterns,
    pub(crate) everywhere: Patterns,
    task_classes: Vec<Arc<str>>,
}

/// A data file of the path part that does not say what it must.
#[derive(Debug, Error)]
#[error("{file} cannot be used: {reason}")]
pub struct DataFileError {
    /// The file's name.
    pub file: &'static str,
    /// What is wrong with it.
    pub reason: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ContextsFile {
    interrupt_glue: Vec<String>,
    softirq_glue: Vec<String>,
    softirqs_of_no_concern: Vec<String>,
    interrupts_of_concern: Vec<String>,
    tasks_of_concern: Vec<String>,
    everywhere: Vec<String>,
    task_classes: Vec<String>,
}

impl ContextRules {
    /// The rules that rxpath was built with.
    pub fn embedded() -> Result<Self, DataFileError> {
        Self::from_yaml(include_str!("contexts.yaml"))
    }

    /// Rules from the text of a file like `contexts.yaml`.
    pub fn from_yaml(text: &str) -> Result<Self, DataFileError> {
        let file: ContextsFile = serde_yaml::from_str(text)
            .map_err(|error| DataFileError { file: "contexts.yaml", reason: error.to_string() })?;
        Ok(Self {
            interrupt_glue: Patterns::new(file.interrupt_glue),
            softirq_glue: Patterns::new(file.softirq_glue),
            softirqs_of_no_concern: Patterns::new(file.softirqs_of_no_concern),
            interrupts_of_concern: Patterns::new(file.interrupts_of_concern),
            tasks_of_concern: Patterns::new(file.tasks_of_concern),
            everywhere: Patterns::new(file.everywhere),
            task_classes: file.task_classes.into_iter().map(Arc::from).collect(),
        })
    }

    /// The classes of tasks that are no actors, but for `other`.
    pub fn task_classes(&self) -> impl Iterator<Item = &str> {
        self.task_classes.iter().map(|class| &**class)
    }

    /// The class of a task that is no actor, by its `comm`: `ksoftirqd`, `kworker`, …, or `other`.
    pub fn class_of(&self, comm: &str) -> Arc<str> {
        let longest =
            self.task_classes.iter().filter(|class| comm.starts_with(&***class)).max_by_key(|class| class.len());
        longest.cloned().unwrap_or_else(|| "other".into())
    }
}

/// Takes a stretch of one task's forest apart by context. Linear.
///
/// The ring buffer's flags tell a call's context; the rules name what the flags cannot: functions that only enter or leave
/// an interrupt, or only lead to the softirqs' actions. Those are left out, and with them what they call in the context
/// they were called from. A context switch beneath them stays with the task.
///
/// `own` says what each node took by itself; it is empty where that is not known.
pub fn separate<'a>(nodes: &'a [Node], own: &[u64], names: &mut NameTable, rules: &ContextRules) -> Separated<'a> {
    let mut out = Separated::default();
    let mut frames: Vec<Frame> = Vec::new();
    let base = Frame { raw_depth: 0, context: Context::Process, to: To::Own, depth: 0, ..Frame::default() };
    for (at, node) in nodes.iter().enumerate() {
        let own = own.get(at).copied().unwrap_or(0);
        while frames.last().is_some_and(|frame| frame.raw_depth >= node.depth) {
            frames.pop();
        }
        let parent = frames.last().copied().unwrap_or(base);
        let NodeKind::Call { func, .. } = node.what else {
            let is_switch = matches!(node.what, NodeKind::SwitchOut { .. } | NodeKind::SwitchIn { .. });
            if !parent.glue || is_switch && parent.to == To::Own {
                out.keep(parent.to, Kept { depth: parent.depth, node, own });
            }
            continue;
        };
        let frame = enter(parent, node, &names.canonical(func), rules, &mut out);
        if !frame.glue {
            out.keep(frame.to, Kept { depth: frame.depth - 1, node, own });
        }
        frames.push(frame);
    }
    out
}

/// Where nodes go: to the task itself, or to one of the trees cut out.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
enum To {
    #[default]
    Own,
    Cut(usize),
}

/// A call that is open while its children are looked at.
#[derive(Clone, Copy)]
struct Frame {
    raw_depth: u32,
    context: Context,
    to: To,
    /// The depth of its children in their own tree.
    depth: u32,
    /// It only enters or leaves a context: neither it nor what it calls in its own context is kept.
    glue: bool,
    beneath_interrupt: bool,
    beneath_softirq: bool,
}

impl Default for Frame {
    fn default() -> Self {
        Self {
            raw_depth: 0,
            context: Context::Process,
            to: To::Own,
            depth: 0,
            glue: false,
            beneath_interrupt: false,
            beneath_softirq: false,
        }
    }
}

fn enter(parent: Frame, node: &Node, name: &str, rules: &ContextRules, out: &mut Separated) -> Frame {
    let mut frame = Frame { raw_depth: node.depth, ..parent };
    let enters_interrupt = rules.interrupt_glue.matches(name);
    if enters_interrupt || rules.softirq_glue.matches(name) {
        frame.glue = true;
        frame.beneath_interrupt |= enters_interrupt;
        return frame;
    }
    let context = Context::from(node.interrupted);
    let softirq_on_the_way_out =
        context == Context::Softirq && context < parent.context && !parent.beneath_softirq && parent.beneath_interrupt;
    if context > parent.context || softirq_on_the_way_out {
        let by_interrupt = parent.beneath_interrupt;
        out.cut.push(CutTree { context, by_interrupt, at: node.start, nodes: Vec::new() });
        frame.to = To::Cut(out.cut.len() - 1);
        frame.context = context;
        frame.depth = 1;
        frame.glue = false;
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
    fn keep(&mut self, to: To, kept: Kept<'a>) {
        match to {
            To::Own => self.own.push(kept),
            To::Cut(tree) => self.cut[tree].nodes.push(kept),
        }
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
        let separated = separate(nodes, &[], &mut names, &ContextRules::embedded().unwrap());
        let write = |nodes: &[Kept]| -> String {
            let line = |kept: &Kept| format!("{}{}\n", "  ".repeat(kept.depth as usize), sample.describe(kept.node));
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
    fn a_hard_interrupt_goes_with_its_entry_and_exit() {
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
            "tcp_recvmsg\n  tcp_cleanup_rbuf\n    after\n-- HardIrq by interrupt\ntick_irq_enter\n-- \
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
    fn softirqs_on_the_way_out_of_an_interrupt_are_told_from_those_of_a_call() {
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
            "do_idle\n-- HardIrq by interrupt\n__common_interrupt\n  vring_interrupt\n-- Softirq by interrupt\nnet_rx_action\n",
        );
    }

    #[test]
    fn an_interrupt_within_a_softirq_leaves_the_softirq_whole() {
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
            "-- Softirq\nnet_rx_action\n  ip_rcv\n    tcp_v4_rcv\n-- HardIrq\nhandle_edge_irq\n  vring_interrupt\n",
        );
    }

    #[test]
    fn a_preemption_on_the_way_out_of_an_interrupt_stays_with_the_task() {
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
            "tcp_ack\n  @out R\n  @in\n  after\n",
        );
    }

    #[test]
    fn an_nmi_in_a_hard_interrupt_is_its_own() {
        check(
            "f\n  hard !h\n    nmi_handle !hn\n      perf !hn\n    more !h\n",
            "f\n-- HardIrq\nhard\n  more\n-- Nmi by interrupt\nnmi_handle\n  perf\n",
        );
    }

    #[test]
    fn classes_of_tasks_go_by_their_names() {
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
