//! The numbers that the offline exporter takes from run reports, as data: stem, unit, help, and
//! whether it counts.
//!
//! All are gauges of what is over. Every renderer, the extraction of every source and the reference
//! page read this one table. The first twelve stems are those that dashboards for run reports know
//! already, so some (`attempts`, `error_count`) do not end in a unit; their order is the order of the
//! files. Unlike live metrics they may carry the run's id: the file is about one run and is not
//! scraped for ever.

/// Label keys that a run report gives to each of its numbers; a key without a value in the report
/// is left out.
pub const LABELS: &[&str] = &["run_id", "process", "selector", "status"];

/// Whether a metric is a whole number by nature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NumberKind {
    /// A count: `asInt` in OTLP.
    Count,
    /// A measure: `asDouble` in OTLP.
    Measure,
}

/// One metric.
#[derive(Clone, Copy, Debug)]
pub struct MetricDef {
    /// The row's own name in code.
    pub id: Metric,
    /// Name without prefix.
    pub stem: &'static str,
    /// Unit as UCUM writes it, which OTLP asks for: `{row}`, `s`, `1`.
    pub unit: &'static str,
    /// Help text: one sentence.
    pub help: &'static str,
    /// Count or measure.
    pub kind: NumberKind,
}

macro_rules! metrics {
    ($($id:ident $stem:literal $unit:literal $kind:ident $help:literal)*) => {
        /// A row of [`METRICS`].
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Metric { $(#[doc = $help] $id,)* }

        /// All metrics of the offline exporter, in the order of the files.
        pub const METRICS: &[MetricDef] = &[$(MetricDef {
            id: Metric::$id,
            stem: $stem,
            unit: $unit,
            help: $help,
            kind: NumberKind::$kind,
        },)*];

        impl Metric {
            /// The row of the table.
            #[must_use]
            pub const fn def(self) -> MetricDef {
                match self {
                    $(Self::$id => MetricDef {
                        id: Self::$id, stem: $stem, unit: $unit, help: $help,
                        kind: NumberKind::$kind,
                    },)*
                }
            }
        }
    };
}

metrics! {
    ExtractedRows "extracted_rows" "{row}" Count "Rows read from the sources of the run."
    InsertedRows "inserted_rows" "{row}" Count "Rows that the run added to its targets."
    UpdatedRows "updated_rows" "{row}" Count "Rows that the run changed in its targets."
    FinalRows "final_rows" "{row}" Count "Rows in the targets after the run."
    DurationSeconds "duration_seconds" "s" Measure "Time from the start of the run to its end."
    ThroughputRowsPerSecond "throughput_rows_per_second" "{row}/s" Measure
        "Rows read in a second, over the whole run."
    Attempts "attempts" "{attempt}" Count "Attempts that the run made."
    MaxAttempts "max_attempts" "{attempt}" Count "Attempts that the run was allowed."
    RetryBackoffSeconds "retry_backoff_seconds" "s" Measure
        "Pause between two attempts, as configured."
    ErrorCount "error_count" "{error}" Count "Errors and blockers that the report lists."
    WarningCount "warning_count" "{warning}" Count "Warnings that the report lists."
    RunPassed "run_passed" "1" Count "1 when the run passed, 0 when it did not."
    DeletedRows "deleted_rows" "{row}" Count "Rows that the run removed from its targets."
    MovedBytes "moved_bytes" "By" Count "Bytes that the run moved."
    LedgerUnaccountedRows "ledger_unaccounted_rows" "{row}" Count
        "Rows that the run read and nobody can account for; must be 0."
    RegisteredRuns "registered_runs" "{run}" Count "Runs that the run registry lists."
    RegistryArtifacts "registry_artifacts" "{artifact}" Count
        "Artifacts that the registry entry of the run holds."
    RegistryArtifactPassed "registry_artifact_passed" "1" Count
        "1 when the registered artifact passed, 0 when it did not."
    OrchestrationPassed "orchestration_passed" "1" Count
        "1 when the orchestrated run passed with its lock and hand-over, 0 when it did not."
    OrchestrationLockAcquired "orchestration_lock_acquired" "1" Count
        "1 when the orchestrated run got its lock, 0 when it did not."
    OrchestrationStaleLockReplaced "orchestration_stale_lock_replaced" "1" Count
        "1 when the orchestrated run replaced a stale lock, 0 when it did not."
    CertificationPassed "certification_passed" "1" Count
        "1 when the certification passed as a whole, 0 when it did not."
    CertificationCases "certification_cases" "{case}" Count "Cases that the certification ran."
    CertificationCasePassed "certification_case_passed" "1" Count
        "1 when the certification case passed, 0 when it did not."
    CertificationCaseExpectedRows "certification_case_expected_rows" "{row}" Count
        "Rows that the certification case expected."
    CertificationCaseActualRows "certification_case_actual_rows" "{row}" Count
        "Rows that the certification case found."
    CertificationEvidenceItems "certification_evidence_items" "{item}" Count
        "Pieces of evidence that the certification suite took in."
    CertificationItemPassed "certification_item_passed" "1" Count
        "1 when the piece of evidence passed, 0 when it did not."
    CertificationItemMissing "certification_item_missing" "1" Count
        "1 when the piece of evidence was missing, 0 when it was there."
    BenchmarkPassed "benchmark_passed" "1" Count
        "1 when no benchmark fell behind its baseline, 0 when one did."
    BenchmarkAllowedRegressionRatio "benchmark_allowed_regression_ratio" "1" Measure
        "Part of the baseline by which a benchmark may be worse."
    BenchmarkActual "benchmark_actual" "1" Measure "Measured value of the benchmark."
    BenchmarkBaseline "benchmark_baseline" "1" Measure "Baseline of the benchmark."
    BenchmarkThreshold "benchmark_threshold" "1" Measure
        "Worst value of the benchmark that still passes."
    BenchmarkItemPassed "benchmark_item_passed" "1" Count
        "1 when the benchmark kept to its threshold, 0 when it did not."
    BenchmarkGatePassed "benchmark_gate_passed" "1" Count
        "1 when benchmarks and objectives passed together, 0 when they did not."
    SloPassed "slo_passed" "1" Count "1 when every objective was met, 0 when one was not."
    SloActual "slo_actual" "1" Measure "Value that the objective was held against."
    SloObjective "slo_objective" "1" Measure "Bound of the objective."
    SloObjectivePassed "slo_objective_passed" "1" Count
        "1 when the objective was met, 0 when it was not."
}

/// The row whose stem is `stem`.
#[must_use]
pub fn by_stem(stem: &str) -> Option<&'static MetricDef> {
    METRICS.iter().find(|def| def.stem == stem)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::METRICS;
    use crate::is_snake_case;

    #[test]
    fn stems_are_clean_and_unique() {
        let mut seen = HashSet::new();
        for (index, def) in METRICS.iter().enumerate() {
            assert!(seen.insert(def.stem), "{} stands twice", def.stem);
            assert!(is_snake_case(def.stem), "{}", def.stem);
            assert!(def.help.ends_with('.') && !def.unit.is_empty(), "{}", def.stem);
            assert_eq!(def.id as usize, index);
        }
    }
}
