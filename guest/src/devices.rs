//! The devices that QEMU gives the agent: a watchdog, an exit port, fw_cfg, and a region of memory shared with the
//! host.

use std::fs;
use std::path::{Path, PathBuf};

use rxpath_guest::{
    EXIT_PORT, ORDER_FW_CFG_NAME, Order, SECTION_ALIGN, SECTION_HEADER, SECTIONS_AT, Tag, section_header,
    write_region_header,
};

use crate::sys::{self, Mapping};

/// The port that starts QEMU's `ib700` watchdog (hw/watchdog/wdt_ib700.c), which with `-action watchdog=pause` stops
/// the machine when its time is up.
const WATCHDOG_PORT: u16 = 0x443;
/// The shortest time of the watchdog in nanoseconds, and the value that selects it (`time_map` in the same file).
const WATCHDOG_NS: u64 = 2_000_000_000;
const WATCHDOG_SHORTEST: u8 = 14;
/// The longest time of the watchdog in nanoseconds, and the value that selects it.
pub const WATCHDOG_LONGEST_NS: u64 = 30_000_000_000;
const WATCHDOG_LONGEST: u8 = 0;
/// How long after the watchdog's time the agent wakes up, in nanoseconds.
const AFTER_WATCHDOG_NS: u64 = 50_000_000;
/// The ports of fw_cfg's selector (two bytes) and data, and the key of its directory (docs/specs/fw_cfg.rst).
const FW_CFG_SELECTOR_PORT: u16 = 0x510;
const FW_CFG_DATA_PORT: u16 = 0x511;
const FW_CFG_FILE_DIR: u16 = 0x19;

/// Selects a fw_cfg item and reads its first bytes.
fn read_array<const N: usize>(key: u16) -> [u8; N] {
    sys::write_port_u16(FW_CFG_SELECTOR_PORT, key);
    next_array()
}

/// The next bytes of the selected item.
fn next_array<const N: usize>() -> [u8; N] {
    let mut out = [0; N];
    sys::read_port_bytes(FW_CFG_DATA_PORT, &mut out);
    out
}

/// The I/O ports that the agent uses. A task with permission to use ports makes the kernel do more at each of its
/// system calls, and threads inherit the permission, so the agent takes it only for the moment of an access.
pub struct Ports(());

impl Ports {
    pub fn open() -> Result<Self, String> {
        sys::allow_ports(true)
            .and_then(|()| sys::allow_ports(false))
            .map_err(|error| format!("asking for the I/O ports: {error}"))?;
        Ok(Self(()))
    }

    /// Calls `access` with permission to use the ports, without which it would fault; `open` has checked that the
    /// kernel grants it.
    fn with<T>(&self, access: impl FnOnce() -> T) -> T {
        let _ = sys::allow_ports(true);
        let out = access();
        let _ = sys::allow_ports(false);
        out
    }

    /// Stops the machine while every CPU is idle; returns when the host lets it, or a copy restored from it, go on.
    ///
    /// The moment is exact only with idle CPUs. QEMU's main loop takes its time to stop a machine, and a CPU that
    /// executes goes on until then, for as long as the host lets it. The clock of an idle machine can only advance to
    /// the timer that is due next (accel/tcg/icount-common.c, `icount_start_warp_timer`), which acts after a restore as
    /// it would have anyway. The second sleep is for the timer by which QEMU's CPUs take turns
    /// (accel/tcg/tcg-accel-ops-rr.c): it restarts when all CPUs are idle, in this process and in every other.
    pub fn pause_machine(&self) {
        let now = sys::clock_ns(libc::CLOCK_MONOTONIC);
        self.with(|| sys::write_port(WATCHDOG_PORT, WATCHDOG_SHORTEST));
        sys::sleep_until(now + WATCHDOG_NS + AFTER_WATCHDOG_NS);
        sys::sleep_until(now + WATCHDOG_NS + 2 * AFTER_WATCHDOG_NS);
    }

    /// Has QEMU stop the machine for good in [`WATCHDOG_LONGEST_NS`] of guest time, unless it has ended by then. This ends a guest
    /// in which the agent waits forever, or never gets a CPU.
    pub fn limit_guest_time(&self) {
        self.with(|| sys::write_port(WATCHDOG_PORT, WATCHDOG_LONGEST));
    }

