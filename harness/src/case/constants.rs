//! The constants that a case can name, with their numbers on x86-64: the architecture of the guest, and of the host, whose
//! QEMU is a package for it.
//!
//! To add a constant, add it to a table here. A case can also use the number.

/// The names and numbers of one kind of constant.
pub(crate) type Table = &'static [(&'static str, i64)];

/// Makes a [`Table`] of constants that the libc crate has, and of others with their numbers.
macro_rules! table {
    (@ $name:ident) => { libc::$name as u32 as i64 };
    (@ $name:ident $number:literal) => { $number };
    ($($name:ident $(= $number:literal)?)*) => { &[$((stringify!($name), table!(@ $name $($number)?))),*] };
}

/// The number of `name` in `table`.
pub(crate) fn number(table: Table, name: &str) -> Option<i64> {
    table.iter().find(|(known, _)| *known == name).map(|(_, number)| *number)
}

/// The name of `number` in `table`; the first name, if there are several.
pub(crate) fn name(table: Table, number: i64) -> Option<&'static str> {
    table.iter().find(|(_, known)| *known == number).map(|(name, _)| *name)
}

/// Level and number of the socket option with this name.
pub(crate) fn socket_option(name: &str) -> Option<(i32, i32)> {
    SOCKET_OPTIONS.iter().find_map(|(level, table)| Some((*level, number(table, name)? as i32)))
}

/// The names of all socket options.
pub(crate) fn socket_options() -> impl Iterator<Item = &'static str> {
    SOCKET_OPTIONS.iter().flat_map(|(_, table)| table.iter()).map(|(name, _)| *name)
}

/// Address families (`linux/socket.h`).
pub(crate) const FAMILIES: Table = table! {
    AF_UNSPEC AF_UNIX AF_INET AF_INET6 AF_NETLINK AF_PACKET AF_VSOCK AF_XDP AF_ALG AF_BLUETOOTH
};

/// Socket types, and the two flags that can be added to them with `|` (`linux/net.h`).
pub(crate) const SOCKET_TYPES: Table = table! {
    SOCK_STREAM SOCK_DGRAM SOCK_RAW SOCK_RDM SOCK_SEQPACKET SOCK_NONBLOCK SOCK_CLOEXEC
};

/// Protocols. Those of packet sockets are in network byte order, as packet(7) requires.
pub(crate) const PROTOCOLS: Table = table! {
    IPPROTO_IP IPPROTO_ICMP IPPROTO_TCP IPPROTO_UDP IPPROTO_IPV6 IPPROTO_ICMPV6 IPPROTO_SCTP IPPROTO_UDPLITE
    IPPROTO_RAW IPPROTO_MPTCP ETH_P_ALL = 768 ETH_P_IP = 8 ETH_P_IPV6 = 56710 NETLINK_ROUTE NETLINK_SOCK_DIAG
    NETLINK_KOBJECT_UEVENT NETLINK_GENERIC
};

/// Flags of the send and recv families (`linux/socket.h`).
pub(crate) const MESSAGE_FLAGS: Table = table! {
    MSG_OOB MSG_PEEK MSG_DONTROUTE MSG_CTRUNC MSG_TRUNC MSG_DONTWAIT MSG_EOR MSG_WAITALL MSG_CONFIRM MSG_ERRQUEUE
    MSG_NOSIGNAL MSG_MORE MSG_WAITFORONE MSG_FASTOPEN MSG_CMSG_CLOEXEC MSG_ZEROCOPY
};

/// Levels of socket options.
pub(crate) const LEVELS: Table = table! {
    SOL_SOCKET SOL_IP SOL_TCP SOL_UDP SOL_IPV6 SOL_RAW SOL_PACKET SOL_NETLINK SOL_MPTCP = 284
};

/// Events of poll(2).
pub(crate) const POLL_EVENTS: Table = table! {
    POLLIN POLLPRI POLLOUT POLLERR POLLHUP POLLNVAL POLLRDNORM POLLRDBAND POLLWRNORM POLLRDHUP
};

