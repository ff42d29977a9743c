//! The constants that a case can name, with their numbers on x86-64: the architecture of the guest, and of the host, whose
//! QEMU is a package for it.
//!
//! The numbers come from the kernel's headers, as the crates linux-raw-sys and libc keep them; a test compares the names
//! with all that linux-raw-sys has. Numbers are written here only for what neither has. A case can also use the number.

use std::mem::offset_of;

use linux_raw_sys::{errno, general, if_ether, if_packet, ioctl, net, netlink};

/// The names and numbers of one kind of constant.
pub(crate) type Table = &'static [(&'static str, i64)];

/// Makes a [`Table`] of the constants of one or more modules: `net: AF_UNIX AF_INET;`. Those of `network_order` are
/// EtherTypes, and those of `literal` have their numbers with them.
macro_rules! table {
    (@ literal $name:ident $number:literal) => { $number };
    (@ network_order $name:ident) => { (if_ether::$name as u16).to_be() as i64 };
    (@ $module:ident $name:ident) => { $module::$name as u32 as i64 };
    ($($module:ident: $($name:ident $(= $number:literal)?)*;)*) => {
        &[$($((stringify!($name), table!(@ $module $name $($number)?))),*),*]
    };
}

/// The number of `name` in `table`.
pub(crate) fn number(table: Table, name: &str) -> Option<i64> {
    table.iter().find(|(known, _)| *known == name).map(|(_, number)| *number)
}

/// The name of `number` in `table`; the first name, if there are several.
pub(crate) fn name(table: Table, number: i64) -> Option<&'static str> {
    table.iter().find(|(_, known)| *known == number).map(|(name, _)| *name)
}

/// `EAGAIN`; `errno 999`, if it has no name.
pub(crate) fn errno_name(errno: i32) -> String {
    name(ERRNOS, i64::from(errno)).map_or_else(|| format!("errno {errno}"), str::to_owned)
}

/// Level and number of the socket option with this name.
pub(crate) fn socket_option(name: &str) -> Option<(i32, i32)> {
    SOCKET_OPTIONS.iter().find_map(|(level, table)| Some((*level as i32, number(table, name)? as i32)))
}

/// The names of all socket options.
pub(crate) fn socket_options() -> impl Iterator<Item = &'static str> {
    SOCKET_OPTIONS.iter().flat_map(|(_, table)| table.iter()).map(|(name, _)| *name)
}

/// Address families (`linux/socket.h`).
pub(crate) const FAMILIES: Table = table! {
    net: AF_UNSPEC AF_UNIX AF_INET AF_AX25 AF_IPX AF_APPLETALK AF_NETROM AF_BRIDGE AF_ATMPVC AF_X25 AF_INET6 AF_ROSE
        AF_NETBEUI AF_SECURITY AF_KEY AF_NETLINK AF_PACKET AF_ASH AF_ECONET AF_ATMSVC AF_RDS AF_SNA AF_IRDA AF_PPPOX
        AF_WANPIPE AF_LLC AF_CAN AF_TIPC AF_BLUETOOTH AF_IUCV AF_RXRPC AF_ISDN AF_PHONET AF_IEEE802154 AF_CAIF
        AF_ALG AF_NFC AF_VSOCK AF_KCM AF_QIPCRTR AF_SMC AF_XDP AF_MCTP;
};

/// Socket types, and the two flags that can be added to them with `|` (`linux/net.h`).
pub(crate) const SOCKET_TYPES: Table = table! {
    net: SOCK_STREAM SOCK_DGRAM SOCK_RAW SOCK_RDM SOCK_SEQPACKET;
    libc: SOCK_NONBLOCK SOCK_CLOEXEC;
};

