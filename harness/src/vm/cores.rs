//! Reserves a host CPU for each guest in exact mode, so that no two threads of its QEMU run at the same moment.
//!
//! When QEMU's main loop and the thread of the guest's CPUs run at the same time, the host orders what they do, and the guest can
//! see some of that (see ARCHITECTURE.md, "How a run is exact"). On one CPU and under SCHED_BATCH, a main loop that is woken
//! waits until the other thread has nothing to do.

use rustix::thread::{CpuSet, sched_getaffinity};

use super::machine::Accelerator;
use crate::kernel::{Cache, CacheLock};

/// A host CPU that no other guest of this cache is bound to, until dropped.
pub(super) struct Core {
    number: usize,
    _held: CacheLock,
}

impl Core {
    /// Takes the first free CPU of those that this process may use. `None` outside exact mode, when no CPU is free, and when the
    /// cache cannot be written: the guest then runs on any CPU.
    pub(super) fn take(cache: &Cache, accelerator: Accelerator) -> Option<Self> {
        if accelerator != Accelerator::Exact {
            return None;
        }
        let allowed = sched_getaffinity(None).ok()?;
        (0..CpuSet::MAX_CPU).filter(|number| allowed.is_set(*number)).find_map(|number| {
            let held = cache.try_lock(&format!("core-{number}")).ok()??;
            Some(Self { number, _held: held })
        })
    }

    pub(super) fn number(&self) -> usize {
        self.number
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_guests_of_a_cache_get_the_same_cpu_and_an_ended_one_gives_its_back() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::at(folder.path()).unwrap();
        let take = || Core::take(&cache, Accelerator::Exact);
        let mut all: Vec<Core> = std::iter::from_fn(take).collect();
        let mut numbers: Vec<usize> = all.iter().map(Core::number).collect();
        numbers.dedup();
        assert_eq!(numbers.len(), sched_getaffinity(None).unwrap().count() as usize);
        let given_back = all.remove(0).number();
        assert_eq!(take().map(|core| core.number()), Some(given_back));
    }

    #[test]
    fn only_exact_guests_are_bound() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::at(folder.path()).unwrap();
        for native in [Accelerator::Kvm, Accelerator::Translator] {
            assert!(Core::take(&cache, native).is_none());
        }
    }
}
