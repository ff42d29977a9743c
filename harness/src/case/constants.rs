//! The constants that a case can name, with their numbers on x86-64 (the guest's only architecture).
//!
//! To add a constant, add it to a table here. A case can also use the number.

/// The names and numbers of one kind of constant.
pub(crate) type Table = &'static [(&'static str, i64)];

/// The number of `name` in `table`.
pub(crate) fn number(table: Table, name: &str) -> Option<i64> {
    table.iter().find(|(known, _)| *known == name).map(|(_, number)| *number)
}

/// The name of `number` in `table`; the first name, if there are several.
pub(crate) fn name(table: Table, number: i64) -> Option<&'static str> {
    table.iter().find(|(_, known)| *known == number).map(|(name, _)| *name)
}

/// How the value of a socket option is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OptionKind {
    /// An `int`.
    Number,
    /// A `struct timeval`, written as a duration (`200 ms`).
    Time,
    /// A `struct linger`, written as its seconds; `off` turns it off.
    Linger,
    /// Bytes of text, without a terminating zero.
    Text,
    /// A `struct sock_fprog` of one instruction, written as the number of bytes of the packet to keep (0 drops it).
    Filter,
}

/// A socket option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SocketOption {
    /// Its symbolic name: SO_…, TCP_…, IP_….
    pub(crate) name: &'static str,
    pub(crate) level: i32,
    /// Its number at this level.
    pub(crate) number: i32,
    pub(crate) kind: OptionKind,
}

pub(crate) fn socket_option(name: &str) -> Option<SocketOption> {
    SOCKET_OPTIONS.iter().copied().find(|option| option.name == name)
}

const fn option(name: &'static str, level: i32, number: i32, kind: OptionKind) -> SocketOption {
    SocketOption { name, level, number, kind }
}

/// Address families (`linux/socket.h`).
pub(crate) const FAMILIES: Table = &[
    ("AF_UNSPEC", 0),
    ("AF_UNIX", 1),
    ("AF_INET", 2),
    ("AF_INET6", 10),
    ("AF_NETLINK", 16),
    ("AF_PACKET", 17),
    ("AF_VSOCK", 40),
    ("AF_XDP", 44),
    ("AF_ALG", 38),
    ("AF_BLUETOOTH", 31),
];

/// Socket types, and the two flags that can be added to them with `|` (`linux/net.h`).
pub(crate) const SOCKET_TYPES: Table = &[
    ("SOCK_STREAM", 1),
    ("SOCK_DGRAM", 2),
    ("SOCK_RAW", 3),
    ("SOCK_RDM", 4),
    ("SOCK_SEQPACKET", 5),
    ("SOCK_NONBLOCK", 2048),
    ("SOCK_CLOEXEC", 524288),
];

/// Protocols. Those of packet sockets are in network byte order, as packet(7) requires.
pub(crate) const PROTOCOLS: Table = &[
    ("IPPROTO_IP", 0),
    ("IPPROTO_ICMP", 1),
    ("IPPROTO_TCP", 6),
    ("IPPROTO_UDP", 17),
    ("IPPROTO_IPV6", 41),
    ("IPPROTO_ICMPV6", 58),
    ("IPPROTO_SCTP", 132),
    ("IPPROTO_UDPLITE", 136),
    ("IPPROTO_RAW", 255),
    ("IPPROTO_MPTCP", 262),
    ("ETH_P_ALL", 768),
    ("ETH_P_IP", 8),
    ("ETH_P_IPV6", 56710),
    ("NETLINK_ROUTE", 0),
    ("NETLINK_SOCK_DIAG", 4),
    ("NETLINK_KOBJECT_UEVENT", 15),
    ("NETLINK_GENERIC", 16),
];

/// Flags of the send and recv families (`linux/socket.h`).
pub(crate) const MESSAGE_FLAGS: Table = &[
    ("MSG_OOB", 1),
    ("MSG_PEEK", 2),
    ("MSG_DONTROUTE", 4),
    ("MSG_CTRUNC", 8),
    ("MSG_TRUNC", 32),
    ("MSG_DONTWAIT", 64),
    ("MSG_EOR", 128),
    ("MSG_WAITALL", 256),
    ("MSG_CONFIRM", 2048),
    ("MSG_ERRQUEUE", 8192),
    ("MSG_NOSIGNAL", 16384),
    ("MSG_MORE", 32768),
    ("MSG_WAITFORONE", 65536),
    ("MSG_FASTOPEN", 536870912),
    ("MSG_CMSG_CLOEXEC", 1073741824),
    ("MSG_ZEROCOPY", 67108864),
];

