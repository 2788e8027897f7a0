//! Telling reports apart by their shape, and the neighbours of the run report.
//!
//! Registry, certification, benchmark and orchestration reports carry no version, so the fields that
//! only one of them has decide. Each becomes its real values, not only a pass mark: the cases of a
//! certification and the benchmarks of a baseline are series of their own.

use flowglass_catalog::offline::{Metric, NumberKind};

use crate::problem::Code;

use super::field::{Reader, member};
use super::json::{Object, Value};
use super::number::Number;
use super::{Facts, Kind, Report, Sample, run};

/// Reads the report by what its root object shows.
pub(super) fn read(reader: &mut Reader<'_>, root: &Object<'_>) -> Report {
    let kind = kind_of(root);
    let facts = match kind {
        Kind::RunReport => vec![run::read(reader, root)],
        Kind::OrchestratedRun => vec![orchestrated(reader, root)],
        Kind::RegistryEntry => vec![registry_entry(reader, root)],
        Kind::RegistryIndex => registry_index(reader, root),
        Kind::CertificationReport => vec![certification(reader, root)],
        Kind::CertificationSuite => suites(reader, root),
        Kind::BenchmarkBaseline => vec![benchmark(reader, root)],
        Kind::BenchmarkGate => vec![gate(reader, root)],
        Kind::SloReport => vec![slo(reader, root)],
        Kind::Unrecognised => {
            let says = "no field of a run report or of another known source";
            reader.problems.add(Code::RunReportUnrecognised, Some(reader.source), says);
            Vec::new()
        }
    };
    Report { kind, facts }
}

fn kind_of(root: &Object<'_>) -> Kind {
    let has = |key: &str| root.get(key).is_some();
    let is_object = |key: &str| matches!(root.get(key).map(|n| &n.value), Some(Value::Object(_)));
    let is_list = |key: &str| matches!(root.get(key).map(|n| &n.value), Some(Value::List(_)));
    if let Some(Value::Text(schema)) = root.get("schema").map(|node| &node.value)
        && schema.starts_with("flowglass.")
    {
        // Our other files say what they are: they are no sources.
        return match schema.as_ref() {
            name if name.starts_with("flowglass.run-report/") => Kind::RunReport,
            name if name.starts_with("flowglass.slo-report/") => Kind::SloReport,
            _ => Kind::Unrecognised,
        };
    }
    if is_object("run_result") || has("lock_key") || has("lock_acquired") {
        Kind::OrchestratedRun
    } else if has("run_result_sha256") || (has("artifact_count") && is_list("artifacts")) {
        Kind::RegistryEntry
    } else if has("run_count") && is_list("runs") {
        Kind::RegistryIndex
    } else if has("suite_id") || is_list("suites") {
        Kind::CertificationSuite
    } else if has("case_count") && is_list("results") {
        Kind::CertificationReport
    } else if is_object("benchmark") && (is_object("slo") || has("benchmark_passed")) {
        Kind::BenchmarkGate
    } else if has("allowed_regression_ratio") && is_list("items") {
        Kind::BenchmarkBaseline
    } else if is_list("results") && !has("result") && !has("run_id") {
        Kind::SloReport
    } else if !has("resourceMetrics")
        && !has("artifacts")
        && !has("metrics")
        && run::looks_like(root)
    {
        Kind::RunReport
    } else {
        Kind::Unrecognised
    }
}

impl Facts {
    fn put(&mut self, metric: Metric, value: Option<impl Into<Number>>) {
        self.put_of(metric, value, &[]);
    }

