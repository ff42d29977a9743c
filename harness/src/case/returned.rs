//! Compares what operations return beside their values with what a case expects: flags, addresses, control messages,
//! lengths, events.

use std::net::Ipv6Addr;

use rxpath_guest::{Address, Details, Slot};

use super::case::Case;
use super::constants::{self, Table};
use super::control::{self, Content, ControlMessage, ExpectedControl};
use super::diagnostic::Location;
use super::evaluate::Observed;
use super::expectation::{Expectation, ExpectedEvents};
use super::gate::Gated;
use super::phrases::Bound;

/// Flags of `msg_flags` that say nothing about the message: MSG_CMSG_CLOEXEC and MSG_CMSG_COMPAT.
const UNINTERESTING: u32 = 0x4000_0000 | 0x8000_0000;

/// What is expected of an operation and was not returned in this iteration.
pub(super) fn failures(
    case: &Case,
    observed: &Observed<'_>,
    expectation: &Expectation,
    details: &Details,
) -> Vec<(Location, String)> {
    let mut out = Vec::new();
    for flags in &expectation.flags {
        out.extend(wrong_flags(flags.value, details).map(|message| (flags.at.clone(), message)));
    }
    for from in &expectation.from {
        let wrong = wrong_sender(case, observed, from.value.as_ref(), details);
        out.extend(wrong.map(|message| (from.at.clone(), message)));
    }
    out.extend(wrong_lengths(&expectation.lengths, details));
    out.extend(wrong_control(observed, expectation, details));
    out.extend(wrong_events(case, &expectation.events, details));
    out
}

fn wrong_flags(expected: u32, details: &Details) -> Option<String> {
    let found = details.messages.iter().map(|message| message.flags.unwrap_or(0) & !UNINTERESTING);
    let wrong = found.into_iter().find(|found| *found != expected)?;
    let words = |flags: u32| names(constants::MESSAGE_FLAGS, flags);
    Some(format!("expected the message's flags to be {}, found {}", words(expected), words(wrong)))
}

/// The names of the bits, joined with `|`; `none` without any.
fn names(table: Table, bits: u32) -> String {
    let mut left = bits;
    let mut out = Vec::new();
    for bit in (0..32).map(|nth| 1_u32 << nth).filter(|bit| bits & bit != 0) {
        if let Some(name) = constants::name(table, i64::from(bit)) {
            out.push(name.to_owned());
            left &= !bit;
        }
    }
    if left != 0 {
        out.push(format!("{left:#x}"));
    }
    if out.is_empty() { "none".to_owned() } else { out.join("|") }
}

/// `expected` is `None` if there must be no address.
fn wrong_sender(case: &Case, observed: &Observed<'_>, expected: Option<&Address>, details: &Details) -> Option<String> {
    let sockets = observed.addresses;
    let wanted = match expected {
        None => None,
        Some(Address::OfSocket(slot)) => match sockets.iter().find(|(socket, _)| socket == slot) {
            Some((_, address)) => Some(address_text(address)),
            None => {
                return Some(format!(
                    "the address of `{}` is not known: it is not open at the end",
                    slot_name(case, *slot)
                ));
            }
        },
        Some(address) => Some(text_of(address)),
    };
    let found = details.messages.iter().map(|message| address_text(&message.from));
    let is_wanted = |found: &String| match &wanted {
        None => found.is_empty(),
        Some(wanted) => is_same_address(wanted, found),
    };
    let wrong = found.into_iter().find(|found| !is_wanted(found))?;
    let word = |text: &str| if text.is_empty() { "none".to_owned() } else { text.to_owned() };
    let (wanted, wrong) = (word(&wanted.unwrap_or_default()), word(&wrong));
    Some(match expected {
        Some(Address::OfSocket(slot)) => {
            format!(
                "expected the sender's address to be that of `{}` ({wanted}), found {wrong}",
                slot_name(case, *slot)
            )
        }
        _ => format!("expected the sender's address to be {wanted}, found {wrong}"),
    })
}

/// Whether two addresses are the same; a wildcard is every address with that port.
fn is_same_address(wanted: &str, found: &str) -> bool {
    let port = |wildcard: &str| wanted.strip_prefix(wildcard).is_some_and(|port| found.ends_with(&format!(":{port}")));
    wanted == found || port("0.0.0.0:") || port("[::]:")
}

fn slot_name(case: &Case, slot: Slot) -> &str {
    case.slots.get(usize::from(slot)).map_or("?", String::as_str)
}

/// An address as a case writes it.
fn text_of(address: &Address) -> String {
    match address {
        Address::V4([a, b, c, d], port) => format!("{a}.{b}.{c}.{d}:{port}"),
        Address::V6(ip, port) => format!("[{}]:{port}", Ipv6Addr::from(*ip)),
        Address::Unix(path) => path.clone(),
        Address::Vsock(cid, port) => format!("vsock:{cid}:{port}"),
        Address::Netlink(port, _) => format!("netlink:{port}"),
        Address::OfSocket(_) | Address::Packet(..) => String::new(),
    }
}

