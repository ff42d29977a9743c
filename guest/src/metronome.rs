//! The kernel's tick, waited for: whatever begins right after one has a whole one ahead of it, so that no timer
//! interrupt falls into it unless it is that long. Where ticks fall in a round would otherwise hang on everything that the
//! agent did before, and a long operation would have one in some rounds and none in others.

use std::os::unix::net::UnixDatagram;
use std::time::Duration;

/// One tick of a kernel with HZ=250, as Debian's are; a shorter one is waited for as well.
const TICK: Duration = Duration::from_millis(4);

/// Nobody writes to this socket: a receive from it ends by its timeout, which the kernel counts in ticks
/// (net/unix/af_unix.c, `unix_dgram_recvmsg`; `schedule_timeout`).
pub struct Metronome(UnixDatagram);

impl Metronome {
    pub fn new() -> Result<Self, String> {
        let socket = UnixDatagram::unbound().map_err(|why| format!("making a socket to wait on: {why}"))?;
        socket.set_read_timeout(Some(TICK)).map_err(|why| format!("setting the time to wait: {why}"))?;
        Ok(Self(socket))
    }

    /// Returns right after a tick.
    pub fn wait_for_tick(&self) {
        // It ends by its timeout, that is with an error.
        let _ = self.0.recv(&mut [0]);
    }
}
