//! The options that no case runs without.

use std::fmt;

use super::Config;

/// The options that rxpath needs of every kernel, and what for.
const REQUIRED: [(&str, &str); 20] = [
    ("CONFIG_64BIT", "the guest's agent is a program for x86-64"),
    ("CONFIG_SMP", "cases run on two CPUs"),
    ("CONFIG_ACPI", "finds the second CPU and the devices"),
    ("CONFIG_PCI", "what was traced leaves the guest through a PCI device"),
    ("CONFIG_X86_IOPL_IOPERM", "the agent talks to QEMU through I/O ports"),
    ("CONFIG_PRINTK", "the console reports how far the boot is"),
    ("CONFIG_SERIAL_8250_CONSOLE", "the console is a serial line"),
    ("CONFIG_BLK_DEV_INITRD", "the agent comes in an initramfs"),
    ("CONFIG_BINFMT_ELF", "the agent is an ELF file"),
    ("CONFIG_FUTEX", "the agent's threads wait for each other"),
    ("CONFIG_POSIX_TIMERS", "a call's CPU time comes from the thread's clock"),
    ("CONFIG_HIGH_RES_TIMERS", "runs start right after a tick, which /proc/timer_list shows"),
    ("CONFIG_PROC_FS", "the agent reads /proc"),
    ("CONFIG_SYSFS", "the agent finds devices and the tracer in /sys"),
    ("CONFIG_DEVTMPFS", "the agent mounts it at /dev"),
    ("CONFIG_TMPFS", "the agent mounts it at /tmp"),
    ("CONFIG_INET", "the agent brings up lo, and most cases use TCP"),
    ("CONFIG_KALLSYMS", "traced addresses become functions"),
    ("CONFIG_FUNCTION_GRAPH_TRACER", "records the calls"),
    ("CONFIG_DYNAMIC_FTRACE", "milestones are traced without all other functions"),
];

/// The rate of ticks that the agent counts on.
const HZ: &str = "250";

/// The options that a kernel lacks or has with a value that rxpath does not support.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct MissingOptions {
    /// Each with what rxpath needs it for.
    pub(crate) options: Vec<(&'static str, &'static str)>,
    /// The value of CONFIG_HZ, if it is not [`HZ`].
    pub(crate) hz: Option<String>,
}

impl fmt::Display for MissingOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let options: Vec<String> = self.options.iter().map(|(option, reason)| format!("{option} ({reason})")).collect();
        let without = (!options.is_empty()).then(|| format!("without {}", options.join(", ")));
        let hz =
            self.hz.as_ref().map(|hz| format!("with CONFIG_HZ={hz} instead of {HZ} (runs start right after a tick)"));
        write!(
            f,
            "the kernel is built {}: add the options that `rxpath kernels config` prints with merge_config.sh",
            without.into_iter().chain(hz).collect::<Vec<_>>().join(", and ")
        )
    }
}

impl Config {
    /// Checks that the kernel has what every case needs.
    /// The error has all options that are missing, and a CONFIG_HZ that is not supported.
    pub(crate) fn required(&self) -> Result<(), MissingOptions> {
        let options: Vec<_> = REQUIRED.into_iter().filter(|(option, _)| !self.is_set(option)).collect();
        let hz = self.value("CONFIG_HZ").filter(|hz| *hz != HZ).map(str::to_owned);
        if options.is_empty() && hz.is_none() { Ok(()) } else { Err(MissingOptions { options, hz }) }
    }
}

/// Options for scripts/kconfig/merge_config.sh: with them, even a kernel of `make tinyconfig` runs every case.
pub(crate) fn fragment() -> &'static str {
    include_str!("fragment.config")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::config::tests::PINNED;

    #[test]
    fn every_pinned_kernel_has_what_is_required() {
        for (series, config) in PINNED {
            assert_eq!(Config::parse(config).required(), Ok(()), "{series}");
        }
    }

    #[test]
    fn all_missing_options_are_in_one_error() {
        let (_, config) = PINNED[2];
        let config = config.replace("CONFIG_SMP=y", "").replace("CONFIG_FUNCTION_GRAPH_TRACER=y", "");
        let message = Config::parse(&config).required().unwrap_err().to_string();
        assert!(message.contains("CONFIG_SMP (cases run on two CPUs), CONFIG_FUNCTION_GRAPH_TRACER ("), "{message}");
        assert!(message.contains("`rxpath kernels config`"), "{message}");
        assert_eq!(Config::default().required().unwrap_err().options.len(), REQUIRED.len());
    }

    #[test]
    fn a_rate_of_ticks_that_the_agent_does_not_count_on_is_refused_with_its_option() {
        let (_, config) = PINNED[2];
        let config = config.replace("CONFIG_HZ=250", "CONFIG_HZ=1000");
        let message = Config::parse(&config).required().unwrap_err().to_string();
        let expected = "the kernel is built with CONFIG_HZ=1000 instead of 250 (runs start right after a tick): add the options \
                        that `rxpath kernels config` prints with merge_config.sh";
        assert_eq!(message, expected);
        let message = Config::parse(&config.replace("CONFIG_SMP=y", "")).required().unwrap_err().to_string();
        assert!(message.contains("without CONFIG_SMP (cases run on two CPUs), and with CONFIG_HZ=1000"), "{message}");
    }

    #[test]
    fn the_fragment_has_what_is_required_and_what_cases_need() {
        let fragment = Config::parse(fragment());
        assert_eq!(fragment.required(), Ok(()));
        for (need, options) in crate::kernel::config::options_for::NEEDS {
            assert_eq!(fragment.missing(options.iter().copied()), [""; 0], "{need}");
        }
    }
}
