//! What the agent reports about the operations it ran, and how it marks them in the trace.

use serde::{Deserialize, Serialize};

use crate::{ActorIndex, Known, Piece, Slot, StepIndex};

/// The result of one operation in one iteration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpResult {
    /// The actor that ran it.
    pub actor: ActorIndex,
    /// The actor's step.
    pub step: StepIndex,
    /// The iteration, from 0 after the warm-up.
    pub iteration: u32,
    /// The system call's return value; -1 on failure.
    pub ret: i64,
    /// The system call's error; 0 on success.
    pub errno: i32,
    /// CLOCK_MONOTONIC_RAW just before the call, in nanoseconds (in exact mode, instructions).
    pub start_ns: u64,
    /// CLOCK_MONOTONIC_RAW just after the call, in the same unit.
    pub end_ns: u64,
    /// CPU time of the task during the call (CLOCK_THREAD_CPUTIME_ID), in nanoseconds.
    pub cpu_ns: u64,
    /// Voluntary and involuntary context switches of the task during the call (getrusage RUSAGE_THREAD).
    pub switches: u32,
}

/// What a recorded operation has returned beside its value.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Details {
    /// The actor that ran it.
    pub actor: ActorIndex,
    /// The actor's step.
    pub step: StepIndex,
    /// The iteration.
    pub iteration: u32,
    /// What it received: one message, several (recvmmsg), or none if it does not receive.
    pub messages: Vec<Message>,
    /// The events that it waited for, by descriptor: POLL… or EPOLL…; for select(2), POLLIN and POLLOUT.
    pub events: Vec<(Slot, u32)>,
}

/// Bytes received at once, and what the kernel says about them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// The length that the kernel returned, in bytes; with MSG_TRUNC that of the whole datagram.
    pub bytes: u32,
    /// The bytes that were stored.
    pub pieces: Vec<Piece>,
    /// The `msg_flags` of its header; `None` without a header.
    pub flags: Option<u32>,
    /// The address of its sender (`struct sockaddr`); empty if the kernel gave none.
    pub from: Vec<u8>,
    /// The control messages (cmsg(3)), in the kernel's format.
    pub control: Vec<u8>,
}

/// What the agent reports about a run as a whole.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunReport {
    /// Task ids, by actor.
    pub actor_tids: Vec<i32>,
    /// Task ids of the agent's own threads (the controller), which are not part of the case.
    pub agent_tids: Vec<i32>,
    /// Every recorded operation, by actor, iteration and step.
    pub results: Vec<OpResult>,
    /// What the recorded operations of a traced pass have returned beside their values, by actor and iteration.
    pub details: Vec<Details>,
    /// The addresses of the case's sockets at the end, if a message has the address of its sender.
    pub addresses: Vec<(Slot, Vec<u8>)>,
    /// The median difference between two readings of CLOCK_MONOTONIC_RAW in a row, in nanoseconds: the clock's share of
    /// every measured time.
    pub clock_overhead_ns: u64,
    /// The same for CLOCK_THREAD_CPUTIME_ID.
    pub cpu_overhead_ns: u64,
    /// The median duration of a system call that does almost nothing, in nanoseconds, including the clock's share. 0 in
    /// a run without milestones.
    pub bare_call_ns: u64,
    /// The same while the one function that this call runs is traced.
    pub traced_call_ns: u64,
    /// Failures of the agent during the run, in words; empty after success.
    pub errors: Vec<String>,
    /// The step of the setup that failed; nothing ran after it.
    pub failed_setup: Option<FailedSetup>,
    /// Actors that had not finished by the deadline.
    pub stuck: Vec<StuckActor>,
}

/// A step that the agent performs before any actor, and that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailedSetup {
    /// Whether it is one of [`Plan::settings`](crate::Plan::settings); otherwise of [`Plan::setup`](crate::Plan::setup).
    pub is_setting: bool,
    /// The step.
    pub step: StepIndex,
    /// The system call's error.
    pub errno: i32,
}

