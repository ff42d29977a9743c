//! Finds out why a line changed, from both kernels' symbols, and what it costs.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::path_diff::{Change, DiffLine, PathDiff};
use crate::code::{CallGraph, Containment};
#[cfg(test)]
use crate::path::canonical;
use crate::path::cost::Costs;
use crate::path::{PathEntry, PathNode};
use crate::trace::{Presence, Symbols};

/// What one kernel's symbols say about functions, by canonical name.
pub(crate) trait SymbolFacts {
    /// The kernel's name, such as `6.12`.
    fn kernel(&self) -> &str;
    /// Whether the kernel has a function of this name, with or without a compiler's suffix.
    fn presence(&self, function: &str) -> Presence;

    fn is_traceable(&self, function: &str) -> bool {
        self.presence(function) == Presence::Traceable
    }

    /// The calls in its instructions, if they are known.
    fn call_graph(&self) -> Option<&CallGraph> {
        None
    }
}

/// A kernel's name, symbol table and calls.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NamedSymbols<'s> {
    pub kernel: &'s str,
    pub symbols: &'s Symbols,
    pub graph: Option<&'s CallGraph>,
}

impl SymbolFacts for NamedSymbols<'_> {
    fn kernel(&self) -> &str {
        self.kernel
    }

    fn presence(&self, function: &str) -> Presence {
        self.symbols.presence(function)
    }

    fn call_graph(&self) -> Option<&CallGraph> {
        self.graph
    }
}

/// Symbol facts of a test.
#[cfg(test)]
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct SymbolSet {
    kernel: String,
    existing: HashSet<String>,
    traceable: HashSet<String>,
}

#[cfg(test)]
impl SymbolSet {
    /// Builds facts from lists of raw names: all functions (kallsyms), and those that can be traced.
    pub(crate) fn new<'n>(
        kernel: &str,
        existing: impl IntoIterator<Item = &'n str>,
        traceable: impl IntoIterator<Item = &'n str>,
    ) -> Self {
        let names = |raw: &str| canonical(raw).to_owned();
        let traceable: HashSet<String> = traceable.into_iter().map(names).collect();
        let mut existing: HashSet<String> = existing.into_iter().map(names).collect();
        existing.extend(traceable.iter().cloned());
        Self { kernel: kernel.to_owned(), existing, traceable }
    }
}

#[cfg(test)]
impl SymbolFacts for SymbolSet {
    fn kernel(&self) -> &str {
        &self.kernel
    }

    fn presence(&self, function: &str) -> Presence {
        match (self.existing.contains(function), self.traceable.contains(function)) {
            (_, true) => Presence::Traceable,
            (true, false) => Presence::NotTraceable,
            (false, false) => Presence::Absent,
        }
    }
}

/// Why a function of one kernel's path is not in the other's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Absence {
    /// The other kernel has no symbol of this name: the function does not exist, or every call of it was inlined.
    NoSymbol,
    /// The symbol exists but cannot be traced, so the function may have run.
    NotTraceable,
    /// The function can be traced and was not seen: it was not called, or this call of it was inlined.
    NotSeen,
    /// The symbol exists, but which functions can be traced was not recorded.
    Unknown,
}

/// Why a line changed, and which kernel that is about.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Reason {
    /// The function is not in this kernel's path.
    Absent { absence: Absence, kernel: Arc<str> },
    /// The instructions of this kernel say how `caller`, which is in both paths, contains the function. Never
    /// [`Containment::Unknown`].
    Instructions { containment: Containment, caller: Arc<str>, kernel: Arc<str> },
    /// The new kernel cannot trace the old name, nor the old kernel the new one: a rename, as far as the symbols show.
    Renamed { old_kernel: Arc<str>, new_kernel: Arc<str> },
    /// One name took the place of the other, although this kernel has both: a function was split, or two functions
    /// changed their names at once.
    BothNames { kernel: Arc<str> },
    /// This kernel calls the function elsewhere in the same path.
    SamePath { kernel: Arc<str> },
    /// This kernel calls the function in a different part of the case (see [`super::point_elsewhere`]).
    OtherPart {
        kernel: Arc<str>,
        /// The name of the part, such as `softirq`.
        part: Arc<str>,
    },
    /// The same function, in a different place.
    Elsewhere,
}