/// Protocols. Those of packet sockets are in network byte order, as packet(7) requires.
pub(crate) const PROTOCOLS: Table = table! {
    net: IPPROTO_HOPOPTS IPPROTO_ROUTING IPPROTO_FRAGMENT IPPROTO_ICMPV6 IPPROTO_NONE IPPROTO_DSTOPTS IPPROTO_MH
        IPPROTO_IP IPPROTO_ICMP IPPROTO_IGMP IPPROTO_IPIP IPPROTO_TCP IPPROTO_EGP IPPROTO_PUP IPPROTO_UDP
        IPPROTO_IDP IPPROTO_TP IPPROTO_DCCP IPPROTO_IPV6 IPPROTO_RSVP IPPROTO_GRE IPPROTO_ESP IPPROTO_AH IPPROTO_MTP
        IPPROTO_BEETPH IPPROTO_ENCAP IPPROTO_PIM IPPROTO_COMP IPPROTO_L2TP IPPROTO_SCTP IPPROTO_UDPLITE IPPROTO_MPLS
        IPPROTO_ETHERNET IPPROTO_AGGFRAG IPPROTO_RAW IPPROTO_SMC IPPROTO_MPTCP;
    netlink: NETLINK_ROUTE NETLINK_USERSOCK NETLINK_FIREWALL NETLINK_SOCK_DIAG NETLINK_NFLOG NETLINK_XFRM
        NETLINK_SELINUX NETLINK_ISCSI NETLINK_AUDIT NETLINK_FIB_LOOKUP NETLINK_CONNECTOR NETLINK_NETFILTER
        NETLINK_IP6_FW NETLINK_DNRTMSG NETLINK_KOBJECT_UEVENT NETLINK_GENERIC NETLINK_SCSITRANSPORT NETLINK_ECRYPTFS
        NETLINK_RDMA NETLINK_CRYPTO NETLINK_SMC NETLINK_INET_DIAG;
    network_order: ETH_P_ALL ETH_P_IP ETH_P_IPV6 ETH_P_ARP ETH_P_LOOPBACK ETH_P_802_2 ETH_P_8021Q ETH_P_8021AD
        ETH_P_TEB ETH_P_MPLS_UC ETH_P_MPLS_MC ETH_P_NSH ETH_P_MACSEC ETH_P_LLDP;
};

/// Flags of the send and recv families (`linux/socket.h`).
pub(crate) const MESSAGE_FLAGS: Table = table! {
    net: MSG_DONTWAIT MSG_OOB MSG_PEEK MSG_DONTROUTE MSG_CTRUNC MSG_PROBE MSG_TRUNC MSG_EOR MSG_WAITALL MSG_FIN
        MSG_SYN MSG_CONFIRM MSG_RST MSG_ERRQUEUE MSG_NOSIGNAL MSG_MORE MSG_CMSG_CLOEXEC;
    libc: MSG_WAITFORONE MSG_ZEROCOPY MSG_FASTOPEN;
};

/// Levels of socket options.
pub(crate) const LEVELS: Table = table! {
    net: SOL_SOCKET SOL_IP SOL_TCP SOL_UDP SOL_IPV6 SOL_ICMPV6 SOL_SCTP SOL_UDPLITE SOL_RAW SOL_IPX SOL_AX25
        SOL_ATALK SOL_NETROM SOL_ROSE SOL_DECNET SOL_X25 SOL_PACKET SOL_ATM SOL_AAL SOL_IRDA SOL_NETBEUI SOL_LLC
        SOL_DCCP SOL_NETLINK SOL_TIPC SOL_RXRPC SOL_PPPOL2TP SOL_BLUETOOTH SOL_PNPIPE SOL_RDS SOL_IUCV SOL_CAIF
        SOL_ALG SOL_NFC SOL_KCM SOL_TLS SOL_XDP SOL_MPTCP SOL_MCTP SOL_SMC;
};

/// Events of poll(2).
pub(crate) const POLL_EVENTS: Table = table! {
    general: POLLIN POLLPRI POLLOUT POLLERR POLLHUP POLLNVAL POLLRDNORM POLLRDBAND POLLWRNORM POLLWRBAND POLLMSG
        POLLREMOVE POLLRDHUP;
};

/// Events of epoll_ctl(2).
pub(crate) const EPOLL_EVENTS: Table = table! {
    general: EPOLLIN EPOLLPRI EPOLLOUT EPOLLERR EPOLLHUP EPOLLNVAL EPOLLRDNORM EPOLLRDBAND EPOLLWRNORM EPOLLWRBAND
        EPOLLMSG EPOLLRDHUP EPOLLEXCLUSIVE EPOLLWAKEUP EPOLLONESHOT EPOLLET;
};

/// The directions of shutdown(2).
pub(crate) const SHUTDOWNS: Table = table! { net: SHUT_RD SHUT_WR SHUT_RDWR; };

/// Requests of ioctl(2) on sockets that read or take an int (`linux/sockios.h`).
pub(crate) const IOCTLS: Table = table! {
    ioctl: FIONREAD TIOCINQ TIOCOUTQ FIONBIO FIOASYNC SIOCATMARK SIOCSPGRP SIOCGPGRP FIOSETOWN FIOGETOWN SIOCGSTAMP;
    literal: SIOCINQ = 0x541b SIOCOUTQ = 0x5411 SIOCOUTQNSD = 0x894b;
};

