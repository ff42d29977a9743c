//! Safe wrappers of the system calls that the standard library does not offer. All `unsafe` code of the agent is here,
//! except what belongs to a single operation.

use std::ffi::{CString, c_int, c_long};
use std::fs::File;
use std::io::{Error, Result};
use std::os::fd::AsRawFd;
use std::path::Path;
use std::sync::atomic::AtomicU32;

/// Converts a system call's return value to a result.
pub fn check(ret: impl Into<i64>) -> Result<i64> {
    match ret.into() {
        -1 => Err(Error::last_os_error()),
        value => Ok(value),
    }
}

/// mount(2).
pub fn mount(source: &str, target: &str, kind: &str) -> Result<()> {
    let (source, target, kind) = (CString::new(source)?, CString::new(target)?, CString::new(kind)?);
    // SAFETY: the three strings are NUL-terminated and outlive the call; no data argument is passed.
    check(unsafe { libc::mount(source.as_ptr(), target.as_ptr(), kind.as_ptr(), 0, std::ptr::null()) }).map(drop)
}

/// init_module(2), without parameters.
pub fn load_module(object: &[u8]) -> Result<()> {
    // SAFETY: the kernel reads as many bytes as the slice has, and the parameter string is NUL-terminated.
    check(unsafe { libc::syscall(libc::SYS_init_module, object.as_ptr(), object.len(), c"".as_ptr()) }).map(drop)
}

/// Powers the machine off, for when the exit port did not work.
pub fn power_off() -> ! {
    // SAFETY: takes no pointers.
    unsafe { libc::reboot(libc::RB_POWER_OFF) };
    // SAFETY: takes no pointers. The exit of PID 1 is a kernel panic, which the host reports.
    unsafe { libc::_exit(1) }
}

/// Brings a network interface up (SIOCSIFFLAGS).
pub fn interface_up(name: &str) -> Result<()> {
    // SAFETY: takes no pointers.
    let socket = check(unsafe { libc::socket(libc::AF_INET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0) })? as c_int;
    // SAFETY: an all-zero ifreq is a valid value of that plain C structure.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(name.bytes().take(libc::IFNAMSIZ - 1)) {
        *to = from as libc::c_char;
    }
    request.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING) as i16;
    // SAFETY: `request` is a valid ifreq that outlives the call.
    let done = check(unsafe { libc::ioctl(socket, libc::SIOCSIFFLAGS, &request) });
    // SAFETY: the descriptor was opened above and is not used again.
    unsafe { libc::close(socket) };
    done.map(drop)
}

/// Waits until the serial line has sent all output (tcdrain(3)): a paused machine sends nothing.
pub fn drain_console() {
    // SAFETY: takes no pointers.
    unsafe { libc::tcdrain(libc::STDOUT_FILENO) };
}

/// Gives the calling thread permission to use every I/O port, or takes it away (iopl(2)).
pub fn allow_ports(allowed: bool) -> Result<()> {
    const EVERY_PORT: c_int = 3;
    // SAFETY: takes no pointers.
    check(unsafe { libc::iopl(if allowed { EVERY_PORT } else { 0 }) }).map(drop)
}

/// Writes two bytes to an I/O port that [`allow_ports`] has allowed.
pub fn write_port_u16(port: u16, value: u16) {
    // SAFETY: the instruction touches no memory; without permission it faults, which ends the process.
    unsafe { std::arch::asm!("out dx, ax", in("dx") port, in("ax") value, options(nomem, nostack, preserves_flags)) };
}

/// Reads bytes from an I/O port that [`allow_ports`] has allowed, one at a time.
pub fn read_port_bytes(port: u16, to: &mut [u8]) {
    for byte in to {
        let value: u8;
        // SAFETY: the instruction touches no memory; without permission it faults, which ends the process.
        unsafe {
            std::arch::asm!("in al, dx", in("dx") port, out("al") value, options(nomem, nostack, preserves_flags))
        };
        *byte = value;
    }
}

/// Writes a byte to an I/O port that [`allow_ports`] has allowed.
pub fn write_port(port: u16, value: u8) {
    // SAFETY: the instruction touches no memory; without permission it faults, which ends the process.
    unsafe { std::arch::asm!("out dx, al", in("dx") port, in("al") value, options(nomem, nostack, preserves_flags)) };
}

/// The calling thread's id.
pub fn gettid() -> i32 {
    // SAFETY: takes no pointers and cannot fail.
    unsafe { libc::gettid() }
}

/// Sets how many descriptors this process and its children may have open (RLIMIT_NOFILE).
pub fn allow_descriptors(count: u64) -> Result<()> {
    let limit = libc::rlimit { rlim_cur: count, rlim_max: count };
    // SAFETY: `limit` is valid for the call.
    check(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &limit) }).map(drop)
}

/// Sets the calling task's name (its `comm`, at most 15 bytes).
pub fn set_name(name: &str) {
    if let Ok(name) = CString::new(name) {
        // SAFETY: the string is NUL-terminated; the kernel copies at most 16 bytes of it.
        unsafe { libc::prctl(libc::PR_SET_NAME, name.as_ptr()) };
    }
}

