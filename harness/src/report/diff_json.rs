//! A diff as JSON, for other programs: versioned types that serde writes and reads.

use serde::{Deserialize, Serialize};

use super::diff_words::{self, DiffView};
use crate::case::CaseName;
use crate::code::Containment;
use crate::diff::{Absence, Change, ExplainedDiff, FunctionCost, OperationCost, Reason, TimingLine};
use crate::path::text;
use crate::suite::{CaseDiff, KernelDiff, RunKernel, SharedChange};

/// The version of [`DiffReport`]; raised when a field changes its meaning or is removed.
pub(crate) const DIFF_VERSION: u32 = 2;

/// What changed between two kernels.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct DiffReport {
    pub(crate) version: u32,
    pub(crate) from: RunKernel,
    pub(crate) to: RunKernel,
    /// The changes of paths, each once, the most frequent first.
    pub(crate) changes: Vec<SharedChangeReport>,
    /// The self costs of a call that differ: medians, those that matter most first.
    pub(crate) functions: Vec<FunctionReport>,
    /// The cases that both kernels ran.
    pub(crate) cases: Vec<CaseReport>,
    /// The cases that one of them could not run.
    pub(crate) left_out: Vec<LeftOutReport>,
}

/// A change of paths that may be in many cases.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SharedChangeReport {
    /// The call above it, and its first lines.
    pub(crate) title: String,
    /// The cases with it. The first one shows it.
    pub(crate) cases: Vec<CaseName>,
    /// The section of the first case.
    pub(crate) section: String,
    /// Its first line in that section, from 0.
    pub(crate) first_line: usize,
    pub(crate) lines: usize,
}

/// The self cost of a call, in instructions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FunctionReport {
    pub(crate) function: String,
    pub(crate) before: u64,
    pub(crate) now: u64,
    /// The number of cases in which it differs.
    pub(crate) cases: usize,
    /// The number of cases that call it on either kernel.
    #[serde(default)]
    pub(crate) called_in: usize,
    /// A case with the median difference.
    pub(crate) case: String,
    /// The section of that case.
    pub(crate) section: String,
}

/// A case that was not compared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LeftOutReport {
    pub(crate) case: CaseName,
    pub(crate) reason: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct CaseReport {
    pub(crate) case: CaseName,
    /// Operations, then contexts; empty if only timings were requested.
    pub(crate) sections: Vec<SectionReport>,
    /// By operation; empty if only paths were requested.
    pub(crate) timings: Vec<TimingReport>,
}

/// The path of one operation or context.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct SectionReport {
    /// `receiver.recv`, `softirq`.
    pub(crate) name: String,
    /// The number of changed lines.
    pub(crate) changed: usize,
    /// All lines of both paths, in preorder, including unchanged ones.
    pub(crate) lines: Vec<LineReport>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct LineReport {
    /// Depth in the call tree, from 0.
    pub(crate) depth: u32,
    /// The function or mark as in a snapshot; that of the new path if both have the line.
    pub(crate) text: String,
    #[serde(flatten)]
    pub(crate) change: ChangeReport,
    /// Why it changed, where the kernels' symbols show it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<ReasonReport>,
    /// The median cost of its function in the old kernel, in instructions, including its callees.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) old_cost: Option<u64>,
    /// The same in the new kernel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) new_cost: Option<u64>,
}

