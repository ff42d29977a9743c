//! Parses packets.

use super::PhraseError;
use crate::case::constants;

/// A packet in which sockets still go by their names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct PacketPhrase {
    /// `tcp`, `udp` or `echo`.
    pub(crate) transport: String,
    /// The source: an address, or the name of a socket.
    pub(crate) from: String,
    pub(crate) to: String,
    /// TCP's sequence number.
    pub(crate) seq: i32,
    /// TCP's acknowledgement number.
    pub(crate) ack: i32,
    /// TCP's flags.
    pub(crate) flags: u8,
    /// TCP's window, unscaled.
    pub(crate) window: u16,
    /// The length of the payload.
    pub(crate) bytes: u32,
    pub(crate) bad_checksum: bool,
    /// The offset and length of the fragment to send, in bytes.
    pub(crate) fragment: Option<(u16, u16)>,
}

/// Parses `tcp client > server, seq 100, PSH ACK, 64 bytes` or
/// `udp 10.0.0.2:9 > 10.0.0.1:7, 2000 bytes, fragment 0 1480`.
pub(crate) fn packet(text: &str) -> Result<PacketPhrase, PhraseError> {
    let expected = "for example `tcp client > server, seq 100, PSH ACK, 64 bytes`";
    let mut clauses = text.split(',').map(str::trim);
    let ends: Vec<&str> = clauses.next().unwrap_or_default().split_whitespace().collect();
    let [transport @ ("tcp" | "udp" | "echo"), from, ">", to] = ends.as_slice() else {
        return Err(PhraseError::new("", format!("`{text}` is not a packet"), expected));
    };
    let flag = |name: &str| constants::number(constants::TCP_FLAGS, name).map(|flag| flag as u8);
    let mut packet = PacketPhrase {
        transport: (*transport).to_owned(),
        from: (*from).to_owned(),
        to: (*to).to_owned(),
        flags: flag("ACK").unwrap_or_default(),
        window: 512,
        ..PacketPhrase::default()
    };
    for clause in clauses {
        let invalid_number = |word: &str| PhraseError::new(word, format!("invalid number `{word}`"), expected);
        match clause.split_whitespace().collect::<Vec<_>>().as_slice() {
            ["seq", number] => packet.seq = number.parse().map_err(|_| invalid_number(number))?,
            ["ack", number] => packet.ack = number.parse().map_err(|_| invalid_number(number))?,
            ["window", number] => packet.window = number.parse().map_err(|_| invalid_number(number))?,
            [number, "bytes" | "byte"] => packet.bytes = number.parse().map_err(|_| invalid_number(number))?,
            ["bad", "checksum"] => packet.bad_checksum = true,
            ["fragment", offset, length] => {
                let offset = offset
                    .parse()
                    .ok()
                    .filter(|offset: &u16| offset.is_multiple_of(8))
                    .ok_or_else(|| invalid_number(offset))?;
                packet.fragment = Some((offset, length.parse().map_err(|_| invalid_number(length))?));
            }
            flags if !flags.is_empty() && flags.iter().all(|name| flag(name).is_some()) => {
                packet.flags = flags.iter().filter_map(|name| flag(name)).fold(0, |all, one| all | one);
            }
            _ => return Err(PhraseError::new(clause, format!("unknown property of a packet: `{clause}`"), expected)),
        }
    }
    Ok(packet)
}