/// Events of epoll_ctl(2).
pub(crate) const EPOLL_EVENTS: Table = table! {
    EPOLLIN EPOLLPRI EPOLLOUT EPOLLERR EPOLLHUP EPOLLRDNORM EPOLLRDHUP EPOLLEXCLUSIVE EPOLLWAKEUP EPOLLONESHOT EPOLLET
};

/// The directions of shutdown(2).
pub(crate) const SHUTDOWNS: Table = table! { SHUT_RD SHUT_WR SHUT_RDWR };

/// Requests of ioctl(2) on sockets (`linux/sockios.h`).
pub(crate) const IOCTLS: Table = table! {
    FIONREAD SIOCATMARK = 35077 SIOCINQ = 21531 SIOCOUTQ = 21521 SIOCOUTQNSD FIONBIO FIOASYNC SIOCGSTAMP = 35078
    SIOCSPGRP = 35074 SIOCGPGRP = 35076 TIOCOUTQ
};

/// Commands of fcntl(2).
pub(crate) const FCNTLS: Table = table! {
    F_DUPFD F_GETFD F_SETFD F_GETFL F_SETFL F_SETOWN F_GETOWN F_SETSIG = 10 F_GETSIG = 11 F_DUPFD_CLOEXEC F_SETPIPE_SZ
    F_GETPIPE_SZ
};

/// Signals.
pub(crate) const SIGNALS: Table = table! {
    SIGHUP SIGINT SIGQUIT SIGKILL SIGUSR1 SIGUSR2 SIGPIPE SIGALRM SIGTERM SIGCHLD SIGCONT SIGSTOP SIGURG SIGIO
};

/// Flags of splice(2).
pub(crate) const SPLICE_FLAGS: Table = table! { SPLICE_F_MOVE SPLICE_F_NONBLOCK SPLICE_F_MORE };

/// States of a TCP socket (`net/tcp_states.h`).
pub(crate) const TCP_STATES: Table = table! {
    TCP_ESTABLISHED = 1 TCP_SYN_SENT = 2 TCP_SYN_RECV = 3 TCP_FIN_WAIT1 = 4 TCP_FIN_WAIT2 = 5 TCP_TIME_WAIT = 6
    TCP_CLOSE = 7 TCP_CLOSE_WAIT = 8 TCP_LAST_ACK = 9 TCP_LISTEN = 10 TCP_CLOSING = 11
};

/// Error numbers.
pub(crate) const ERRNOS: Table = table! {
    EPERM ENOENT EINTR EIO ENXIO EBADF EAGAIN ENOMEM EACCES EFAULT EBUSY EEXIST ENODEV EINVAL ENFILE EMFILE ENOTTY
    ENOSPC ESPIPE EPIPE ERANGE ENOSYS ENOTSOCK EDESTADDRREQ EMSGSIZE EPROTOTYPE ENOPROTOOPT EPROTONOSUPPORT
    ESOCKTNOSUPPORT EOPNOTSUPP EPFNOSUPPORT EAFNOSUPPORT EADDRINUSE EADDRNOTAVAIL ENETDOWN ENETUNREACH ENETRESET
    ECONNABORTED ECONNRESET ENOBUFS EISCONN ENOTCONN ESHUTDOWN ETIMEDOUT ECONNREFUSED EHOSTDOWN EHOSTUNREACH EALREADY
    EINPROGRESS ECANCELED ENOMSG EWOULDBLOCK ETIME EBADMSG EOVERFLOW ERESTART
};

/// Operations of epoll_ctl(2).
pub(crate) const EPOLL_OPERATIONS: Table = table! { EPOLL_CTL_ADD EPOLL_CTL_DEL EPOLL_CTL_MOD };