/// An actor that had not finished by the deadline.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StuckActor {
    /// The actor.
    pub actor: ActorIndex,
    /// The step that it was in or waited for, or the number of steps if it had done all of them.
    pub step: StepIndex,
    /// The number of rounds that it had finished: warm-up, then iterations, then those for milestones.
    pub rounds: u32,
    /// What it was doing.
    pub doing: Doing,
    /// How long it had been doing that, in nanoseconds of guest time, to within 100 ms.
    pub for_ns: u64,
    /// `/proc/PID/stack` of its task; empty if the kernel cannot tell, such as of a task that runs.
    pub stack: String,
}

/// What an actor was doing at the deadline.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Doing {
    /// It had not started.
    Starting,
    /// It waited for those of its step's conditions (by index) that did not hold.
    Waiting(Vec<u16>),
    /// It was inside the step's system call.
    Calling,
    /// It ran between its steps' system calls.
    Running,
}

/// A trace marker, which says where in the plan a task is.
///
/// The agent writes it to `trace_marker_raw`, and the kernel stores it as an `ftrace:raw_data` event: a 32-bit id, here
/// [`MARKER_ID`], and the bytes after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Marker {
    /// Whether the operation begins or has ended.
    pub begin: bool,
    /// The actor.
    pub actor: ActorIndex,
    /// The step.
    pub step: StepIndex,
    /// The iteration.
    pub iteration: u32,
}

/// The id of rxpath's markers in the ring buffer ("rxpa" in ASCII).
pub const MARKER_ID: u32 = 0x6170_7872;

impl Marker {
    /// Length of [`Marker::to_bytes`], in bytes, including the id.
    pub const LEN: usize = 16;

    /// The id and the payload, little endian: id (4), begin (4), actor (2), step (2), iteration (4).
    pub fn to_bytes(self) -> [u8; Self::LEN] {
        let mut out = [0; Self::LEN];
        out[0..4].copy_from_slice(&MARKER_ID.to_le_bytes());
        out[4..8].copy_from_slice(&u32::from(self.begin).to_le_bytes());
        out[8..10].copy_from_slice(&self.actor.to_le_bytes());
        out[10..12].copy_from_slice(&self.step.to_le_bytes());
        out[12..16].copy_from_slice(&self.iteration.to_le_bytes());
        out
    }

    /// Reads what [`Marker::to_bytes`] wrote; `None` for a marker of a different program.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; Self::LEN] = bytes.get(..Self::LEN)?.try_into().ok()?;
        let u32_at = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        let u16_at = |at: usize| u16::from_le_bytes([bytes[at], bytes[at + 1]]);
        if u32_at(0) != MARKER_ID || u32_at(4) > 1 {
            return None;
        }
        Some(Self { begin: u32_at(4) == 1, actor: u16_at(8), step: u16_at(10), iteration: u32_at(12) })
    }
}

/// A packet that the kernel sent, as a step read it. The agent writes it to `trace_marker_raw` after the step's end marker,
/// because only the traced pass needs it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SentPacket {
    /// The actor that read it.
    pub actor: ActorIndex,
    /// The actor's step.
    pub step: StepIndex,
    /// The iteration.
    pub iteration: u32,
    /// The numbers that the step asked for.
    pub numbers: Vec<(Known, u32)>,
    /// The packet from its IP header on; at most [`SentPacket::MOST_BYTES`] of it.
    pub bytes: Vec<u8>,
}

/// The id of packets in the ring buffer ("rxpk" in ASCII).
const PACKET_ID: u32 = 0x6b70_7872;

impl SentPacket {
    /// The most bytes of a packet that are reported: all headers and some data.
    pub const MOST_BYTES: usize = 256;

    /// The id, and the packet as on the wire.
    pub fn to_bytes(&self) -> Vec<u8> {
        // Plain values can always be encoded.
        [PACKET_ID.to_le_bytes().to_vec(), postcard::to_stdvec(self).unwrap_or_default()].concat()
    }

