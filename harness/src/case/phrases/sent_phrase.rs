//! Parses what the kernel is expected to send.

use super::packet_phrase::{Protocol, ends, flags};
use super::{Bound, PhraseError, bound};

/// What a packet that the kernel sends must be like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SentPhrase {
    pub(crate) protocol: Protocol,
    /// The source: an address, the name of a socket, or `*`.
    pub(crate) from: String,
    pub(crate) to: String,
    /// What it must be like, each with its text.
    pub(crate) clauses: Vec<(String, SentClause)>,
}

/// Something that a packet must be like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SentClause {
    /// TCP's flags are exactly these.
    Flags(u8),
    /// A sequence number: `100`, `isn+1`.
    Seq(String),
    Ack(String),
    /// Blocks of sequence numbers that were received out of order.
    Sack(Vec<(String, String)>),
    Field(Field, Bound),
    /// Whether it has this TCP option.
    Has(u8, bool),
    DontFragment,
}

/// A number in a packet's headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Field {
    Bytes,
    Ttl,
    Tos,
    Window,
    Urgent,
    Mss,
    WindowScale,
    Type,
    Code,
    Mtu,
}

const EXAMPLE: &str = "for example `tcp server > 10.0.0.2:9000, ACK, ack 64, window at least 1`";

/// The names of fields, and the protocol whose packets have them.
const FIELDS: [(&str, Field, Option<Protocol>); 9] = [
    ("ttl", Field::Ttl, None),
    ("tos", Field::Tos, None),
    ("window", Field::Window, Some(Protocol::Tcp)),
    ("urgent", Field::Urgent, Some(Protocol::Tcp)),
    ("mss", Field::Mss, Some(Protocol::Tcp)),
    ("wscale", Field::WindowScale, Some(Protocol::Tcp)),
    ("type", Field::Type, Some(Protocol::Icmp)),
    ("code", Field::Code, Some(Protocol::Icmp)),
    ("mtu", Field::Mtu, Some(Protocol::Icmp)),
];

/// The TCP options that a packet can be expected to have or not to have, with their kinds (IANA, "TCP Option Kind Numbers").
const OPTIONS: [(&str, u8); 5] = [("mss", 2), ("wscale", 3), ("sackOK", 4), ("sack", 5), ("timestamp", 8)];

/// Parses `tcp server > 10.0.0.2:9000, ACK, seq 0, ack isn+1, window at least 1, sackOK, no timestamp`.
pub(crate) fn sent_packet(text: &str) -> Result<SentPhrase, PhraseError> {
    let mut clauses = text.split(',').map(str::trim);
    let (protocol, from, to) = ends(clauses.next().unwrap_or_default()).ok_or_else(|| {
        let help = "a packet is `PROTOCOL FROM > TO`, with tcp, udp or icmp for the protocol, and `*` for any address";
        PhraseError {
            help: Some(help.to_owned()),
            ..PhraseError::new("", format!("`{text}` is not a packet"), EXAMPLE)
        }
    })?;
    let clauses: Result<_, _> = clauses.map(|text| Ok((text.to_owned(), clause(text, protocol)?))).collect();
    Ok(SentPhrase { protocol, from: from.to_owned(), to: to.to_owned(), clauses: clauses? })
}

fn clause(text: &str, protocol: Protocol) -> Result<SentClause, PhraseError> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let is_tcp = protocol == Protocol::Tcp;
    let option = |name: &str| OPTIONS.iter().find(|(known, _)| *known == name).map(|(_, kind)| *kind);
    match words.as_slice() {
        ["df"] => return Ok(SentClause::DontFragment),
        [count @ .., "bytes" | "byte"] if !count.is_empty() => {
            return Ok(SentClause::Field(Field::Bytes, bound(&count.join(" "))?));
        }
        ["seq", number @ ..] if is_tcp && !number.is_empty() => return Ok(SentClause::Seq(number.concat())),
        ["ack", number @ ..] if is_tcp && !number.is_empty() => return Ok(SentClause::Ack(number.concat())),
        ["sack", numbers @ ..] if is_tcp && numbers.len() > 1 && numbers.len().is_multiple_of(2) => {
            let blocks = numbers.chunks(2).map(|pair| (pair[0].to_owned(), pair[1].to_owned()));
            return Ok(SentClause::Sack(blocks.collect()));
        }
        ["no", name] if is_tcp && option(name).is_some() => {
            return Ok(SentClause::Has(option(name).unwrap_or(0), false));
        }
        [name] if is_tcp && option(name).is_some() => return Ok(SentClause::Has(option(name).unwrap_or(0), true)),
        [name, number @ ..] if !number.is_empty() => {
            let known = FIELDS.iter().find(|(known, _, of)| known == name && of.is_none_or(|of| of == protocol));
            if let Some((_, field, _)) = known {
                return Ok(SentClause::Field(*field, bound(&number.join(" "))?));
            }
        }
        _ => {}
    }
    if let (true, Some(flags)) = (is_tcp, flags(&words)) {
        return Ok(SentClause::Flags(flags));
    }
    let own = match protocol {
        Protocol::Tcp => {
            "flags such as `SYN ACK`, `seq N`, `ack N`, `window N`, `urgent N`, `mss N`, `wscale N`, `sackOK`, `timestamp`, \
             `sack FROM TO`, `no OPTION`, "
        }
        Protocol::Udp => "",
        Protocol::Icmp => "`type N`, `code N`, `mtu N`, ",
    };
    let help = Some(format!("valid here: {own}`N bytes`, `ttl N`, `tos N`, `df`; N can be `at least 1`"));
    Err(PhraseError { help, ..PhraseError::new(text, format!("unknown property of a packet: `{text}`"), EXAMPLE) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_is_expected_by_its_properties() {
        let text = "tcp server > *, SYN ACK, seq 0, ack isn + 1, window at least 1, mss 1460, sackOK, no timestamp, sack 1 2, \
                    at most 3 bytes";
        let phrase = sent_packet(text).unwrap();
        let clauses: Vec<_> = phrase.clauses.into_iter().map(|(_, clause)| clause).collect();
        assert_eq!(
            clauses,
            [
                SentClause::Flags(0x12),
                SentClause::Seq("0".to_owned()),
                SentClause::Ack("isn+1".to_owned()),
                SentClause::Field(Field::Window, Bound { least: 1, most: i64::MAX }),
                SentClause::Field(Field::Mss, Bound::exactly(1460)),
                SentClause::Has(4, true),
                SentClause::Has(8, false),
                SentClause::Sack(vec![("1".to_owned(), "2".to_owned())]),
                SentClause::Field(Field::Bytes, Bound { least: i64::MIN, most: 3 }),
            ]
        );
    }

    #[test]
    fn wrong_forms_are_refused_at_their_place() {
        for (text, part) in [
            ("tcp server", ""),
            ("raw 45 00", ""),
            ("tcp a > b, window", "window"),
            ("tcp a > b, window many", "many"),
            ("tcp a > b, type 3", "type 3"),
            ("udp a > b, ACK", "ACK"),
            ("icmp a > b, no mss", "no mss"),
            ("tcp a > b, sack 1", "sack 1"),
        ] {
            let error = sent_packet(text).unwrap_err();
            assert_eq!(error.part, part, "{text}: {error:?}");
        }
    }
}
