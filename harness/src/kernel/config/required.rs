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

/// The options that a kernel lacks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct MissingOptions {
    /// Each with what rxpath needs it for.
    pub(crate) options: Vec<(&'static str, &'static str)>,
}

impl fmt::Display for MissingOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let options: Vec<String> = self.options.iter().map(|(option, reason)| format!("{option} ({reason})")).collect();
        write!(
            f,
            "the kernel is built without {}: add the options that `rxpath kernels config` prints with merge_config.sh",
            options.join(", ")
        )
    }
}

impl Config {
    /// Checks that the kernel has what every case needs.
    /// The error has all options that are missing.
    pub(crate) fn required(&self) -> Result<(), MissingOptions> {
        let options: Vec<_> = REQUIRED.into_iter().filter(|(option, _)| !self.is_set(option)).collect();
        if options.is_empty() { Ok(()) } else { Err(MissingOptions { options }) }
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
    fn the_fragment_has_what_is_required_and_what_cases_need() {
        let fragment = Config::parse(fragment());
        assert_eq!(fragment.required(), Ok(()));
        for (need, options) in crate::kernel::config::options_for::NEEDS {
            assert_eq!(fragment.missing(options.iter().copied()), [""; 0], "{need}");
        }
    }
}