impl Reason {
    /// The reason as part of a sentence, with the kernel's name.
    pub(crate) fn sentence(&self) -> String {
        match self {
            Self::Absent { absence: Absence::NoSymbol, kernel } => format!("no such symbol in {kernel}"),
            Self::Absent { absence: Absence::NotTraceable, kernel } => {
                format!("there but not traceable in {kernel} (notrace, or only parts of it left)")
            }
            Self::Absent { absence: Absence::Unknown, kernel } => {
                format!("there in {kernel}, but whether it can be traced was not recorded")
            }
            Self::Absent { absence: Absence::NotSeen, kernel } => {
                format!("traceable in {kernel}, not seen here: not called, or inlined")
            }
            Self::Instructions { containment: Containment::Called, caller, kernel } => {
                format!("{caller} of {kernel} has the call, but did not make it here")
            }
            Self::Instructions { containment: Containment::Inlined, caller, kernel } => {
                format!("inlined into {caller} in {kernel}")
            }
            Self::Instructions { caller, kernel, .. } => format!("{caller} of {kernel} has no direct call of it"),
            Self::SamePath { kernel } => format!("in {kernel} seen elsewhere in this path"),
            Self::OtherPart { kernel, part } => format!("in {kernel} seen in {part} instead"),
            Self::Renamed { old_kernel, new_kernel } => {
                format!("the old name is not in {new_kernel}, the new name not in {old_kernel}")
            }
            Self::BothNames { kernel } => format!("{kernel} has both names"),
            Self::Elsewhere => "the same calls, in a different place".to_owned(),
        }
    }
}

/// What a function costs in each kernel, if it was measured there: the median, in instructions (exact mode) or
/// nanoseconds (native mode).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Cost {
    pub old: Option<u64>,
    pub new: Option<u64>,
}

/// A diff with the reasons and costs of its lines.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ExplainedDiff {
    pub old_kernel: Arc<str>,
    pub new_kernel: Arc<str>,
    pub diff: PathDiff,
    /// By line; `None` if it did not change, is not a function, or no reason is known.
    pub reasons: Vec<Option<Reason>>,
    /// By line.
    pub costs: Vec<Cost>,
}

/// Finds the reason of every change and the cost of every line.
pub(crate) fn explain(
    diff: PathDiff,
    (old, old_costs): (&dyn SymbolFacts, &Costs),
    (new, new_costs): (&dyn SymbolFacts, &Costs),
) -> ExplainedDiff {
    let (old_kernel, new_kernel): (Arc<str>, Arc<str>) = (old.kernel().into(), new.kernel().into());
    let mut absences = Absences {
        seen: HashMap::new(),
        contained: HashMap::new(),
        old_path: called(&diff, |line| line.old.as_ref()),
        new_path: called(&diff, |line| line.new.as_ref()),
    };
    let callers = callers(&diff);
    let reasons = diff
        .lines
        .iter()
        .zip(&callers)
        .map(|(line, caller)| reason(line, caller.as_ref(), (old, &old_kernel), (new, &new_kernel), &mut absences));
    let reasons = reasons.collect();
    let cost_of = |node: &Option<PathNode>, costs: &Costs| {
        node.as_ref().and_then(|node| node.entry.function()).and_then(|name| costs.get(name)).copied()
    };
    let cost = |line: &DiffLine| Cost { old: cost_of(&line.old, old_costs), new: cost_of(&line.new, new_costs) };
    let costs = diff.lines.iter().map(cost).collect();
    ExplainedDiff { old_kernel, new_kernel, diff, reasons, costs }
}

/// Whether the symbols allow that `from` was renamed to `to`: the new kernel cannot trace the old name, nor the old
/// kernel the new one. For [`super::Knowledge::plausible`].
pub(crate) fn could_be_renamed(old: &dyn SymbolFacts, new: &dyn SymbolFacts, from: &str, to: &str) -> bool {
    !new.is_traceable(from) && !old.is_traceable(to)
}

/// Absences that were looked up before, by function and side (`true`: the new one).
struct Absences {
    seen: HashMap<(Arc<str>, bool), Absence>,
    /// By caller, function and side.
    contained: HashMap<(Arc<str>, Arc<str>, bool), Containment>,
    old_path: HashSet<Arc<str>>,
    new_path: HashSet<Arc<str>>,
}

fn called(diff: &PathDiff, side: impl Fn(&DiffLine) -> Option<&PathNode>) -> HashSet<Arc<str>> {
    let entries = diff.lines.iter().filter_map(side).map(|node| &node.entry);
    let names = entries.filter_map(|entry| match entry {
        PathEntry::Call(name) => Some(name.clone()),
        _ => None,
    });
    names.collect()
}

