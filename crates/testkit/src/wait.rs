//! Waiting for a named state, the one alternative to sleeping in a test.
//!
//! A sleep is either too short (the test flickers) or too long (everybody waits). Here the wait
//! ends as soon as the state is there, and a state that never comes is a failure that says which
//! state it was.

use std::time::{Duration, Instant};

/// How long to pause between two looks: short enough not to be felt, long enough not to eat a core.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// Looks until `look` gives a value, and panics with `state` in its message after `within`.
///
/// # Panics
/// When the state did not come in time.
#[track_caller]
pub fn wait_for<T>(state: &str, within: Duration, mut look: impl FnMut() -> Option<T>) -> T {
    let start = now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(start.elapsed() < within, "waited {within:?} in vain for: {state}");
        std::thread::sleep(LOOK_EVERY);
    }
}

/// The same for a look that is itself asynchronous (a query, a request).
///
/// # Panics
/// When the state did not come in time.
pub async fn wait_for_async<T>(
    state: &str,
    within: Duration,
    mut look: impl AsyncFnMut() -> Option<T>,
) -> T {
    let start = now();
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(start.elapsed() < within, "waited {within:?} in vain for: {state}");
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// The real clock. Services and processes live in real time, whatever clock the engine under test
/// was given.
#[expect(clippy::disallowed_methods, reason = "processes outside of this one know no other clock")]
pub(crate) fn now() -> Instant {
    Instant::now()
}
