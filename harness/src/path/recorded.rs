//! Paths of recordings of real kernels: see harness/tests/data/paths.

use std::collections::BTreeMap;
use std::io::Read;

use rxpath_guest::RunReport;

use super::sample::Sample;
use super::steady::{Steadiness, SteadyPath, steady};
use super::{CapturePaths, CaptureSettings, ContextRules, Profiles, Role, Stream, capture_paths, text};
use crate::trace::TaskKey;

/// The recorded kernels.
pub(crate) const KERNELS: [&str; 3] = ["5.10", "6.12", "7.3"];

/// A receive over TCP that blocks.
pub(crate) const RECV_TCP: Stream = Stream::Operation { actor: 0, step: 0 };
const RECV_UDP: Stream = Stream::Operation { actor: 0, step: 1 };
const RECV_EMPTY: Stream = Stream::Operation { actor: 0, step: 2 };
const SOCKET: Stream = Stream::Operation { actor: 0, step: 3 };
const SEND_TCP: Stream = Stream::Operation { actor: 1, step: 0 };

fn sample(kernel: &str) -> Sample {
    let packed: &[u8] = match kernel {
        "5.10" => include_bytes!("../../tests/data/paths/5.10.txt.xz"),
        "6.12" => include_bytes!("../../tests/data/paths/6.12.txt.xz"),
        "7.3" => include_bytes!("../../tests/data/paths/7.3.txt.xz"),
        other => panic!("no recording of {other}"),
    };
    let mut text = String::new();
    lzma_rust2::XzReader::new(packed, false).read_to_string(&mut text).unwrap();
    Sample::parse_recorded(&text)
}

pub(crate) fn recorded(kernel: &str, profiles: &[&str], expected: &[&str]) -> CapturePaths {
    let sample = sample(kernel);
    let tid = |comm: &str| *sample.forests.comms.iter().find(|(_, name)| *name == comm).unwrap().0;
    let report = RunReport { actor_tids: vec![tid("receiver"), tid("sender")], ..RunReport::default() };
    let role = |name: &str, steps: &[&str]| Role {
        name: name.to_owned(),
        steps: steps.iter().map(|step| (*step).to_owned()).collect(),
    };
    let roles = [
        role("receiver", &["recv-tcp", "recv-udp", "recv-empty", "socket"]),
        role("sender", &["send-tcp", "send-udp"]),
    ];
    let filter = Profiles::embedded().unwrap().select(profiles, expected).unwrap();
    let rules = ContextRules::embedded().unwrap();
    let settings = CaptureSettings { roles: &roles, rules, filter: &filter, tracer: None };
    capture_paths(&sample.forests, &report, &sample.symbols, &settings)
}

pub(crate) fn steady_of(paths: &CapturePaths, stream: &Stream) -> SteadyPath {
    match steady(&paths.streams[stream]) {
        Steadiness::Steady(steady) => steady,
        Steadiness::Inconclusive(unstable) => panic!("{stream:?}: {unstable:?}"),
    }
}

fn all() -> BTreeMap<&'static str, CapturePaths> {
    KERNELS.into_iter().map(|kernel| (kernel, recorded(kernel, &[], &[]))).collect()
}

#[test]
fn every_operation_is_complete_in_every_iteration() {
    for (kernel, paths) in all() {
        assert!(paths.problems.is_empty(), "{kernel}: {:?}", paths.problems);
        for stream in [RECV_TCP, RECV_UDP, RECV_EMPTY, SOCKET, SEND_TCP, Stream::Softirq] {
            let iterations: Vec<u32> = paths.streams[&stream].keys().copied().collect();
            assert_eq!(iterations, [4, 5, 6, 7, 8], "{kernel} {stream:?}");
        }
    }
}

#[test]
fn all_iterations_agree_where_nothing_races() {
    for (kernel, paths) in all() {
        for stream in [RECV_UDP, RECV_EMPTY, SOCKET] {
            let steady = steady_of(&paths, &stream);
            assert!(steady.variants.is_empty(), "{kernel} {stream:?}: {:?}", steady.variants);
        }
    }
}

