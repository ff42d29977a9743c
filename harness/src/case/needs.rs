//! The options that a case needs in a kernel's configuration, by its `features`, `nic` and `sysctls` and by its operations.

use std::collections::BTreeSet;

use rxpath_guest::{ActorIndex, Network, Op, StepIndex};

use super::case::Case;
use super::case_file::Nic;
use super::expectation::Context;
use crate::kernel::Series;
use crate::kernel::config::{Config, options_for};

impl Case {
    /// Checks that the case is for this series and that the kernel has the options that the case needs, if its configuration
    /// is known. The error is the reason why the case does not run.
    pub(crate) fn runs_on_kernel(&self, series: Series, config: Option<&Config>) -> Result<(), String> {
        self.runs_on(series)?;
        let missing = config.map_or(Vec::new(), |config| self.missing_options(series, config));
        if missing.is_empty() { Ok(()) } else { Err(format!("the kernel is built without {}", missing.join(", "))) }
    }

    /// The options that the case needs on kernels of this series and a kernel lacks, each once.
    pub(crate) fn missing_options(&self, series: Series, config: &Config) -> Vec<&'static str> {
        let options: BTreeSet<&str> = self.needs(series).into_iter().flat_map(options_for).copied().collect();
        config.missing(options)
    }

    /// What the case uses on kernels of this series, by the names that [`options_for`] knows.
    fn needs(&self, series: Series) -> BTreeSet<&'static str> {
        let mut needs: BTreeSet<&str> = self.machine.features.iter().map(|feature| feature.name()).collect();
        needs.insert(match self.machine.nic {
            Nic::Loopback => "loopback",
            Nic::Veth => "veth",
            Nic::Tun => "tun",
            Nic::Virtio => "virtio",
        });
        if !self.machine.sysctls.is_empty() {
            needs.insert("sysctls");
        }
        let mut add = |op: &Op| needs.extend(needs_of(op).into_iter().flatten());
        self.setup.iter().for_each(|step| add(&step.step.op));
        for (actor, index) in self.actors.iter().zip(0..) {
            for (step, at) in actor.steps.iter().zip(0..) {
                // Without the option, the operation fails: sometimes that is what the case shows.
                if !self.expects_failure(index, at, series) {
                    add(&step.step.op);
                }
            }
        }
        needs
    }

    fn expects_failure(&self, actor: ActorIndex, step: StepIndex, series: Series) -> bool {
        let expectations = self.expectations.iter().filter(|one| one.context == Context::Operation { actor, step });
        expectations
            .filter_map(|one| one.on(series))
            .any(|one| !one.fails.is_empty() || one.returns.iter().any(|returns| returns.value.has_only_errors()))
    }
}

/// What an operation uses.
fn needs_of(op: &Op) -> [Option<&'static str>; 2] {
    match op {
        Op::Socket { domain, protocol, .. } | Op::SocketPair { domain, protocol, .. } => {
            [family(*domain), (*protocol == libc::IPPROTO_MPTCP).then_some("mptcp")]
        }
        Op::SocketIn { domain, .. } => [family(*domain), Some("netns")],
        Op::EpollCreate { .. } => [Some("epoll"), None],
        Op::Timer { .. } | Op::SetITimer { .. } | Op::Alarm { .. } => [Some("timer"), None],
        Op::Uring(_) => [Some("io-uring"), None],
        Op::Network(Network::Xdp { .. }) => [Some("xdp"), None],
        Op::Network(Network::TcIngress { .. }) => [Some("tc-ingress"), None],
        _ => [None, None],
    }
}

/// The name of a family of sockets.
fn family(domain: i32) -> Option<&'static str> {
    Some(match domain {
        libc::AF_UNIX => "AF_UNIX",
        libc::AF_INET => "AF_INET",
        libc::AF_INET6 => "AF_INET6",
        libc::AF_NETLINK => "AF_NETLINK",
        libc::AF_PACKET => "AF_PACKET",
        libc::AF_VSOCK => "AF_VSOCK",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::case::load_all;
    use crate::kernel::config::PINNED;

    fn case(name: &str) -> Case {
        let cases = load_all(Path::new(env!("CARGO_MANIFEST_DIR"))).unwrap();
        cases.into_iter().find(|case| case.name == *name).unwrap()
    }

    #[test]
    fn needs_come_from_the_machine_and_from_operations() {
        let series = Series::new(6, 12);
        let nothing = Config::default();
        for (name, options) in [
            ("recv/tcp-blocking", &["CONFIG_INET"][..]),
            ("ipv6/udp-blocking", &["CONFIG_IPV6"]),
            ("socket/mptcp-create", &["CONFIG_INET", "CONFIG_MPTCP"]),
            ("ready/uring-ready", &["CONFIG_INET", "CONFIG_IO_URING"]),
            (
                "softirq/virtio-rx",
                &["CONFIG_INET", "CONFIG_NET_NS", "CONFIG_PCI_MSI", "CONFIG_VIRTIO_NET", "CONFIG_VIRTIO_PCI"],
            ),
        ] {
            assert_eq!(case(name).missing_options(series, &nothing), options, "{name}");
        }
    }

    #[test]
    fn a_kernel_without_an_option_skips_a_case_with_its_name() {
        let case = case("socket/mptcp-create");
        let series = Series::new(6, 12);
        let config = Config::parse("CONFIG_INET=y\n");
        let reason = case.runs_on_kernel(series, Some(&config)).unwrap_err();
        assert_eq!(reason, "the kernel is built without CONFIG_MPTCP");
        assert_eq!(case.runs_on_kernel(series, Some(&Config::parse("CONFIG_INET=y\nCONFIG_MPTCP=y\n"))), Ok(()));
        assert_eq!(case.runs_on_kernel(series, None), Ok(()));
    }

    #[test]
    fn no_case_of_a_pinned_kernel_lacks_an_option() {
        let cases = load_all(Path::new(env!("CARGO_MANIFEST_DIR"))).unwrap();
        for (series, config) in PINNED {
            let (series, config) = (series.parse().unwrap(), Config::parse(config));
            for case in cases.iter().filter(|case| case.runs_on(series).is_ok()) {
                assert_eq!(case.missing_options(series, &config), [""; 0], "{} on {series}", case.name);
            }
        }
    }

    #[test]
    fn an_operation_that_is_expected_to_fail_needs_no_option() {
        assert_eq!(case("socket/mptcp-create").missing_options(Series::new(5, 10), &Config::default()), [""; 0]);
    }
}
