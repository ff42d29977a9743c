//! What the agent says of the operations it ran.

use serde::{Deserialize, Serialize};

use crate::{ActorIndex, StepIndex};

/// One operation in one iteration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpResult {
    /// Who ran it.
    pub actor: ActorIndex,
    /// Which of the actor's steps.
    pub step: StepIndex,
    /// 0 is the first iteration after the warm-up.
    pub iteration: u32,
    /// The system call's return value; -1 with `errno` set on failure.
    pub ret: i64,
    /// 0 on success.
    pub errno: i32,
    /// CLOCK_MONOTONIC_RAW just before the call, in nanoseconds (exact mode: instructions).
    pub start_ns: u64,
    /// The same, just after it.
    pub end_ns: u64,
    /// CPU time of the task during the call (CLOCK_THREAD_CPUTIME_ID), in nanoseconds.
    pub cpu_ns: u64,
    /// Voluntary and involuntary context switches of the task during the call (getrusage RUSAGE_THREAD).
    pub switches: u32,
    /// A checksum of the bytes received (0 if none were): FNV-1a, 32 bits.
    pub data: u32,
}

/// What the agent reports of a run as a whole.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunReport {
    /// Task ids, by actor.
    pub actor_tids: Vec<i32>,
    /// The agent's own threads (the controller); nothing of theirs belongs to the case.
    pub agent_tids: Vec<i32>,
    /// Every recorded operation, by actor, iteration and step.
    pub results: Vec<OpResult>,
    /// What the clock pair around an empty operation costs, median, in nanoseconds.
    pub clock_overhead_ns: u64,
    /// The same for the CPU clock.
    pub cpu_overhead_ns: u64,
    /// What a system call that does next to nothing takes, median, in nanoseconds; the clock's own cost is in it.
    pub bare_call_ns: u64,
    /// The same while the one function that it runs is traced; 0, as above, if nothing was calibrated.
    pub traced_call_ns: u64,
    /// Failures of setup or of the agent itself, in words; empty when all went well.
    pub errors: Vec<String>,
    /// Actors that had not ended by the deadline, with the step they were in.
    pub stuck: Vec<(ActorIndex, StepIndex)>,
}

/// The payload of a trace marker (written to `trace_marker_raw`): where in the plan a task is.
///
/// The kernel stores it as an `ftrace:raw_data` event: a 32-bit id and the bytes after it. The id is [`MARKER_ID`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Marker {
    /// Begin or end of the operation.
    pub begin: bool,
    /// Who.
    pub actor: ActorIndex,
    /// Which step.
    pub step: StepIndex,
    /// Which iteration.
    pub iteration: u32,
}

/// The id under which rxpath's markers stand in the ring buffer ("rxpa" in ASCII).
pub const MARKER_ID: u32 = 0x6170_7872;

impl Marker {
    /// Length of [`Marker::to_bytes`], id included.
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

    /// Reads what [`Marker::to_bytes`] wrote, id included; `None` if it is not one of ours.
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
