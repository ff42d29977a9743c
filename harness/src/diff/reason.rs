//! Why a line changed, from both kernels' symbols, and what it costs.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::model::{Change, DiffLine, PathDiff};
use crate::path::cost::Costs;
use crate::path::{PathEntry, PathNode, canonical};
use crate::trace::{Presence, Symbols};

/// What one kernel's symbols say of a function, by canonical name.
pub trait SymbolFacts {
    /// The kernel's name, as a reader knows it: `6.12`.
    fn kernel(&self) -> &str;
    /// What the kernel has under this name, with or without a compiler's suffix.
    fn presence(&self, function: &str) -> Presence;

    /// Whether the tracer can see it.
    fn is_traceable(&self, function: &str) -> bool {
        self.presence(function) == Presence::Traceable
    }
}

/// One kernel's symbol table with the kernel's name.
#[derive(Clone, Copy, Debug)]
pub struct NamedSymbols<'s> {
    /// The kernel's name.
    pub kernel: &'s str,
    /// Its functions.
    pub symbols: &'s Symbols,
}

impl SymbolFacts for NamedSymbols<'_> {
    fn kernel(&self) -> &str {
        self.kernel
    }

    fn presence(&self, function: &str) -> Presence {
        self.symbols.presence(function)
    }
}

/// Symbol facts held in memory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SymbolSet {
    kernel: String,
    existing: HashSet<String>,
    traceable: HashSet<String>,
}

impl SymbolSet {
    /// Facts from lists of raw names: all functions (kallsyms), and those that can be traced.
    pub fn new<'n>(
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

/// Why a function that stands in one kernel's path does not stand in the other's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Absence {
    /// The other kernel has no symbol of this name: the function does not exist there, or every call of it was inlined.
    NoSymbol,
    /// The symbol is there, but cannot be traced: it may well have run.
    NotTraceable,
    /// It could have been seen, and was not: it was not called, or this call of it was inlined.
    NotSeen,
    /// The symbol is there; which functions can be traced was not recorded.
    Unknown,
}

/// A reason, with the kernel it speaks of.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// The function does not stand in this kernel's path.
    Absent {
        /// Why.
        absence: Absence,
        /// In which kernel.
        kernel: Arc<str>,
    },
    /// The old name is not to be seen in the new kernel, nor the new one in the old: a rename, as far as symbols tell.
    Renamed {
        /// The old kernel.
        old_kernel: Arc<str>,
        /// The new kernel.
        new_kernel: Arc<str>,
    },
    /// The one name stands in the place of the other, although this kernel has both: a function was split, or two changed
    /// their names at once.
    BothNames {
        /// The kernel that has both.
        kernel: Arc<str>,
    },
    /// This kernel calls the function elsewhere in the same path.
    SamePath {
        /// Which kernel.
        kernel: Arc<str>,
    },
    /// This kernel calls the function in another part of the case: see [`super::point_elsewhere`].
    OtherPart {
        /// Which kernel.
        kernel: Arc<str>,
        /// Which part: `softirq`.
        part: Arc<str>,
    },
    /// The same function in another place.
    Elsewhere,
}

impl Reason {
    /// The reason as a sentence's fragment, with the kernel named.
    pub fn sentence(&self) -> String {
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
            Self::SamePath { kernel } => format!("in {kernel} seen elsewhere in this path"),
            Self::OtherPart { kernel, part } => format!("in {kernel} seen in {part} instead"),
            Self::Renamed { old_kernel, new_kernel } => {
                format!("the old name is not in {new_kernel}, the new name not in {old_kernel}")
            }
            Self::BothNames { kernel } => format!("{kernel} has both names"),
            Self::Elsewhere => "the same calls, in another place".to_owned(),
        }
    }
}

/// What a function costs in each kernel, where that was measured: instructions (exact mode) or nanoseconds (native mode),
/// median.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// In the old kernel.
    pub old: Option<u64>,
    /// In the new kernel.
    pub new: Option<u64>,
}

/// A diff with what is known of each line.
#[derive(Clone, Debug, PartialEq)]
pub struct ExplainedDiff {
    /// Name of the kernel on the old side.
    pub old_kernel: Arc<str>,
    /// Name of the kernel on the new side.
    pub new_kernel: Arc<str>,
    /// The lines.
    pub diff: PathDiff,
    /// By line: why it changed, if it is a function and a reason is known.
    pub reasons: Vec<Option<Reason>>,
    /// By line: what its function costs.
    pub costs: Vec<Cost>,
}

/// Finds the reason of every change and the cost of every line.
pub fn explain(
    diff: PathDiff,
    (old, old_costs): (&dyn SymbolFacts, &Costs),
    (new, new_costs): (&dyn SymbolFacts, &Costs),
) -> ExplainedDiff {
    let (old_kernel, new_kernel): (Arc<str>, Arc<str>) = (old.kernel().into(), new.kernel().into());
    let mut absences = Absences {
        seen: HashMap::new(),
        old_path: called(&diff, |line| line.old.as_ref()),
        new_path: called(&diff, |line| line.new.as_ref()),
    };
    let reasons = diff.lines.iter().map(|line| reason(line, (old, &old_kernel), (new, &new_kernel), &mut absences));
    let reasons = reasons.collect();
    let cost_of = |node: &Option<PathNode>, costs: &Costs| {
        node.as_ref().and_then(|node| node.what.function()).and_then(|name| costs.get(name)).copied()
    };
    let cost = |line: &DiffLine| Cost { old: cost_of(&line.old, old_costs), new: cost_of(&line.new, new_costs) };
    let costs = diff.lines.iter().map(cost).collect();
    ExplainedDiff { old_kernel, new_kernel, diff, reasons, costs }
}