/// Levels of socket options.
pub(crate) const LEVELS: Table = &[
    ("SOL_SOCKET", 1),
    ("SOL_IP", 0),
    ("SOL_TCP", 6),
    ("SOL_UDP", 17),
    ("SOL_IPV6", 41),
    ("SOL_RAW", 255),
    ("SOL_PACKET", 263),
    ("SOL_NETLINK", 270),
    ("SOL_MPTCP", 284),
];

/// Events of poll(2).
pub(crate) const POLL_EVENTS: Table = &[
    ("POLLIN", 1),
    ("POLLPRI", 2),
    ("POLLOUT", 4),
    ("POLLERR", 8),
    ("POLLHUP", 16),
    ("POLLNVAL", 32),
    ("POLLRDNORM", 64),
    ("POLLRDBAND", 128),
    ("POLLWRNORM", 256),
    ("POLLRDHUP", 8192),
];

/// Events of epoll_ctl(2).
pub(crate) const EPOLL_EVENTS: Table = &[
    ("EPOLLIN", 1),
    ("EPOLLPRI", 2),
    ("EPOLLOUT", 4),
    ("EPOLLERR", 8),
    ("EPOLLHUP", 16),
    ("EPOLLRDNORM", 64),
    ("EPOLLRDHUP", 8192),
    ("EPOLLEXCLUSIVE", 268435456),
    ("EPOLLWAKEUP", 536870912),
    ("EPOLLONESHOT", 1073741824),
    ("EPOLLET", 2147483648),
];

/// The directions of shutdown(2).
pub(crate) const SHUTDOWNS: Table = &[("SHUT_RD", 0), ("SHUT_WR", 1), ("SHUT_RDWR", 2)];

/// Requests of ioctl(2) on sockets (`linux/sockios.h`).
pub(crate) const IOCTLS: Table = &[
    ("FIONREAD", 21531),
    ("SIOCATMARK", 35077),
    ("SIOCINQ", 21531),
    ("SIOCOUTQ", 21521),
    ("SIOCOUTQNSD", 35147),
    ("FIONBIO", 21537),
    ("FIOASYNC", 21586),
    ("SIOCGSTAMP", 35078),
    ("SIOCSPGRP", 35074),
    ("SIOCGPGRP", 35076),
    ("TIOCOUTQ", 21521),
];

/// Commands of fcntl(2).
pub(crate) const FCNTLS: Table = &[
    ("F_DUPFD", 0),
    ("F_GETFD", 1),
    ("F_SETFD", 2),
    ("F_GETFL", 3),
    ("F_SETFL", 4),
    ("F_SETOWN", 8),
    ("F_GETOWN", 9),
    ("F_SETSIG", 10),
    ("F_GETSIG", 11),
    ("F_DUPFD_CLOEXEC", 1030),
    ("F_SETPIPE_SZ", 1031),
    ("F_GETPIPE_SZ", 1032),
];

/// Signals.
pub(crate) const SIGNALS: Table = &[
    ("SIGHUP", 1),
    ("SIGINT", 2),
    ("SIGQUIT", 3),
    ("SIGKILL", 9),
    ("SIGUSR1", 10),
    ("SIGUSR2", 12),
    ("SIGPIPE", 13),
    ("SIGALRM", 14),
    ("SIGTERM", 15),
    ("SIGCHLD", 17),
    ("SIGCONT", 18),
    ("SIGSTOP", 19),
    ("SIGURG", 23),
    ("SIGIO", 29),
];

/// Flags of splice(2).
pub(crate) const SPLICE_FLAGS: Table = &[("SPLICE_F_MOVE", 1), ("SPLICE_F_NONBLOCK", 2), ("SPLICE_F_MORE", 4)];

/// States of a TCP socket (`net/tcp_states.h`).
pub(crate) const TCP_STATES: Table = &[
    ("TCP_ESTABLISHED", 1),
    ("TCP_SYN_SENT", 2),
    ("TCP_SYN_RECV", 3),
    ("TCP_FIN_WAIT1", 4),
    ("TCP_FIN_WAIT2", 5),
    ("TCP_TIME_WAIT", 6),
    ("TCP_CLOSE", 7),
    ("TCP_CLOSE_WAIT", 8),
    ("TCP_LAST_ACK", 9),
    ("TCP_LISTEN", 10),
    ("TCP_CLOSING", 11),
];

