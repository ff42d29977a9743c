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

/// What options do to the figures, whatever the code is, and the options that do it.
const COSTLY: [(&str, &str); 12] = [
    (
        "a different compiler inlines and orders code differently",
        "CONFIG_CC_VERSION_TEXT CONFIG_LTO_CLANG CONFIG_AUTOFDO_CLANG",
    ),
    ("code is smaller and calls more", "CONFIG_CC_OPTIMIZE_FOR_SIZE"),
    ("timers and the scheduler tick at a different rate", "CONFIG_HZ CONFIG_NO_HZ_FULL"),
    (
        "tasks are preempted at different points",
        "CONFIG_PREEMPT_NONE CONFIG_PREEMPT_VOLUNTARY CONFIG_PREEMPT CONFIG_PREEMPT_LAZY CONFIG_PREEMPT_RT \
         CONFIG_PREEMPT_DYNAMIC",
    ),
    (
        "every access to memory is checked",
        "CONFIG_KASAN CONFIG_KMSAN CONFIG_KCSAN CONFIG_KFENCE CONFIG_DEBUG_PAGEALLOC CONFIG_DEBUG_KMEMLEAK \
         CONFIG_SLUB_DEBUG_ON CONFIG_PAGE_OWNER",
    ),
    ("operations on values are checked", "CONFIG_UBSAN CONFIG_UBSAN_TRAP"),
    (
        "every lock is recorded and checked",
        "CONFIG_LOCKDEP CONFIG_PROVE_LOCKING CONFIG_PROVE_RCU CONFIG_LOCK_STAT CONFIG_DEBUG_LOCK_ALLOC \
         CONFIG_DEBUG_SPINLOCK CONFIG_DEBUG_MUTEXES CONFIG_DEBUG_RWSEMS CONFIG_DEBUG_ATOMIC_SLEEP \
         CONFIG_DEBUG_PREEMPT CONFIG_DEBUG_IRQFLAGS CONFIG_TRACE_IRQFLAGS",
    ),
    (
        "data structures are checked when they are used",
        "CONFIG_DEBUG_OBJECTS CONFIG_DEBUG_LIST CONFIG_DEBUG_PLIST CONFIG_DEBUG_SG CONFIG_DEBUG_NOTIFIERS \
         CONFIG_DEBUG_VM CONFIG_DEBUG_NET CONFIG_DEBUG_ENTRY CONFIG_DEBUG_TIMEKEEPING \
         CONFIG_NET_DEV_REFCNT_TRACKER CONFIG_NET_NS_REFCNT_TRACKER CONFIG_HARDENED_USERCOPY \
         CONFIG_FAULT_INJECTION",
    ),
    ("the code counts how often it runs", "CONFIG_GCOV_KERNEL CONFIG_KCOV CONFIG_PROFILE_ALL_BRANCHES"),
    (
        "the tracer records more at each call",
        "CONFIG_FUNCTION_GRAPH_RETVAL CONFIG_FUNCTION_GRAPH_RETADDR CONFIG_FUNCTION_TRACE_ARGS",
    ),
    ("indirect calls and returns cost more", "CONFIG_MITIGATION_RETPOLINE CONFIG_CFI_CLANG CONFIG_CFI"),
    (
        "memory is cleared when it is allocated or freed",
        "CONFIG_INIT_ON_ALLOC_DEFAULT_ON CONFIG_INIT_ON_FREE_DEFAULT_ON",
    ),
];

/// The options that make the figures of two kernels incomparable, in a fixed order.
pub(crate) fn incomparable(before: &Config, after: &Config) -> Vec<Difference> {
    let differs = |(option, effect): (&'static str, &'static str)| {
        let value = |config: &Config| config.value(option).map(str::to_owned);
        let (before, after) = (value(before), value(after));
        (before != after).then_some(Difference { option, effect, before, after })
    };
    costly().filter_map(differs).collect()
}

/// Each option that changes every cost, with its effect.
fn costly() -> impl Iterator<Item = (&'static str, &'static str)> {
    COSTLY.iter().flat_map(|(effect, options)| options.split(' ').map(move |option| (option, *effect)))
}

impl Config {
    /// The options that are set and change what every function costs, for saved results.
    pub(crate) fn costly(&self) -> BTreeMap<String, String> {
        costly().filter_map(|(option, _)| Some((option.to_owned(), self.value(option)?.to_owned()))).collect()
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
                "CONFIG_HZ is 250 before and 1000 after: timers and the scheduler tick at a different rate",
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
