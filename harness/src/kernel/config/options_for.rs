//! The options that some cases need, by what a case uses.

/// What a case uses, by the name that it has in the case language, and the options for it, all of which must be set.
pub(super) const NEEDS: [(&str, &[&str]); 25] = [
    // Features.
    ("io-uring", &["CONFIG_IO_URING"]),
    ("mptcp", &["CONFIG_MPTCP"]),
    ("vsock", &["CONFIG_VSOCKETS", "CONFIG_VSOCKETS_LOOPBACK"]),
    ("packet", &["CONFIG_PACKET"]),
    ("bpf", &["CONFIG_BPF_SYSCALL"]),
    ("tc-ingress", &["CONFIG_NET_CLS_ACT", "CONFIG_NET_SCH_INGRESS", "CONFIG_NET_CLS_MATCHALL"]),
    ("busy-poll", &["CONFIG_NET_RX_BUSY_POLL"]),
    ("rps", &["CONFIG_RPS"]),
    ("tcp-md5", &["CONFIG_TCP_MD5SIG"]),
    ("virtio-net", &["CONFIG_VIRTIO_NET", "CONFIG_VIRTIO_PCI"]),
    // Network devices; the far ends of veth and virtio are in a network namespace of their own. The virtio NIC interrupts by
    // MSI, as cases expect: each interrupt is an edge.
    ("loopback", &[]),
    ("tun", &["CONFIG_TUN"]),
    ("veth", &["CONFIG_VETH", "CONFIG_NET_NS"]),
    ("virtio", &["CONFIG_VIRTIO_NET", "CONFIG_VIRTIO_PCI", "CONFIG_PCI_MSI", "CONFIG_NET_NS"]),
    // Families of sockets.
    ("AF_INET", &["CONFIG_INET"]),
    ("AF_INET6", &["CONFIG_IPV6"]),
    ("AF_UNIX", &["CONFIG_UNIX"]),
    ("AF_NETLINK", &["CONFIG_NET"]),
    ("AF_PACKET", &["CONFIG_PACKET"]),
    ("AF_VSOCK", &["CONFIG_VSOCKETS"]),
    // Operations and keys.
    ("epoll", &["CONFIG_EPOLL"]),
    ("timer", &["CONFIG_POSIX_TIMERS"]),
    ("xdp", &["CONFIG_BPF_SYSCALL"]),
    ("netns", &["CONFIG_NET_NS"]),
    ("sysctls", &["CONFIG_SYSCTL"]),
];

/// The options that a kernel needs for a feature, a network device, a family of sockets or an operation of a case; none for
/// an unknown name.
pub(crate) fn options_for(name: &str) -> &'static [&'static str] {
    NEEDS.iter().find(|(need, _)| *need == name).map_or(&[], |(_, options)| options)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::config::Config;
    use crate::kernel::config::tests::PINNED;

    #[test]
    fn the_pinned_kernels_lack_only_mptcp_in_5_10() {
        for (series, config) in PINNED {
            let config = Config::parse(config);
            let lacking: Vec<&str> =
                NEEDS.iter().flat_map(|(_, options)| config.missing(options.iter().copied())).collect();
            let expected: &[&str] = if series == "5.10" { &["CONFIG_MPTCP"] } else { &[] };
            assert_eq!(lacking, expected, "{series}");
        }
    }

    #[test]
    fn names_are_unique_and_unknown_ones_need_nothing() {
        let mut names: Vec<&str> = NEEDS.iter().map(|(name, _)| *name).collect();
        names.sort_unstable();
        assert!(names.windows(2).all(|pair| pair[0] != pair[1]));
        assert_eq!(options_for("vsock"), ["CONFIG_VSOCKETS", "CONFIG_VSOCKETS_LOOPBACK"]);
        assert_eq!(options_for("unheard-of"), [""; 0]);
    }
}