/// File status and descriptor flags.
pub(crate) const FILE_FLAGS: Table = table! { O_NONBLOCK O_ASYNC O_CLOEXEC O_DIRECT FD_CLOEXEC };

/// Flags of sigaction(2).
pub(crate) const SIGNAL_FLAGS: Table = table! { SA_RESTART SA_NODEFER };

/// Symbolic values of socket options.
pub(crate) const OPTION_VALUES: Table = table! {
    SOF_TIMESTAMPING_TX_HARDWARE SOF_TIMESTAMPING_TX_SOFTWARE SOF_TIMESTAMPING_RX_HARDWARE
    SOF_TIMESTAMPING_RX_SOFTWARE SOF_TIMESTAMPING_SOFTWARE SOF_TIMESTAMPING_RAW_HARDWARE SOF_TIMESTAMPING_OPT_ID
    SOF_TIMESTAMPING_TX_SCHED SOF_TIMESTAMPING_TX_ACK SOF_TIMESTAMPING_OPT_CMSG SOF_TIMESTAMPING_OPT_TSONLY
    IP_PMTUDISC_DONT IP_PMTUDISC_DO IP_PMTUDISC_PROBE
};

/// Flags of a TCP segment (RFC 9293).
pub(crate) const TCP_FLAGS: Table = table! { FIN = 1 SYN = 2 RST = 4 PSH = 8 ACK = 16 URG = 32 };

/// The socket options of each level.
const SOCKET_OPTIONS: &[(i32, Table)] = &[
    (
        libc::SOL_SOCKET,
        table! {
            SO_DEBUG SO_REUSEADDR SO_TYPE SO_ERROR SO_DONTROUTE SO_BROADCAST SO_SNDBUF SO_RCVBUF SO_SNDBUFFORCE
            SO_RCVBUFFORCE SO_KEEPALIVE SO_OOBINLINE SO_PRIORITY SO_LINGER SO_REUSEPORT SO_PASSCRED SO_RCVLOWAT
            SO_SNDLOWAT SO_RCVTIMEO SO_SNDTIMEO SO_BINDTODEVICE SO_ATTACH_FILTER SO_DETACH_FILTER SO_TIMESTAMP
            SO_ACCEPTCONN SO_PASSSEC SO_TIMESTAMPNS SO_MARK SO_TIMESTAMPING SO_PROTOCOL SO_DOMAIN SO_RXQ_OVFL
            SO_WIFI_STATUS SO_PEEK_OFF SO_NOFCS SO_LOCK_FILTER SO_SELECT_ERR_QUEUE SO_BUSY_POLL SO_MAX_PACING_RATE
            SO_ATTACH_BPF SO_INCOMING_CPU SO_MEMINFO SO_INCOMING_NAPI_ID SO_COOKIE SO_ZEROCOPY SO_TXTIME
            SO_PREFER_BUSY_POLL SO_BUSY_POLL_BUDGET SO_RESERVE_MEM SO_RCVMARK SO_RCVPRIORITY = 82
        },
    ),
    (
        libc::SOL_TCP,
        table! {
            TCP_NODELAY TCP_MAXSEG TCP_CORK TCP_KEEPIDLE TCP_KEEPINTVL TCP_KEEPCNT TCP_SYNCNT TCP_LINGER2
            TCP_DEFER_ACCEPT TCP_WINDOW_CLAMP TCP_INFO TCP_QUICKACK TCP_CONGESTION TCP_MD5SIG TCP_THIN_LINEAR_TIMEOUTS
            TCP_USER_TIMEOUT TCP_REPAIR TCP_REPAIR_QUEUE TCP_QUEUE_SEQ TCP_FASTOPEN TCP_TIMESTAMP TCP_NOTSENT_LOWAT
            TCP_CC_INFO TCP_SAVE_SYN TCP_SAVED_SYN TCP_FASTOPEN_CONNECT TCP_ULP TCP_INQ TCP_TX_DELAY = 37
            TCP_ZEROCOPY_RECEIVE
        },
    ),
    (
        libc::SOL_IP,
        table! {
            IP_TOS IP_TTL IP_HDRINCL IP_OPTIONS IP_RECVOPTS IP_PKTINFO IP_MTU_DISCOVER IP_RECVERR IP_RECVTTL
            IP_RECVTOS IP_MTU IP_FREEBIND IP_TRANSPARENT IP_RECVORIGDSTADDR IP_MINTTL IP_BIND_ADDRESS_NO_PORT
            IP_MULTICAST_TTL IP_MULTICAST_LOOP IP_CHECKSUM IP_RECVFRAGSIZE
        },
    ),
    (
        libc::SOL_IPV6,
        table! {
            IPV6_UNICAST_HOPS IPV6_MTU_DISCOVER IPV6_MTU IPV6_RECVERR IPV6_V6ONLY IPV6_RECVPKTINFO IPV6_RECVHOPLIMIT
            IPV6_RECVTCLASS IPV6_TCLASS IPV6_DONTFRAG
        },
    ),
    (libc::SOL_UDP, table! { UDP_CORK UDP_ENCAP UDP_NO_CHECK6_TX UDP_NO_CHECK6_RX UDP_SEGMENT UDP_GRO }),
    (
        libc::SOL_PACKET,
        table! {
            PACKET_ADD_MEMBERSHIP PACKET_RECV_OUTPUT PACKET_RX_RING PACKET_STATISTICS PACKET_AUXDATA PACKET_VERSION
            PACKET_RESERVE PACKET_TIMESTAMP PACKET_FANOUT PACKET_QDISC_BYPASS
        },
    ),
    (libc::SOL_RAW, table! { ICMP_FILTER = 1 }),
];

