//! Prepares the guest, from the start of PID 1 to the point where the machine can be saved.

use std::fs;
use std::path::{Path, PathBuf};

use crate::sys;

/// Mounts the file systems that the agent uses.
pub fn mount_all() -> Result<(), String> {
    for (source, target, kind) in [
        ("proc", "/proc", "proc"),
        ("sysfs", "/sys", "sysfs"),
        ("devtmpfs", "/dev", "devtmpfs"),
        ("tmpfs", "/tmp", "tmpfs"),
        ("tracefs", "/sys/kernel/tracing", "tracefs"),
    ] {
        fs::create_dir_all(target).map_err(|error| format!("creating {target}: {error}"))?;
        sys::mount(source, target, kind).map_err(|error| format!("mounting {kind} on {target}: {error}"))?;
    }
    Ok(())
}

pub fn bring_up_network() -> Result<(), String> {
    sys::interface_up("lo").map_err(|error| format!("bringing up lo: {error}"))
}

/// Binds the agent to the last CPU and leaves the others to the actors. Returns the number of CPUs.
pub fn keep_to_last_cpu() -> Result<usize, String> {
    let cpus = std::thread::available_parallelism().map_or(1, |count| count.get());
    sys::bind_to_cpu(cpus - 1).map_err(|error| format!("binding the agent to CPU {}: {error}", cpus - 1))?;
    Ok(cpus)
}

/// Turns off periodic work that has nothing to do with the receive path, as far as the kernel has a setting for it.
pub fn quiet_the_kernel() {
    for (name, value) in [
        ("kernel/watchdog", "0"),
        ("kernel/hung_task_timeout_secs", "0"),
        ("vm/stat_interval", "86400"),
        ("vm/dirty_writeback_centisecs", "0"),
        // Otherwise kcompactd wakes up twice a second to check how fragmented memory is (mm/compaction.c, `kcompactd`).
        ("vm/compaction_proactiveness", "0"),
    ] {
        let _ = fs::write(Path::new("/proc/sys").join(name), value);
    }
}

/// Makes every CPU balance the load once in [`BALANCE_INTERVAL_MS`], as far as the kernel has settings for it. Otherwise
/// an idle CPU does so at every tick, or at one in 50 if it met tasks that are bound to others during the boot
/// (kernel/sched/fair.c, `LBF_ALL_PINNED`), and a task that such a tick wakes costs more.
pub fn balance_rarely() {
    /// The interval doubles each time, from 2 ms.
    const SETTLES_IN_NS: u64 = 2 * BALANCE_INTERVAL_MS * 1_000_000;
    // Without debugfs nothing changes.
    let _ = sys::mount("debugfs", "/sys/kernel/debug", "debugfs");
    // Since 6.4, this makes the files of the domains (kernel/sched/debug.c, `sched_verbose_write`).
    let _ = fs::write("/sys/kernel/debug/sched/verbose", "Y");
    for domains in ["/proc/sys/kernel/sched_domain", "/sys/kernel/debug/sched/domains"] {
        for domain in entries(Path::new(domains)).flat_map(|cpu| entries(&cpu)) {
            for name in ["min_interval", "max_interval"] {
                let _ = fs::write(domain.join(name), BALANCE_INTERVAL_MS.to_string());
            }
        }
    }
    sys::sleep_until(sys::clock_ns(libc::CLOCK_MONOTONIC) + SETTLES_IN_NS);
}

/// With two CPUs the kernel allows no more (`max_load_balance_interval`).
const BALANCE_INTERVAL_MS: u64 = 200;

/// The paths in a folder; none if it cannot be read.
fn entries(folder: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path())
}

/// Waits until the boot's remaining work is done: the kernel has settled on its clock source, and no task except the
/// agent is runnable.
pub fn settle() {
    /// Number of checks in a row that must find the machine idle.
    const IDLE_CHECKS: u32 = 8;
    const POLL_INTERVAL_NS: u64 = 5_000_000;
    /// A kernel that never gets there is still worth a try; the console says so.
    const MOST_CHECKS: u32 = 2_000;
    let mut idle = 0;
    for _ in 0..MOST_CHECKS {
        idle = if has_settled_clock() && runnable_tasks() <= 1 { idle + 1 } else { 0 };
        if idle == IDLE_CHECKS {
            return;
        }
        sys::sleep_until(sys::clock_ns(libc::CLOCK_MONOTONIC) + POLL_INTERVAL_NS);
    }
    // For people only: without `AGENT_PREFIX`, the host does not read it.
    println!("rxpath-guest: the machine did not come to rest; continuing anyway");
}

/// The kernel replaces its early clock source about a second into the boot (tsc-early by tsc).
fn has_settled_clock() -> bool {
    let name = fs::read_to_string("/sys/devices/system/clocksource/clocksource0/current_clocksource");
    name.is_ok_and(|name| !name.contains("early") && !name.contains("jiffies"))
}

/// The number of runnable tasks, including this one: the fourth field of /proc/loadavg, before the slash
/// (proc_loadavg(5)).
fn runnable_tasks() -> u32 {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace().nth(3).and_then(|pair| pair.split('/').next()?.parse().ok()).unwrap_or(u32::MAX)
}
