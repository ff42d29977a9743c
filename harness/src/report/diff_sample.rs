//! A small diff for the tests of this folder.

use crate::diff::{Knowledge, OperationCost, Renames, SymbolSet, align, could_be_renamed, explain, side_by_side};
use crate::path::cost::Costs;
use crate::path::text::parse;
use crate::suite::{CaseDiff, SectionDiff};

/// A diff with a renamed call, a new level, a call that is gone and one that occurs more often; and costs of two operations.
pub(super) fn sample() -> CaseDiff {
    let old = parse("s\n  sockfd_lookup_light\n  a\n  b\n  c\n  tcp_recvmsg\n    d\n  kept\n  x\n").unwrap();
    let new = parse("s\n  fdget\n  a\n  b\n  c\n  tcp_recvmsg\n    tcp_recvmsg_locked\n      d\n  x ×2\n").unwrap();
    let old_facts = SymbolSet::new("5.10", [], ["sockfd_lookup_light", "kept"]);
    let new_facts = SymbolSet::new("7.3", [], ["fdget", "tcp_recvmsg_locked", "kept"]);
    let renames = Renames::embedded().unwrap();
    let plausible = |from: &str, to: &str| could_be_renamed(&old_facts, &new_facts, from, to);
    let diff = align(&old, &new, &Knowledge { renames: &renames, plausible: &plausible });
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
    CaseDiff {
        case: "recv/sample".into(),
        old: "5.10".into(),
        new: "7.3".into(),
        sections: vec![SectionDiff { name: "receiver.recv".to_owned(), explained }],
        timings: Some(timings),
    }
}