/// Runs of fields of equal width in `struct tcp_info` (`linux/tcp.h`): the offset of the first one, the width of each,
/// both in bytes, and their names.
const TCP_INFO: [(u16, u8, &str); 8] = [
    (0, 1, "tcpi_state tcpi_ca_state tcpi_retransmits tcpi_probes tcpi_backoff tcpi_options"),
    (
        8,
        4,
        "tcpi_rto tcpi_ato tcpi_snd_mss tcpi_rcv_mss tcpi_unacked tcpi_sacked tcpi_lost tcpi_retrans tcpi_fackets \
         tcpi_last_data_sent tcpi_last_ack_sent tcpi_last_data_recv tcpi_last_ack_recv tcpi_pmtu tcpi_rcv_ssthresh \
         tcpi_rtt tcpi_rttvar tcpi_snd_ssthresh tcpi_snd_cwnd tcpi_advmss tcpi_reordering tcpi_rcv_rtt tcpi_rcv_space \
         tcpi_total_retrans",
    ),
    (104, 8, "tcpi_pacing_rate tcpi_max_pacing_rate tcpi_bytes_acked tcpi_bytes_received"),
    (136, 4, "tcpi_segs_out tcpi_segs_in tcpi_notsent_bytes tcpi_min_rtt tcpi_data_segs_in tcpi_data_segs_out"),
    (160, 8, "tcpi_delivery_rate tcpi_busy_time tcpi_rwnd_limited tcpi_sndbuf_limited"),
    (192, 4, "tcpi_delivered tcpi_delivered_ce"),
    (200, 8, "tcpi_bytes_sent tcpi_bytes_retrans"),
    (216, 4, "tcpi_dsack_dups tcpi_reord_seen tcpi_rcv_ooopack tcpi_snd_wnd"),
];

/// The fields of `struct tcp_info`: name, offset, and width in bytes. Fields that a kernel does not have read as 0.
pub(crate) fn tcp_info_fields() -> impl Iterator<Item = (&'static str, u16, u8)> {
    TCP_INFO.into_iter().flat_map(|(offset, width, names)| {
        names.split(' ').zip(0..).map(move |(name, nth)| (name, offset + nth * u16::from(width), width))
    })
}
