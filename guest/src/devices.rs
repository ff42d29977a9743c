//! What QEMU gives the agent beside a plain PC: two I/O ports and a region of memory shared with the host.

use std::fs;
use std::path::{Path, PathBuf};

use rxpath_guest::{ORDER_FW_CFG_NAME, Order, SECTION_ALIGN, SECTION_HEADER, SECTIONS_AT, Tag, WIRE_MAGIC};

use crate::sys::{self, Mapping};

/// The port that winds up QEMU's `ib700` watchdog (hw/watchdog/wdt_ib700.c); with `-action watchdog=pause` it stops the
/// machine when its time is up.
const WATCHDOG_PORT: u16 = 0x443;
/// The shortest time the watchdog knows, and the value that asks for it (`time_map` in the same file).
const WATCHDOG_NS: u64 = 2_000_000_000;
const WATCHDOG_SHORTEST: u8 = 14;
/// From the watchdog's time to the agent's waking.
const AFTER_WATCHDOG_NS: u64 = 50_000_000;
/// The `isa-debug-exit` device's port, as the host configures it.
const EXIT_PORT: u16 = 0xf4;

/// fw_cfg's selector (two bytes wide) and data ports, and the key of its directory.
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

/// The I/O ports the agent uses. While a task may use ports, the kernel has more to do at each of its system calls, and
/// threads inherit that: so nobody may, except for the moment of an access.
pub struct Ports(());

impl Ports {
    pub fn open() -> Result<Self, String> {
        sys::allow_ports(true)
            .and_then(|()| sys::allow_ports(false))
            .map_err(|why| format!("asking for the I/O ports: {why}"))?;
        Ok(Self(()))
    }

    /// Does something with the ports; without permission it would fault, and `open` has seen that it is given.
    fn with<T>(&self, access: impl FnOnce() -> T) -> T {
        let _ = sys::allow_ports(true);
        let out = access();
        let _ = sys::allow_ports(false);
        out
    }

    /// Stops the machine while every CPU is idle; returns when the host lets it (or a copy restored from it) go on.
    ///
    /// Idle, because only then is the moment exact. QEMU's main loop stops a machine at its own leisure, and until then a CPU
    /// that executes goes on, as far as the host lets it. The clock of an idle machine may be taken on to the timer that is
    /// due next (accel/tcg/icount-common.c, `icount_start_warp_timer`), which acts after a restore as it would have anyway.
    /// The second sleep is for the timer by which QEMU's CPUs take turns (accel/tcg/tcg-accel-ops-rr.c): when all of them
    /// are idle it starts afresh, in this process as in every other.
    pub fn pause_machine(&self) {
        let now = sys::clock_ns(libc::CLOCK_MONOTONIC);
        self.with(|| sys::write_port(WATCHDOG_PORT, WATCHDOG_SHORTEST));
        sys::sleep_until(now + WATCHDOG_NS + AFTER_WATCHDOG_NS);
        sys::sleep_until(now + WATCHDOG_NS + 2 * AFTER_WATCHDOG_NS);
    }

    /// What the host wants done, if it wants anything, and the bytes that it took to say: the fw_cfg file [`ORDER_FW_CFG_NAME`] (docs/specs/fw_cfg.rst).
    ///
    /// Port I/O, because it is answered by QEMU on the spot: no event of the host's touches the guest's time.
    pub fn take_order(&self) -> Result<Option<(Order, usize)>, String> {
        let Some(bytes) = self.with(read_order) else { return Ok(None) };
        let order = postcard::from_bytes(&bytes).map_err(|why| format!("decoding the order: {why}"))?;
        Ok(Some((order, bytes.len())))
    }

    /// Ends QEMU with exit code `2 * code + 1`.
    pub fn end_machine(&self, code: u8) {
        self.with(|| sys::write_port(EXIT_PORT, code));
    }
}

/// The order's bytes, if fw_cfg has a file with its name.
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
    /// Where the next section goes.
    at: usize,
}

impl SharedRegion {
    pub fn find() -> Result<Self, String> {
        let bar = find_bar()?;
        let memory = Mapping::of_file(&bar).map_err(|why| format!("mapping {}: {why}", bar.display()))?;
        Ok(Self { memory, at: SECTIONS_AT })
    }

    /// Appends a section.
    pub fn section(&mut self, tag: Tag, cpu: u32, bytes: &[u8]) -> Result<(), String> {
        let from = self.open_section(bytes.len())?;
        self.memory.write(from, bytes);
        self.close_section(tag, cpu, bytes.len());
        Ok(())
    }

    /// Appends a section filled by `read`, which is called with what room is left until it gives 0.
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
                return Err("the capture is larger than the shared region".to_owned());
            }
            match read(room).map_err(|why| format!("reading for section {tag:?}: {why}"))? {
                0 => break,
                count => length += count,
            }
        }
        self.close_section(tag, cpu, length);
        Ok(())
    }

    /// Writes the region's header: the capture is complete.
    pub fn finish(&mut self) {
        let length = (self.at - SECTIONS_AT) as u64;
        self.memory.write(16, &length.to_le_bytes());
        self.memory.write(0, &WIRE_MAGIC);
    }

    fn open_section(&self, length: usize) -> Result<usize, String> {
        let from = self.at + SECTION_HEADER;
        if from + length + SECTION_ALIGN > self.memory.len() {
            return Err("the capture is larger than the shared region".to_owned());
        }
        Ok(from)
    }

    fn close_section(&mut self, tag: Tag, cpu: u32, length: usize) {
        let mut header = [0; SECTION_HEADER];
        header[0..4].copy_from_slice(&(tag as u32).to_le_bytes());
        header[4..8].copy_from_slice(&cpu.to_le_bytes());
        header[8..16].copy_from_slice(&(length as u64).to_le_bytes());
        self.memory.write(self.at, &header);
        self.at = (self.at + SECTION_HEADER + length).next_multiple_of(SECTION_ALIGN);
    }
}

fn find_bar() -> Result<PathBuf, String> {
    let devices = Path::new("/sys/bus/pci/devices");
    let listing = fs::read_dir(devices).map_err(|why| format!("reading {}: {why}", devices.display()))?;
    for device in listing.flatten() {
        let is =
            |file: &str, id: &str| fs::read_to_string(device.path().join(file)).is_ok_and(|text| text.trim() == id);
        if is("vendor", "0x1af4") && is("device", "0x1110") {
            // Memory decoding may be off until a driver enables the device.
            let _ = fs::write(device.path().join("enable"), "1");
            return Ok(device.path().join("resource2"));
        }
    }
    Err("no ivshmem device (PCI 1af4:1110): the host must give the machine one".to_owned())
}