/// The function above a line that only one side has.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Caller {
    /// Both sides have it. This is its name on the other side.
    Both(Arc<str>),
    /// Only this side has it, and it was not a level around calls that both have.
    OneSide,
}

/// The callers of the lines that only one side has.
fn callers(diff: &PathDiff) -> Vec<Option<Caller>> {
    // By side: the lines above, with their depth on that side.
    let mut above: [Vec<(u32, Option<Caller>)>; 2] = Default::default();
    let name = |node: &PathNode| node.entry.function().map(Arc::<str>::from);
    let mut callers = Vec::new();
    for line in &diff.lines {
        let mut caller = None;
        for (stack, (mine, other)) in above.iter_mut().zip([(&line.old, &line.new), (&line.new, &line.old)]) {
            let Some(node) = mine else { continue };
            stack.truncate(stack.partition_point(|(depth, _)| *depth < node.depth));
            if other.is_none() {
                caller = stack.iter().rev().find_map(|(_, caller)| caller.clone());
            }
            let is_moved = matches!(line.change, Change::Moved { .. });
            let there = other.as_ref().or(mine.as_ref().filter(|_| is_moved)).and_then(name);
            let is_level = matches!(line.change, Change::SplicedIn | Change::SplicedOut);
            let this = there.map(Caller::Both).or((!is_level).then_some(Caller::OneSide));
            stack.push((node.depth, this.filter(|_| node.entry.function().is_some())));
        }
        callers.push(caller);
    }
    callers
}

impl Absences {
    /// Why a function of one path is not in the other one, which is the new path if `is_new`. `None` if the reason is that
    /// its caller is not there.
    fn reason(
        &mut self,
        function: &Arc<str>,
        caller: Option<&Caller>,
        (facts, kernel): Facts,
        of: &dyn SymbolFacts,
        is_new: bool,
    ) -> Option<Reason> {
        let path = if is_new { &self.new_path } else { &self.old_path };
        if path.contains(function) {
            return Some(Reason::SamePath { kernel: kernel.clone() });
        }
        let absence = self.of(function, facts, is_new);
        let caller = match caller {
            Some(Caller::OneSide) if absence == Absence::NotSeen => return None,
            Some(Caller::Both(caller)) => Some(caller),
            _ => None,
        };
        let containment = caller.zip(facts.call_graph()).map(|(caller, graph)| {
            let contained = self.contained.entry((caller.clone(), function.clone(), is_new));
            (*contained.or_insert_with(|| graph.containment(caller, function, of.call_graph())), caller.clone())
        });
        Some(match (absence, containment) {
            (_, Some((containment @ Containment::Inlined, caller)))
            | (Absence::NotSeen, Some((containment @ (Containment::Called | Containment::Absent), caller))) => {
                Reason::Instructions { containment, caller, kernel: kernel.clone() }
            }
            _ => Reason::Absent { absence, kernel: kernel.clone() },
        })
    }

    fn of(&mut self, function: &Arc<str>, facts: &dyn SymbolFacts, is_new: bool) -> Absence {
        *self.seen.entry((function.clone(), is_new)).or_insert_with(|| match facts.presence(function) {
            Presence::Traceable => Absence::NotSeen,
            Presence::Present => Absence::Unknown,
            Presence::NotTraceable => Absence::NotTraceable,
            Presence::Absent => Absence::NoSymbol,
        })
    }
}

type Facts<'f> = (&'f dyn SymbolFacts, &'f Arc<str>);

