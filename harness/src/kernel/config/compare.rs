//! What makes the figures of two kernels incomparable.

use std::collections::BTreeMap;

use super::Config;

/// An option that differs between two kernels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Difference {
    pub(crate) option: &'static str,
    /// What it does to the figures.
    pub(crate) effect: &'static str,
    /// The value; `None` if it is not set.
    pub(crate) before: Option<String>,
    pub(crate) after: Option<String>,
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let value = |value: &Option<String>| value.as_deref().unwrap_or("not set").to_owned();
        write!(f, "{} is {} before and {} after: {}", self.option, value(&self.before), value(&self.after), self.effect)
    }
}

const COMPILER: &str = "another compiler inlines and orders code differently";
const SIZE: &str = "code is smaller and calls more";
const TICK: &str = "timers and the scheduler tick at another rate";
const PREEMPTION: &str = "tasks are preempted at other points";
const CHECKS_MEMORY: &str = "every access to memory is checked";
const CHECKS_VALUES: &str = "operations on values are checked";
const CHECKS_LOCKS: &str = "every lock is recorded and checked";
const CHECKS_DATA: &str = "data structures are checked on the way";
const COUNTS: &str = "the code counts how often it runs";
const TRACES: &str = "the tracer records more at each call";
const MITIGATES: &str = "indirect calls and returns cost more";
const CLEARS: &str = "memory is cleared when it is allocated or freed";

/// The options that change what every function costs, whatever the code is.
const COSTLY: [(&str, &str); 58] = [
    ("CONFIG_CC_VERSION_TEXT", COMPILER),
    ("CONFIG_LTO_CLANG", COMPILER),
    ("CONFIG_AUTOFDO_CLANG", COMPILER),
    ("CONFIG_CC_OPTIMIZE_FOR_SIZE", SIZE),
    ("CONFIG_HZ", TICK),
    ("CONFIG_NO_HZ_FULL", TICK),
    ("CONFIG_PREEMPT_NONE", PREEMPTION),
    ("CONFIG_PREEMPT_VOLUNTARY", PREEMPTION),
    ("CONFIG_PREEMPT", PREEMPTION),
    ("CONFIG_PREEMPT_LAZY", PREEMPTION),
    ("CONFIG_PREEMPT_RT", PREEMPTION),
    ("CONFIG_PREEMPT_DYNAMIC", PREEMPTION),
    ("CONFIG_KASAN", CHECKS_MEMORY),
    ("CONFIG_KMSAN", CHECKS_MEMORY),
    ("CONFIG_KCSAN", CHECKS_MEMORY),
    ("CONFIG_KFENCE", CHECKS_MEMORY),
    ("CONFIG_DEBUG_PAGEALLOC", CHECKS_MEMORY),
    ("CONFIG_DEBUG_KMEMLEAK", CHECKS_MEMORY),
    ("CONFIG_SLUB_DEBUG_ON", CHECKS_MEMORY),
    ("CONFIG_PAGE_OWNER", CHECKS_MEMORY),
    ("CONFIG_UBSAN", CHECKS_VALUES),
    ("CONFIG_UBSAN_TRAP", CHECKS_VALUES),
    ("CONFIG_LOCKDEP", CHECKS_LOCKS),
    ("CONFIG_PROVE_LOCKING", CHECKS_LOCKS),
    ("CONFIG_PROVE_RCU", CHECKS_LOCKS),
    ("CONFIG_LOCK_STAT", CHECKS_LOCKS),
    ("CONFIG_DEBUG_LOCK_ALLOC", CHECKS_LOCKS),
    ("CONFIG_DEBUG_SPINLOCK", CHECKS_LOCKS),
    ("CONFIG_DEBUG_MUTEXES", CHECKS_LOCKS),
    ("CONFIG_DEBUG_RWSEMS", CHECKS_LOCKS),
    ("CONFIG_DEBUG_ATOMIC_SLEEP", CHECKS_LOCKS),
    ("CONFIG_DEBUG_PREEMPT", CHECKS_LOCKS),
    ("CONFIG_DEBUG_IRQFLAGS", CHECKS_LOCKS),
    ("CONFIG_TRACE_IRQFLAGS", CHECKS_LOCKS),
    ("CONFIG_DEBUG_OBJECTS", CHECKS_DATA),
    ("CONFIG_DEBUG_LIST", CHECKS_DATA),
    ("CONFIG_DEBUG_PLIST", CHECKS_DATA),
    ("CONFIG_DEBUG_SG", CHECKS_DATA),
    ("CONFIG_DEBUG_NOTIFIERS", CHECKS_DATA),
    ("CONFIG_DEBUG_VM", CHECKS_DATA),
    ("CONFIG_DEBUG_NET", CHECKS_DATA),
    ("CONFIG_DEBUG_ENTRY", CHECKS_DATA),
    ("CONFIG_DEBUG_TIMEKEEPING", CHECKS_DATA),
    ("CONFIG_NET_DEV_REFCNT_TRACKER", CHECKS_DATA),
    ("CONFIG_NET_NS_REFCNT_TRACKER", CHECKS_DATA),
    ("CONFIG_HARDENED_USERCOPY", CHECKS_DATA),
    ("CONFIG_FAULT_INJECTION", CHECKS_DATA),
    ("CONFIG_GCOV_KERNEL", COUNTS),
    ("CONFIG_KCOV", COUNTS),
    ("CONFIG_PROFILE_ALL_BRANCHES", COUNTS),
    ("CONFIG_FUNCTION_GRAPH_RETVAL", TRACES),
    ("CONFIG_FUNCTION_GRAPH_RETADDR", TRACES),
    ("CONFIG_FUNCTION_TRACE_ARGS", TRACES),
    ("CONFIG_MITIGATION_RETPOLINE", MITIGATES),
    ("CONFIG_CFI_CLANG", MITIGATES),
    ("CONFIG_CFI", MITIGATES),
    ("CONFIG_INIT_ON_ALLOC_DEFAULT_ON", CLEARS),
    ("CONFIG_INIT_ON_FREE_DEFAULT_ON", CLEARS),
];

