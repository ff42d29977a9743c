//! What a kernel can be built with or without.

use schemars::JsonSchema;
use serde::Deserialize;

/// Something that a kernel can be built with or without.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Feature {
    /// io_uring (CONFIG_IO_URING).
    IoUring,
    /// Multipath TCP (CONFIG_MPTCP).
    Mptcp,
    /// vsock sockets within the guest (CONFIG_VSOCKETS_LOOPBACK).
    Vsock,
    /// TUN devices (CONFIG_TUN).
    Tun,
    /// veth pairs (CONFIG_VETH).
    Veth,
    /// virtio-net NICs (CONFIG_VIRTIO_NET).
    VirtioNet,
    /// Packet sockets (CONFIG_PACKET).
    Packet,
    /// The bpf() system call (CONFIG_BPF_SYSCALL).
    Bpf,
    /// tc's ingress hook with a filter that matches every packet (CONFIG_NET_CLS_ACT, CONFIG_NET_SCH_INGRESS and
    /// CONFIG_NET_CLS_MATCHALL).
    TcIngress,
    /// Busy polling of sockets (CONFIG_NET_RX_BUSY_POLL).
    BusyPoll,
    /// Receive packet steering (CONFIG_RPS).
    Rps,
    /// MD5 signatures of TCP segments (CONFIG_TCP_MD5SIG).
    TcpMd5,
}

impl Feature {
    /// The name in case files.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::IoUring => "io-uring",
            Self::Mptcp => "mptcp",
            Self::Vsock => "vsock",
            Self::Tun => "tun",
            Self::Veth => "veth",
            Self::VirtioNet => "virtio-net",
            Self::Packet => "packet",
            Self::Bpf => "bpf",
            Self::TcIngress => "tc-ingress",
            Self::BusyPoll => "busy-poll",
            Self::Rps => "rps",
            Self::TcpMd5 => "tcp-md5",
        }
    }

    /// The modules to load if it is not built in.
    pub(crate) fn modules(self) -> &'static [&'static str] {
        match self {
            Self::Vsock => &["vsock", "vsock_loopback"],
            Self::Tun => &["tun"],
            Self::Veth => &["veth"],
            Self::VirtioNet => &["virtio_net"],
            Self::Packet => &["af_packet"],
            Self::TcIngress => &["sch_ingress", "cls_matchall"],
            _ => &[],
        }
    }
}