    /// Reads the host's order, if there is one, from the fw_cfg file [`ORDER_FW_CFG_NAME`]; returns it with its length
    /// in bytes.
    ///
    /// It uses port I/O because QEMU answers that at once, so that no event on the host affects the guest's time.
    pub fn take_order(&self) -> Result<Option<(Order, usize)>, String> {
        let Some(bytes) = self.with(read_order) else { return Ok(None) };
        let order = postcard::from_bytes(&bytes).map_err(|error| format!("decoding the order: {error}"))?;
        Ok(Some((order, bytes.len())))
    }

    /// Ends QEMU with the exit code [`rxpath_guest::qemu_exit_code`].
    pub fn end_machine(&self, code: u8) {
        self.with(|| sys::write_port(EXIT_PORT, code));
    }
}

/// The bytes of the order, if fw_cfg has a file with its name.
fn read_order() -> Option<Vec<u8>> {
    let count = u32::from_be_bytes(read_array(FW_CFG_FILE_DIR));
    for _ in 0..count {
        let size = u32::from_be_bytes(next_array());
        let key = u16::from_be_bytes(next_array());
        let [_reserved_high, _reserved_low]: [u8; 2] = next_array();
        let name: [u8; 56] = next_array();
        if name.split(|byte| *byte == 0).next() == Some(ORDER_FW_CFG_NAME.as_bytes()) {
            let mut bytes = vec![0; size as usize];
            sys::write_port_u16(FW_CFG_SELECTOR_PORT, key);
            sys::read_port_bytes(FW_CFG_DATA_PORT, &mut bytes);
            return Some(bytes);
        }
    }
    None
}

/// The region shared with the host: BAR 2 of QEMU's `ivshmem-plain` (docs/specs/ivshmem-spec.rst).
pub struct SharedRegion {
    memory: Mapping,
    /// Offset of the next section, in bytes.
    at: usize,
}

impl SharedRegion {
    pub fn find() -> Result<Self, String> {
        let bar = find_bar()?;
        let memory = Mapping::of_file(&bar).map_err(|error| format!("mapping {}: {error}", bar.display()))?;
        Ok(Self { memory, at: SECTIONS_AT })
    }

    /// Appends a section.
    pub fn section(&mut self, tag: Tag, cpu: u32, bytes: &[u8]) -> Result<(), String> {
        let from = self.open_section(bytes.len())?;
        self.memory.write(from, bytes);
        self.close_section(tag, cpu, bytes.len());
        Ok(())
    }

    /// Appends a section that `read` fills: it is called with the rest of the region until it returns 0.
    pub fn section_from(
        &mut self,
        tag: Tag,
        cpu: u32,
        mut read: impl FnMut(&mut [u8]) -> std::io::Result<usize>,
    ) -> Result<(), String> {
        let from = self.open_section(0)?;
        let mut length = 0;
        loop {
            let room = self.memory.tail(from + length);
            if room.len() < 2 * SECTION_ALIGN {
                return Err(self.is_full());
            }
            match read(room).map_err(|error| format!("reading for section {tag:?}: {error}"))? {
                0 => break,
                count => length += count,
            }
        }
        self.close_section(tag, cpu, length);
        Ok(())
    }

    /// Writes the region's header, which says that the capture is complete.
    pub fn finish(&mut self) {
        write_region_header(self.memory.tail(0), self.at - SECTIONS_AT);
    }

    fn is_full(&self) -> String {
        format!("the capture does not fit into the shared region of {} bytes", self.memory.len())
    }

    fn open_section(&self, length: usize) -> Result<usize, String> {
        let from = self.at + SECTION_HEADER;
        if from + length + SECTION_ALIGN > self.memory.len() {
            return Err(self.is_full());
        }
        Ok(from)
    }

    fn close_section(&mut self, tag: Tag, cpu: u32, length: usize) {
        self.memory.write(self.at, &section_header(tag, cpu, length));
        self.at = (self.at + SECTION_HEADER + length).next_multiple_of(SECTION_ALIGN);
    }
}

fn find_bar() -> Result<PathBuf, String> {
    let devices = Path::new("/sys/bus/pci/devices");
    let listing = fs::read_dir(devices).map_err(|error| format!("reading {}: {error}", devices.display()))?;
    for device in listing.flatten() {
        let is =
            |file: &str, id: &str| fs::read_to_string(device.path().join(file)).is_ok_and(|text| text.trim() == id);
        if is("vendor", "0x1af4") && is("device", "0x1110") {
            // The device may not decode memory accesses until it is enabled.
            let _ = fs::write(device.path().join("enable"), "1");
            return Ok(device.path().join("resource2"));
        }
    }
    Err("found no ivshmem device (PCI 1af4:1110): the host must give the machine one".to_owned())
}
