//! What a system call has returned beside its value: bytes, addresses, control messages, events.

use std::ffi::c_long;

use rxpath_guest::{Details, Message, Op, Origin, Plan, Slot, UringRequest, pieces};

use super::{After, Buffer, Outcome, Scratch, UNTOUCHED, message};
use crate::shared_state::SharedState;

/// The most bytes of control messages that are reported.
const MOST_CONTROL: usize = 1024;
/// Places in `struct user_msghdr` (`linux/socket.h`), and that of the length in `struct mmsghdr`, in 32-bit words.
const NAME: usize = 0;
const NAME_LENGTH: usize = 2;
const CONTROL: usize = 8;
const CONTROL_LENGTH: usize = 10;
const FLAGS: usize = 12;
const MESSAGE_LENGTH: usize = 14;
/// Size of `struct pollfd`, and of `struct epoll_event` on x86-64, in bytes.
const POLLFD: usize = 8;
const EPOLL_EVENT: usize = 12;

/// The details of the operation that has just run, which would send as [`Scratch::origin`]; `None` if it has failed or
/// returns only a value.
pub fn of(outcome: &Outcome, plan: &Plan, state: &SharedState, scratch: &Scratch) -> Option<Details> {
    let returned = usize::try_from(outcome.ret).ok()?;
    let Origin { actor, step, iteration } = scratch.origin;
    let op = &plan.actors[usize::from(actor)].steps[usize::from(step)].op;
    let mut details = Details { actor, step, iteration, ..Details::default() };
    let message = |buffer: &Buffer, bytes: usize| message_in(*buffer, bytes, op, plan, iteration);
    match &outcome.after {
        After::Received(buffer) => details.messages.push(message(buffer, returned)),
        After::ReceivedFrom { buffer, address, length } => {
            let from = scratch.bytes_at(*address, scratch.word_at(*length, 0)? as usize)?.to_vec();
            details.messages.push(Message { from, ..message(buffer, returned) });
        }
        After::Message(header, buffer) => {
            details.messages.push(with_header(scratch, *header, message(buffer, returned))?);
        }
        After::Messages { headers, first } => {
            for nth in 0..returned {
                let header = headers + (nth * message::MMSGHDR) as c_long;
                let buffer = Buffer { at: first.at + (nth * first.room) as c_long, ..*first };
                let length = scratch.word_at(header, MESSAGE_LENGTH)? as usize;
                details.messages.push(with_header(scratch, header, message(&buffer, length))?);
            }
        }
        After::Polled(at) => {
            let Op::Poll { fds, .. } = op else { return None };
            let all = scratch.bytes_at(*at, fds.len() * POLLFD)?.chunks_exact(POLLFD);
            let returned = all.map(|one| u32::from(u16::from_ne_bytes([one[6], one[7]])));
            let events = fds.iter().zip(returned).map(|((slot, _), events)| (*slot, events));
            details.events = events.filter(|(_, events)| *events != 0).collect();
        }
        After::Selected(read, write) => {
            let Op::Select { read: readers, write: writers, .. } = op else { return None };
            for (set, slots, event) in [(*read, readers, libc::POLLIN), (*write, writers, libc::POLLOUT)] {
                let selected = slots.iter().filter(|slot| is_in_set(scratch, set, state.get(**slot)));
                details.events.extend(selected.map(|slot| (*slot, event as u32)));
            }
        }
        After::Waited(at) => {
            let all = scratch.bytes_at(*at, returned * EPOLL_EVENT)?.chunks_exact(EPOLL_EVENT);
            let event = |one: &[u8]| {
                (Slot::from_ne_bytes([one[4], one[5]]), u32::from_ne_bytes([one[0], one[1], one[2], one[3]]))
            };
            details.events = all.map(event).collect();
        }
        _ => return None,
    }
    Some(details)
}

/// A message of this length, with the bytes that the buffer has of it.
fn message_in(buffer: Buffer, bytes: usize, op: &Op, plan: &Plan, iteration: u32) -> Message {
    // SAFETY: the buffer is in the actor's own memory, and the kernel has just filled this much of it.
    let stored = unsafe { std::slice::from_raw_parts(buffer.at as *const u8, bytes.min(buffer.room)) };
    let stored = if may_store_nothing(op) && stored.iter().all(|byte| *byte == UNTOUCHED) { &[] } else { stored };
    let counting = plan.actors.iter().flat_map(|actor| &actor.steps).any(|step| matches!(step.op, Op::Inject { .. }));
    Message { bytes: bytes as u32, pieces: pieces(stored, origins(plan, iteration), counting), ..Message::default() }
}

/// Whether TCP would discard the bytes instead of storing them.
fn may_store_nothing(op: &Op) -> bool {
    match op {
        Op::Recv { flags, .. }
        | Op::RecvFrom { flags, .. }
        | Op::RecvMsg { flags, .. }
        | Op::Uring(UringRequest::Recv { flags, .. }) => flags & libc::MSG_TRUNC != 0,
        _ => false,
    }
}

/// All sends whose bytes may be received in this iteration: first its own, then earlier ones, then those of setup.
fn origins(plan: &Plan, iteration: u32) -> impl Iterator<Item = Origin> + Clone {
    let iterations = (0..=iteration).rev().chain([Origin::WARM_UP]);
    let of_actors = iterations.flat_map(move |iteration| {
        let actors = (0..).zip(&plan.actors);
        actors.flat_map(move |(actor, body)| {
            let steps = (0..).zip(&body.steps).filter(|(_, step)| step.op.has_bytes_of_its_own());
            steps.map(move |(step, _)| Origin { actor, step, iteration })
        })
    });
    let in_setup = (0..).zip(&plan.setup).filter(|(_, step)| step.op.has_bytes_of_its_own());
    of_actors.chain(in_setup.map(|(step, _)| Origin { actor: Origin::SETUP, step, iteration: 0 }))
}

/// Adds what the kernel has written to a message's header.
fn with_header(scratch: &Scratch, header: c_long, message: Message) -> Option<Message> {
    let word = |nth: usize| scratch.word_at(header, nth);
    let pointed = |nth: usize, length: usize| {
        let address = u64::from(word(nth)?) | u64::from(word(nth + 1)?) << 32;
        if address == 0 { Some(Vec::new()) } else { scratch.bytes_at(address as c_long, length).map(<[u8]>::to_vec) }
    };
    Some(Message {
        flags: Some(word(FLAGS)?),
        from: pointed(NAME, word(NAME_LENGTH)? as usize)?,
        control: pointed(CONTROL, (word(CONTROL_LENGTH)? as usize).min(MOST_CONTROL))?,
        ..message
    })
}

/// Whether a descriptor is in the set at this address, if there is one.
fn is_in_set(scratch: &Scratch, set: c_long, fd: i64) -> bool {
    let byte = || scratch.bytes_at(set + fd / 8, 1).map(|byte| byte[0]);
    set != 0 && fd >= 0 && byte().is_some_and(|byte| byte & 1 << (fd % 8) != 0)
}

impl Scratch {
    /// Bytes that [`Scratch::place`] or [`Scratch::room`] has provided, as they are now.
    fn bytes_at(&self, at: c_long, length: usize) -> Option<&[u8]> {
        let from = (at as usize).checked_sub(self.arena.as_ptr() as usize)?;
        std::hint::black_box(&self.arena).get(from..from.checked_add(length)?)
    }

    /// The `nth` 32-bit word from an address on.
    fn word_at(&self, at: c_long, nth: usize) -> Option<u32> {
        let bytes = self.bytes_at(at + 4 * nth as c_long, 4)?;
        Some(u32::from_ne_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
    }
}