/// Binds the calling task to one CPU (sched_setaffinity(2)).
pub fn bind_to_cpu(cpu: usize) -> Result<()> {
    // SAFETY: an all-zero cpu_set_t is the empty set.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    // SAFETY: `set` is a valid set; CPU_SET checks the index against its size.
    unsafe { libc::CPU_SET(cpu, &mut set) };
    // SAFETY: `set` is valid and its size is given.
    check(unsafe { libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &set) }).map(drop)
}

/// Sets the calling task's scheduling policy (sched_setscheduler(2)).
pub fn set_policy(policy: c_int, priority: c_int) -> Result<()> {
    let parameter = libc::sched_param { sched_priority: priority };
    // SAFETY: `parameter` is valid for the call.
    check(unsafe { libc::sched_setscheduler(0, policy, &parameter) }).map(drop)
}

/// The reading of a clock, in nanoseconds.
#[inline]
pub fn clock_ns(clock: libc::clockid_t) -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is valid for the call.
    unsafe { libc::clock_gettime(clock, &mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// Sleeps until this reading of CLOCK_MONOTONIC, in nanoseconds.
pub fn sleep_until(ns: u64) {
    let time = libc::timespec { tv_sec: (ns / 1_000_000_000) as i64, tv_nsec: (ns % 1_000_000_000) as c_long };
    loop {
        // SAFETY: `time` is valid for the call; no remainder is asked for.
        let ret =
            unsafe { libc::clock_nanosleep(libc::CLOCK_MONOTONIC, libc::TIMER_ABSTIME, &time, std::ptr::null_mut()) };
        if ret != libc::EINTR {
            return;
        }
    }
}

/// The number of voluntary and involuntary context switches of the calling thread so far (getrusage(2)).
pub fn context_switches() -> u32 {
    // SAFETY: an all-zero rusage is a valid value of that plain C structure.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: `usage` is valid for the call.
    unsafe { libc::getrusage(libc::RUSAGE_THREAD, &mut usage) };
    (usage.ru_nvcsw + usage.ru_nivcsw) as u32
}

/// Makes a system call that does almost nothing: sched_get_priority_max(2) of SCHED_OTHER.
pub fn smallest_call() {
    // SAFETY: takes no pointers.
    unsafe { libc::sched_get_priority_max(libc::SCHED_OTHER) };
}

/// Sleeps while `word` has the value `expected`, until woken (futex(2)). `private` is FUTEX_PRIVATE_FLAG if only this
/// process uses the word, and otherwise 0.
pub fn futex_wait(word: &AtomicU32, expected: u32, private: c_int) {
    // SAFETY: `word` is a live, aligned 32-bit word; no timeout is given.
    unsafe {
        let call = libc::FUTEX_WAIT | private;
        libc::syscall(libc::SYS_futex, word.as_ptr(), call, expected, std::ptr::null::<libc::timespec>())
    };
}

/// Like [`futex_wait`], for at most `ns` nanoseconds.
pub fn futex_wait_for(word: &AtomicU32, expected: u32, ns: u64, private: c_int) {
    let time = libc::timespec { tv_sec: (ns / 1_000_000_000) as i64, tv_nsec: (ns % 1_000_000_000) as c_long };
    // SAFETY: `word` is a live, aligned 32-bit word and `time` outlives the call.
    unsafe { libc::syscall(libc::SYS_futex, word.as_ptr(), libc::FUTEX_WAIT | private, expected, &time) };
}

/// Wakes all tasks that wait on `word`.
pub fn futex_wake(word: &AtomicU32, private: c_int) {
    // SAFETY: `word` is a live, aligned 32-bit word.
    unsafe { libc::syscall(libc::SYS_futex, word.as_ptr(), libc::FUTEX_WAKE | private, i32::MAX) };
}

/// The process in which [`fork`] has returned.
pub enum Forked {
    Child,
    Parent,
}

/// fork(2). The child has only the calling thread, and must end with [`exit_now`].
pub fn fork() -> Result<Forked> {
    // SAFETY: the child only runs an actor's steps, which allocate nothing that another thread could hold locked.
    match check(unsafe { libc::fork() })? {
        0 => Ok(Forked::Child),
        _ => Ok(Forked::Parent),
    }
}

/// Ends the calling process at once (_exit(2)).
pub fn exit_now(code: i32) -> ! {
    // SAFETY: takes no pointers; nothing of the process needs to be torn down.
    unsafe { libc::_exit(code) }
}

/// Waits for a child and reaps it (waitpid(2)).
pub fn wait_for(pid: i32) {
    // SAFETY: no status is asked for.
    unsafe { libc::waitpid(pid, std::ptr::null_mut(), 0) };
}

/// Whether a process with this pid exists, including a zombie that has not been reaped (kill(2), signal 0).
pub fn exists(pid: i32) -> bool {
    // SAFETY: takes no pointers.
    unsafe { libc::kill(pid, 0) == 0 }
}

/// Sends SIGINT to a process, as Ctrl-C does.
pub fn interrupt(pid: i32) -> Result<()> {
    // SAFETY: takes no pointers.
    check(unsafe { libc::kill(pid, libc::SIGINT) }).map(drop)
}

/// Marks a descriptor to be closed by execve(2) (FD_CLOEXEC).
pub fn close_on_exec(fd: c_int) -> Result<()> {
    // SAFETY: takes no pointers.
    check(unsafe { libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC) }).map(drop)
}

/// The number of bytes in a socket's queue; `request` is FIONREAD or TIOCOUTQ (ioctl(2), tcp(7)).
pub fn queue_length(fd: c_int, request: libc::Ioctl) -> Result<u32> {
    let mut bytes: c_int = 0;
    // SAFETY: `bytes` is the int that these requests fill.
    check(unsafe { libc::ioctl(fd, request, &mut bytes) })?;
    Ok(bytes as u32)
}

/// Sets the size of a socket's send buffer beyond the limit for ordinary users (socket(7), SO_SNDBUFFORCE).
pub fn force_send_buffer(socket: &impl AsRawFd, bytes: c_int) -> Result<()> {
    let length = size_of::<c_int>() as libc::socklen_t;
    let value = (&raw const bytes).cast();
    // SAFETY: `value` points to an int, which is what the option takes, and is valid for the call.
    check(unsafe { libc::setsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, libc::SO_SNDBUFFORCE, value, length) })
        .map(drop)
}

