//! Child processes of an actor, which live for one iteration at most: for operations that end a task.

use std::ffi::{CStr, c_int, c_long, c_void};
use std::io::{Error, Result};

use rxpath_guest::Slot;

use super::{After, Call, Scratch};
use crate::shared_state::SharedState;
use crate::sys;

/// The name (`comm`) of every child, by which the host recognises it (`child` in harness/src/path/contexts.yaml).
const NAME: &CStr = c"child";
/// Length of a child's stack, in bytes: enough for two system calls.
const STACK: usize = 16 * 1024;

/// The memory that a child needs until it has exited.
pub struct Child {
    pid: i32,
    stack: Vec<u8>,
    arguments: Box<RecvArguments>,
}

/// The arguments of the child's recv(2).
#[derive(Default)]
struct RecvArguments {
    socket: c_long,
    at: c_long,
    room: c_long,
}

pub fn recv(state: &SharedState, scratch: &mut Scratch, socket: Slot, bytes: u32) -> Call {
    let Some(at) = scratch.incoming(bytes) else { return Call::impossible() };
    let arguments = RecvArguments { socket: state.get(socket), at, room: bytes.into() };
    Call::prepared(start(&mut scratch.child, arguments).map(i64::from))
}

pub fn wait(state: &SharedState, scratch: &mut Scratch, child: Slot) -> Call {
    let status = scratch.room(8);
    Call::new(libc::SYS_wait4, [state.get(child), status, 0, 0]).then(After::Number(status, 4))
}

/// Starts a child in place of the previous one, which must have been waited for because the new child gets its stack.
///
/// The child shares memory and descriptors with the agent: copying them, and freeing the copies, is so much work that
/// the trace of a case would not fit into the ring buffer.
fn start(place: &mut Option<Child>, arguments: RecvArguments) -> Result<i32> {
    if place.as_ref().is_some_and(|child| sys::exists(child.pid)) {
        return Err(Error::from_raw_os_error(libc::EBUSY));
    }
    let child = place.get_or_insert_with(|| Child { pid: 0, stack: vec![0xff; STACK], arguments: Box::default() });
    *child.arguments = arguments;
    let flags = libc::CLONE_VM | libc::CLONE_FILES | libc::CLONE_FS | libc::SIGCHLD;
    let arguments: *mut RecvArguments = &mut *child.arguments;
    let top = child.stack.as_mut_ptr_range().end;
    // SAFETY: `top` is the end of memory that only the child uses (clone aligns it as the ABI demands). This memory and
    // the arguments stay until the child has exited, as checked above. The child only makes system calls, and of the
    // thread-local storage that it shares with this thread it writes only errno, and only if a call fails.
    let pid = sys::check(unsafe { libc::clone(receive, top.cast(), flags, arguments.cast()) })?;
    child.pid = pid as i32;
    Ok(child.pid)
}

extern "C" fn receive(arguments: *mut c_void) -> c_int {
    // SAFETY: `start` gave these arguments to clone, and nothing writes to them until the child has exited.
    let RecvArguments { socket, at, room } = unsafe { &*arguments.cast::<RecvArguments>() };
    Call::new(libc::SYS_prctl, [c_long::from(libc::PR_SET_NAME), NAME.as_ptr() as c_long]).run();
    let outcome = Call::new(libc::SYS_recvfrom, [*socket, *at, *room]).run();
    sys::exit_now(c_int::from(outcome.ret < 0))
}
