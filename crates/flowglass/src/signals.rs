//! Ctrl-C and SIGTERM: the first asks the work to stop in order, the second ends it at once.

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
        console::say("stopping: commands are asked to end; once more ends them at once");
        stop.ask(StopCause::Cancelled);
    }
}
