//! Threads that share a list of tasks.

use std::sync::Mutex;

/// Does the tasks in order, on `workers` threads.
pub(super) fn work_off<T: Send>(tasks: impl Iterator<Item = T> + Send, workers: usize, work: impl Fn(T) + Sync) {
    let tasks = Mutex::new(tasks);
    let next = || tasks.lock().ok()?.next();
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                while let Some(task) = next() {
                    work(task);
                }
            });
        }
    });
}