    fn put_of(
        &mut self,
        metric: Metric,
        value: Option<impl Into<Number>>,
        extra: &[(&'static str, String)],
    ) {
        if let Some(value) = value {
            self.measured = true;
            self.samples.push(Sample { metric, value: value.into(), extra: extra.to_vec() });
        }
    }

    fn label(&mut self, reader: &mut Reader<'_>, parent: &Object<'_>, key: &'static str) {
        if let Some(text) = reader.label(Some(parent), key) {
            self.labels.push((key, text));
        }
    }

    /// A number under the key `key`, without labels of its own.
    fn number(&mut self, reader: &mut Reader<'_>, parent: &Object<'_>, key: &str, metric: Metric) {
        let value = reader.number(Some(parent), key, metric.def().kind);
        self.put(metric, value);
    }

    /// The number of blockers as the error count.
    fn blockers(&mut self, reader: &mut Reader<'_>, parent: &Object<'_>) {
        let count = reader.items(Some(parent), "blockers").unwrap_or(0);
        let value = Number::Int(i64::try_from(count).unwrap_or(i64::MAX));
        self.samples.push(Sample { metric: Metric::ErrorCount, value, extra: Vec::new() });
    }
}

/// The labels of one item of a list, in the order given.
fn item_labels(
    reader: &mut Reader<'_>,
    item: &Object<'_>,
    keys: &[(&str, &'static str)],
) -> Vec<(&'static str, String)> {
    keys.iter()
        .filter_map(|(key, label)| reader.label(Some(item), key).map(|text| (*label, text)))
        .collect()
}

/// A list of checks that passed because nothing was checked.
fn hollow_pass(
    reader: &mut Reader<'_>,
    root: &Object<'_>,
    passed: Option<bool>,
    (list, checked): (&str, usize),
) {
    if let Some(node) = root.get("passed").filter(|_| passed == Some(true) && checked == 0) {
        let says = format!("`passed` is true, but `{list}` is empty: nothing was checked");
        reader.complain(Code::RunReportContradiction, node, says);
    }
}

/// The run report inside, and what the orchestrator adds. Without one the run never started, which
/// is a run that did not pass.
fn orchestrated(reader: &mut Reader<'_>, root: &Object<'_>) -> Facts {
    let inner = reader.object(Some(root), "run_result");
    let mut facts = match inner {
        Some(inner) => run::read(reader, inner),
        None => Facts::default(),
    };
    let outer_keys: &[&'static str] =
        if inner.is_some() { &["run_id", "process"] } else { &["run_id", "process", "status"] };
    for &key in outer_keys {
        if !facts.labels.iter().any(|(name, _)| *name == key) {
            facts.label(reader, root, key);
        }
    }
    let blockers = reader.items(Some(root), "blockers").unwrap_or(0);
    let blockers = i64::try_from(blockers).unwrap_or(i64::MAX);
    match facts.samples.iter_mut().find(|sample| sample.metric == Metric::ErrorCount) {
        Some(Sample { value: Number::Int(count), .. }) => *count = count.saturating_add(blockers),
        Some(_) => {}
        None => facts.put(Metric::ErrorCount, Some(Number::Int(blockers))),
    }
    let passed = reader.boolean(Some(root), "passed");
    if inner.is_none() {
        facts.put(Metric::RunPassed, passed);
    }
    facts.put(Metric::OrchestrationPassed, passed);
    let locked = reader.boolean(Some(root), "lock_acquired");
    facts.put(Metric::OrchestrationLockAcquired, locked);
    let stale = reader.boolean(Some(root), "stale_lock_replaced");
    facts.put(Metric::OrchestrationStaleLockReplaced, stale);
    facts
}

fn registry_entry(reader: &mut Reader<'_>, entry: &Object<'_>) -> Facts {
    let mut facts = Facts::default();
    for key in ["run_id", "process", "status"] {
        facts.label(reader, entry, key);
    }
    facts.finished_unix_nano = reader.time(Some(entry), "recorded_at");
    facts.blockers(reader, entry);
    let passed = reader.boolean(Some(entry), "passed");
    facts.put(Metric::RunPassed, passed);
    facts.number(reader, entry, "artifact_count", Metric::RegistryArtifacts);
    for artifact in reader.objects(entry, "artifacts") {
        let labels = item_labels(reader, artifact, &[("name", "artifact")]);
        let passed = reader.boolean(Some(artifact), "passed");
        facts.put_of(Metric::RegistryArtifactPassed, passed, &labels);
    }
    facts
}

fn registry_index(reader: &mut Reader<'_>, root: &Object<'_>) -> Vec<Facts> {
    let finished_unix_nano = reader.time(Some(root), "generated_at");
    let mut whole = Facts { finished_unix_nano, ..Facts::default() };
    whole.number(reader, root, "run_count", Metric::RegisteredRuns);
    let mut all = vec![whole];
    for entry in reader.objects(root, "runs") {
        all.push(registry_entry(reader, entry));
    }
    all
}

fn certification(reader: &mut Reader<'_>, root: &Object<'_>) -> Facts {
    let mut facts = Facts::default();
    facts.label(reader, root, "profile");
    let passed = reader.boolean(Some(root), "passed");
    facts.put(Metric::CertificationPassed, passed);
    facts.number(reader, root, "case_count", Metric::CertificationCases);
    let cases = reader.objects(root, "results");
    hollow_pass(reader, root, passed, ("results", cases.len()));
    for case in cases {
        let labels = item_labels(reader, case, &[("case_id", "case_id")]);
        let passed = reader.boolean(Some(case), "passed");
        facts.put_of(Metric::CertificationCasePassed, passed, &labels);
        for (key, metric) in [
            ("expected_row_count", Metric::CertificationCaseExpectedRows),
            ("actual_row_count", Metric::CertificationCaseActualRows),
        ] {
            let rows = reader.number(Some(case), key, NumberKind::Count);
            facts.put_of(metric, rows, &labels);
        }
    }
    facts
}

/// One suite, or an index of several.
fn suites(reader: &mut Reader<'_>, root: &Object<'_>) -> Vec<Facts> {
    if member(Some(root), "suites").is_none() {
        return vec![suite(reader, root)];
    }
    let mut all = Vec::new();
    for one in reader.objects(root, "suites") {
        all.push(suite(reader, one));
    }
    all
}

fn suite(reader: &mut Reader<'_>, root: &Object<'_>) -> Facts {
    let mut facts = Facts::default();
    facts.label(reader, root, "suite_id");
    facts.blockers(reader, root);
    let passed = reader.boolean(Some(root), "passed");
    facts.put(Metric::CertificationPassed, passed);
    facts.number(reader, root, "case_count", Metric::CertificationCases);
    facts.number(reader, root, "evidence_count", Metric::CertificationEvidenceItems);
    let items = reader.objects(root, "items");
    hollow_pass(reader, root, passed, ("items", items.len()));
    for item in items {
        let labels = item_labels(reader, item, &[("name", "item")]);
        let passed = reader.boolean(Some(item), "passed");
        facts.put_of(Metric::CertificationItemPassed, passed, &labels);
        let missing = reader.boolean(Some(item), "missing");
        facts.put_of(Metric::CertificationItemMissing, missing, &labels);
    }
    facts
}

fn benchmark(reader: &mut Reader<'_>, root: &Object<'_>) -> Facts {
    let mut facts = Facts::default();
    benchmark_into(reader, root, &mut facts);
    facts
}

fn benchmark_into(reader: &mut Reader<'_>, root: &Object<'_>, facts: &mut Facts) {
    let passed = reader.boolean(Some(root), "passed");
    facts.put(Metric::BenchmarkPassed, passed);
    let ratio = Metric::BenchmarkAllowedRegressionRatio;
    facts.number(reader, root, "allowed_regression_ratio", ratio);
    let items = reader.objects(root, "items");
    hollow_pass(reader, root, passed, ("items", items.len()));
    for item in items {
        let keys = [("metric", "metric"), ("direction", "direction")];
        let labels = item_labels(reader, item, &keys);
        for (key, metric) in [
            ("actual", Metric::BenchmarkActual),
            ("baseline", Metric::BenchmarkBaseline),
            ("allowed_threshold", Metric::BenchmarkThreshold),
        ] {
            let value = reader.number(Some(item), key, NumberKind::Measure);
            facts.put_of(metric, value, &labels);
        }
        let passed = reader.boolean(Some(item), "passed");
        facts.put_of(Metric::BenchmarkItemPassed, passed, &labels);
    }
}

fn gate(reader: &mut Reader<'_>, root: &Object<'_>) -> Facts {
    let mut facts = Facts::default();
    facts.blockers(reader, root);
    let passed = reader.boolean(Some(root), "passed");
    facts.put(Metric::BenchmarkGatePassed, passed);
    if let Some(inner) = reader.object(Some(root), "benchmark") {
        benchmark_into(reader, inner, &mut facts);
    }
    if let Some(inner) = reader.object(Some(root), "slo") {
        slo_into(reader, inner, &mut facts);
    }
    facts
}

fn slo(reader: &mut Reader<'_>, root: &Object<'_>) -> Facts {
    let finished_unix_nano = reader.time(Some(root), "generated_at");
    let mut facts = Facts { finished_unix_nano, ..Facts::default() };
    slo_into(reader, root, &mut facts);
    facts
}

fn slo_into(reader: &mut Reader<'_>, root: &Object<'_>, facts: &mut Facts) {
    let passed = reader.boolean(Some(root), "passed");
    facts.put(Metric::SloPassed, passed);
    let results = reader.objects(root, "results");
    hollow_pass(reader, root, passed, ("results", results.len()));
    for result in results {
        let keys = [("metric", "metric"), ("operator", "operator")];
        let labels = item_labels(reader, result, &keys);
        for (key, metric) in [("actual", Metric::SloActual), ("objective", Metric::SloObjective)] {
            let value = reader.number(Some(result), key, NumberKind::Measure);
            facts.put_of(metric, value, &labels);
        }
        let passed = reader.boolean(Some(result), "passed");
        facts.put_of(Metric::SloObjectivePassed, passed, &labels);
    }
}
