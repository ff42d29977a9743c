//! A rule of nf_tables, made by a batch of nfnetlink messages (`linux/netfilter/nfnetlink.h`, `nf_tables.h`).

use std::io::Result;

use rxpath_guest::pure::netlink::{NESTED, attribute, message, text};

use super::rtnetlink::exchange;

/// NFNL_MSG_BATCH_BEGIN and NFNL_MSG_BATCH_END.
const BATCH_BEGIN: u16 = 0x10;
const BATCH_END: u16 = 0x11;
/// NFNL_SUBSYS_NFTABLES, and in the upper byte of a message's type NFT_MSG_NEWTABLE, …NEWCHAIN and …NEWRULE.
const NFTABLES: u16 = 10;
const NEW_TABLE: u16 = NFTABLES << 8;
const NEW_CHAIN: u16 = NFTABLES << 8 | 3;
const NEW_RULE: u16 = NFTABLES << 8 | 6;

/// NFPROTO_IPV4.
const IPV4: u8 = 2;
/// NF_INET_LOCAL_IN.
const LOCAL_IN: u32 = 1;
/// NFT_REG_VERDICT and NFT_REG_1.
const VERDICT: u32 = 0;
const REGISTER: u32 = 1;
/// NFT_PAYLOAD_TRANSPORT_HEADER, where bytes 2 and 3 are the destination port of UDP and TCP.
const TRANSPORT: u32 = 2;
const PORT_OFFSET: u32 = 2;
const PORT_LENGTH: u32 = 2;
/// NFT_CMP_EQ.
const EQUAL: u32 = 0;
/// NF_DROP.
const DROP: u32 = 0;

const NAME: &str = "rxpath";

/// Drops packets to this port in a chain of the input hook.
pub fn drop_port(port: u16) -> Result<()> {
    let hook = [number(1, LOCAL_IN), number(2, 0)].concat();
    let chain = [text(1, NAME), text(3, NAME), attribute(4 | NESTED, &hook), text(7, "filter")].concat();
    let load = [number(1, REGISTER), number(2, TRANSPORT), number(3, PORT_OFFSET), number(4, PORT_LENGTH)].concat();
    let compare = [number(1, REGISTER), number(2, EQUAL), attribute(3 | NESTED, &attribute(1, &port.to_be_bytes()))];
    let verdict = attribute(2 | NESTED, &attribute(2 | NESTED, &number(1, DROP)));
    let drop = [number(1, VERDICT), verdict].concat();
    let expressions =
        [expression("payload", &load), expression("cmp", &compare.concat()), expression("immediate", &drop)].concat();
    let rule = [text(1, NAME), text(2, NAME), attribute(4 | NESTED, &expressions)].concat();
    let new = |kind, more, body: &[u8]| {
        let flags = libc::NLM_F_REQUEST | libc::NLM_F_CREATE | more;
        message(kind, flags as u16, &[&[IPV4, 0, 0, 0][..], body].concat())
    };
    // `struct nfgenmsg`: family, version, and for a batch its subsystem in network order.
    let edge = |kind| message(kind, libc::NLM_F_REQUEST as u16, &[0, 0, 0, NFTABLES as u8]);
    // An error of any message is the first answer; otherwise only the last one's acknowledgement comes.
    let batch = [
        edge(BATCH_BEGIN),
        new(NEW_TABLE, 0, &text(1, NAME)),
        new(NEW_CHAIN, 0, &chain),
        new(NEW_RULE, libc::NLM_F_APPEND | libc::NLM_F_ACK, &rule),
        edge(BATCH_END),
    ];
    exchange(libc::NETLINK_NETFILTER, &batch.concat())
}

/// An attribute whose value is a number, in network byte order like all of nf_tables.
fn number(kind: u16, number: u32) -> Vec<u8> {
    attribute(kind, &number.to_be_bytes())
}

/// An expression of a rule: its name and its attributes.
fn expression(name: &str, data: &[u8]) -> Vec<u8> {
    attribute(1 | NESTED, &[text(1, name), attribute(2 | NESTED, data)].concat())
}