/// A `struct sockaddr` as a case writes it (ip(7), ipv6(7), unix(7), vsock(7), netlink(7)); empty without an address.
fn address_text(bytes: &[u8]) -> String {
    let Some((family, rest)) = bytes.split_first_chunk::<2>() else { return String::new() };
    let port = || rest.first_chunk().map_or(0, |port| u16::from_be_bytes(*port));
    let word = |at: usize| rest.get(at..).and_then(<[u8]>::first_chunk).map_or(0, |word| u32::from_ne_bytes(*word));
    match (i32::from(u16::from_ne_bytes(*family)), rest) {
        (libc::AF_INET, [_, _, a, b, c, d, ..]) => format!("{a}.{b}.{c}.{d}:{}", port()),
        (libc::AF_INET6, _) if rest.len() >= 22 => {
            let ip: [u8; 16] = std::array::from_fn(|nth| rest[6 + nth]);
            format!("[{}]:{}", Ipv6Addr::from(ip), port())
        }
        (libc::AF_UNIX, [0, name @ ..]) => format!("@{}", String::from_utf8_lossy(name)),
        (libc::AF_UNIX, path) => String::from_utf8_lossy(path).trim_end_matches('\0').to_owned(),
        (libc::AF_VSOCK, _) => format!("vsock:{}:{}", word(6), word(2)),
        (libc::AF_NETLINK, _) => format!("netlink:{}", word(2)),
        (_, rest) => format!("hex {}", hex::encode([&family[..], rest].concat())),
    }
}

fn wrong_lengths(expected: &[Gated<Bound>], details: &Details) -> Option<(Location, String)> {
    let first = expected.first()?;
    let found: Vec<u32> = details.messages.iter().map(|message| message.bytes).collect();
    let holds = expected.len() == found.len()
        && expected.iter().zip(&found).all(|(expected, found)| expected.value.holds(i64::from(*found)));
    let list = |lengths: Vec<String>| if lengths.is_empty() { "none".to_owned() } else { lengths.join(", ") };
    let expected = list(expected.iter().map(|length| length.value.to_string()).collect());
    let found = list(found.iter().map(u32::to_string).collect());
    (!holds).then(|| (first.at.clone(), format!("expected messages of these lengths: {expected}; found {found}")))
}

fn wrong_control(observed: &Observed<'_>, expectation: &Expectation, details: &Details) -> Vec<(Location, String)> {
    let mut out = Vec::new();
    let Some(first) = expectation.control.first() else { return out };
    let found: Vec<ControlMessage<'_>> = details.messages.iter().flat_map(control::messages).collect();
    let described = |found: &[ControlMessage<'_>]| match found {
        [] => "none".to_owned(),
        found => found.iter().map(ControlMessage::describe).collect::<Vec<_>>().join(", "),
    };
    for expected in &expectation.control {
        let Some(wanted) = &expected.value else { continue };
        let alike: Vec<_> = found.iter().filter(|found| found.is_kind(wanted)).copied().collect();
        if !alike.iter().any(|found| holds(observed, details, wanted, found)) {
            let found = if alike.is_empty() { described(&found) } else { described(&alike) };
            out.push((expected.at.clone(), format!("expected the control message {wanted}, found {found}")));
        }
    }
    let is_expected = |found: &&ControlMessage<'_>| {
        !expectation.control.iter().flat_map(|one| &one.value).any(|wanted| found.is_kind(wanted))
    };
    let more: Vec<ControlMessage<'_>> = found.iter().filter(is_expected).copied().collect();
    if !more.is_empty() {
        out.push((first.at.clone(), format!("found control messages that are not expected: {}", described(&more))));
    }
    out
}

/// Whether a control message has the content that is expected of it. A time must be later than that of the iteration
/// before.
fn holds(observed: &Observed<'_>, details: &Details, wanted: &ExpectedControl, found: &ControlMessage<'_>) -> bool {
    let time_in = |actor, step, iteration: u32| {
        let operation = observed.operations.iter().find(|one| (one.step.actor, one.step.step) == (actor, step))?;
        let details = operation.details.iter().find(|one| one.iteration == iteration)?;
        details.messages.iter().flat_map(control::messages).find(|one| one.is_kind(wanted))?.time()
    };
    let is_later = |other: Option<i128>| other.is_none_or(|other| found.time().is_some_and(|time| time > other));
    let before = details.iteration.checked_sub(1).and_then(|before| time_in(details.actor, details.step, before));
    if !is_later(before) {
        return false;
    }
    match &wanted.content {
        Content::After(step) => {
            let other = time_in(step.actor, step.step, details.iteration);
            other.is_some() && is_later(other)
        }
        content => found.has(content),
    }
}

fn wrong_events(
    case: &Case,
    expected: &[Gated<Option<ExpectedEvents>>],
    details: &Details,
) -> Option<(Location, String)> {
    let first = expected.first()?;
    let mut wanted: Vec<(Slot, u32)> =
        expected.iter().flat_map(|one| &one.value).map(|one| (one.socket, one.events)).collect();
    let mut found = details.events.clone();
    wanted.sort_unstable();
    found.sort_unstable();
    let words = |all: &[(Slot, u32)]| match all {
        [] => "none".to_owned(),
        all => {
            let one = |(slot, events): &(Slot, u32)| {
                format!("{} {}", slot_name(case, *slot), names(constants::POLL_EVENTS, *events))
            };
            all.iter().map(one).collect::<Vec<_>>().join(", ")
        }
    };
    let message = || format!("expected the events {}, found {}", words(&wanted), words(&found));
    (wanted != found).then(|| (first.at.clone(), message()))
}
