//! Ctrl-C and SIGTERM: the first asks the work to stop in order, the second ends it at once. And
//! the signal of a file that grew too large, which must not end anything.

use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};

use flowglass_engine::{Stop, StopCause};
use tokio::signal::unix::{SignalKind, signal};

use crate::console;
use crate::exit::Exit;

static ASKED: AtomicBool = AtomicBool::new(false);

/// Whether a signal has asked to stop.
pub(crate) fn was_asked() -> bool {
    ASKED.load(Ordering::Relaxed)
}

/// Lets a write past the limit on the size of a file (`ulimit -f`) fail as one on a full disk does,
/// with an error that can be told, and not end the process. Call it on a runtime.
pub(crate) fn outlive_file_limit() {
    let number = flowglass_engine::signal_number("SIGXFSZ").unwrap_or_default();
    // Listening is enough: the runtime keeps its handler for as long as the process lives. Without
    // one the process ends as it would have before.
    drop(signal(SignalKind::from_raw(i32::from(number))));
}

/// Does the work with a [`Stop`] that signals ask.
///
/// # Errors
/// When the system gives no signal handler.
pub(crate) async fn stoppable<T, F: Future<Output = T>>(
    work: impl FnOnce(Stop) -> F,
) -> anyhow::Result<T> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let stop = Stop::new();
    let doing = work(stop.clone());
    tokio::pin!(doing);
    loop {
        tokio::select! {
            done = &mut doing => return Ok(done),
            _told = interrupt.recv() => {}
            _told = terminate.recv() => {}
        }
        if ASKED.swap(true, Ordering::Relaxed) {
            console::leave(Exit::Interrupted);
        }
        console::say("stopping: what runs is asked to end in order; once more ends it at once");
        stop.ask(StopCause::Cancelled);
    }
}
