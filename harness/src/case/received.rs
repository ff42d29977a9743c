//! Compares the bytes that an operation received with those that the case's steps sent.
//!
//! Each send has bytes of its own in each iteration ([`Origin`]), and the agent reports which of them were received.

use rxpath_guest::{ActorIndex, Details, Op, Origin, Piece, StepIndex, counting_pattern};

use super::case::Case;
use super::expectation::{DataPart, ExpectedData};
use super::step_ref::StepRef;

/// Bytes in a row that are surely from where they seem to be, even beside bytes that no step has sent.
const SURE: u32 = 8;
/// The most pieces that a message lists.
const LISTED: usize = 4;

/// The number of bytes that a step sends, if it is known; `None` for steps that do not send bytes of their own.
pub(crate) fn sent_by(op: &Op) -> Option<usize> {
    let bytes = match op {
        Op::Send { bytes, .. }
        | Op::SendTo { bytes, .. }
        | Op::SendDescriptor { bytes, .. }
        | Op::Write { bytes, .. } => *bytes,
        Op::SendMsg { pieces, .. } => pieces.iter().sum(),
        Op::SendMmsg { bytes, count, .. } => bytes.saturating_mul(*count),
        Op::SendData { data, .. } => return Some(data.len()),
        Op::Inject { packet, .. } => packet.bytes,
        _ => return None,
    };
    Some(bytes as usize)
}

/// Says what is wrong with the bytes that were received in an iteration.
pub(super) fn wrong_bytes(case: &Case, expected: &ExpectedData, details: &Details) -> Option<String> {
    let ExpectedData::Parts(parts) = expected else { return None };
    let found = describe(case, details);
    let wrong = || Some(format!("expected bytes of {}, but it received {found}", write(case, parts)));
    let mut received = bytes_of(details);
    if pieces(details).any(|piece| matches!(piece, Piece::Unreported(_))) || received.is_empty() {
        return wrong();
    }
    for (nth, part) in parts.iter().enumerate() {
        let sent = bytes_of_part(case, part, details.iteration);
        let is_last = nth + 1 == parts.len();
        let length = if is_last { received.len() } else { sent.len() };
        let (Some(now), true) = (received.get(..length), length > 0) else { return wrong() };
        if sent.get(..length) != Some(now) {
            return wrong();
        }
        received.drain(..length);
    }
    None
}

/// Says what is wrong with bytes of which the case expects nothing: those that its steps sent must have been sent in
/// the same iteration, and those of one actor must be in the order in which it sent them.
pub(super) fn misplaced_bytes(case: &Case, details: &Details) -> Option<String> {
    let all: Vec<&Piece> = pieces(details).collect();
    let mut ends: Vec<(ActorIndex, StepIndex, u32)> = Vec::new();
    for piece in &all {
        let Piece::Sent { origin, from, bytes } = piece else { continue };
        if *bytes < SURE && all.len() > 1 {
            continue;
        }
        let Origin { actor, step, iteration } = *origin;
        let found = || describe(case, details);
        if iteration != details.iteration || actor == Origin::SETUP {
            return Some(format!("it received {}", found()));
        }
        let end = (actor, step, from + bytes);
        match ends.iter_mut().find(|(other, ..)| *other == actor) {
            Some(before) if (before.1, before.2) > (step, *from) => {
                return Some(format!("it received bytes in a different order than they were sent: {}", found()));
            }
            Some(before) => *before = end,
            None => ends.push(end),
        }
    }
    None
}

fn pieces(details: &Details) -> impl Iterator<Item = &Piece> {
    details.messages.iter().flat_map(|message| &message.pieces)
}

/// The bytes received, without those that were not reported.
fn bytes_of(details: &Details) -> Vec<u8> {
    let bytes = |piece: &Piece| match piece {
        Piece::Sent { origin, from, bytes } => origin.bytes(*from as usize, *bytes as usize),
        Piece::Counting { from, bytes } => counted(usize::from(*from), *bytes as usize),
        Piece::Other(bytes) => bytes.clone(),
        Piece::Unreported(_) => Vec::new(),
    };
    pieces(details).flat_map(bytes).collect()
}

fn counted(from: usize, length: usize) -> Vec<u8> {
    counting_pattern(from + length).split_off(from)
}

/// What a step sends in an iteration, from an offset on.
fn bytes_of_part(case: &Case, part: &DataPart, iteration: u32) -> Vec<u8> {
    let StepRef { actor, step } = part.step;
    let op = case.op(part.step);
    let from = part.from as usize;
    let left = op.and_then(sent_by).unwrap_or(0).saturating_sub(from);
    match op {
        Some(Op::SendData { data, .. }) => data.get(from..).unwrap_or_default().to_vec(),
        Some(Op::Inject { .. }) => counted(from, left),
        _ => Origin { actor, step, iteration }.bytes(from, left),
    }
}

/// The parts as the case writes them.
fn write(case: &Case, parts: &[DataPart]) -> String {
    let part = |part: &DataPart| {
        let step = case.step_name(part.step.actor, part.step.step);
        if part.from == 0 { step } else { format!("{step} from {}", part.from) }
    };
    parts.iter().map(part).collect::<Vec<_>>().join(" + ")
}

/// What was received, in words.
fn describe(case: &Case, details: &Details) -> String {
    let one = |piece: &Piece| match piece {
        Piece::Sent { origin, from, bytes } => {
            let Origin { actor, step, iteration } = *origin;
            let step = if actor == Origin::SETUP { "setup".to_owned() } else { case.step_name(actor, step) };
            let from = if *from == 0 { String::new() } else { format!(" from {from}") };
            let when = match iteration {
                _ if actor == Origin::SETUP || iteration == details.iteration => "",
                Origin::WARM_UP => ", sent while warming up",
                _ if iteration + 1 == details.iteration => ", sent one iteration earlier",
                _ => ", sent in an earlier iteration",
            };
            format!("{bytes} bytes of {step}{from}{when}")
        }
        Piece::Counting { bytes, .. } => format!("{bytes} bytes of a hand-made packet"),
        Piece::Other(bytes) => format!("{} bytes that no step sent", bytes.len()),
        Piece::Unreported(bytes) => format!("{bytes} more that are not known"),
    };
    let mut all: Vec<String> = pieces(details).map(one).collect();
    if all.len() > LISTED {
        let more = all.len() - LISTED;
        all.truncate(LISTED);
        all.push(format!("{more} more pieces"));
    }
    match all.split_last() {
        None => "nothing".to_owned(),
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} and {last}", rest.join(", ")),
    }
}