/// Commands of fcntl(2).
pub(crate) const FCNTLS: Table = table! {
    general: F_DUPFD F_GETFD F_SETFD F_GETFL F_SETFL F_GETLK F_SETLK F_SETLKW F_SETOWN F_GETOWN F_SETSIG F_GETSIG
        F_SETOWN_EX F_GETOWN_EX F_GETOWNER_UIDS F_OFD_GETLK F_OFD_SETLK F_OFD_SETLKW F_SETLEASE F_GETLEASE F_NOTIFY
        F_DUPFD_QUERY F_CREATED_QUERY F_CANCELLK F_DUPFD_CLOEXEC F_SETPIPE_SZ F_GETPIPE_SZ F_ADD_SEALS F_GET_SEALS
        F_GET_RW_HINT F_SET_RW_HINT F_GET_FILE_RW_HINT F_SET_FILE_RW_HINT;
};

/// Signals.
pub(crate) const SIGNALS: Table = table! {
    general: SIGHUP SIGINT SIGQUIT SIGILL SIGTRAP SIGABRT SIGBUS SIGFPE SIGKILL SIGUSR1 SIGSEGV SIGUSR2 SIGPIPE
        SIGALRM SIGTERM SIGSTKFLT SIGCHLD SIGCONT SIGSTOP SIGTSTP SIGTTIN SIGTTOU SIGURG SIGXCPU SIGXFSZ SIGVTALRM
        SIGPROF SIGWINCH SIGIO SIGPWR SIGSYS;
};

/// Flags of splice(2).
pub(crate) const SPLICE_FLAGS: Table = table! { general: SPLICE_F_MOVE SPLICE_F_NONBLOCK SPLICE_F_MORE SPLICE_F_GIFT; };

/// States of a TCP socket (`net/tcp_states.h`).
pub(crate) const TCP_STATES: Table = table! {
    literal: TCP_ESTABLISHED = 1 TCP_SYN_SENT = 2 TCP_SYN_RECV = 3 TCP_FIN_WAIT1 = 4 TCP_FIN_WAIT2 = 5 TCP_TIME_WAIT
        = 6 TCP_CLOSE = 7 TCP_CLOSE_WAIT = 8 TCP_LAST_ACK = 9 TCP_LISTEN = 10 TCP_CLOSING = 11;
};

/// Error numbers.
pub(crate) const ERRNOS: Table = table! {
    errno: EPERM ENOENT ESRCH EINTR EIO ENXIO E2BIG ENOEXEC EBADF ECHILD EAGAIN ENOMEM EACCES EFAULT ENOTBLK EBUSY
        EEXIST EXDEV ENODEV ENOTDIR EISDIR EINVAL ENFILE EMFILE ENOTTY ETXTBSY EFBIG ENOSPC ESPIPE EROFS EMLINK
        EPIPE EDOM ERANGE EDEADLK ENAMETOOLONG ENOLCK ENOSYS ENOTEMPTY ELOOP EWOULDBLOCK ENOMSG EIDRM ECHRNG
        EL2NSYNC EL3HLT EL3RST ELNRNG EUNATCH ENOCSI EL2HLT EBADE EBADR EXFULL ENOANO EBADRQC EBADSLT EDEADLOCK
        EBFONT ENOSTR ENODATA ETIME ENOSR ENONET ENOPKG EREMOTE ENOLINK EADV ESRMNT ECOMM EPROTO EMULTIHOP EDOTDOT
        EBADMSG EOVERFLOW ENOTUNIQ EBADFD EREMCHG ELIBACC ELIBBAD ELIBSCN ELIBMAX ELIBEXEC EILSEQ ERESTART ESTRPIPE
        EUSERS ENOTSOCK EDESTADDRREQ EMSGSIZE EPROTOTYPE ENOPROTOOPT EPROTONOSUPPORT ESOCKTNOSUPPORT EOPNOTSUPP
        EPFNOSUPPORT EAFNOSUPPORT EADDRINUSE EADDRNOTAVAIL ENETDOWN ENETUNREACH ENETRESET ECONNABORTED ECONNRESET
        ENOBUFS EISCONN ENOTCONN ESHUTDOWN ETOOMANYREFS ETIMEDOUT ECONNREFUSED EHOSTDOWN EHOSTUNREACH EALREADY
        EINPROGRESS ESTALE EUCLEAN ENOTNAM ENAVAIL EISNAM EREMOTEIO EDQUOT ENOMEDIUM EMEDIUMTYPE ECANCELED ENOKEY
        EKEYEXPIRED EKEYREVOKED EKEYREJECTED EOWNERDEAD ENOTRECOVERABLE ERFKILL EHWPOISON;
};

