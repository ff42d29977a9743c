//! The bytes that operations send, which say who sent them, and what the agent reports about the bytes received.

use serde::{Deserialize, Serialize};

use crate::{ActorIndex, StepIndex};

/// The payload of a packet that the agent builds: 0, 1, 2 … 255, 0, 1 …
pub fn counting_pattern(length: usize) -> Vec<u8> {
    (0..length).map(|at| at as u8).collect()
}

/// A send: a step in an iteration. Each has bytes of its own.
///
/// They are 64-bit numbers, little endian, of which each is `INCREMENT` more than the one before: filling a buffer
/// takes the same few instructions whatever it holds, and a number in it says where it is from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Origin {
    /// The actor; [`Origin::SETUP`] for a step of setup.
    pub actor: ActorIndex,
    /// The step.
    pub step: StepIndex,
    /// The iteration; [`Origin::WARM_UP`] for those that are not recorded.
    pub iteration: u32,
}

/// The difference between two numbers in a row: 2^64 divided by the golden ratio, an odd number without a pattern.
const INCREMENT: u64 = 0x9e37_79b9_7f4a_7c15;
/// The number by which [`INCREMENT`] is 1 (modulo 2^64).
const INVERSE: u64 = 0xf1de_83e1_9937_733d;
/// Length of a number, in bytes.
const WORD: usize = 8;

impl Origin {
    /// In place of an actor, for the steps of setup.
    pub const SETUP: ActorIndex = ActorIndex::MAX;
    /// In place of an iteration, for those that only warm up.
    pub const WARM_UP: u32 = u32::MAX;

    /// The first number.
    fn first(self) -> u64 {
        let number = u64::from(self.iteration) << 32 | u64::from(self.actor) << 16 | u64::from(self.step);
        // The mixing function of SplitMix64 (Steele, Lea and Flood, 2014).
        let mixed = (number ^ number >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        // Even sends of one byte differ, among the steps of an iteration and from one iteration to the next.
        let byte = u32::from(self.step).wrapping_add(16 * u32::from(self.actor));
        (mixed ^ mixed >> 31) & !0xff | u64::from(byte.wrapping_add(self.iteration.wrapping_mul(101)) as u8)
    }

    /// Fills a buffer with the bytes that this origin sends.
    // Inlined, so that the agent's loops do not depend on the crate that this function is in.
    #[inline]
    pub fn fill(self, to: &mut [u8]) {
        let mut number = self.first();
        let mut words = to.chunks_exact_mut(WORD);
        for word in &mut words {
            word.copy_from_slice(&number.to_le_bytes());
            number = number.wrapping_add(INCREMENT);
        }
        let rest = words.into_remainder();
        rest.copy_from_slice(&number.to_le_bytes()[..rest.len()]);
    }

    /// `length` of the bytes that this origin sends, from an offset on.
    pub fn bytes(self, from: usize, length: usize) -> Vec<u8> {
        let mut all = vec![0; from + length];
        self.fill(&mut all);
        all.split_off(from)
    }

    fn word(self, at: usize) -> [u8; WORD] {
        self.first().wrapping_add(INCREMENT.wrapping_mul(at as u64)).to_le_bytes()
    }

    /// How many of these bytes are those that this origin sends from an offset on.
    fn matching(self, from: usize, bytes: &[u8]) -> usize {
        let mut count = 0;
        while count < bytes.len() {
            let (word, within) = (self.word((from + count) / WORD), (from + count) % WORD);
            let alike = word[within..].iter().zip(&bytes[count..]).take_while(|(one, other)| one == other).count();
            count += alike;
            if within + alike < WORD {
                break;
            }
        }
        count
    }

    /// Where in what this origin sends these bytes begin, and how many of them it sends from there on.
    fn find(self, bytes: &[u8]) -> Option<(usize, usize)> {
        let at_start = self.matching(0, bytes);
        if at_start >= bytes.len().min(SHORTEST) {
            return Some((0, at_start));
        }
        // One of any eight bytes in a row begins a number, and the number says which it is.
        (0..WORD).find_map(|skipped| {
            let number = u64::from_le_bytes(*bytes.get(skipped..)?.first_chunk()?);
            let nth = usize::try_from(number.wrapping_sub(self.first()).wrapping_mul(INVERSE)).ok()?;
            let from = nth.checked_mul(WORD)?.checked_sub(skipped).filter(|from| *from < LONGEST)?;
            let length = self.matching(from, bytes);
            (length >= skipped + WORD).then_some((from, length))
        })
    }
}

/// Length of the longest send, in bytes.
const LONGEST: usize = 1 << 20;
/// The fewest bytes in a row that are taken for an origin's, unless they end a message and no others are before them.
const SHORTEST: usize = 4;
/// The most bytes of one message that are reported because no origin has sent them.
const MOST_OTHER: usize = 128;
/// The most pieces of a message.
const MOST_PIECES: usize = 64;

/// Consecutive bytes that were received.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Piece {
    /// Bytes that this origin has sent.
    Sent {
        /// The send.
        origin: Origin,
        /// Where in it they begin.
        from: u32,
        /// Their number.
        bytes: u32,
    },
    /// A part of the [`counting_pattern`].
    Counting {
        /// The first byte.
        from: u8,
        /// Their number.
        bytes: u32,
    },
    /// Other bytes.
    Other(Vec<u8>),
    /// This many bytes, which would have been too much to report.
    Unreported(u32),
}

