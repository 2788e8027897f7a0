//! What a script may use up, how that is written, and who looks at it while the script runs.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use flowglass_connect::Clock;
use rustix::time::{ClockId, clock_gettime};
use serde::Deserialize;

/// What a script may use up for one batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Limits {
    /// Time of the processor.
    pub(super) cpu: Span,
    /// Time of the clock.
    pub(super) time: Span,
    /// Memory of the script's runtime.
    pub(super) memory: Bytes,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            cpu: Span(Duration::from_secs(1)),
            time: Span(Duration::from_secs(5)),
            memory: Bytes(64 << 20),
        }
    }
}

/// A length of time, written as in the manifest: `1s`, `1m30s`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Span(pub(super) Duration);

impl TryFrom<String> for Span {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let wrong = "a length of time is written `500ms`, `1s` or `1m30s`";
        let mut millis = 0_u64;
        let mut rest = text.as_str();
        while !rest.is_empty() {
            let (number, after) = digits(rest).ok_or(wrong)?;
            let letters = after.find(|it: char| it.is_ascii_digit()).unwrap_or(after.len());
            let (unit, after) = after.split_at_checked(letters).ok_or(wrong)?;
            let unit = match unit {
                "ms" => 1,
                "s" => 1_000,
                "m" => 60_000,
                "h" => 3_600_000,
                _ => return Err(wrong),
            };
            let part = number.checked_mul(unit).ok_or(wrong)?;
            millis = millis.checked_add(part).ok_or(wrong)?;
            rest = after;
        }
        if millis == 0 {
            return Err("a limit of time is more than nothing");
        }
        Ok(Self(Duration::from_millis(millis)))
    }
}

/// A size, written as in the manifest: a number of bytes, or `64MiB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "NumberOrText")]
pub(super) struct Bytes(pub(super) usize);

/// Less than this, and the runtime itself has no room.
const BYTES_MIN: u64 = 1 << 20;

#[derive(Deserialize)]
#[serde(untagged)]
enum NumberOrText {
    Number(u64),
    Text(String),
}

impl TryFrom<NumberOrText> for Bytes {
    type Error = &'static str;

    fn try_from(size: NumberOrText) -> Result<Self, Self::Error> {
        let wrong = "a size is a number of bytes, or one with kB, MB, GB, KiB, MiB or GiB";
        let bytes = match size {
            NumberOrText::Number(bytes) => bytes,
            NumberOrText::Text(text) => {
                let (number, unit) = digits(&text).ok_or(wrong)?;
                let unit = match unit.trim_start() {
                    "" | "B" => 1,
                    "kB" | "KB" => 1_000,
                    "MB" => 1_000_000,
                    "GB" => 1_000_000_000,
                    "KiB" => 1 << 10,
                    "MiB" => 1 << 20,
                    "GiB" => 1 << 30,
                    _ => return Err(wrong),
                };
                number.checked_mul(unit).ok_or(wrong)?
            }
        };
        if bytes < BYTES_MIN {
            return Err("a script needs 1 MiB of memory at least");
        }
        usize::try_from(bytes).map(Self).map_err(|_| wrong)
    }
}

fn digits(text: &str) -> Option<(u64, &str)> {
    let end = text.find(|it: char| !it.is_ascii_digit()).unwrap_or(text.len());
    let (number, rest) = text.split_at_checked(end)?;
    Some((number.parse().ok()?, rest))
}

/// Rows that may begin between two looks at the clocks.
const ROWS_UNLOOKED_MAX: u32 = 32;

/// Why a script was stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stopped {
    /// It used up the processor's time.
    Cpu,
    /// It used up the clock's time.
    Time,
    /// Nobody waits for it any more.
    Left,
}

/// Looks at the clocks while a script runs. It lives on the script's thread.
pub(super) struct Watch {
    limits: Limits,
    clock: Arc<dyn Clock>,
    left: Arc<AtomicBool>,
    /// When the batch began, and when the row did: by the processor's time and by the clock's.
    batch: Cell<(Duration, Duration)>,
    row: Cell<(Duration, Duration)>,
    /// When the clocks were looked at last, and how many rows have begun since.
    looked: Cell<(Duration, Duration)>,
    unlooked: Cell<u32>,
    stopped: Cell<Option<Stopped>>,
}

