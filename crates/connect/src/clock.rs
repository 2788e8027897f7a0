//! Time comes in from outside, so that a simulation can own it.

use std::time::Duration;

/// Where the time comes from. Production hands over [`SystemClock`], a test its own.
pub trait Clock: Send + Sync + std::fmt::Debug {
    /// The wall clock in UTC: for timestamps, never for durations.
    fn now(&self) -> jiff::Timestamp;

    /// Time since some fixed instant, never going back: for durations.
    fn monotonic(&self) -> Duration;
}

/// The machine's own clocks.
#[derive(Debug, Clone, Copy)]
pub struct SystemClock {
    origin: std::time::Instant,
}

impl SystemClock {
    /// A clock whose monotonic time starts at zero now.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this is the one place that asks the machine")]
    pub fn new() -> Self {
        Self { origin: std::time::Instant::now() }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    fn now(&self) -> jiff::Timestamp {
        jiff::Timestamp::now()
    }

    fn monotonic(&self) -> Duration {
        self.origin.elapsed()
    }
}
