//! What outlives a writer: when the webhook may be asked again, and which requests of the batch at
//! hand it has answered already.

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The wait after the first failure; doubled with each one after it.
const WAIT: Duration = Duration::from_millis(250);

/// The longest wait that we choose ourselves.
const WAIT_MAX: Duration = Duration::from_secs(30);

/// The most requests that are remembered. A batch has fewer.
const ANSWERED_MAX: usize = 100_000;

/// Shared by the writers of a sink, which follow each other.
#[derive(Debug, Default)]
pub(super) struct Memory(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    failures: u32,
    /// By the clock's monotonic time.
    not_before: Duration,
    /// Identifiers of requests that were answered, of batches that are not acknowledged.
    answered: HashSet<String>,
}

impl Memory {
    /// How long to wait from `now` on, by the monotonic time.
    pub(super) fn wait_from(&self, now: Duration) -> Duration {
        self.lock().not_before.saturating_sub(now)
    }

    /// A request failed; `asked` is how long the webhook asked us to wait.
    pub(super) fn failed(&self, now: Duration, asked: Option<Duration>) {
        let mut state = self.lock();
        let own = WAIT.saturating_mul(1 << state.failures.min(16)).min(WAIT_MAX);
        state.failures = state.failures.saturating_add(1);
        state.not_before = now.saturating_add(asked.unwrap_or(own));
    }

    /// A request was answered for good.
    pub(super) fn answered(&self, id: String) {
        let mut state = self.lock();
        state.failures = 0;
        if state.answered.len() < ANSWERED_MAX {
            state.answered.insert(id);
        }
    }

    /// Whether it was.
    pub(super) fn is_answered(&self, id: &str) -> bool {
        self.lock().answered.contains(id)
    }

    /// The batch at hand is acknowledged: it does not come again.
    pub(super) fn forget(&self) {
        self.lock().answered.clear();
    }

    /// Each change of the state is whole, so that it is good after a panic too.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_until_something_is_answered() {
        let memory = Memory::default();
        let now = Duration::from_secs(100);
        assert_eq!(memory.wait_from(now), Duration::ZERO);
        let mut waits = Vec::new();
        for _ in 0..10 {
            memory.failed(now, None);
            waits.push(memory.wait_from(now).as_millis());
        }
        assert_eq!(waits.first(), Some(&250));
        assert!(waits.is_sorted() && waits.last() == Some(&30_000));
        memory.failed(now, Some(Duration::from_secs(7)));
        assert_eq!(memory.wait_from(now), Duration::from_secs(7));
        memory.answered("a".to_owned());
        memory.failed(now, None);
        assert_eq!(memory.wait_from(now), Duration::from_millis(250));
        assert!(memory.is_answered("a"));
        memory.forget();
        assert!(!memory.is_answered("a"));
    }
}
