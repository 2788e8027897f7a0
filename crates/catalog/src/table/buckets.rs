//! The upper bounds of all histograms, in cell units: nanoseconds for durations, whole numbers for
//! sizes.
//!
//! A bound is part of a metric's contract: a query that names `le="0.25"` breaks when the bound
//! goes.

const MS: u64 = 1_000_000;
const S: u64 = 1_000 * MS;

/// Latencies inside a stream: from half a millisecond, below which nobody acts, to the 30 s after
/// which a sink has timed out.
pub const LATENCY: &[u64] = &[
    MS / 2,
    MS,
    5 * MS / 2,
    5 * MS,
    10 * MS,
    25 * MS,
    50 * MS,
    100 * MS,
    250 * MS,
    500 * MS,
    S,
    5 * S / 2,
    5 * S,
    10 * S,
    30 * S,
];

/// Every HTTP route: the eleven bounds that Prometheus clients use by default, so that existing
/// dashboards fit.
pub const HTTP: &[u64] =
    &[5 * MS, 10 * MS, 25 * MS, 50 * MS, 100 * MS, 250 * MS, 500 * MS, S, 5 * S / 2, 5 * S, 10 * S];

/// The control API: the bounds of OpenTelemetry's `http.server.request.duration`, which have 0.75
/// s, a usual objective.
pub const REQUEST: &[u64] = &[
    5 * MS,
    10 * MS,
    25 * MS,
    50 * MS,
    75 * MS,
    100 * MS,
    250 * MS,
    500 * MS,
    750 * MS,
    S,
    5 * S / 2,
    5 * S,
    15 * S / 2,
    10 * S,
];

/// Runs and nodes: the bounds that schedulers use, from a second to six hours, and two below for
/// nodes that take no time.
pub const RUN: &[u64] = &[
    100 * MS,
    500 * MS,
    S,
    5 * S,
    15 * S,
    60 * S,
    300 * S,
    900 * S,
    1_800 * S,
    3_600 * S,
    7_200 * S,
    21_600 * S,
];

/// Rows in a batch; the default limit of 8,192 has a bound of its own, so that full batches can be
/// told from others.
pub const BATCH_ROWS: &[u64] =
    &[1, 10, 50, 100, 250, 500, 1_000, 2_000, 4_096, 8_192, 16_384, 32_768, 65_536];

/// Bytes in a batch, by fours from 1 KiB to 64 MiB.
pub const BATCH_BYTES: &[u64] =
    &[1 << 10, 1 << 12, 1 << 14, 1 << 16, 1 << 18, 1 << 20, 1 << 22, 1 << 24, 1 << 26];