/// Error numbers.
pub(crate) const ERRNOS: Table = &[
    ("EPERM", 1),
    ("ENOENT", 2),
    ("EINTR", 4),
    ("EIO", 5),
    ("ENXIO", 6),
    ("EBADF", 9),
    ("EAGAIN", 11),
    ("ENOMEM", 12),
    ("EACCES", 13),
    ("EFAULT", 14),
    ("EBUSY", 16),
    ("EEXIST", 17),
    ("ENODEV", 19),
    ("EINVAL", 22),
    ("ENFILE", 23),
    ("EMFILE", 24),
    ("ENOTTY", 25),
    ("ENOSPC", 28),
    ("ESPIPE", 29),
    ("EPIPE", 32),
    ("ERANGE", 34),
    ("ENOSYS", 38),
    ("ENOTSOCK", 88),
    ("EDESTADDRREQ", 89),
    ("EMSGSIZE", 90),
    ("EPROTOTYPE", 91),
    ("ENOPROTOOPT", 92),
    ("EPROTONOSUPPORT", 93),
    ("ESOCKTNOSUPPORT", 94),
    ("EOPNOTSUPP", 95),
    ("EPFNOSUPPORT", 96),
    ("EAFNOSUPPORT", 97),
    ("EADDRINUSE", 98),
    ("EADDRNOTAVAIL", 99),
    ("ENETDOWN", 100),
    ("ENETUNREACH", 101),
    ("ENETRESET", 102),
    ("ECONNABORTED", 103),
    ("ECONNRESET", 104),
    ("ENOBUFS", 105),
    ("EISCONN", 106),
    ("ENOTCONN", 107),
    ("ESHUTDOWN", 108),
    ("ETIMEDOUT", 110),
    ("ECONNREFUSED", 111),
    ("EHOSTDOWN", 112),
    ("EHOSTUNREACH", 113),
    ("EALREADY", 114),
    ("EINPROGRESS", 115),
    ("ECANCELED", 125),
    ("ENOMSG", 42),
    ("EWOULDBLOCK", 11),
    ("ETIME", 62),
    ("EBADMSG", 74),
    ("EOVERFLOW", 75),
    ("ERESTART", 85),
];

/// Operations of epoll_ctl(2).
pub(crate) const EPOLL_OPERATIONS: Table = &[("EPOLL_CTL_ADD", 1), ("EPOLL_CTL_DEL", 2), ("EPOLL_CTL_MOD", 3)];

/// File status and descriptor flags.
pub(crate) const FILE_FLAGS: Table =
    &[("O_NONBLOCK", 2048), ("O_ASYNC", 8192), ("O_CLOEXEC", 524288), ("O_DIRECT", 16384), ("FD_CLOEXEC", 1)];

/// Flags of sigaction(2).
pub(crate) const SIGNAL_FLAGS: Table = &[("SA_RESTART", 268435456), ("SA_NODEFER", 1073741824)];

/// Symbolic values of socket options.
pub(crate) const OPTION_VALUES: Table = &[
    ("SOF_TIMESTAMPING_TX_HARDWARE", 1),
    ("SOF_TIMESTAMPING_TX_SOFTWARE", 2),
    ("SOF_TIMESTAMPING_RX_HARDWARE", 4),
    ("SOF_TIMESTAMPING_RX_SOFTWARE", 8),
    ("SOF_TIMESTAMPING_SOFTWARE", 16),
    ("SOF_TIMESTAMPING_RAW_HARDWARE", 64),
    ("SOF_TIMESTAMPING_OPT_ID", 128),
    ("SOF_TIMESTAMPING_TX_SCHED", 256),
    ("SOF_TIMESTAMPING_TX_ACK", 512),
    ("SOF_TIMESTAMPING_OPT_CMSG", 1024),
    ("SOF_TIMESTAMPING_OPT_TSONLY", 2048),
    ("IP_PMTUDISC_DONT", 0),
    ("IP_PMTUDISC_DO", 2),
    ("IP_PMTUDISC_PROBE", 3),
];