/// Operations of epoll_ctl(2).
pub(crate) const EPOLL_OPERATIONS: Table = table! { general: EPOLL_CTL_ADD EPOLL_CTL_DEL EPOLL_CTL_MOD; };

/// File status and descriptor flags.
pub(crate) const FILE_FLAGS: Table = table! {
    general: O_RDONLY O_WRONLY O_RDWR O_CREAT O_EXCL O_NOCTTY O_TRUNC O_APPEND O_NONBLOCK O_DSYNC O_DIRECT
        O_LARGEFILE O_DIRECTORY O_NOFOLLOW O_NOATIME O_CLOEXEC O_SYNC O_PATH O_TMPFILE O_NDELAY FD_CLOEXEC;
    libc: O_ASYNC;
};

/// Flags of sigaction(2).
pub(crate) const SIGNAL_FLAGS: Table = table! {
    general: SA_NOCLDSTOP SA_NOCLDWAIT SA_SIGINFO SA_EXPOSE_TAGBITS SA_ONSTACK SA_RESTART SA_NODEFER SA_RESETHAND
        SA_NOMASK SA_ONESHOT;
};

/// Symbolic values of socket options.
pub(crate) const OPTION_VALUES: Table = table! {
    net: SOF_TIMESTAMPING_TX_HARDWARE SOF_TIMESTAMPING_TX_SOFTWARE SOF_TIMESTAMPING_RX_HARDWARE
        SOF_TIMESTAMPING_RX_SOFTWARE SOF_TIMESTAMPING_SOFTWARE SOF_TIMESTAMPING_SYS_HARDWARE
        SOF_TIMESTAMPING_RAW_HARDWARE SOF_TIMESTAMPING_OPT_ID SOF_TIMESTAMPING_TX_SCHED SOF_TIMESTAMPING_TX_ACK
        SOF_TIMESTAMPING_OPT_CMSG SOF_TIMESTAMPING_OPT_TSONLY SOF_TIMESTAMPING_OPT_STATS
        SOF_TIMESTAMPING_OPT_PKTINFO SOF_TIMESTAMPING_OPT_TX_SWHW SOF_TIMESTAMPING_BIND_PHC
        SOF_TIMESTAMPING_OPT_ID_TCP SOF_TIMESTAMPING_OPT_RX_FILTER SOF_TIMESTAMPING_TX_COMPLETION IP_PMTUDISC_DONT
        IP_PMTUDISC_WANT IP_PMTUDISC_DO IP_PMTUDISC_PROBE IP_PMTUDISC_INTERFACE IP_PMTUDISC_OMIT IPV6_PMTUDISC_DONT
        IPV6_PMTUDISC_WANT IPV6_PMTUDISC_DO IPV6_PMTUDISC_PROBE IPV6_PMTUDISC_INTERFACE IPV6_PMTUDISC_OMIT
        IPV6_PREFER_SRC_TMP IPV6_PREFER_SRC_PUBLIC IPV6_PREFER_SRC_PUBTMP_DEFAULT IPV6_PREFER_SRC_COA
        IPV6_PREFER_SRC_HOME IPV6_PREFER_SRC_CGA IPV6_PREFER_SRC_NONCGA TCP_REPAIR_ON TCP_REPAIR_OFF
        TCP_REPAIR_OFF_NO_WP TCP_NO_QUEUE TCP_RECV_QUEUE TCP_SEND_QUEUE SOCK_SNDBUF_LOCK SOCK_RCVBUF_LOCK
        SOCK_TXREHASH_DISABLED SOCK_TXREHASH_ENABLED;
    if_packet: PACKET_FANOUT_HASH PACKET_FANOUT_LB PACKET_FANOUT_CPU PACKET_FANOUT_ROLLOVER PACKET_FANOUT_RND
        PACKET_FANOUT_QM PACKET_FANOUT_CBPF PACKET_FANOUT_EBPF PACKET_FANOUT_FLAG_ROLLOVER
        PACKET_FANOUT_FLAG_UNIQUEID PACKET_FANOUT_FLAG_IGNORE_OUTGOING PACKET_FANOUT_FLAG_DEFRAG;
};

