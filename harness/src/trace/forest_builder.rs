//! Builds call trees from the events of all CPUs, one forest per task.
//!
//! function_graph keeps a shadow stack per task (per CPU for the idle task), and an interrupt uses that of the task it
//! interrupted. A task's records come from every CPU it ran on, so the CPUs are first merged by time. Times are the
//! ring buffer's on every kernel: some kernels also record a `calltime` at exit, but they take it before the tracer
//! writes the entry record, so it would not compare with other kernels.

use super::{
    CallForests, Forest, Node, NodeKind, TaskKey, TooDeep,
    cpu_events::{CaptureText, CpuEvents, CpuPages, DecodeError, Layout},
    event::{Common, Event, Exit, Switch},
    losses,
    ring_page::Record,
};
use std::collections::{BTreeMap, HashMap};

/// Decodes a capture into call trees.
///
/// Any bytes give forests, or an error that names the CPU, page and byte. The memory needed is at most a constant times
/// the size of the input.
pub fn decode(text: &CaptureText<'_>, cpus: &[CpuPages<'_>]) -> Result<CallForests, DecodeError> {
    let layout = Layout::new(text)?;
    build(&layout, cpus)
}

/// As [`decode`], with a layout that is already parsed.
pub fn build(layout: &Layout, cpus: &[CpuPages<'_>]) -> Result<CallForests, DecodeError> {
    let mut streams = Vec::with_capacity(cpus.len());
    for cpu in cpus {
        let mut events = layout.events(cpu.cpu, cpu.pages);
        let head = events.record()?;
        streams.push(Stream { events, head, cached: None });
    }
    let mut builder = Builder::default();
    while let Some((turn, until)) = earliest(&streams) {
        let stream = &mut streams[turn];
        let mut head = stream.head.take();
        while let Some(record) = head.filter(|record| record.time <= until) {
            let (common, event) = stream.events.decode(&record)?;
            builder.add(stream.events.cpu(), &mut stream.cached, record.time, &common, &event);
            head = stream.events.record()?;
        }
        stream.head = head;
    }
    let mut losses = Vec::new();
    for (stream, cpu) in streams.iter().zip(cpus) {
        let pages = cpu.pages.len() / layout.page_size().max(1);
        losses::add_page_losses(&mut losses, cpu.cpu, pages, stream.events.missed());
        losses::add_stats_losses(&mut losses, cpu.cpu, cpu.stats);
    }
    let by_task = builder.tasks.into_iter().map(|task| (task.forest.task, task.forest)).collect();
    let comms = builder.comms.into_iter().map(|(pid, comm)| (pid, comm_text(&comm))).collect();
    let page_starts =
        streams.iter().map(|stream| (stream.events.cpu(), stream.events.page_starts().to_vec())).collect();
    Ok(CallForests { by_task, comms, losses, too_deep: builder.too_deep, page_starts })
}

/// One CPU's events, and the first record that was not processed yet.
struct Stream<'a> {
    events: CpuEvents<'a>,
    head: Option<Record<'a>>,
    /// The task of this CPU's last record, and its index among the tasks.
    cached: Option<(i32, usize)>,
}