/// Socket options: name, level, number, and how the value is written.
pub(crate) const SOCKET_OPTIONS: &[SocketOption] = &[
    option("SO_DEBUG", 1, 1, OptionKind::Number),
    option("SO_REUSEADDR", 1, 2, OptionKind::Number),
    option("SO_TYPE", 1, 3, OptionKind::Number),
    option("SO_ERROR", 1, 4, OptionKind::Number),
    option("SO_DONTROUTE", 1, 5, OptionKind::Number),
    option("SO_BROADCAST", 1, 6, OptionKind::Number),
    option("SO_SNDBUF", 1, 7, OptionKind::Number),
    option("SO_RCVBUF", 1, 8, OptionKind::Number),
    option("SO_SNDBUFFORCE", 1, 32, OptionKind::Number),
    option("SO_RCVBUFFORCE", 1, 33, OptionKind::Number),
    option("SO_KEEPALIVE", 1, 9, OptionKind::Number),
    option("SO_OOBINLINE", 1, 10, OptionKind::Number),
    option("SO_PRIORITY", 1, 12, OptionKind::Number),
    option("SO_LINGER", 1, 13, OptionKind::Linger),
    option("SO_REUSEPORT", 1, 15, OptionKind::Number),
    option("SO_PASSCRED", 1, 16, OptionKind::Number),
    option("SO_RCVLOWAT", 1, 18, OptionKind::Number),
    option("SO_SNDLOWAT", 1, 19, OptionKind::Number),
    option("SO_RCVTIMEO", 1, 20, OptionKind::Time),
    option("SO_SNDTIMEO", 1, 21, OptionKind::Time),
    option("SO_BINDTODEVICE", 1, 25, OptionKind::Text),
    option("SO_ATTACH_FILTER", 1, 26, OptionKind::Filter),
    option("SO_DETACH_FILTER", 1, 27, OptionKind::Number),
    option("SO_TIMESTAMP", 1, 29, OptionKind::Number),
    option("SO_ACCEPTCONN", 1, 30, OptionKind::Number),
    option("SO_PASSSEC", 1, 34, OptionKind::Number),
    option("SO_TIMESTAMPNS", 1, 35, OptionKind::Number),
    option("SO_MARK", 1, 36, OptionKind::Number),
    option("SO_TIMESTAMPING", 1, 37, OptionKind::Number),
    option("SO_PROTOCOL", 1, 38, OptionKind::Number),
    option("SO_DOMAIN", 1, 39, OptionKind::Number),
    option("SO_RXQ_OVFL", 1, 40, OptionKind::Number),
    option("SO_WIFI_STATUS", 1, 41, OptionKind::Number),
    option("SO_PEEK_OFF", 1, 42, OptionKind::Number),
    option("SO_NOFCS", 1, 43, OptionKind::Number),
    option("SO_LOCK_FILTER", 1, 44, OptionKind::Number),
    option("SO_SELECT_ERR_QUEUE", 1, 45, OptionKind::Number),
    option("SO_BUSY_POLL", 1, 46, OptionKind::Number),
    option("SO_MAX_PACING_RATE", 1, 47, OptionKind::Number),
    option("SO_ATTACH_BPF", 1, 50, OptionKind::Number),
    option("SO_INCOMING_CPU", 1, 49, OptionKind::Number),
    option("SO_MEMINFO", 1, 55, OptionKind::Number),
    option("SO_INCOMING_NAPI_ID", 1, 56, OptionKind::Number),
    option("SO_COOKIE", 1, 57, OptionKind::Number),
    option("SO_ZEROCOPY", 1, 60, OptionKind::Number),
    option("SO_TXTIME", 1, 61, OptionKind::Number),
    option("SO_PREFER_BUSY_POLL", 1, 69, OptionKind::Number),
    option("SO_BUSY_POLL_BUDGET", 1, 70, OptionKind::Number),
    option("SO_RESERVE_MEM", 1, 73, OptionKind::Number),
    option("SO_RCVMARK", 1, 75, OptionKind::Number),
    option("SO_RCVPRIORITY", 1, 82, OptionKind::Number),
    option("TCP_NODELAY", 6, 1, OptionKind::Number),
    option("TCP_MAXSEG", 6, 2, OptionKind::Number),
    option("TCP_CORK", 6, 3, OptionKind::Number),
    option("TCP_KEEPIDLE", 6, 4, OptionKind::Number),
    option("TCP_KEEPINTVL", 6, 5, OptionKind::Number),
    option("TCP_KEEPCNT", 6, 6, OptionKind::Number),
    option("TCP_SYNCNT", 6, 7, OptionKind::Number),
    option("TCP_LINGER2", 6, 8, OptionKind::Number),
    option("TCP_DEFER_ACCEPT", 6, 9, OptionKind::Number),
    option("TCP_WINDOW_CLAMP", 6, 10, OptionKind::Number),
    option("TCP_INFO", 6, 11, OptionKind::Number),
    option("TCP_QUICKACK", 6, 12, OptionKind::Number),
    option("TCP_CONGESTION", 6, 13, OptionKind::Text),
    option("TCP_MD5SIG", 6, 14, OptionKind::Number),
    option("TCP_THIN_LINEAR_TIMEOUTS", 6, 16, OptionKind::Number),
    option("TCP_USER_TIMEOUT", 6, 18, OptionKind::Number),
    option("TCP_REPAIR", 6, 19, OptionKind::Number),
    option("TCP_REPAIR_QUEUE", 6, 20, OptionKind::Number),
    option("TCP_QUEUE_SEQ", 6, 21, OptionKind::Number),
    option("TCP_FASTOPEN", 6, 23, OptionKind::Number),
    option("TCP_TIMESTAMP", 6, 24, OptionKind::Number),
    option("TCP_NOTSENT_LOWAT", 6, 25, OptionKind::Number),
    option("TCP_CC_INFO", 6, 26, OptionKind::Number),
    option("TCP_SAVE_SYN", 6, 27, OptionKind::Number),
    option("TCP_SAVED_SYN", 6, 28, OptionKind::Number),
    option("TCP_FASTOPEN_CONNECT", 6, 30, OptionKind::Number),
    option("TCP_ULP", 6, 31, OptionKind::Text),
    option("TCP_INQ", 6, 36, OptionKind::Number),
    option("TCP_TX_DELAY", 6, 37, OptionKind::Number),
    option("TCP_ZEROCOPY_RECEIVE", 6, 35, OptionKind::Number),
    option("IP_TOS", 0, 1, OptionKind::Number),
    option("IP_TTL", 0, 2, OptionKind::Number),
    option("IP_HDRINCL", 0, 3, OptionKind::Number),
    option("IP_OPTIONS", 0, 4, OptionKind::Number),
    option("IP_RECVOPTS", 0, 6, OptionKind::Number),
    option("IP_PKTINFO", 0, 8, OptionKind::Number),
    option("IP_MTU_DISCOVER", 0, 10, OptionKind::Number),
    option("IP_RECVERR", 0, 11, OptionKind::Number),
    option("IP_RECVTTL", 0, 12, OptionKind::Number),
    option("IP_RECVTOS", 0, 13, OptionKind::Number),
    option("IP_MTU", 0, 14, OptionKind::Number),
    option("IP_FREEBIND", 0, 15, OptionKind::Number),
    option("IP_TRANSPARENT", 0, 19, OptionKind::Number),
    option("IP_RECVORIGDSTADDR", 0, 20, OptionKind::Number),
    option("IP_MINTTL", 0, 21, OptionKind::Number),
    option("IP_BIND_ADDRESS_NO_PORT", 0, 24, OptionKind::Number),
    option("IP_MULTICAST_TTL", 0, 33, OptionKind::Number),
    option("IP_MULTICAST_LOOP", 0, 34, OptionKind::Number),
    option("IP_CHECKSUM", 0, 23, OptionKind::Number),
    option("IP_RECVFRAGSIZE", 0, 25, OptionKind::Number),
    option("IPV6_UNICAST_HOPS", 41, 16, OptionKind::Number),
    option("IPV6_MTU_DISCOVER", 41, 23, OptionKind::Number),
    option("IPV6_MTU", 41, 24, OptionKind::Number),
    option("IPV6_RECVERR", 41, 25, OptionKind::Number),
    option("IPV6_V6ONLY", 41, 26, OptionKind::Number),
    option("IPV6_RECVPKTINFO", 41, 49, OptionKind::Number),
    option("IPV6_RECVHOPLIMIT", 41, 51, OptionKind::Number),
    option("IPV6_RECVTCLASS", 41, 66, OptionKind::Number),
    option("IPV6_TCLASS", 41, 67, OptionKind::Number),
    option("IPV6_DONTFRAG", 41, 62, OptionKind::Number),
    option("UDP_CORK", 17, 1, OptionKind::Number),
    option("UDP_ENCAP", 17, 100, OptionKind::Number),
    option("UDP_NO_CHECK6_TX", 17, 101, OptionKind::Number),
    option("UDP_NO_CHECK6_RX", 17, 102, OptionKind::Number),
    option("UDP_SEGMENT", 17, 103, OptionKind::Number),
    option("UDP_GRO", 17, 104, OptionKind::Number),
    option("PACKET_ADD_MEMBERSHIP", 263, 1, OptionKind::Number),
    option("PACKET_RECV_OUTPUT", 263, 3, OptionKind::Number),
    option("PACKET_RX_RING", 263, 5, OptionKind::Number),
    option("PACKET_STATISTICS", 263, 6, OptionKind::Number),
    option("PACKET_AUXDATA", 263, 8, OptionKind::Number),
    option("PACKET_VERSION", 263, 10, OptionKind::Number),
    option("PACKET_RESERVE", 263, 12, OptionKind::Number),
    option("PACKET_TIMESTAMP", 263, 17, OptionKind::Number),
    option("PACKET_FANOUT", 263, 18, OptionKind::Number),
    option("PACKET_QDISC_BYPASS", 263, 20, OptionKind::Number),
    option("ICMP_FILTER", 255, 1, OptionKind::Number),
];