/// Says where received bytes are from. The pieces give exactly these bytes, unless some are unreported.
///
/// `origins` are those that may have sent something, the most likely first; with `counting`, packets with the
/// [`counting_pattern`] were sent too.
pub fn pieces(bytes: &[u8], origins: impl Iterator<Item = Origin> + Clone, counting: bool) -> Vec<Piece> {
    let mut out = Vec::new();
    let mut other = Vec::new();
    let mut others = 0;
    let mut at = 0;
    while at < bytes.len() {
        let rest = &bytes[at..];
        if others == MOST_OTHER || out.len() == MOST_PIECES {
            flush(&mut other, &mut out);
            out.push(Piece::Unreported(rest.len() as u32));
            break;
        }
        // A few bytes after others are as likely to be equal by chance.
        let is_sure = |(_, length): &(Piece, usize)| *length >= SHORTEST || other.is_empty();
        match piece(rest, origins.clone(), counting).filter(is_sure) {
            Some((piece, length)) => {
                flush(&mut other, &mut out);
                out.push(piece);
                at += length;
            }
            None => {
                other.push(rest[0]);
                others += 1;
                at += 1;
            }
        }
    }
    flush(&mut other, &mut out);
    out
}

fn flush(other: &mut Vec<u8>, out: &mut Vec<Piece>) {
    if !other.is_empty() {
        out.push(Piece::Other(std::mem::take(other)));
    }
}