impl Watch {
    pub(super) fn new(limits: Limits, clock: Arc<dyn Clock>, left: Arc<AtomicBool>) -> Self {
        let nothing = || Cell::new((Duration::ZERO, Duration::ZERO));
        let (batch, row, looked) = (nothing(), nothing(), nothing());
        let (unlooked, stopped) = (Cell::new(0), Cell::new(None));
        let watch = Self { limits, clock, left, batch, row, looked, unlooked, stopped };
        watch.begin();
        watch
    }

    /// A batch begins, or what is left of it after a script that had to be stopped.
    pub(super) fn begin(&self) {
        self.stopped.set(None);
        let now = self.look();
        self.batch.set(now);
        self.row.set(now);
    }

    /// A row begins. To read the clocks costs as much as a small row: the time of the last look will do,
    /// which is never long ago, since a running script is looked at all the time.
    pub(super) fn row_begins(&self) {
        let rows = self.unlooked.get() + 1;
        self.unlooked.set(rows);
        self.row.set(if rows < ROWS_UNLOOKED_MAX { self.looked.get() } else { self.look() });
    }

    /// Whether a script has to be stopped; the runtime asks this all the time.
    pub(super) fn is_over(&self) -> bool {
        if self.left.load(Ordering::Relaxed) {
            self.stopped.set(Some(Stopped::Left));
            return true;
        }
        let (cpu, time) = self.since(self.batch.get());
        let stopped = if cpu > self.limits.cpu.0 {
            Some(Stopped::Cpu)
        } else if time > self.limits.time.0 {
            Some(Stopped::Time)
        } else {
            None
        };
        if stopped.is_some() {
            self.stopped.set(stopped);
        }
        stopped.is_some()
    }

    /// Why the script was stopped, when it was.
    pub(super) const fn stopped(&self) -> Option<Stopped> {
        self.stopped.get()
    }

    /// Whether the running row alone took half of the batch's share or more.
    pub(super) fn is_rows_fault(&self, stopped: Stopped) -> bool {
        let (cpu, time) = self.since(self.row.get());
        match stopped {
            Stopped::Cpu => cpu * 2 >= self.limits.cpu.0,
            Stopped::Time => time * 2 >= self.limits.time.0,
            Stopped::Left => false,
        }
    }

    fn since(&self, (cpu, time): (Duration, Duration)) -> (Duration, Duration) {
        let now = self.look();
        (now.0.saturating_sub(cpu), now.1.saturating_sub(time))
    }

    fn look(&self) -> (Duration, Duration) {
        // What the kernel counted for this thread: no wall clock, and no business of a simulation.
        let cpu = clock_gettime(ClockId::ThreadCPUTime);
        let seconds = u64::try_from(cpu.tv_sec).unwrap_or_default();
        let nanos = u32::try_from(cpu.tv_nsec).unwrap_or_default();
        let now = (Duration::new(seconds, nanos), self.clock.monotonic());
        self.looked.set(now);
        self.unlooked.set(0);
        now
    }
}

#[cfg(test)]
mod tests {
    use super::{Bytes, NumberOrText, Span};
    use std::time::Duration;

    #[test]
    fn limits_are_written_as_in_the_manifest() {
        let span = |text: &str| Span::try_from(text.to_owned()).map(|it| it.0);
        assert_eq!(span("1m30s"), Ok(Duration::from_secs(90)));
        assert_eq!(span("250ms"), Ok(Duration::from_millis(250)));
        for text in ["", "0s", "1", "s", "1x", "-1s", "1.5s"] {
            assert!(span(text).is_err(), "{text}");
        }
        let size = |text: &str| Bytes::try_from(NumberOrText::Text(text.to_owned())).map(|it| it.0);
        assert_eq!(size("64MiB"), Ok(64 << 20));
        assert_eq!(size("2000000"), Ok(2_000_000));
        for text in ["", "MiB", "64 XB", "1", "512KiB", "99999999999GiB"] {
            assert!(size(text).is_err(), "{text}");
        }
    }
}