fn reason(line: &DiffLine, caller: Option<&Caller>, old: Facts, new: Facts, absences: &mut Absences) -> Option<Reason> {
    let function = |node: &Option<PathNode>| match &node.as_ref()?.entry {
        PathEntry::Call(name) => Some(name.clone()),
        _ => None,
    };
    match &line.change {
        Change::Same | Change::Times { .. } => None,
        Change::Gone | Change::SplicedOut => absences.reason(&function(&line.old)?, caller, new, old.0, true),
        Change::New | Change::SplicedIn => absences.reason(&function(&line.new)?, caller, old, new.0, false),
        Change::Moved { .. } => Some(Reason::Elsewhere),
        Change::Renamed { .. } => {
            let (from, to) = (function(&line.old)?, function(&line.new)?);
            Some(if new.0.is_traceable(&from) {
                Reason::BothNames { kernel: new.1.clone() }
            } else if old.0.is_traceable(&to) {
                Reason::BothNames { kernel: old.1.clone() }
            } else {
                Reason::Renamed { old_kernel: old.1.clone(), new_kernel: new.1.clone() }
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diff::{Knowledge, Renames, align};
    use crate::path::text::parse;

    fn facts() -> (SymbolSet, SymbolSet) {
        let old = ["tcp_recvmsg", "sockfd_lookup_light", "kept", "inlined_later", "hidden_later"];
        let old = SymbolSet::new("5.10", old, old);
        let new = ["tcp_recvmsg", "tcp_recvmsg_locked", "fdget", "kept"];
        let new = SymbolSet::new("7.3", new.into_iter().chain(["hidden_later.isra.0"]), new);
        (old, new)
    }

    #[test]
    fn each_change_has_its_reason_and_names_the_kernel() {
        let old = parse(
            "s\n  sockfd_lookup_light\n  tcp_recvmsg\n    a\n  inlined_later\n  hidden_later\n  kept\n  x\n  y\n",
        )
        .unwrap();
        let new = parse("s\n  fdget\n  tcp_recvmsg\n    tcp_recvmsg_locked\n      a\n  x ×2\n  y\n").unwrap();
        let (old_facts, new_facts) = facts();
        let renames = Renames::embedded();
        let plausible = |from: &str, to: &str| could_be_renamed(&old_facts, &new_facts, from, to);
        let diff = align(&old, &new, &Knowledge { renames, plausible: &plausible });
        let new_costs = Costs::from([("tcp_recvmsg_locked".to_owned(), 700)]);
        let explained = explain(diff, (&old_facts, &Costs::new()), (&new_facts, &new_costs));
        let reported: Vec<(String, String)> = explained
            .diff
            .lines
            .iter()
            .zip(&explained.reasons)
            .filter_map(|(line, reason)| {
                let name = line.node().unwrap().entry.function().unwrap().to_owned();
                reason.as_ref().map(|reason| (name, reason.sentence()))
            })
            .collect();
        let expected = [
            ("fdget", "the old name is not in 7.3, the new name not in 5.10"),
            ("tcp_recvmsg_locked", "no such symbol in 5.10"),
            ("inlined_later", "no such symbol in 7.3"),
            ("hidden_later", "there but not traceable in 7.3 (notrace, or only parts of it left)"),
            ("kept", "traceable in 7.3, not seen here: not called, or inlined"),
        ];
        assert_eq!(reported, expected.map(|(name, reason)| (name.to_owned(), reason.to_owned())));
        let at = explained.diff.lines.iter().position(|line| line.change == Change::SplicedIn).unwrap();
        assert_eq!(explained.costs[at], Cost { old: None, new: Some(700) });
    }

    #[test]
    fn a_function_that_the_other_path_calls_elsewhere_is_not_reported_as_missing() {
        let all = ["f", "a", "b", "twice"];
        let (old_facts, new_facts) = (SymbolSet::new("5.10", [], all), SymbolSet::new("7.3", [], all));
        let (old, new) =
            (parse("f\n  a\n    twice\n  b\n    twice\n").unwrap(), parse("f\n  a\n    twice\n  b\n").unwrap());
        let renames = Renames::default();
        let diff = align(&old, &new, &Knowledge { renames: &renames, plausible: &|_, _| false });
        let explained = explain(diff, (&old_facts, &Costs::new()), (&new_facts, &Costs::new()));
        let reported: Vec<String> = explained.reasons.iter().flatten().map(Reason::sentence).collect();
        assert_eq!(reported, ["in 7.3 seen elsewhere in this path"]);
    }

    #[test]
    fn what_went_with_its_caller_needs_no_reason_of_its_own() {
        let all = ["f", "gone", "beneath", "deeper"];
        let (old_facts, new_facts) = (SymbolSet::new("5.10", [], all), SymbolSet::new("7.3", [], all));
        let (old, new) = (parse("f\n  gone\n    beneath\n      deeper\n").unwrap(), parse("f\n").unwrap());
        let diff = align(&old, &new, &Knowledge { renames: &Renames::default(), plausible: &|_, _| false });
        let explained = explain(diff, (&old_facts, &Costs::new()), (&new_facts, &Costs::new()));
        let reasons: Vec<bool> = explained.reasons.iter().map(Option::is_some).collect();
        assert_eq!(reasons, [false, true, false, false]);
    }

    #[test]
    fn functions_that_both_kernels_can_trace_were_not_renamed() {
        let both = SymbolSet::new("a", ["one", "other"], ["one", "other"]);
        assert!(!could_be_renamed(&both, &both, "one", "other"));
        let (old, new) = facts();
        assert!(could_be_renamed(&old, &new, "sockfd_lookup_light", "fdget"));
    }
}