/// Flags of a TCP segment (RFC 9293, 3168).
pub(crate) const TCP_FLAGS: Table = table! {
    literal: FIN = 1 SYN = 2 RST = 4 PSH = 8 ACK = 16 URG = 32 ECE = 64 CWR = 128;
};

/// The socket options of each level.
const SOCKET_OPTIONS: &[(u32, Table)] = &[
    (
        net::SOL_SOCKET,
        table! {
            net: SO_DEBUG SO_REUSEADDR SO_TYPE SO_ERROR SO_DONTROUTE SO_BROADCAST SO_SNDBUF SO_RCVBUF
                SO_SNDBUFFORCE SO_RCVBUFFORCE SO_KEEPALIVE SO_OOBINLINE SO_NO_CHECK SO_PRIORITY SO_LINGER
                SO_BSDCOMPAT SO_REUSEPORT SO_PASSCRED SO_PEERCRED SO_RCVLOWAT SO_SNDLOWAT
                SO_SECURITY_AUTHENTICATION SO_SECURITY_ENCRYPTION_TRANSPORT SO_SECURITY_ENCRYPTION_NETWORK
                SO_BINDTODEVICE SO_ATTACH_FILTER SO_DETACH_FILTER SO_GET_FILTER SO_PEERNAME SO_ACCEPTCONN
                SO_PEERSEC SO_PASSSEC SO_MARK SO_PROTOCOL SO_DOMAIN SO_RXQ_OVFL SO_WIFI_STATUS SO_PEEK_OFF
                SO_NOFCS SO_LOCK_FILTER SO_SELECT_ERR_QUEUE SO_BUSY_POLL SO_MAX_PACING_RATE
                SO_BPF_EXTENSIONS SO_INCOMING_CPU SO_ATTACH_BPF SO_DETACH_BPF SO_ATTACH_REUSEPORT_CBPF
                SO_ATTACH_REUSEPORT_EBPF SO_CNX_ADVICE SO_MEMINFO SO_INCOMING_NAPI_ID SO_COOKIE
                SO_PEERGROUPS SO_ZEROCOPY SO_TXTIME SO_BINDTOIFINDEX SO_DETACH_REUSEPORT_BPF
                SO_PREFER_BUSY_POLL SO_BUSY_POLL_BUDGET SO_NETNS_COOKIE SO_BUF_LOCK SO_RESERVE_MEM
                SO_TXREHASH SO_RCVMARK SO_PASSPIDFD SO_PEERPIDFD SO_DEVMEM_LINEAR SO_DEVMEM_DMABUF
                SO_DEVMEM_DONTNEED SO_RCVPRIORITY SO_PASSRIGHTS SO_INQ SO_TIMESTAMP SO_TIMESTAMPNS
                SO_TIMESTAMPING SO_RCVTIMEO SO_SNDTIMEO;
        },
    ),
    (
        net::SOL_TCP,
        table! {
            net: TCP_NODELAY TCP_MAXSEG TCP_CORK TCP_KEEPIDLE TCP_KEEPINTVL TCP_KEEPCNT TCP_SYNCNT
                TCP_LINGER2 TCP_DEFER_ACCEPT TCP_WINDOW_CLAMP TCP_INFO TCP_QUICKACK TCP_CONGESTION
                TCP_MD5SIG TCP_THIN_LINEAR_TIMEOUTS TCP_THIN_DUPACK TCP_USER_TIMEOUT TCP_REPAIR
                TCP_REPAIR_QUEUE TCP_QUEUE_SEQ TCP_REPAIR_OPTIONS TCP_FASTOPEN TCP_TIMESTAMP
                TCP_NOTSENT_LOWAT TCP_CC_INFO TCP_SAVE_SYN TCP_SAVED_SYN TCP_REPAIR_WINDOW
                TCP_FASTOPEN_CONNECT TCP_ULP TCP_MD5SIG_EXT TCP_FASTOPEN_KEY TCP_FASTOPEN_NO_COOKIE
                TCP_ZEROCOPY_RECEIVE TCP_INQ TCP_TX_DELAY TCP_AO_ADD_KEY TCP_AO_DEL_KEY TCP_AO_INFO
                TCP_AO_GET_KEYS TCP_AO_REPAIR TCP_IS_MPTCP TCP_RTO_MAX_MS TCP_RTO_MIN_US TCP_DELACK_MAX_US;
        },
    ),
    (
        net::SOL_IP,
        table! {
            net: IP_TOS IP_TTL IP_HDRINCL IP_OPTIONS IP_ROUTER_ALERT IP_RECVOPTS IP_PKTINFO IP_PKTOPTIONS
                IP_MTU_DISCOVER IP_RECVERR IP_RECVTTL IP_RECVTOS IP_MTU IP_FREEBIND IP_IPSEC_POLICY
                IP_XFRM_POLICY IP_PASSSEC IP_TRANSPARENT IP_RECVRETOPTS IP_RECVORIGDSTADDR IP_MINTTL
                IP_NODEFRAG IP_CHECKSUM IP_BIND_ADDRESS_NO_PORT IP_RECVFRAGSIZE IP_RECVERR_RFC4884
                IP_MULTICAST_IF IP_MULTICAST_TTL IP_MULTICAST_LOOP IP_ADD_MEMBERSHIP IP_DROP_MEMBERSHIP
                IP_UNBLOCK_SOURCE IP_BLOCK_SOURCE IP_ADD_SOURCE_MEMBERSHIP IP_DROP_SOURCE_MEMBERSHIP
                IP_MSFILTER IP_MULTICAST_ALL IP_UNICAST_IF IP_LOCAL_PORT_RANGE IP_PROTOCOL;
        },
    ),
    (
        net::SOL_IPV6,
        table! {
            net: IPV6_ADDRFORM IPV6_2292PKTINFO IPV6_2292HOPOPTS IPV6_2292DSTOPTS IPV6_2292RTHDR
                IPV6_2292PKTOPTIONS IPV6_CHECKSUM IPV6_2292HOPLIMIT IPV6_NEXTHOP IPV6_AUTHHDR IPV6_FLOWINFO
                IPV6_UNICAST_HOPS IPV6_MULTICAST_IF IPV6_MULTICAST_HOPS IPV6_MULTICAST_LOOP
                IPV6_ADD_MEMBERSHIP IPV6_DROP_MEMBERSHIP IPV6_ROUTER_ALERT IPV6_MTU_DISCOVER IPV6_MTU
                IPV6_RECVERR IPV6_V6ONLY IPV6_JOIN_ANYCAST IPV6_LEAVE_ANYCAST IPV6_MULTICAST_ALL
                IPV6_ROUTER_ALERT_ISOLATE IPV6_RECVERR_RFC4884 IPV6_FLOWLABEL_MGR IPV6_FLOWINFO_SEND
                IPV6_IPSEC_POLICY IPV6_XFRM_POLICY IPV6_HDRINCL IPV6_RECVPKTINFO IPV6_PKTINFO
                IPV6_RECVHOPLIMIT IPV6_HOPLIMIT IPV6_RECVHOPOPTS IPV6_HOPOPTS IPV6_RTHDRDSTOPTS
                IPV6_RECVRTHDR IPV6_RTHDR IPV6_RECVDSTOPTS IPV6_DSTOPTS IPV6_RECVPATHMTU IPV6_PATHMTU
                IPV6_DONTFRAG IPV6_RECVTCLASS IPV6_TCLASS IPV6_AUTOFLOWLABEL IPV6_ADDR_PREFERENCES
                IPV6_MINHOPCOUNT IPV6_RECVORIGDSTADDR IPV6_TRANSPARENT IPV6_UNICAST_IF IPV6_RECVFRAGSIZE
                IPV6_FREEBIND;
        },
    ),
    (
        net::SOL_UDP,
        table! {
            libc: UDP_CORK UDP_ENCAP UDP_NO_CHECK6_TX UDP_NO_CHECK6_RX UDP_SEGMENT UDP_GRO;
        },
    ),
    (
        net::SOL_PACKET,
        table! {
            if_packet: PACKET_ADD_MEMBERSHIP PACKET_DROP_MEMBERSHIP PACKET_RECV_OUTPUT PACKET_RX_RING
                PACKET_STATISTICS PACKET_COPY_THRESH PACKET_AUXDATA PACKET_ORIGDEV PACKET_VERSION
                PACKET_HDRLEN PACKET_RESERVE PACKET_TX_RING PACKET_LOSS PACKET_VNET_HDR PACKET_TX_TIMESTAMP
                PACKET_TIMESTAMP PACKET_FANOUT PACKET_TX_HAS_OFF PACKET_QDISC_BYPASS PACKET_ROLLOVER_STATS
                PACKET_FANOUT_DATA PACKET_IGNORE_OUTGOING PACKET_VNET_HDR_SZ;
        },
    ),
    (
        net::SOL_NETLINK,
        table! {
            netlink: NETLINK_ADD_MEMBERSHIP NETLINK_DROP_MEMBERSHIP NETLINK_PKTINFO NETLINK_BROADCAST_ERROR
                NETLINK_NO_ENOBUFS NETLINK_RX_RING NETLINK_TX_RING NETLINK_LISTEN_ALL_NSID
                NETLINK_LIST_MEMBERSHIPS NETLINK_CAP_ACK NETLINK_EXT_ACK NETLINK_GET_STRICT_CHK;
        },
    ),
    (
        net::SOL_RAW,
        table! {
            literal: ICMP_FILTER = 1;
        },
    ),
    (
        net::SOL_ICMPV6,
        table! {
            literal: ICMPV6_FILTER = 1;
        },
    ),
    (
        net::SOL_TLS,
        table! {
            literal: TLS_TX = 1 TLS_RX = 2 TLS_TX_ZEROCOPY_RO = 3 TLS_RX_EXPECT_NO_PAD = 4;
        },
    ),
];

