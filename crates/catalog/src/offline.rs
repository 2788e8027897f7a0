//! The numbers that the offline exporter takes from a run report.
//!
//! All are gauges of one finished run. Their stems are those of the exporter that this one
//! replaces, so some (`attempts`, `error_count`) do not end in a unit. Unlike live metrics they may
//! carry the run's id: the file is about one run and is not scraped for ever.

use crate::Unit;

/// Label keys that a run report gives to each of its numbers; a key without a value in the report
/// is left out.
pub const LABELS: &[&str] = &["run_id", "process", "selector", "status"];

/// One number of a run report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OfflineMetric {
    /// The name without a prefix.
    pub stem: &'static str,
    /// Where it stands in the report, as keys from the outside in; the first that is there counts.
    pub from: &'static [&'static str],
    /// What is counted or measured.
    pub unit: Unit,
    /// True when it is a whole number, which OTLP writes as `asInt`.
    pub whole: bool,
    /// One sentence, with a full stop.
    pub help: &'static str,
}

const fn rows(
    stem: &'static str,
    from: &'static [&'static str],
    help: &'static str,
) -> OfflineMetric {
    OfflineMetric { stem, from, unit: Unit::Rows, whole: true, help }
}

/// Every number, in the order of the exporter's files.
pub const METRICS: &[OfflineMetric] = &[
    rows("extracted_rows", &["result.extracted_rows"], "Rows read from the sources of the run."),
    rows("inserted_rows", &["result.inserted_rows"], "Rows that the run added to its targets."),
    rows("updated_rows", &["result.updated_rows"], "Rows that the run changed in its targets."),
    rows("final_rows", &["result.final_rows"], "Rows in the targets after the run."),
    OfflineMetric {
        stem: "duration_seconds",
        from: &["result.duration_seconds"],
        unit: Unit::Seconds,
        whole: false,
        help: "Time from the start of the run to its end.",
    },
    OfflineMetric {
        stem: "throughput_rows_per_second",
        from: &["result.throughput_rows_per_second"],
        unit: Unit::RowsPerSecond,
        whole: false,
        help: "Rows read in a second, over the whole run.",
    },
    OfflineMetric {
        stem: "attempts",
        from: &["attempts"],
        unit: Unit::Attempts,
        whole: true,
        help: "Attempts that the run made.",
    },
    OfflineMetric {
        stem: "max_attempts",
        from: &["max_attempts"],
        unit: Unit::Attempts,
        whole: true,
        help: "Attempts that the run was allowed.",
    },
    OfflineMetric {
        stem: "retry_backoff_seconds",
        from: &["retry_backoff_seconds"],
        unit: Unit::Seconds,
        whole: false,
        help: "Pause between two attempts, as configured.",
    },
    OfflineMetric {
        stem: "error_count",
        from: &["result.errors", "errors", "blockers"],
        unit: Unit::Occurrences,
        whole: true,
        help: "Errors and blockers that the report lists.",
    },
    OfflineMetric {
        stem: "warning_count",
        from: &["warnings"],
        unit: Unit::Occurrences,
        whole: true,
        help: "Warnings that the report lists.",
    },
    OfflineMetric {
        stem: "run_passed",
        from: &["passed"],
        unit: Unit::Code,
        whole: true,
        help: "1 when the run passed, 0 when it did not.",
    },
];
