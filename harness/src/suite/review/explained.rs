//! What changed between saved paths, with reasons from what was saved of the kernels' functions: no kernel is needed for it.

use std::collections::HashSet;
use std::sync::OnceLock;

use crate::diff::{ExplainedDiff, Knowledge, Reason, Renames, SymbolFacts, align, could_be_renamed, explain};
use crate::path::cost::Costs;
use crate::path::{CallPath, PathEntry, PathNode};
use crate::suite::compare::sides::SectionDiff;
use crate::suite::store::results::CaseResult;
use crate::suite::store::saved::SavedFunctions;
use crate::trace::Presence;

/// One side of a difference.
#[derive(Clone, Copy, Debug)]
pub struct SavedSide<'a> {
    /// How to call it: `6.12`, or `6.12 accepted`.
    pub name: &'a str,
    /// Its paths.
    pub paths: &'a [(String, CallPath)],
    /// What its kernel has, where that is known.
    pub functions: Option<&'a SavedFunctions>,
    /// What operations and functions take.
    pub result: Option<&'a CaseResult>,
}

/// What is known of a kernel's functions, perhaps nothing.
struct Known<'a> {
    kernel: &'a str,
    functions: Option<&'a SavedFunctions>,
}

impl Known<'_> {
    /// Whether it was recorded what the kernel has under this name.
    fn knows(&self, function: &str) -> bool {
        self.functions.is_some_and(|functions| {
            [&functions.traceable, &functions.untraceable, &functions.absent].iter().any(|set| set.contains(function))
        })
    }
}

impl SymbolFacts for Known<'_> {
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

/// The known renames; those of rxpath itself are checked by its tests.
fn renames() -> &'static Renames {
    static RENAMES: OnceLock<Renames> = OnceLock::new();
    RENAMES.get_or_init(|| Renames::embedded().unwrap_or_default())
}

/// Two sides, section by section; reasons only where the symbols that they rest on are known.
pub fn explain_saved(old: SavedSide<'_>, new: SavedSide<'_>) -> Vec<SectionDiff> {
    let (old_known, new_known) =
        (Known { kernel: old.name, functions: old.functions }, Known { kernel: new.name, functions: new.functions });
    let plausible = |from: &str, to: &str| could_be_renamed(&old_known, &new_known, from, to);
    let knowledge = Knowledge { renames: renames(), plausible: &plausible };
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

/// A reason that rests on symbols that were not recorded is none.
fn drop_guesses(explained: &mut ExplainedDiff, old: &Known<'_>, new: &Known<'_>) {
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

/// What functions take in a section of a result.
fn costs(result: Option<&CaseResult>, section: &str) -> Costs {
    let saved = result.and_then(|result| result.paths.iter().find(|saved| saved.name == section));
    saved.map(|saved| saved.costs.clone()).unwrap_or_default()
}