/// The options that make the figures of two kernels incomparable, in a fixed order.
pub(crate) fn incomparable(before: &Config, after: &Config) -> Vec<Difference> {
    let differs = |(option, effect): (&'static str, &'static str)| {
        let (before, after) = (before.value(option), after.value(option));
        (before != after).then(|| Difference {
            option,
            effect,
            before: before.map(str::to_owned),
            after: after.map(str::to_owned),
        })
    };
    COSTLY.into_iter().filter_map(differs).collect()
}

impl Config {
    /// The options that are set and change what every function costs, for saved results.
    pub(crate) fn costly(&self) -> BTreeMap<String, String> {
        let values =
            COSTLY.iter().filter_map(|(option, _)| Some(((*option).to_owned(), self.value(option)?.to_owned())));
        values.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::config::tests::PINNED;

    #[test]
    fn what_changes_every_cost_is_listed_with_both_values() {
        let before = Config::parse("CONFIG_HZ=250\nCONFIG_PREEMPT_VOLUNTARY=y\nCONFIG_NET=y\nCONFIG_KASAN=y\n");
        let after = Config::parse("CONFIG_HZ=1000\nCONFIG_PREEMPT_VOLUNTARY=y\nCONFIG_TUN=m\n");
        let found: Vec<String> = incomparable(&before, &after).iter().map(Difference::to_string).collect();
        assert_eq!(
            found,
            [
                "CONFIG_HZ is 250 before and 1000 after: timers and the scheduler tick at another rate",
                "CONFIG_KASAN is y before and not set after: every access to memory is checked",
            ]
        );
        assert_eq!(incomparable(&before, &before), []);
        assert_eq!(incomparable(&Config::from(before.costly()), &after), incomparable(&before, &after));
        assert_eq!(before.costly().get("CONFIG_NET"), None);
    }

    #[test]
    fn debians_6_12_and_6_18_differ_in_preemption_and_compiler() {
        let of = |wanted: &str| Config::parse(PINNED.iter().find(|(series, _)| *series == wanted).unwrap().1);
        let differing: Vec<&str> = incomparable(&of("6.12"), &of("6.18")).iter().map(|one| one.option).collect();
        assert!(differing.contains(&"CONFIG_PREEMPT_LAZY") && !differing.contains(&"CONFIG_HZ"), "{differing:?}");
        assert_eq!(incomparable(&of("7.2"), &of("7.2")), []);
    }
}
