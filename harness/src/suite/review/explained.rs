//! Explains the changes between stored paths by the stored functions of the kernels, so that no kernel is needed.

use std::collections::HashSet;

use crate::diff::{ExplainedDiff, Knowledge, Reason, Renames, SymbolFacts, align, could_be_renamed, explain};
use crate::path::cost::Costs;
use crate::path::{CallPath, PathEntry, PathNode};
use crate::suite::compare::sides::SectionDiff;
use crate::suite::store::run_results::CaseResult;
use crate::suite::store::saved::SavedFunctions;
use crate::trace::Presence;

/// One side of a comparison.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SavedSide<'a> {
    /// What to call it: `6.12`, or `what was accepted on 6.12`.
    pub name: &'a str,
    pub paths: &'a [(String, CallPath)],
    /// The functions of its kernel, if they are known.
    pub functions: Option<&'a SavedFunctions>,
    /// The costs of operations and functions, if they are known.
    pub result: Option<&'a CaseResult>,
}

/// A kernel's functions, as far as they are known.
struct KnownFunctions<'a> {
    kernel: &'a str,
    functions: Option<&'a SavedFunctions>,
}

impl KnownFunctions<'_> {
    /// Whether it is known if the kernel has this function.
    fn knows(&self, function: &str) -> bool {
        self.functions.is_some_and(|functions| {
            [&functions.traceable, &functions.untraceable, &functions.absent].iter().any(|set| set.contains(function))
        })
    }
}

impl SymbolFacts for KnownFunctions<'_> {
    fn kernel(&self) -> &str {
        self.kernel
    }

    fn presence(&self, function: &str) -> Presence {
        let Some(functions) = self.functions else { return Presence::Present };
        if functions.traceable.contains(function) {
            Presence::Traceable
        } else if functions.absent.contains(function) {
            Presence::Absent
        } else if functions.untraceable.contains(function) {
            Presence::NotTraceable
        } else {
            Presence::Present
        }
    }
}

/// Compares two sides section by section. A change has a reason only if the symbols behind the reason are known.
pub(crate) fn explain_saved(old: SavedSide<'_>, new: SavedSide<'_>) -> Vec<SectionDiff> {
    let (old_known, new_known) = (
        KnownFunctions { kernel: old.name, functions: old.functions },
        KnownFunctions { kernel: new.name, functions: new.functions },
    );
    let plausible = |from: &str, to: &str| could_be_renamed(&old_known, &new_known, from, to);
    let knowledge = Knowledge { renames: Renames::embedded(), plausible: &plausible };
    let mut names: Vec<&String> = old.paths.iter().map(|(name, _)| name).collect();
    let known: HashSet<&String> = names.iter().copied().collect();
    names.extend(new.paths.iter().map(|(name, _)| name).filter(|name| !known.contains(name)));
    let nothing = CallPath::default();
    let section = |name: &String| {
        let of = |paths: &'_ [(String, CallPath)]| paths.iter().position(|(known, _)| known == name);
        let old_path = of(old.paths).map_or(&nothing, |at| &old.paths[at].1);
        let new_path = of(new.paths).map_or(&nothing, |at| &new.paths[at].1);
        let diff = align(old_path, new_path, &knowledge);
        let (old_costs, new_costs) = (costs(old.result, name), costs(new.result, name));
        let mut explained = explain(diff, (&old_known, &old_costs), (&new_known, &new_costs));
        drop_guesses(&mut explained, &old_known, &new_known);
        SectionDiff { name: name.clone(), explained }
    };
    names.into_iter().map(section).collect()
}

/// Removes the reasons that depend on unknown symbols.
fn drop_guesses(explained: &mut ExplainedDiff, old: &KnownFunctions<'_>, new: &KnownFunctions<'_>) {
    for (line, reason) in explained.diff.lines.iter().zip(&mut explained.reasons) {
        let function = |node: &Option<PathNode>| match node.as_ref().map(|node| &node.entry) {
            Some(PathEntry::Call(name)) => Some(name.clone()),
            _ => None,
        };
        let (before, after) = (function(&line.old), function(&line.new));
        let known = match (&before, &after) {
            (Some(before), Some(after)) => new.knows(before) && old.knows(after),
            (Some(before), None) => new.knows(before),
            (None, Some(after)) => old.knows(after),
            (None, None) => true,
        };
        if !known && !matches!(reason, Some(Reason::Elsewhere)) {
            *reason = None;
        }
    }
}

/// The costs of functions in a section of a result.
fn costs(result: Option<&CaseResult>, section: &str) -> Costs {
    let saved = result.and_then(|result| result.paths.iter().find(|saved| saved.name == section));
    saved.map(|saved| saved.costs.clone()).unwrap_or_default()
}
