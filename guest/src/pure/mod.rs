//! The agent's code that makes no system calls: bytes and numbers in, bytes and numbers out. It is in the library so
//! that its tests need no `agent` feature.

pub mod median;
pub mod netlink;
pub mod packet;
pub mod packet_headers;
pub mod timer_list;
