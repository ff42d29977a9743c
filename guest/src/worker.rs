//! Threads made before the machine is saved, so that a run need not make any. Making a thread leads through mmap, clone
//! and a migration to a different CPU: thousands of instructions that the QEMU that restores the machine would have to
//! translate.

use std::fs::File;
use std::sync::mpsc::{self, Sender};

use crate::ops::Scratch;
use crate::sys;

/// The CPU that the threads are bound to, where most actors work.
pub const CPU: u16 = 0;

/// Enough for most cases; a case with more actors makes more threads.
const COUNT: usize = 3;

type Work = Box<dyn FnOnce(Scratch) + Send>;

/// A thread that sleeps until it is given work.
pub struct WorkerThread {
    /// Never dropped: without it the thread would end, in the middle of a run.
    work: &'static Sender<Work>,
    /// The thread's /proc/TID/syscall.
    pub call: File,
}

impl WorkerThread {
    /// Starts the only work that this thread ever does; it gets memory of its own for system calls.
    pub fn start(&self, work: impl FnOnce(Scratch) + Send + 'static) -> Result<(), String> {
        self.work.send(Box::new(work)).map_err(|_| "a worker thread has ended".to_owned())
    }
}

/// Makes the threads, each bound to [`CPU`].
pub fn spawn_all() -> Result<Vec<WorkerThread>, String> {
    (0..COUNT).map(|_| spawn()).collect()
}

fn spawn() -> Result<WorkerThread, String> {
    let (work, to_do) = mpsc::channel::<Work>();
    let work = Box::leak(Box::new(work));
    let (tid, started) = mpsc::channel();
    std::thread::Builder::new()
        .spawn(move || {
            let bound = sys::bind_to_cpu(usize::from(CPU));
            let scratch = Scratch::new();
            let _ = tid.send(bound.map(|()| sys::gettid()));
            if let Ok(work) = to_do.recv() {
                work(scratch);
            }
        })
        .map_err(|error| format!("making a worker thread: {error}"))?;
    let tid = started.recv().map_err(|_| "a worker thread has ended".to_owned())?;
    let tid = tid.map_err(|error| format!("binding a worker thread to CPU {CPU}: {error}"))?;
    let path = format!("/proc/{tid}/syscall");
    let call = File::open(&path).map_err(|error| format!("opening {path}: {error}"))?;
    Ok(WorkerThread { work, call })
}
