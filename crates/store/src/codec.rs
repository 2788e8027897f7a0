//! Between Rust's types and SQLite's columns, in one place.

use flowglass_model::{EventKind, LogLevel, RunId};
use jiff::Timestamp;
use uuid::Uuid;

/// SQLite's integers are signed; no counter of ours comes near the difference.
pub(crate) fn int(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// The way back from [`int`].
pub(crate) fn uint(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}

/// Nanoseconds since 1970; the years 1677 to 2262 fit, anything else becomes their edge.
pub(crate) fn nanoseconds(time: Timestamp) -> i64 {
    let exact = time.as_nanosecond();
    i64::try_from(exact).unwrap_or(if exact < 0 { i64::MIN } else { i64::MAX })
}

/// The small number that stands for a kind of event in the log. Numbers are never given anew.
pub(crate) const fn kind_number(kind: EventKind) -> i64 {
    match kind {
        EventKind::Transition => 1,
        EventKind::Progress => 2,
        EventKind::Log => 3,
        EventKind::Asset => 4,
        EventKind::Ledger => 5,
        EventKind::Graph => 6,
    }
}

/// The small number that stands for a level, graver is larger.
pub(crate) const fn level_number(level: LogLevel) -> i64 {
    match level {
        LogLevel::Debug => 1,
        LogLevel::Info => 2,
        LogLevel::Warn => 3,
        LogLevel::Error => 4,
    }
}

/// A run id as the 16 bytes that a column holds.
pub(crate) fn run_blob(run: RunId) -> [u8; 16] {
    run.uuid().into_bytes()
}

/// The way back from [`run_blob`].
pub(crate) fn run_from_blob(bytes: [u8; 16]) -> Option<RunId> {
    RunId::from_uuid(Uuid::from_bytes(bytes))
}