/// How a line changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "snake_case")]
pub(crate) enum ChangeReport {
    Same,
    /// Only in the new path.
    New,
    /// Only in the old path.
    Gone,
    /// The same work under a different name.
    Renamed {
        old_name: String,
    },
    /// It was at a different place in the old path.
    MovedHere {
        /// Index of the line of the old place.
        counterpart: usize,
    },
    /// It is at a different place in the new path.
    MovedAway {
        /// Index of the line of the new place.
        counterpart: usize,
    },
    /// A call that only the new path has, around calls that both have.
    LevelAppeared,
    /// A call that only the old path has, around calls that both have.
    LevelDisappeared,
    /// It is repeated a different number of times.
    Times {
        old_times: u32,
        new_times: u32,
    },
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ReasonReport {
    /// One of `no_symbol`, `not_traceable`, `not_seen`, `inlined`, `not_called`, `call_not_made`, `unknown`, `renamed`, `both_names`, `same_path`, `other_part`, `elsewhere`.
    pub(crate) code: String,
    /// The same in words, with the name of the kernel.
    pub(crate) text: String,
}

/// The costs of one operation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TimingReport {
    /// The operation or measured function.
    pub(crate) name: String,
    /// `null` if it was not measured in the old kernel.
    pub(crate) old: Option<CostReport>,
    /// `null` if it was not measured in the new kernel.
    pub(crate) new: Option<CostReport>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CostReport {
    /// The lower quartile of the iterations; without the time asleep.
    pub(crate) instructions: u64,
    /// Context switches away from the task.
    pub(crate) switches: u32,
}

/// Builds the report. It has all lines of all cases.
pub(crate) fn diff_report(diff: &KernelDiff, view: DiffView) -> DiffReport {
    let case = |one: &CaseDiff| CaseReport {
        case: one.case.clone(),
        sections: one.sections.iter().filter(|_| view.paths).map(|one| section(&one.name, &one.explained)).collect(),
        timings: one.timings.iter().filter(|_| view.timings).map(timing).collect(),
    };
    let change = |change: &SharedChange| SharedChangeReport {
        title: diff_words::change_title(diff, change),
        cases: change.cases.iter().map(|at| diff.cases[*at].case.clone()).collect(),
        section: diff_words::section_of(diff, change).name.clone(),
        first_line: change.lines.start,
        lines: change.lines.len(),
    };
    let function = |cost: &FunctionCost| FunctionReport {
        function: cost.function.clone(),
        before: cost.before,
        now: cost.now,
        cases: cost.cases,
        called_in: cost.called_in,
        case: cost.example.0.clone(),
        section: cost.example.1.clone(),
    };
    let left_out = diff.left_out.iter().cloned();
    DiffReport {
        version: DIFF_VERSION,
        from: diff.old.clone(),
        to: diff.new.clone(),
        changes: diff.changes.iter().filter(|_| view.paths).map(change).collect(),
        functions: diff.functions.iter().filter(|_| view.timings).map(function).collect(),
        cases: diff.cases.iter().map(case).collect(),
        left_out: left_out.map(|(case, reason)| LeftOutReport { case, reason }).collect(),
    }
}

fn section(name: &str, explained: &ExplainedDiff) -> SectionReport {
    let lines = explained.diff.lines.iter().zip(&explained.reasons).zip(&explained.costs);
    let lines = lines.filter_map(|((line, reason), cost)| {
        Some(LineReport {
            depth: line.depth(),
            text: text::line(line.node()?),
            change: change(&line.change, line.new.is_some()),
            reason: reason.as_ref().map(|one| ReasonReport { code: code(one).to_owned(), text: one.sentence() }),
            old_cost: cost.old,
            new_cost: cost.new,
        })
    });
    SectionReport { name: name.to_owned(), changed: explained.diff.changes().count(), lines: lines.collect() }
}

fn change(change: &Change, is_in_new: bool) -> ChangeReport {
    match change {
        Change::Same => ChangeReport::Same,
        Change::New => ChangeReport::New,
        Change::Gone => ChangeReport::Gone,
        Change::Renamed { from, .. } => ChangeReport::Renamed { old_name: from.to_string() },
        Change::Moved { counterpart } if is_in_new => ChangeReport::MovedHere { counterpart: *counterpart },
        Change::Moved { counterpart } => ChangeReport::MovedAway { counterpart: *counterpart },
        Change::SplicedIn => ChangeReport::LevelAppeared,
        Change::SplicedOut => ChangeReport::LevelDisappeared,
        Change::Times { from, to } => ChangeReport::Times { old_times: *from, new_times: *to },
    }
}

fn code(reason: &Reason) -> &'static str {
    match reason {
        Reason::Absent { absence: Absence::NoSymbol, .. } => "no_symbol",
        Reason::Absent { absence: Absence::NotTraceable, .. } => "not_traceable",
        Reason::Absent { absence: Absence::NotSeen, .. } => "not_seen",
        Reason::Absent { absence: Absence::Unknown, .. } => "unknown",
        Reason::Instructions { containment: Containment::Inlined, .. } => "inlined",
        Reason::Instructions { containment: Containment::Called, .. } => "call_not_made",
        Reason::Instructions { .. } => "not_called",
        Reason::Renamed { .. } => "renamed",
        Reason::BothNames { .. } => "both_names",
        Reason::SamePath { .. } => "same_path",
        Reason::OtherPart { .. } => "other_part",
        Reason::Elsewhere => "elsewhere",
    }
}

fn timing(line: &TimingLine) -> TimingReport {
    let cost = |cost: OperationCost| CostReport { instructions: cost.cost, switches: cost.switches };
    TimingReport { name: line.name.clone(), old: line.old.map(cost), new: line.new.map(cost) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::diff_sample::{EACH_CHANGE, sample};

    #[test]
    fn a_report_survives_its_json_and_has_every_line_with_its_change() {
        let report = diff_report(&sample(), EACH_CHANGE);
        let json = serde_json::to_string(&report).unwrap();
        assert_eq!(serde_json::from_str::<DiffReport>(&json).unwrap(), report);
        for expected in [
            r#"{"version":2,"from":{"name":"5.10","version":"5.10.262-1","unlocked":false},"to":{"name":"7.3","#,
            r#""changes":[{"title":"s: sockfd_lookup_light→fdget","cases":["recv/sample","recv/second"],"section":"receiver.recv","#,
            r#""functions":[{"function":"kept","before":1200,"now":0,"cases":2,"called_in":2,"case":"recv/sample","section":"receiver.recv"},"#,
            r#""cases":[{"case":"recv/sample","#,
            r#""left_out":[{"case":"tun/sample","reason":"skipped on 5.10: it has no CONFIG_TUN"}]"#,
            r#"{"depth":0,"text":"s","change":"same"}"#,
            r#""text":"fdget","change":"renamed","old_name":"sockfd_lookup_light","reason":{"code":"renamed","#,
            r#""text":"tcp_recvmsg_locked","change":"level_appeared","reason":{"code":"no_symbol","#,
            r#""text":"x ×2","change":"times","old_times":1,"new_times":2}"#,
            r#"{"name":"receiver.recv","old":{"instructions":5000,"switches":1},"#,
        ] {
            assert!(json.contains(expected), "{expected}\nis not in\n{json}");
        }
        assert_eq!((report.cases[0].sections[0].changed, report.cases[0].sections[0].lines.len()), (4, 10));
    }
}
