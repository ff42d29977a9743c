//! Memory that the agent takes from the kernel's allocator and never gives back, so that timings do not depend on what
//! the allocator has cached. It is held by messages in a socket that is never read: they consist of the same objects as
//! the messages of cases.

use std::io::Write;
use std::os::unix::net::UnixStream;

use crate::sys;

/// The most memory that messages may take, in bytes.
const MOST_BYTES: i32 = 64 << 20;

/// More than a CPU keeps of freed `struct sk_buff` (net/core/skbuff.c, `NAPI_SKB_CACHE_SIZE`). Since 7.0 every send
/// takes one of these if there are any, and otherwise allocates, which costs some hundred instructions more.
const KEPT_BUFFERS: usize = 256;

/// Messages whose data comes from the allocator's caches for small heads, 2 KiB and 4 KiB.
const MESSAGES: [&[u8]; 3] = [&[0; 1], &[0; 1500], &[0; 3000]];

pub struct Hoard {
    sender: UnixStream,
    /// Never read.
    _receiver: UnixStream,
    cpus: usize,
}

impl Hoard {
    /// Makes a hoard on a machine with this number of CPUs, which takes what they have kept.
    pub fn new(cpus: usize) -> Result<Self, String> {
        let failed = |error| format!("making a socket to hold memory: {error}");
        let (sender, receiver) = UnixStream::pair().map_err(failed)?;
        sender.set_nonblocking(true).map_err(failed)?;
        sys::force_send_buffer(&sender, MOST_BYTES).map_err(failed)?;
        let hoard = Self { sender, _receiver: receiver, cpus };
        hoard.take_kept_buffers()?;
        Ok(hoard)
    }

    /// Takes all socket buffers that the CPUs have kept. Leaves the calling thread on the last CPU.
    pub fn take_kept_buffers(&self) -> Result<(), String> {
        for cpu in 0..self.cpus {
            sys::bind_to_cpu(cpu).map_err(|error| format!("binding the agent to CPU {cpu}: {error}"))?;
            (0..KEPT_BUFFERS).for_each(|_| self.hold(MESSAGES[0]));
        }
        Ok(())
    }

    /// Takes an object from each of the allocator's caches that messages come from. A case gives back as much as it
    /// takes, so otherwise all of its iterations would find the same number of free objects in a cache, and all or none
    /// of them would have to fill or to empty it.
    pub fn grow(&self) {
        MESSAGES.iter().for_each(|message| self.hold(message));
    }

    fn hold(&self, message: &[u8]) {
        // An error, such as a full socket, only means that timings depend on the caches again.
        let _ = (&self.sender).write(message);
    }
}
