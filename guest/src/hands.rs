//! Hands: threads made before the machine is saved, so that a run need not make any. Making one takes the kernel through
//! mmap, clone and a move to another CPU: thousands of instructions, all of which a restored machine's QEMU would have to
//! translate anew.

use std::fs::File;
use std::sync::mpsc::{self, Sender};

use crate::ops::Scratch;
use crate::sys;

/// The CPU that hands are bound to, where most actors work.
pub const CPU: u16 = 0;

/// As many as most cases have actors that are threads; whoever wants more makes them.
const COUNT: usize = 3;

type Work = Box<dyn FnOnce(Scratch) + Send>;

/// A thread that sleeps until it is given something to do.
pub struct Hand {
    /// Never dropped: the thread would end, and somebody's run is not to see that.
    work: &'static Sender<Work>,
    /// Its /proc/TID/syscall, open.
    pub call: File,
}

impl Hand {
    /// Gives it something to do, with memory of its own for system calls; it does one thing in its life.
    pub fn give(&self, work: impl FnOnce(Scratch) + Send + 'static) -> Result<(), String> {
        self.work.send(Box::new(work)).map_err(|_| "a thread made in advance has ended".to_owned())
    }
}

/// Makes them, each bound to [`CPU`].
pub fn make() -> Result<Vec<Hand>, String> {
    (0..COUNT).map(|_| make_one()).collect()
}

fn make_one() -> Result<Hand, String> {
    let (work, to_do) = mpsc::channel::<Work>();
    let work = Box::leak(Box::new(work));
    let (tid, told) = mpsc::channel();
    std::thread::Builder::new()
        .spawn(move || {
            let bound = sys::bind_to_cpu(usize::from(CPU));
            let scratch = Scratch::new();
            let _ = tid.send(bound.map(|()| sys::gettid()));
            if let Ok(work) = to_do.recv() {
                work(scratch);
            }
        })
        .map_err(|why| format!("making a thread in advance: {why}"))?;
    let tid = told.recv().map_err(|_| "a thread made in advance has ended".to_owned())?;
    let tid = tid.map_err(|why| format!("binding a thread made in advance to CPU {CPU}: {why}"))?;
    let path = format!("/proc/{tid}/syscall");
    let call = File::open(&path).map_err(|why| format!("opening {path}: {why}"))?;
    Ok(Hand { work, call })
}