/// Makes a list of fields of `struct tcp_info`: name, offset, and width in bytes.
macro_rules! tcp_info {
    ($($name:ident)*) => {
        &[$((stringify!($name), offset_of!(net::tcp_info, $name) as u16, width_of(|info| &info.$name))),*]
    };
}

/// The width of a field, in bytes.
const fn width_of<T>(_: fn(&net::tcp_info) -> &T) -> u8 {
    size_of::<T>() as u8
}

/// The fields of `struct tcp_info` (`linux/tcp.h`): name, offset, and width in bytes. Fields that a kernel does not have
/// read as 0.
pub(crate) const TCP_INFO: &[(&str, u16, u8)] = tcp_info! {
    tcpi_state tcpi_ca_state tcpi_retransmits tcpi_probes tcpi_backoff tcpi_options tcpi_rto tcpi_ato tcpi_snd_mss
    tcpi_rcv_mss tcpi_unacked tcpi_sacked tcpi_lost tcpi_retrans tcpi_fackets tcpi_last_data_sent tcpi_last_ack_sent
    tcpi_last_data_recv tcpi_last_ack_recv tcpi_pmtu tcpi_rcv_ssthresh tcpi_rtt tcpi_rttvar tcpi_snd_ssthresh
    tcpi_snd_cwnd tcpi_advmss tcpi_reordering tcpi_rcv_rtt tcpi_rcv_space tcpi_total_retrans tcpi_pacing_rate
    tcpi_max_pacing_rate tcpi_bytes_acked tcpi_bytes_received tcpi_segs_out tcpi_segs_in tcpi_notsent_bytes
    tcpi_min_rtt tcpi_data_segs_in tcpi_data_segs_out tcpi_delivery_rate tcpi_busy_time tcpi_rwnd_limited
    tcpi_sndbuf_limited tcpi_delivered tcpi_delivered_ce tcpi_bytes_sent tcpi_bytes_retrans tcpi_dsack_dups
    tcpi_reord_seen tcpi_rcv_ooopack tcpi_snd_wnd tcpi_rcv_wnd tcpi_rehash tcpi_total_rto tcpi_total_rto_recoveries
    tcpi_total_rto_time
};

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::process::Command;

    use super::*;

    /// Names of linux-raw-sys that begin like those of a table but mean something else: values of options, types of
    /// extension headers, names that were replaced, second names. A `*` stands for the rest of a name.
    const SOMETHING_ELSE: &str = "*_OLD *_NEW SO_ORIGINAL_DST \
        IP_PMTUDISC_* IP_DEFAULT_* IP_RETOPTS IP_ORIGDSTADDR \
        IPV6_FL_* IPV6_FLOWINFO_FLOWLABEL IPV6_FLOWINFO_PRIORITY IPV6_PRIORITY_* IPV6_TLV_* IPV6_PMTUDISC_* IPV6_PREFER_* \
        IPV6_ORIGDSTADDR IPV6_MIN_MTU IPV6_SRCRT_* IPV6_OPT_* \
        TCP_MSS_* TCP_CM_INQ TCP_REPAIR_O* TCP_MD5SIG_* TCP_AO_MAXKEYLEN TCP_AO_KEYF_* TCP_RECEIVE_* TCP_FLAG_* \
        TCP_RESERVED_BITS TCP_DATA_OFFSET TCP_*_QUEUE TCP_QUEUES_NR TCP_NLA_* TCP_ESTABLISHED TCP_SYN_* TCP_FIN_* \
        TCP_TIME_WAIT TCP_CLOS* TCP_LAST_ACK TCP_LISTEN TCP_NEW_* TCP_MAX_STATES \
        PACKET_HOST PACKET_BROADCAST PACKET_MULTICAST PACKET_OTHERHOST PACKET_OUTGOING PACKET_LOOPBACK PACKET_USER \
        PACKET_KERNEL PACKET_FASTROUTE PACKET_FANOUT_* PACKET_MR_*";

    fn is_something_else(name: &str) -> bool {
        SOMETHING_ELSE.split_whitespace().any(|pattern| match pattern.split_once('*') {
            Some((start, end)) => name.starts_with(start) && name[start.len()..].ends_with(end),
            None => pattern == name,
        })
    }

    /// The names of all constants in a module of linux-raw-sys.
    fn in_crate(folder: &Path, module: &str) -> Vec<String> {
        let source = std::fs::read_to_string(folder.join(format!("src/x86_64/{module}.rs"))).unwrap();
        let names = source.lines().filter_map(|line| line.strip_prefix("pub const ")?.split_once(':'));
        names.map(|(name, _)| name.to_owned()).collect()
    }

    #[test]
    fn every_name_that_the_kernels_headers_have_is_known() {
        let metadata = Command::new(env!("CARGO"))
            .args(["metadata", "--format-version=1", "--offline", "--locked", "--filter-platform"])
            .arg("x86_64-unknown-linux-gnu")
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .output()
            .unwrap();
        let metadata: serde_json::Value = serde_json::from_slice(&metadata.stdout).unwrap();
        let packages = metadata["packages"].as_array().unwrap();
        let package = packages.iter().find(|package| package["name"] == "linux-raw-sys").unwrap();
        let folder = Path::new(package["manifest_path"].as_str().unwrap()).parent().unwrap();
        let tables = [
            ("net", "AF_", FAMILIES),
            ("net", "IPPROTO_", PROTOCOLS),
            ("net", "MSG_", MESSAGE_FLAGS),
            ("net", "SOL_", LEVELS),
            ("general", "EPOLL_CTL_", EPOLL_OPERATIONS),
            ("general", "SPLICE_F_", SPLICE_FLAGS),
            ("errno", "E", ERRNOS),
        ];
        let mut unknown = Vec::new();
        for (module, prefix, table) in tables {
            let names = in_crate(folder, module).into_iter().filter(|name| name.starts_with(prefix));
            unknown.extend(names.filter(|name| number(table, name).is_none()));
        }
        for (module, prefix) in
            [("net", "SO_"), ("net", "IP_"), ("net", "IPV6_"), ("net", "TCP_"), ("if_packet", "PACKET_")]
        {
            let names = in_crate(folder, module).into_iter().filter(|name| name.starts_with(prefix));
            unknown.extend(names.filter(|name| socket_option(name).is_none() && !is_something_else(name)));
        }
        unknown.retain(|name| !["AF_MAX", "AF_DECnet", "IPPROTO_MAX"].contains(&name.as_str()));
        assert_eq!(unknown, [""; 0], "add them to a table, or to SOMETHING_ELSE");
    }

    #[test]
    fn names_have_the_numbers_of_the_guest() {
        for (name, expected) in [
            ("SO_PASSPIDFD", (1, 76)),
            ("SO_RCVMARK", (1, 75)),
            ("SO_INQ", (1, 84)),
            ("SO_ATTACH_REUSEPORT_CBPF", (1, 51)),
            ("IP_ADD_MEMBERSHIP", (0, 35)),
            ("IP_MULTICAST_IF", (0, 32)),
            ("IPV6_DSTOPTS", (41, 59)),
            ("IPV6_RECVDSTOPTS", (41, 58)),
            ("UDP_GRO", (17, 104)),
        ] {
            assert_eq!(socket_option(name), Some(expected), "{name}");
        }
        assert_eq!(number(FILE_FLAGS, "O_WRONLY"), Some(1));
        assert_eq!(number(PROTOCOLS, "ETH_P_IP"), Some(8), "in network byte order");
        assert_eq!(name(ERRNOS, 11), Some("EAGAIN"), "not its second name");
        let field = |name| TCP_INFO.iter().find(|(known, ..)| *known == name).map(|(_, at, width)| (*at, *width));
        assert_eq!(field("tcpi_rcv_wnd"), Some((232, 4)));
        assert_eq!((field("tcpi_state"), field("tcpi_bytes_received")), (Some((0, 1)), Some((128, 8))));
    }
}