#[test]
fn a_variant_says_where_it_differs() {
    // 7.3 may preempt the sender before it drops its reference to the data. Then the receiver does not free the data.
    let steady = steady_of(&recorded("7.3", &[], &[]), &RECV_TCP);
    let first = steady.variants.iter().min_by_key(|variant| variant.seen_in[0]).unwrap();
    assert_eq!((steady.agreeing, steady.iterations, first.seen_in[0]), (3, 5, 4));
    assert_eq!(first.place.to_string(), "line 29, in skb_release_data: skb_free_head instead of kfree_skbmem");
}

#[test]
fn a_blocking_receive_takes_tens_of_lines() {
    let path = steady_of(&recorded("7.3", &[], &[]), &RECV_TCP).path;
    assert_eq!(text::write(&path), include_str!("../../tests/data/paths/recv-tcp-7.3.path"));
    for (kernel, paths) in all() {
        assert!((20..50).contains(&steady_of(&paths, &RECV_TCP).path.nodes.len()), "{kernel}");
    }
}

#[test]
fn the_functions_of_the_receive_path_are_always_shown() {
    let socket = ["__sys_socket", "__sock_create", "sock_alloc", "inet_create", "sk_alloc", "sock_init_data"];
    let recv = [
        "__sys_recvfrom",
        "sock_recvmsg",
        "inet_recvmsg",
        "tcp_recvmsg",
        "sk_wait_data",
        "wait_woken",
        "schedule_timeout",
        "schedule",
    ];
    let softirq = [
        "net_rx_action",
        "process_backlog",
        "__netif_receive_skb",
        "ip_rcv",
        "ip_local_deliver",
        "tcp_v4_rcv",
        "tcp_v4_do_rcv",
        "tcp_rcv_established",
        "tcp_queue_rcv",
        "sock_def_readable",
        "__wake_up_sync_key",
        "__wake_up_common",
        "woken_wake_function",
        "default_wake_function",
        "try_to_wake_up",
    ];
    for (kernel, paths) in all() {
        for (stream, functions) in [(SOCKET, &socket[..]), (RECV_TCP, &recv), (Stream::Softirq, &softirq)] {
            let path = steady_of(&paths, &stream).path;
            let there: Vec<&str> = path.functions().collect();
            let missing: Vec<_> = functions.iter().filter(|function| !there.contains(function)).collect();
            assert!(missing.is_empty(), "{kernel}: {missing:?} not in\n{}", text::write(&path));
        }
    }
}

#[test]
fn a_softirq_is_separate_from_the_send_that_ran_it_and_names_the_task_that_it_woke() {
    for (kernel, paths) in all() {
        let softirq = text::write(&steady_of(&paths, &Stream::Softirq).path);
        assert!(softirq.starts_with("~ in sender.send-tcp\n  net_rx_action\n"), "{kernel}:\n{softirq}");
        assert!(softirq.contains("try_to_wake_up\n") && softirq.contains("~ wakes receiver\n"), "{kernel}:\n{softirq}");
        let send = text::write(&paths.streams[&SEND_TCP][&6]);
        assert!(!send.contains("net_rx_action") && !send.contains("tick"), "{kernel}:\n{send}");
    }
}

#[test]
fn no_path_contains_a_part_of_a_timer_interrupt() {
    for (kernel, paths) in all() {
        let forests = sample(kernel).forests;
        let is_actor = |comm: &str| ["receiver", "sender"].contains(&comm);
        let actors = forests.comms.iter().filter(|(_, comm)| is_actor(comm)).map(|(tid, _)| TaskKey::Task(*tid));
        let mut nodes = actors.flat_map(|task| &forests.by_task[&task].nodes);
        assert!(
            nodes.any(|node| node.interrupted.hardirq),
            "{kernel} was never interrupted, so the test proves nothing"
        );
        for path in paths.streams.values().flat_map(BTreeMap::values) {
            let odd = path
                .functions()
                .find(|name| name.contains("apic") || name.contains("irq_e") || *name == "hrtimer_interrupt");
            assert_eq!(odd, None, "{kernel}");
        }
    }
}

#[test]
fn an_expected_function_is_shown_though_its_group_is_hidden() {
    let hidden = recorded("7.3", &[], &[]);
    let shown = recorded("7.3", &[], &["security_socket_recvmsg", "simple_copy_to_iter"]);
    let has = |paths: &CapturePaths| {
        steady_of(paths, &RECV_TCP).path.functions().any(|name| name == "security_socket_recvmsg")
    };
    assert!(!has(&hidden) && has(&shown));
}
