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
    let Ok(listing) = fs::read_dir("/modules") else { return Ok(()) };
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

/// Turns off what wakes up by itself and has nothing to do with the receive path. What a kernel lacks is passed over.
pub fn quiet_the_kernel() {
    for (name, value) in [
        ("kernel/watchdog", "0"),
        ("kernel/hung_task_timeout_secs", "0"),
        ("vm/stat_interval", "86400"),
        ("vm/dirty_writeback_centisecs", "0"),
    ] {
        let _ = fs::write(Path::new("/proc/sys").join(name), value);
    }
}
