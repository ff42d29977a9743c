//! Tests the alignment with the paths of real kernels.

use super::*;
use crate::path::recorded::{RECV_TCP, recorded, steady_of};
use crate::path::{Stream, text};

/// The changed lines, each as `KIND LINE`.
fn changes(old: &str, new: &str, stream: &Stream) -> Vec<String> {
    let path = |kernel| steady_of(&recorded(kernel, &[], &[]), stream).path;
    let renames = Renames::embedded();
    let diff = align(&path(old), &path(new), &Knowledge { renames, plausible: &|_, _| true });
    assert_eq!((diff.old_path(), diff.new_path()), (path(old), path(new)));
    let describe = |line: &DiffLine| {
        let text = line.node().map(text::line).unwrap_or_default();
        match &line.change {
            Change::Renamed { from, to } => format!("renamed {from} {to}"),
            Change::Times { from, to } => format!("times {from} {to} {text}"),
            Change::Moved { .. } if line.old.is_some() => format!("moved-from {text}"),
            Change::Moved { .. } => format!("moved-to {text}"),
            Change::SplicedIn => format!("in {text}"),
            Change::SplicedOut => format!("out {text}"),
            Change::New => format!("new {text}"),
            Change::Gone => format!("gone {text}"),
            Change::Same => String::new(),
        }
    };
    diff.changes().map(describe).collect()
}

#[test]
fn a_blocking_receive_from_5_10_to_7_3_changed_in_these_lines_only() {
    assert_eq!(
        changes("5.10", "7.3", &RECV_TCP),
        [
            "renamed sockfd_lookup_light fdget",
            "in tcp_recvmsg_locked",
            "new __tcp_cleanup_rbuf",
            "gone tcp_release_cb",
            "gone tcp_mstamp_refresh",
            "out __kfree_skb",
            "out skb_release_head_state",
            "gone dst_release",
            "new __sk_mem_reduce_allocated",
            "in skb_attempt_defer_free",
            "new skb_release_head_state",
            "new __tcp_cleanup_rbuf",
            "gone tcp_release_cb",
        ]
    );
}

#[test]
fn the_delivery_from_5_10_to_7_3_sends_its_acknowledgement_after_the_wakeup() {
    let changes = changes("5.10", "7.3", &Stream::Softirq);
    for expected in [
        "in __napi_poll",
        "out tcp_filter",
        "out __wake_up_common_lock",
        "renamed tcp_v4_inbound_md5_hash tcp_inbound_hash",
        "moved-from __tcp_ack_snd_check",
        "moved-to __tcp_ack_snd_check",
        "out __udp4_lib_rcv",
    ] {
        assert!(changes.iter().any(|change| change == expected), "{expected} not in {changes:#?}");
    }
}