/// Fields of `struct tcp_info` (`linux/tcp.h`): name, offset, and width in bytes. Fields that a kernel does not have
/// read as 0.
pub(crate) const TCP_INFO_FIELDS: &[(&str, u16, u8)] = &[
    ("tcpi_state", 0, 1),
    ("tcpi_ca_state", 1, 1),
    ("tcpi_retransmits", 2, 1),
    ("tcpi_probes", 3, 1),
    ("tcpi_backoff", 4, 1),
    ("tcpi_options", 5, 1),
    ("tcpi_rto", 8, 4),
    ("tcpi_ato", 12, 4),
    ("tcpi_snd_mss", 16, 4),
    ("tcpi_rcv_mss", 20, 4),
    ("tcpi_unacked", 24, 4),
    ("tcpi_sacked", 28, 4),
    ("tcpi_lost", 32, 4),
    ("tcpi_retrans", 36, 4),
    ("tcpi_fackets", 40, 4),
    ("tcpi_last_data_sent", 44, 4),
    ("tcpi_last_ack_sent", 48, 4),
    ("tcpi_last_data_recv", 52, 4),
    ("tcpi_last_ack_recv", 56, 4),
    ("tcpi_pmtu", 60, 4),
    ("tcpi_rcv_ssthresh", 64, 4),
    ("tcpi_rtt", 68, 4),
    ("tcpi_rttvar", 72, 4),
    ("tcpi_snd_ssthresh", 76, 4),
    ("tcpi_snd_cwnd", 80, 4),
    ("tcpi_advmss", 84, 4),
    ("tcpi_reordering", 88, 4),
    ("tcpi_rcv_rtt", 92, 4),
    ("tcpi_rcv_space", 96, 4),
    ("tcpi_total_retrans", 100, 4),
    ("tcpi_pacing_rate", 104, 8),
    ("tcpi_max_pacing_rate", 112, 8),
    ("tcpi_bytes_acked", 120, 8),
    ("tcpi_bytes_received", 128, 8),
    ("tcpi_segs_out", 136, 4),
    ("tcpi_segs_in", 140, 4),
    ("tcpi_notsent_bytes", 144, 4),
    ("tcpi_min_rtt", 148, 4),
    ("tcpi_data_segs_in", 152, 4),
    ("tcpi_data_segs_out", 156, 4),
    ("tcpi_delivery_rate", 160, 8),
    ("tcpi_busy_time", 168, 8),
    ("tcpi_rwnd_limited", 176, 8),
    ("tcpi_sndbuf_limited", 184, 8),
    ("tcpi_delivered", 192, 4),
    ("tcpi_delivered_ce", 196, 4),
    ("tcpi_bytes_sent", 200, 8),
    ("tcpi_bytes_retrans", 208, 8),
    ("tcpi_dsack_dups", 216, 4),
    ("tcpi_reord_seen", 220, 4),
    ("tcpi_rcv_ooopack", 224, 4),
    ("tcpi_snd_wnd", 228, 4),
];

/// Flags of a TCP segment (RFC 9293).
pub(crate) const TCP_FLAGS: Table = &[("FIN", 1), ("SYN", 2), ("RST", 4), ("PSH", 8), ("ACK", 16), ("URG", 32)];
