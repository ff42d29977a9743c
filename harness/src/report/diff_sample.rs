//! A small diff for the tests of this folder.

use super::diff_words::DiffView;
use crate::diff::{
    FunctionCost, Knowledge, OperationCost, Renames, SymbolSet, align, could_be_renamed, explain, side_by_side,
};
use crate::path::cost::Costs;
use crate::path::text::parse;
use crate::suite::{CaseDiff, KernelDiff, RunKernel, SectionDiff, shared_changes};

/// A diff with a renamed call, a new level, a call that is gone and one that occurs more often; and costs of two operations.
pub(super) fn sample() -> KernelDiff {
    let old = parse("s\n  sockfd_lookup_light\n  a\n  b\n  c\n  tcp_recvmsg\n    d\n  kept\n  x\n").unwrap();
    let new = parse("s\n  fdget\n  a\n  b\n  c\n  tcp_recvmsg\n    tcp_recvmsg_locked\n      d\n  x ×2\n").unwrap();
    let old_facts = SymbolSet::new("5.10", [], ["sockfd_lookup_light", "kept"]);
    let new_facts = SymbolSet::new("7.3", [], ["fdget", "tcp_recvmsg_locked", "kept"]);
    let renames = Renames::embedded();
    let plausible = |from: &str, to: &str| could_be_renamed(&old_facts, &new_facts, from, to);
    let diff = align(&old, &new, &Knowledge { renames, plausible: &plausible });
    let costs =
        |known: &[(&str, u64)]| -> Costs { known.iter().map(|(name, cost)| ((*name).to_owned(), *cost)).collect() };
    let explained = explain(
        diff,
        (&old_facts, &costs(&[("sockfd_lookup_light", 53), ("kept", 1200)])),
        (&new_facts, &costs(&[("fdget", 49)])),
    );
    let cost = |name: &str, cost, switches| (name.to_owned(), OperationCost { cost, switches });
    let timings = side_by_side(
        &[cost("receiver.recv", 5000, 1), cost("sender.send", 12000, 0)],
        &[cost("receiver.recv", 5500, 1), cost("sender.send", 12000, 0)],
    );
    let sections = vec![SectionDiff { name: "receiver.recv".to_owned(), explained }];
    let case = |name: &str| CaseDiff { case: name.into(), sections: sections.clone(), timings: timings.clone() };
    let kernel = |name: &str, version: &str| RunKernel {
        name: name.into(),
        version: version.to_owned(),
        unlocked: false,
        options: Default::default(),
    };
    let cases = vec![case("recv/sample"), case("recv/second")];
    let example = ("recv/sample".to_owned(), "receiver.recv".to_owned());
    let cost = |function: &str, before, now| FunctionCost {
        function: function.to_owned(),
        before,
        now,
        cases: 2,
        called_in: 2,
        example: example.clone(),
    };
    KernelDiff {
        old: kernel("5.10", "5.10.262-1"),
        new: kernel("7.3", "7.3.4-1~bpo13+1"),
        changes: shared_changes(&cases),
        cases,
        left_out: vec![("tun/sample".into(), "skipped on 5.10: it has no CONFIG_TUN".to_owned())],
        functions: vec![cost("kept", 1200, 0), cost("d", 80, 1110)],
    }
}

/// Everything, with each change once.
pub(super) const EACH_CHANGE: DiffView = DiffView { context: 0, top: 20, paths: true, timings: true, each_case: false };
/// Everything, with each case in full.
pub(super) const EACH_CASE: DiffView = DiffView { each_case: true, ..EACH_CHANGE };