/// Whether poll(2) reports one of these events on a descriptor now.
pub fn is_ready(fd: c_int, events: i16) -> bool {
    let mut poll = libc::pollfd { fd, events, revents: 0 };
    // SAFETY: `poll` is one pollfd, valid for the call, which does not wait.
    unsafe { libc::poll(&mut poll, 1, 0) == 1 && poll.revents & events != 0 }
}

/// The state of a TCP socket: the first byte of `struct tcp_info` (`linux/tcp.h`).
pub fn tcp_state(fd: c_int) -> Option<u8> {
    let mut state: u8 = 0;
    let mut length: libc::socklen_t = 1;
    // SAFETY: the kernel writes at most the one byte that is asked for.
    let ret = unsafe { libc::getsockopt(fd, libc::IPPROTO_TCP, libc::TCP_INFO, (&raw mut state).cast(), &mut length) };
    (ret == 0).then_some(state)
}

/// Memory shared with the host or between processes, never unmapped.
pub struct Mapping {
    start: *mut u8,
    len: usize,
}

impl Mapping {
    /// Maps a whole file, shared.
    pub fn of_file(path: &Path) -> Result<Self> {
        let file = File::options().read(true).write(true).open(path)?;
        let len = file.metadata()?.len() as usize;
        // SAFETY: a fresh mapping of an open file, not aliased by anything in this process.
        let start = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                len,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED,
                file.as_raw_fd(),
                0,
            )
        };
        if start == libc::MAP_FAILED { Err(Error::last_os_error()) } else { Ok(Self { start: start.cast(), len }) }
    }

    /// Maps zeroed memory that forked processes share, with every page present.
    pub fn shared(len: usize) -> Result<Self> {
        // SAFETY: a fresh anonymous mapping.
        let start = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                len,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED | libc::MAP_ANONYMOUS | libc::MAP_POPULATE,
                -1,
                0,
            )
        };
        if start == libc::MAP_FAILED { Err(Error::last_os_error()) } else { Ok(Self { start: start.cast(), len }) }
    }

    /// Splits off at least this many bytes from the start, if the mapping has that many.
    pub fn split(&mut self, bytes: usize) -> Option<Self> {
        // Each part has cache lines of its own, so that its users do not slow each other down.
        const LINE: usize = 64;
        let len = bytes.checked_next_multiple_of(LINE).filter(|len| *len <= self.len)?;
        let start = self.start;
        // SAFETY: the first `len` bytes are within the mapping.
        self.start = unsafe { start.add(len) };
        self.len -= len;
        Some(Self { start, len })
    }

    /// In bytes.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Copies bytes to this offset. Panics beyond the end, like a slice.
    pub fn write(&mut self, at: usize, bytes: &[u8]) {
        self.tail(at)[..bytes.len()].copy_from_slice(bytes);
    }

    /// The bytes from this offset on.
    pub fn tail(&mut self, at: usize) -> &mut [u8] {
        let at = at.min(self.len);
        // SAFETY: within the mapping, which lives as long as `self`; `&mut self` makes the slice unique here.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(at), self.len - at) }
    }

    /// The memory as values of `T`.
    ///
    /// # Safety
    /// All zero bytes are a valid `T`, and `T` synchronises all access to itself.
    pub unsafe fn leak_as<T>(self, count: usize) -> &'static [T] {
        assert!(count * size_of::<T>() <= self.len && self.start.align_offset(align_of::<T>()) == 0);
        // SAFETY: in range and aligned (checked), never unmapped, valid as the caller promises.
        unsafe { std::slice::from_raw_parts(self.start.cast(), count) }
    }
}