/// Whether symbols allow that one function was renamed to another: the old name is not to be seen in the new kernel, and
/// the new one not in the old. For [`super::Knowledge::plausible`].
pub fn could_be_renamed(old: &dyn SymbolFacts, new: &dyn SymbolFacts, from: &str, to: &str) -> bool {
    !new.is_traceable(from) && !old.is_traceable(to)
}

/// Reasons looked up already, by function and side.
struct Absences {
    seen: HashMap<(Arc<str>, bool), Absence>,
    /// The functions of each path.
    old_path: HashSet<Arc<str>>,
    new_path: HashSet<Arc<str>>,
}

fn called(diff: &PathDiff, side: impl Fn(&DiffLine) -> Option<&PathNode>) -> HashSet<Arc<str>> {
    let steps = diff.lines.iter().filter_map(side).map(|node| &node.what);
    let names = steps.filter_map(|step| match step {
        PathEntry::Call(name) => Some(name.clone()),
        _ => None,
    });
    names.collect()
}

impl Absences {
    /// Why the function does not stand in the one path (`is_new`: the new one) where it stands in the other.
    fn reason(&mut self, function: &Arc<str>, (facts, kernel): Facts, is_new: bool) -> Reason {
        let path = if is_new { &self.new_path } else { &self.old_path };
        if path.contains(function) {
            return Reason::SamePath { kernel: kernel.clone() };
        }
        Reason::Absent { absence: self.of(function, facts, is_new), kernel: kernel.clone() }
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

fn reason(line: &DiffLine, old: Facts, new: Facts, absences: &mut Absences) -> Option<Reason> {
    let function = |node: &Option<PathNode>| match &node.as_ref()?.what {
        PathEntry::Call(name) => Some(name.clone()),
        _ => None,
    };
    let mut absent = |name: Arc<str>, facts: Facts, is_new| absences.reason(&name, facts, is_new);
    match &line.change {
        Change::Same | Change::Times { .. } => None,
        Change::Gone | Change::SplicedOut => Some(absent(function(&line.old)?, new, true)),
        Change::New | Change::SplicedIn => Some(absent(function(&line.new)?, old, false)),
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
    fn each_change_has_its_reason_and_names_the_kernel_it_speaks_of() {
        let old = parse(
            "s\n  sockfd_lookup_light\n  tcp_recvmsg\n    a\n  inlined_later\n  hidden_later\n  kept\n  x\n  y\n",
        )
        .unwrap();
        let new = parse("s\n  fdget\n  tcp_recvmsg\n    tcp_recvmsg_locked\n      a\n  x ×2\n  y\n").unwrap();
        let (old_facts, new_facts) = facts();
        let renames = Renames::embedded().unwrap();
        let plausible = |from: &str, to: &str| could_be_renamed(&old_facts, &new_facts, from, to);
        let diff = align(&old, &new, &Knowledge { renames: &renames, plausible: &plausible });
        let new_costs = Costs::from([("tcp_recvmsg_locked".to_owned(), 700)]);
        let explained = explain(diff, (&old_facts, &Costs::new()), (&new_facts, &new_costs));
        let told: Vec<(String, String)> = explained
            .diff
            .lines
            .iter()
            .zip(&explained.reasons)
            .filter_map(|(line, reason)| {
                let name = line.node().unwrap().what.function().unwrap().to_owned();
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
        assert_eq!(told, expected.map(|(name, why)| (name.to_owned(), why.to_owned())));
        let at = explained.diff.lines.iter().position(|line| line.change == Change::SplicedIn).unwrap();
        assert_eq!(explained.costs[at], Cost { old: None, new: Some(700) });
    }

    #[test]
    fn a_function_that_the_other_path_calls_elsewhere_is_not_said_to_be_missing_there() {
        let all = ["f", "a", "b", "twice"];
        let (old_facts, new_facts) = (SymbolSet::new("5.10", [], all), SymbolSet::new("7.3", [], all));
        let (old, new) =
            (parse("f\n  a\n    twice\n  b\n    twice\n").unwrap(), parse("f\n  a\n    twice\n  b\n").unwrap());
        let renames = Renames::default();
        let diff = align(&old, &new, &Knowledge { renames: &renames, plausible: &|_, _| false });
        let explained = explain(diff, (&old_facts, &Costs::new()), (&new_facts, &Costs::new()));
        let told: Vec<String> = explained.reasons.iter().flatten().map(Reason::sentence).collect();
        assert_eq!(told, ["in 7.3 seen elsewhere in this path"]);
    }

    #[test]
    fn what_both_kernels_can_show_was_not_renamed() {
        let both = SymbolSet::new("a", ["one", "other"], ["one", "other"]);
        assert!(!could_be_renamed(&both, &both, "one", "other"));
        let (old, new) = facts();
        assert!(could_be_renamed(&old, &new, "sockfd_lookup_light", "fdget"));
    }
}
