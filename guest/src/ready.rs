//! Everything between the kernel's hand-over and the point where the machine can be saved.

use std::fs;
use std::path::Path;

use crate::sys;

/// Mounts what the agent reads and writes.
pub fn mount_all() -> Result<(), String> {
    for (source, target, kind) in [
        ("proc", "/proc", "proc"),
        ("sysfs", "/sys", "sysfs"),
        ("devtmpfs", "/dev", "devtmpfs"),
        ("tmpfs", "/tmp", "tmpfs"),
        ("tracefs", "/sys/kernel/tracing", "tracefs"),
    ] {
        fs::create_dir_all(target).map_err(|why| format!("creating {target}: {why}"))?;
        sys::mount(source, target, kind).map_err(|why| format!("mounting {kind} on {target}: {why}"))?;
    }
    Ok(())
}

/// Loads every module under /modules, in the order of their names: the host has numbered them.
pub fn load_modules() -> Result<(), String> {
    let Ok(listing) = fs::read_dir("/modules") else {
        return Ok(());
    };
    let mut paths: Vec<_> = listing.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths {
        let file = fs::File::open(&path).map_err(|why| format!("opening {}: {why}", path.display()))?;
        sys::load_module(&file).map_err(|why| format!("loading {}: {why}", path.display()))?;
        // Saved pages of a file that nobody needs any more would only make the warm image larger.
        let _ = fs::remove_file(&path);
    }
    Ok(())
}

/// Brings up lo.
pub fn bring_up_network() -> Result<(), String> {
    sys::interface_up("lo").map_err(|why| format!("bringing up lo: {why}"))
}

/// Keeps the agent to the last CPU, so that actors have the others to themselves.
pub fn keep_to_last_cpu() -> Result<(), String> {
    let cpus = std::thread::available_parallelism().map_or(1, |count| count.get());
    sys::bind_to_cpu(cpus - 1).map_err(|why| format!("binding the agent to CPU {}: {why}", cpus - 1))
}

/// Turns off what wakes up by itself and has nothing to do with the receive path. What a kernel lacks is passed over.
pub fn quiet_the_kernel() {
    for (name, value) in [
        ("kernel/watchdog", "0"),
        ("kernel/hung_task_timeout_secs", "0"),
        ("vm/stat_interval", "86400"),
        ("vm/dirty_writeback_centisecs", "0"),
        // Else kcompactd wakes twice a second to see how memory is scattered (mm/compaction.c, `kcompactd`).
        ("vm/compaction_proactiveness", "0"),
    ] {
        let _ = fs::write(Path::new("/proc/sys").join(name), value);
    }
}

/// Waits until the boot's leftovers are done: the kernel has settled on its clock, and nobody but the agent wants a CPU.
pub fn settle() {
    /// Looks in a row at which the machine must have been idle.
    const QUIET_LOOKS: u32 = 8;
    const LOOK_EVERY_NS: u64 = 5_000_000;
    /// A kernel that never gets there is still better tried than given up; the console says so.
    const MOST_LOOKS: u32 = 2_000;
    let mut quiet = 0;
    for _ in 0..MOST_LOOKS {
        quiet = if has_settled_clock() && runnable_tasks() <= 1 { quiet + 1 } else { 0 };
        if quiet == QUIET_LOOKS {
            return;
        }
        sys::sleep_until(sys::clock_ns(libc::CLOCK_MONOTONIC) + LOOK_EVERY_NS);
    }
    println!("rxpath-guest: the machine never came to rest, going on");
}

/// Early clock sources are replaced once, a second or so into the boot (tsc-early by tsc).
fn has_settled_clock() -> bool {
    let name = fs::read_to_string("/sys/devices/system/clocksource/clocksource0/current_clocksource");
    name.is_ok_and(|name| !name.contains("early") && !name.contains("jiffies"))
}

/// Runnable tasks, this one included: the fourth field of /proc/loadavg (proc_loadavg(5)), before its slash.
fn runnable_tasks() -> u32 {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace().nth(3).and_then(|pair| pair.split('/').next()?.parse().ok()).unwrap_or(u32::MAX)
}
