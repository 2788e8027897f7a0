//! Clocks that a test owns.
//!
//! Two, because there are two ways to own time: [`FakeClock`] stands still until the test moves it,
//! for code that asks what time it is; [`PausedClock`] follows tokio's paused time, for an engine
//! that also waits.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use flowglass_connect::Clock;
use jiff::{SignedDuration, Timestamp};

/// Noon on a day in January 2026, UTC: where a test's time begins unless it says otherwise.
const NOON: Timestamp = Timestamp::constant(1_768_478_400, 0);

/// A clock that stands still until it is moved. The wall clock can be stepped back, as a real one
/// can; the monotonic one cannot.
#[derive(Debug)]
pub struct FakeClock {
    hands: Mutex<Hands>,
}

#[derive(Clone, Copy, Debug)]
struct Hands {
    wall: Timestamp,
    monotonic: Duration,
}

impl Default for FakeClock {
    fn default() -> Self {
        Self::new()
    }
}

impl FakeClock {
    /// It is noon on 15 January 2026, UTC.
    #[must_use]
    pub fn new() -> Self {
        Self::at(NOON)
    }

    /// It is this instant.
    #[must_use]
    pub fn at(wall: Timestamp) -> Self {
        Self { hands: Mutex::new(Hands { wall, monotonic: Duration::ZERO }) }
    }

    /// Time passes.
    pub fn advance(&self, by: Duration) {
        self.with(|hands| {
            hands.monotonic += by;
            hands.wall += by;
        });
    }

    /// Somebody sets the wall clock, forward or back; no time passes.
    pub fn step_wall(&self, by: SignedDuration) {
        self.with(|hands| hands.wall += by);
    }

    fn with<R>(&self, act: impl FnOnce(&mut Hands) -> R) -> R {
        // A test that panicked while it held the hands has failed already.
        act(&mut self.hands.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Clock for FakeClock {
    fn now(&self) -> Timestamp {
        self.with(|hands| hands.wall)
    }

    fn monotonic(&self) -> Duration {
        self.with(|hands| hands.monotonic)
    }
}

/// A clock that follows tokio's time: in a test with `start_paused = true`, waits cost nothing and
/// durations are exact.
#[derive(Debug)]
pub struct PausedClock {
    start: tokio::time::Instant,
}

impl PausedClock {
    /// It is noon on 15 January 2026, UTC. To be called inside the runtime whose time it follows.
    #[must_use]
    pub fn new() -> Self {
        Self { start: tokio::time::Instant::now() }
    }
}

impl Default for PausedClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for PausedClock {
    fn now(&self) -> Timestamp {
        NOON + self.monotonic()
    }

    fn monotonic(&self) -> Duration {
        self.start.elapsed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wall_clock_may_go_back_and_the_monotonic_one_does_not() {
        let clock = FakeClock::new();
        assert_eq!(clock.now().to_string(), "2026-01-15T12:00:00Z");
        clock.advance(Duration::from_secs(90));
        clock.step_wall(SignedDuration::from_hours(-1));
        assert_eq!(clock.now().to_string(), "2026-01-15T11:01:30Z");
        assert_eq!(clock.monotonic(), Duration::from_secs(90));
    }

    #[tokio::test(start_paused = true)]
    async fn the_paused_clock_moves_by_what_was_waited_for() {
        let clock = PausedClock::new();
        tokio::time::sleep(Duration::from_secs(3600)).await;
        assert_eq!(clock.monotonic(), Duration::from_secs(3600));
        assert_eq!(clock.now().to_string(), "2026-01-15T13:00:00Z");
    }
}