/// The longest piece that these bytes begin with, and its length.
fn piece(bytes: &[u8], origins: impl Iterator<Item = Origin>, counting: bool) -> Option<(Piece, usize)> {
    let mut best: Option<(Piece, usize)> = None;
    let longer = |best: &Option<(Piece, usize)>, length: usize| best.as_ref().is_none_or(|(_, most)| length > *most);
    for origin in origins {
        if let Some((from, length)) = origin.find(bytes).filter(|(_, length)| longer(&best, *length)) {
            best = Some((Piece::Sent { origin, from: from as u32, bytes: length as u32 }, length));
        }
    }
    let counted = (0..).zip(bytes).take_while(|(nth, byte)| bytes[0].wrapping_add(*nth as u8) == **byte).count();
    if counting && counted >= bytes.len().min(SHORTEST) && longer(&best, counted) {
        best = Some((Piece::Counting { from: bytes[0], bytes: counted as u32 }, counted));
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn origin(actor: ActorIndex, step: StepIndex, iteration: u32) -> Origin {
        Origin { actor, step, iteration }
    }

    const ONE: Origin = origin(0, 0, 3);
    const OTHERS: [Origin; 4] = [origin(0, 1, 3), origin(1, 0, 3), origin(0, 0, 2), origin(0, 0, Origin::WARM_UP)];

    fn all() -> impl Iterator<Item = Origin> + Clone {
        [ONE].into_iter().chain(OTHERS)
    }

    fn sent(origin: Origin, from: u32, bytes: u32) -> Piece {
        Piece::Sent { origin, from, bytes }
    }

    #[test]
    fn the_counting_pattern_starts_again_after_255() {
        let pattern = counting_pattern(258);
        assert_eq!(pattern[..3], [0, 1, 2]);
        assert_eq!(pattern[254..], [254, 255, 0, 1]);
        assert_eq!(counting_pattern(0), []);
    }

    #[test]
    fn the_inverse_is_one() {
        assert_eq!(INCREMENT.wrapping_mul(INVERSE), 1);
    }

    #[test]
    fn a_buffer_of_any_length_begins_with_the_same_bytes() {
        let long = ONE.bytes(0, 100);
        for length in 0..100 {
            assert_eq!(ONE.bytes(0, length), long[..length]);
            assert_eq!(ONE.bytes(length, 100 - length), long[length..]);
        }
    }

    #[test]
    fn every_send_has_bytes_of_its_own_from_the_first_one_on() {
        for other in OTHERS {
            assert_ne!(ONE.bytes(0, 1), other.bytes(0, 1), "{other:?}");
        }
    }

    #[test]
    fn received_bytes_say_where_they_are_from() {
        let [second, ..] = OTHERS;
        for (parts, expected) in [
            (vec![ONE.bytes(0, 64)], vec![sent(ONE, 0, 64)]),
            (vec![ONE.bytes(0, 1)], vec![sent(ONE, 0, 1)]),
            (vec![ONE.bytes(512, 64)], vec![sent(ONE, 512, 64)]),
            (vec![ONE.bytes(13, 20)], vec![sent(ONE, 13, 20)]),
            (vec![ONE.bytes(0, 64), second.bytes(0, 32)], vec![sent(ONE, 0, 64), sent(second, 0, 32)]),
            (vec![ONE.bytes(0, 64), ONE.bytes(65, 63)], vec![sent(ONE, 0, 64), sent(ONE, 65, 63)]),
            (vec![vec![7; 20], ONE.bytes(0, 9)], vec![Piece::Other(vec![7; 20]), sent(ONE, 0, 9)]),
            (vec![counting_pattern(300)], vec![Piece::Counting { from: 0, bytes: 300 }]),
            (vec![vec![7; 1000]], vec![Piece::Other(vec![7; 128]), Piece::Unreported(872)]),
            (vec![], vec![]),
        ] {
            assert_eq!(pieces(&parts.concat(), all(), true), expected);
        }
    }

    #[test]
    fn bytes_of_an_unknown_origin_are_reported_as_they_are() {
        let bytes = OTHERS[0].bytes(0, 64);
        assert_eq!(pieces(&bytes, [ONE].into_iter(), false), [Piece::Other(bytes)]);
        let bytes = counting_pattern(64);
        assert_eq!(pieces(&bytes, all(), false), [Piece::Other(bytes)]);
    }

    /// Whatever is received, the pieces give the same bytes again.
    #[test]
    fn nothing_is_lost() {
        let mut bytes = Vec::new();
        for (nth, origin) in all().cycle().take(20).enumerate() {
            bytes.extend(origin.bytes(nth * 7, nth % 13));
            bytes.extend(vec![nth as u8; nth % 3]);
        }
        let again: Vec<u8> = pieces(&bytes, all(), true)
            .into_iter()
            .flat_map(|piece| match piece {
                Piece::Sent { origin, from, bytes } => origin.bytes(from as usize, bytes as usize),
                Piece::Counting { from, bytes } => {
                    counting_pattern(usize::from(from) + bytes as usize).split_off(usize::from(from))
                }
                Piece::Other(bytes) => bytes,
                Piece::Unreported(_) => panic!("too much"),
            })
            .collect();
        assert_eq!(again, bytes);
    }
}