/// The stream with the earliest head (the first of equals), and the time up to which it stays the earliest.
fn earliest(streams: &[Stream<'_>]) -> Option<(usize, u64)> {
    let mut best: Option<(u64, usize)> = None;
    let mut until = u64::MAX;
    for (index, stream) in streams.iter().enumerate() {
        let Some(head) = &stream.head else { continue };
        match best {
            Some((time, _)) if time <= head.time => until = until.min(head.time),
            Some((time, _)) => {
                until = time;
                best = Some((head.time, index));
            }
            None => best = Some((head.time, index)),
        }
    }
    best.map(|(_, index)| (index, until))
}

#[derive(Clone, Copy)]
struct OpenCall {
    node: usize,
    func: u64,
    /// As the kernel counts. This is not the depth within the forest: calls entered before tracing began count too.
    depth: i64,
}

struct Task {
    forest: Forest,
    open: Vec<OpenCall>,
    /// The shadow stack's overrun in the last exit record; `None` before the first.
    overrun: Option<u64>,
}

#[derive(Default)]
struct Builder {
    tasks: Vec<Task>,
    indices: HashMap<TaskKey, usize>,
    comms: BTreeMap<i32, [u8; COMM_LEN]>,
    too_deep: Vec<TooDeep>,
}

/// `TASK_COMM_LEN` of `include/linux/sched.h`.
const COMM_LEN: usize = 16;

impl Builder {
    #[inline(always)]
    fn add(&mut self, cpu: u16, cached: &mut Option<(i32, usize)>, time: u64, common: &Common, event: &Event<'_>) {
        let task = match *cached {
            Some((pid, task)) if pid == common.pid => task,
            _ => {
                let task = self.task_index(task_key(common.pid, cpu));
                *cached = Some((common.pid, task));
                task
            }
        };
        let at = Moment { cpu, time, common };
        match event {
            Event::Entry(entry) => self.tasks[task].enter(at, entry.func, entry.depth),
            Event::Exit(exit) => {
                let task = &mut self.tasks[task];
                if task.overrun != Some(exit.overrun) {
                    self.too_deep.extend(task.count_overrun(time, exit));
                }
                task.leave(time, exit.func, exit.depth);
            }
            Event::Switch(switch) => self.switch(at, switch),
            Event::Waking { pid, comm } => {
                self.remember_comm(*pid, comm);
                self.tasks[task].push(at, NodeKind::Waking { pid: *pid });
            }
            Event::Woken { pid, comm } => {
                self.remember_comm(*pid, comm);
                self.tasks[task].push(at, NodeKind::Woken { pid: *pid });
            }
            Event::Irq { event, number } => {
                self.tasks[task].push(at, NodeKind::Irq { event, number: *number });
            }
            Event::Marker { bytes } => self.tasks[task].push(at, NodeKind::Marker { bytes: bytes.to_vec() }),
            Event::Other { .. } => {}
        }
    }

    fn switch(&mut self, at: Moment<'_>, switch: &Switch<'_>) {
        self.remember_comm(switch.prev_pid, switch.prev_comm);
        self.remember_comm(switch.next_pid, switch.next_comm);
        let (previous, next) = (switch.prev_pid, switch.next_pid);
        let left = self.task_index(task_key(previous, at.cpu));
        self.tasks[left].push(at, NodeKind::SwitchOut { state: switch.prev_state, next });
        let entered = self.task_index(task_key(next, at.cpu));
        self.tasks[entered].push(at, NodeKind::SwitchIn { previous });
    }

    fn task_index(&mut self, key: TaskKey) -> usize {
        *self.indices.entry(key).or_insert_with(|| {
            self.tasks.push(Task { forest: Forest { task: key, nodes: Vec::new() }, open: Vec::new(), overrun: None });
            self.tasks.len() - 1
        })
    }

    /// The idle tasks share pid 0 but have different names, so this records the common part.
    fn remember_comm(&mut self, pid: i32, comm: &[u8]) {
        let mut name = [0; COMM_LEN];
        let comm = if pid == 0 { b"swapper" } else { comm };
        let length = comm.len().min(COMM_LEN);
        name[..length].copy_from_slice(&comm[..length]);
        self.comms.insert(pid, name);
    }
}

/// `FTRACE_RETFUNC_DEPTH` of `include/linux/ftrace.h`, up to 6.10; the shadow stack of later kernels is deeper.
const SHADOW_STACK_DEPTH: i64 = 50;

/// When and where a record was made.
#[derive(Clone, Copy)]
struct Moment<'a> {
    cpu: u16,
    time: u64,
    common: &'a Common,
}

impl Task {
    /// Adds a call. Open calls at this depth or deeper ended without an exit record.
    #[inline]
    fn enter(&mut self, at: Moment<'_>, func: u64, depth: i64) {
        while self.open.pop_if(|open| open.depth >= depth).is_some() {}
        let node = self.forest.nodes.len();
        self.push(at, NodeKind::Call { func, end: None });
        self.open.push(OpenCall { node, func, depth });
    }

    /// Closes a call. The exit of a call that was entered before tracing began matches no open call and is ignored.
    #[inline]
    fn leave(&mut self, time: u64, func: u64, depth: i64) {
        while self.open.pop_if(|open| open.depth > depth).is_some() {}
        if let Some(open) = self.open.pop_if(|open| open.depth == depth)
            && open.func == func
            && let NodeKind::Call { end, .. } = &mut self.forest.nodes[open.node].kind
        {
            *end = Some(time);
        }
    }

    /// Records a new overrun count, and returns what was lost since the one before.
    ///
    /// The kernel counts from the task's first call, traced or not. So the first count seen means a loss only if the
    /// stack may have been full before any exit was recorded.
    #[cold]
    fn count_overrun(&mut self, time: u64, exit: &Exit) -> Option<TooDeep> {
        let before = self.overrun.replace(exit.overrun);
        let calls = match before {
            Some(before) => exit.overrun.checked_sub(before)?,
            None if exit.depth.saturating_add(1) >= SHADOW_STACK_DEPTH => exit.overrun,
            None => 0,
        };
        (calls != 0).then_some(TooDeep { task: self.forest.task, time, func: exit.func, calls })
    }

    #[inline]
    fn push(&mut self, at: Moment<'_>, kind: NodeKind) {
        self.forest.nodes.push(Node {
            depth: self.open.len() as u32,
            cpu: at.cpu,
            start: at.time,
            interrupted: at.common.interrupted(),
            kind,
        });
    }
}

fn task_key(pid: i32, cpu: u16) -> TaskKey {
    if pid == 0 { TaskKey::Idle(cpu) } else { TaskKey::Task(pid) }
}

fn comm_text(comm: &[u8]) -> String {
    let end = comm.iter().position(|byte| *byte == 0).unwrap_or(comm.len());
    String::from_utf8_lossy(&comm[..end]).into_owned()
}
