//! Compares what `trace-cmd report -R` prints of a trace.dat with what rxpath reads in it.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use libtest_mimic::Failed;

use rxpath::trace::{CallForests, NodeKind, Symbols, TaskKey};

/// Every call by task: its depth, and the address of its function.
pub(super) type Trees = BTreeMap<TaskKey, Vec<(u32, u64)>>;

/// The same as trace-cmd prints it: by name, so a call may be to any function of that name.
pub(super) type Reported = BTreeMap<TaskKey, Vec<(u32, Vec<u64>)>>;

/// The calls that rxpath sees.
pub(super) fn calls(forests: &CallForests, symbols: &Symbols) -> Result<Trees, Failed> {
    let mut calls = Trees::new();
    for (task, forest) in &forests.by_task {
        for node in &forest.nodes {
            if let NodeKind::Call { func, .. } = node.kind {
                let start = symbols.start(func).ok_or_else(|| format!("no symbol at {func:#x}"))?;
                calls.entry(*task).or_default().push((node.depth, start));
            }
        }
    }
    Ok(calls)
}

/// The calls that trace-cmd sees.
pub(super) fn reported(program: &str, dat: &Path, symbols: &Symbols, kallsyms: &str) -> Result<Reported, Failed> {
    let report = Command::new(program).args(["report", "-R"]).arg(dat).output()?;
    if !report.status.success() {
        return Err(format!("trace-cmd report: {}", String::from_utf8_lossy(&report.stderr)).into());
    }
    nest(&String::from_utf8(report.stdout)?, symbols, kallsyms)
}

/// Fails at the first call that only one of them sees.
pub(super) fn compare(ours: &Trees, theirs: &Reported, symbols: &Symbols) -> Result<(), Failed> {
    if !ours.keys().eq(theirs.keys()) {
        return Err(format!("rxpath has the tasks {:?}, trace-cmd {:?}", ours.keys(), theirs.keys()).into());
    }
    for (task, ours) in ours {
        let theirs = &theirs[task];
        let same = |(one, other): &(&(u32, u64), &(u32, Vec<u64>))| one.0 == other.0 && other.1.contains(&one.1);
        let at = ours.iter().zip(theirs).take_while(same).count();
        if at < ours.len().max(theirs.len()) {
            let described = |call: Option<(u32, u64)>| match call {
                Some((depth, func)) => format!("{} at depth {depth}", symbols.name(func).unwrap_or("?")),
                None => "the end".to_owned(),
            };
            let theirs = theirs.get(at).and_then(|(depth, funcs)| Some((*depth, *funcs.first()?)));
            let (ours, theirs) = (described(ours.get(at).copied()), described(theirs));
            return Err(format!("{task:?}, call {at}: rxpath has {ours}, trace-cmd {theirs}").into());
        }
    }
    Ok(())
}

/// The report's calls by task, nested by the depths that it gives. A line of it, with `-R`:
/// `COMM-PID [CPU] TIME: funcgraph_entry: func=NAME depth=N`, `funcgraph_exit` the same with more fields at the end.
fn nest(report: &str, symbols: &Symbols, kallsyms: &str) -> Result<Reported, Failed> {
    // Several functions may have one name, and trace-cmd may prefer another of several names for one function.
    let mut named: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
    for line in kallsyms.lines() {
        let name = line[19..].split('\t').next().unwrap_or_default();
        named.entry(name).or_default().push(u64::from_str_radix(&line[..16], 16)?);
    }
    let starts = |name: &str| -> Result<Vec<u64>, Failed> {
        let found = match name.strip_prefix("0x") {
            Some(hex) => vec![u64::from_str_radix(hex, 16)?],
            None => named.get(name).cloned().unwrap_or_default(),
        };
        let starts: Vec<u64> = found.into_iter().filter_map(|address| symbols.start(address)).collect();
        if starts.is_empty() { Err(format!("no symbol {name}").into()) } else { Ok(starts) }
    };
    let mut calls = Reported::new();
    let mut stacks: BTreeMap<TaskKey, Vec<u32>> = BTreeMap::new();
    for line in report.lines() {
        let is_entry = line.contains(": funcgraph_entry: ");
        if !is_entry && !line.contains(": funcgraph_exit: ") {
            continue;
        }
        let unexpected = || Failed::from(format!("expected a line of function_graph, found {line:?}"));
        let (task, rest) = line.split_once(" [").ok_or_else(unexpected)?;
        let pid: i32 = task.trim_end().rsplit_once('-').ok_or_else(unexpected)?.1.parse()?;
        let cpu: u16 = rest.split_once(']').ok_or_else(unexpected)?.0.parse()?;
        let task = if pid == 0 { TaskKey::Idle(cpu) } else { TaskKey::Task(pid) };
        let field =
            |name: &str| rest.split_whitespace().find_map(|word| word.strip_prefix(name)).ok_or_else(unexpected);
        let depth: u32 = field("depth=")?.parse()?;
        let stack = stacks.entry(task).or_default();
        stack.retain(|above| *above < depth);
        if is_entry {
            calls.entry(task).or_default().push((stack.len() as u32, starts(field("func=")?)?));
            stack.push(depth);
        }
    }
    Ok(calls)
}
