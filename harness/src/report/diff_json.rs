//! A diff as JSON, for other programs: types with a version, which serde writes and reads.

use serde::{Deserialize, Serialize};

use crate::case::CaseName;
use crate::diff::{Absence, Change, ExplainedDiff, OperationCost, Reason, TimingLine};
use crate::path::text;
use crate::suite::CaseDiff;

/// The version of [`DiffReport`]; raised when a field changes its meaning or goes.
pub const DIFF_VERSION: u32 = 1;

/// What changed from one kernel to another.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DiffReport {
    /// [`DIFF_VERSION`].
    pub version: u32,
    /// The old kernel's series.
    pub from: String,
    /// The new kernel's series.
    pub to: String,
    /// By case.
    pub cases: Vec<CaseReport>,
}

/// One case.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CaseReport {
    pub case: CaseName,
    /// Operations, then contexts; empty if only timings were asked for.
    pub sections: Vec<SectionReport>,
    /// By operation; `null` if timings were not asked for, or not accepted for both kernels.
    pub timings: Option<Vec<TimingReport>>,
}

/// The path of one operation or context.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SectionReport {
    /// `receiver.recv`, `softirq`.
    pub name: String,
    /// How many of the lines changed.
    pub changed: usize,
    /// All lines of both paths, in preorder, those that did not change too.
    pub lines: Vec<LineReport>,
}

/// One line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LineReport {
    /// Nesting, from 0.
    pub depth: u32,
    /// The function or mark as a snapshot shows it, in the new path if it stands there.
    pub text: String,
    /// What happened to it.
    #[serde(flatten)]
    pub change: ChangeReport,
    /// Why, where symbols tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<ReasonReport>,
    /// What its function takes in the old kernel with all that it calls: instructions, median of its calls there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub old_cost: Option<u64>,
    /// The same in the new kernel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub new_cost: Option<u64>,
}

/// What happened to a line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "snake_case")]
pub enum ChangeReport {
    /// Nothing.
    Same,
    /// Only in the new path.
    New,
    /// Only in the old path.
    Gone,
    /// The same work under another name.
    Renamed {
        /// The name in the old path.
        old_name: String,
    },
    /// It stood elsewhere in the old path.
    MovedHere {
        /// Index of the line where it stood.
        counterpart: usize,
    },
    /// It stands elsewhere in the new path.
    MovedAway {
        /// Index of the line where it stands.
        counterpart: usize,
    },
    /// A level that the new path has around what the old one had already.
    LevelAppeared,
    /// A level that the old path had around what is still there.
    LevelDisappeared,
    /// It comes more or less often in a row.
    Times {
        /// How often in the old path.
        old_times: u32,
        /// How often in the new path.
        new_times: u32,
    },
}

/// Why a line changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReasonReport {
    /// One of `no_symbol`, `not_traceable`, `not_seen`, `unknown`, `renamed`, `both_names`, `same_path`, `other_part`, `elsewhere`.
    pub code: String,
    /// The same in words, with the kernel that it speaks of.
    pub text: String,
}

/// What one operation costs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimingReport {
    /// The operation or measure.
    pub name: String,
    /// In the old kernel; `null` if it was not measured there.
    pub old: Option<CostReport>,
    /// In the new kernel; `null` if it was not measured there.
    pub new: Option<CostReport>,
}

/// A cost in one kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CostReport {
    /// Median over the iterations; on the CPU, if the operation slept.
    pub instructions: u64,
    /// Context switches away from its task.
    pub switches: u32,
}

/// The report of cases that were compared between the same two kernels.
pub fn diff_report(from: &str, to: &str, cases: &[CaseDiff]) -> DiffReport {
    let case = |diff: &CaseDiff| CaseReport {
        case: diff.case.clone(),
        sections: diff.sections.iter().map(|one| section(&one.name, &one.explained)).collect(),
        timings: diff.timings.as_ref().map(|lines| lines.iter().map(timing).collect()),
    };
    let (from, to) = (from.to_owned(), to.to_owned());
    DiffReport { version: DIFF_VERSION, from, to, cases: cases.iter().map(case).collect() }
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
    use crate::report::diff_sample::sample;

    #[test]
    fn a_report_survives_its_json_and_has_every_line_with_its_change() {
        let report = diff_report("5.10", "7.3", &[sample()]);
        let json = serde_json::to_string(&report).unwrap();
        assert_eq!(serde_json::from_str::<DiffReport>(&json).unwrap(), report);
        for expected in [
            r#"{"version":1,"from":"5.10","to":"7.3","cases":[{"case":"recv/sample","#,
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
