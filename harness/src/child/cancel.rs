//! Ctrl-C, SIGTERM and SIGHUP: every child ends, then the command.

use std::sync::atomic::{AtomicBool, Ordering};

use super::launcher;

/// Set once, when the user cancels the command.
static CANCELLED: AtomicBool = AtomicBool::new(false);

/// Ends every child, and then the command, on Ctrl-C, SIGTERM or SIGHUP. Call it once.
pub(crate) fn cancel_on_signals() {
    // Without a handler, the signal's default action ends everything at once.
    let _ = ctrlc::set_handler(|| {
        CANCELLED.store(true, Ordering::Relaxed);
        // A download waits for apt, which does not know the flag.
        launcher::end_children();
    });
}

/// Whether the user has cancelled the command.
pub(crate) fn is_cancelled() -> bool {
    CANCELLED.load(Ordering::Relaxed)
}
