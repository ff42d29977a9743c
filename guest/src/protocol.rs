//! What both sides must spell alike and no type expresses: names of files, words on the console, ports, exit codes.

/// The name of the fw_cfg file that holds an [`Order`](crate::Order), postcard-encoded (QEMU docs/specs/fw_cfg.rst:
/// user items are under `opt/`).
pub const ORDER_FW_CFG_NAME: &str = "opt/rxpath/order";

/// The longest [`Order`](crate::Order) to run a plan, in bytes: the agent reads it byte by byte, before the run's start.
pub const MAX_ORDER: usize = 256 * 1024;

/// Starts the lines on the console that the host reads: [`READY`], or the reason that made the agent give up. The last
/// of them counts.
pub const AGENT_PREFIX: &str = "rxpath-agent: ";

/// Says that the agent has obeyed the order and the machine can be saved.
pub const READY: &str = "ready";

/// After [`AGENT_PREFIX`]: a step of a [`Setup`](crate::Setup) failed. The numbers of the setup and of the step follow, from
/// 0, and the errno.
pub const SETUP_FAILED: &str = "setup failed: ";

/// After [`AGENT_PREFIX`]: a module could not be loaded. Its name and the errno follow.
pub const MODULE_FAILED: &str = "module failed: ";

/// The I/O port of the `isa-debug-exit` device.
pub const EXIT_PORT: u16 = 0xf4;

/// Written to [`EXIT_PORT`] when the capture is complete. This and [`EXIT_FAILED`] give exit codes that QEMU itself
/// never ends with.
pub const EXIT_DONE: u8 = 0x30;

/// Written to [`EXIT_PORT`] when the agent gave up; the reason is on the console.
pub const EXIT_FAILED: u8 = 0x31;

/// QEMU's exit code after a write to [`EXIT_PORT`] (hw/misc/debugexit.c).
pub fn qemu_exit_code(written: u8) -> i32 {
    i32::from(written) << 1 | 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_codes_of_qemu() {
        assert_eq!([EXIT_DONE, EXIT_FAILED, 0].map(qemu_exit_code), [97, 99, 1]);
    }
}
