//! Children of an actor, which live for an iteration at most: for what ends a task.

use std::ffi::{CStr, c_int, c_long, c_void};
use std::io::{Error, Result};

use rxpath_guest::Slot;

use super::{After, Call, Scratch};
use crate::board::Board;
use crate::sys;

/// The name (`comm`) of every child, by which the host knows it (`task child`).
const NAME: &CStr = c"child";
/// In bytes. A child makes two system calls.
const STACK: usize = 16 * 1024;

/// A child's memory, which it needs until it has ended.
pub struct Child {
    pid: i32,
    stack: Vec<u8>,
    errand: Box<Errand>,
}

/// What a child is to do: the arguments of recv(2).
#[derive(Default)]
struct Errand {
    socket: c_long,
    at: c_long,
    room: c_long,
}

pub fn recv(board: &Board, scratch: &mut Scratch, socket: Slot, bytes: u32) -> Call {
    let Some(at) = scratch.incoming(bytes) else { return Call::impossible() };
    let errand = Errand { socket: board.get(socket), at, room: bytes.into() };
    Call::prepared(start(&mut scratch.child, errand).map(i64::from))
}

pub fn wait(board: &Board, scratch: &mut Scratch, child: Slot) -> Call {
    let status = scratch.room(8);
    Call::new(libc::SYS_wait4, [board.get(child), status, 0, 0]).then(After::Number(status, 4))
}

/// Starts a child in the place of the one before, which must have been waited for: it would lose its stack.
///
/// It shares memory and descriptors with the agent: a copy of either is so much work, to make and to end, that the trace's buffer
/// does not hold a case of it.
fn start(place: &mut Option<Child>, errand: Errand) -> Result<i32> {
    if place.as_ref().is_some_and(|child| sys::exists(child.pid)) {
        return Err(Error::from_raw_os_error(libc::EBUSY));
    }
    let child = place.get_or_insert_with(|| Child { pid: 0, stack: vec![0xff; STACK], errand: Box::default() });
    *child.errand = errand;
    let flags = libc::CLONE_VM | libc::CLONE_FILES | libc::CLONE_FS | libc::SIGCHLD;
    let errand: *mut Errand = &mut *child.errand;
    let top = child.stack.as_mut_ptr_range().end;
    // SAFETY: `top` is the end of memory that is the child's alone (the ABI's alignment is made by clone), and both it and the
    // errand stay until the child has ended: checked above. The child calls nothing but the kernel, through thread-local
    // storage that it shares with this thread: of that, only errno is written, and only if a call fails.
    let pid = sys::check(unsafe { libc::clone(receive, top.cast(), flags, errand.cast()) })?;
    child.pid = pid as i32;
    Ok(child.pid)
}

/// The child's whole life.
extern "C" fn receive(errand: *mut c_void) -> c_int {
    // SAFETY: it is the errand that `start` gave to clone, which nobody writes to while the child lives.
    let Errand { socket, at, room } = unsafe { &*errand.cast::<Errand>() };
    Call::new(libc::SYS_prctl, [c_long::from(libc::PR_SET_NAME), NAME.as_ptr() as c_long]).run();
    let outcome = Call::new(libc::SYS_recvfrom, [*socket, *at, *room]).run();
    sys::exit_now(c_int::from(outcome.ret < 0))
}