    /// Reads what [`SentPacket::to_bytes`] wrote; `None` for a marker of a different kind.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        // The kernel pads what it stores.
        postcard::take_from_bytes(bytes.strip_prefix(&PACKET_ID.to_le_bytes())?).ok().map(|(packet, _)| packet)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Origin;

    #[test]
    fn a_packet_comes_back_as_it_was_written() {
        let packet = SentPacket {
            actor: 1,
            step: 2,
            iteration: 3,
            numbers: vec![(Known::Next(1), u32::MAX)],
            bytes: vec![0x45; 40],
        };
        let padded = [packet.to_bytes(), vec![0; 3]].concat();
        assert_eq!(SentPacket::from_bytes(&padded), Some(packet.clone()));
        assert_eq!(Marker::from_bytes(&padded), None);
        assert_eq!(SentPacket::from_bytes(&MARKER.to_bytes()), None);
        assert_eq!(SentPacket::from_bytes(&packet.to_bytes()[..20]), None, "truncated");
    }

    const MARKER: Marker = Marker { begin: true, actor: 0x0102, step: 0x0304, iteration: 0x0506_0708 };

    #[test]
    fn a_marker_has_this_layout() {
        assert_eq!(MARKER.to_bytes(), *b"rxpa\x01\0\0\0\x02\x01\x04\x03\x08\x07\x06\x05");
    }

    #[test]
    fn markers_come_back_as_they_were_written() {
        for marker in [MARKER, Marker { begin: false, ..MARKER }] {
            assert_eq!(Marker::from_bytes(&marker.to_bytes()), Some(marker));
            let padded = [&marker.to_bytes()[..], &[0; 4]].concat();
            assert_eq!(Marker::from_bytes(&padded), Some(marker), "the kernel pads what it stores");
        }
    }

    #[test]
    fn other_markers_are_not_ours() {
        let changed = |at: usize| {
            let mut bytes = MARKER.to_bytes();
            bytes[at] ^= 2;
            bytes
        };
        for bytes in [&[][..], &MARKER.to_bytes()[..Marker::LEN - 1], &changed(0), &changed(4)] {
            assert_eq!(Marker::from_bytes(bytes), None, "{bytes:?}");
        }
    }

    #[test]
    fn a_report_survives_the_wire() {
        let result = OpResult {
            actor: 1,
            step: 2,
            iteration: 3,
            ret: -1,
            errno: 11,
            start_ns: u64::MAX,
            end_ns: 4,
            cpu_ns: 5,
            switches: 6,
        };
        let origin = Origin { actor: 1, step: 2, iteration: Origin::WARM_UP };
        let message = Message {
            bytes: 1,
            pieces: vec![
                Piece::Sent { origin, from: 2, bytes: 3 },
                Piece::Counting { from: 4, bytes: 5 },
                Piece::Other(vec![6]),
                Piece::Unreported(7),
            ],
            flags: Some(0x20),
            from: vec![2, 0],
            control: vec![16; 16],
        };
        let events = vec![(3, 1)];
        let details = Details { actor: 1, step: 2, iteration: 3, messages: vec![message], events };
        let report = RunReport {
            actor_tids: vec![70, -1],
            agent_tids: vec![1],
            results: vec![result, OpResult::default()],
            details: vec![details, Details::default()],
            addresses: vec![(1, vec![2, 0])],
            clock_overhead_ns: 8,
            cpu_overhead_ns: 9,
            bare_call_ns: 10,
            traced_call_ns: 11,
            errors: vec!["reading /proc: no such file".to_owned()],
            failed_setup: Some(FailedSetup { is_setting: true, step: 1, errno: 2 }),
            stuck: vec![StuckActor {
                actor: 0,
                step: 1,
                rounds: 2,
                doing: Doing::Waiting(vec![0, 3]),
                for_ns: 4,
                stack: "[<0>] wait_woken+0x50/0x60\n".to_owned(),
            }],
        };
        let bytes = postcard::to_stdvec(&report).unwrap();
        assert_eq!(postcard::from_bytes(&bytes), Ok(report));
    }
}
