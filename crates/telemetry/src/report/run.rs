//! The run report: `run --format json` of ours, and of compatible tools in every version seen.
//!
//! Both write the same field names. Ours adds a top-level `status`, `deleted_rows`, `bytes`,
//! `finished_at` and the row ledger; others put the throughput into one of two nested objects.

use flowglass_catalog::offline::{Metric, NumberKind};

use crate::problem::{Code, Place};

use super::field::{Reader, member};
use super::json::Object;
use super::number::Number;
use super::{Facts, Sample};

/// A top-level field of which at least one makes an object a run report.
const KNOWN: &[&str] = &[
    "result",
    "run_id",
    "process",
    "selector",
    "status",
    "passed",
    "attempts",
    "max_attempts",
    "retry_backoff_seconds",
    "errors",
    "warnings",
    "blockers",
    "error_count",
    "warning_count",
];

/// Words for a run that ended well and for one that did not, compared in lower case.
const GOOD: &[&str] = &["success", "succeeded", "completed", "complete", "passed", "ok"];
const BAD: &[&str] = &[
    "error",
    "failed",
    "failure",
    "cancelled",
    "canceled",
    "timeout",
    "lost",
    "blocked",
    "aborted",
    "commit_unknown",
];

/// Whether `root` has a field of a run report.
pub(super) fn looks_like(root: &Object<'_>) -> bool {
    KNOWN.iter().any(|key| root.get(key).is_some())
}

/// The facts of one run report.
pub(super) fn read(reader: &mut Reader<'_>, root: &Object<'_>) -> Facts {
    let top = Some(root);
    let result = reader.object(top, "result");
    let mut facts = Facts::default();
    for key in ["run_id", "process", "selector"] {
        if let Some(text) = reader.label(top, key) {
            facts.labels.push((key, text));
        }
    }
    let status = reader.label(result, "status").or_else(|| reader.label(top, "status"));
    facts.finished_unix_nano = reader.time(top, "finished_at");
    numbers(reader, root, result, &mut facts);
    facts.measured = !facts.samples.is_empty();

    let errors = count(reader, root, result, ["errors", "blockers"], "error_count");
    let warnings = count(reader, root, result, ["warnings", ""], "warning_count");
    facts.measured |= errors.stated || warnings.stated;
    push(&mut facts, Metric::ErrorCount, errors.value);
    push(&mut facts, Metric::WarningCount, warnings.value);
    if let Some(passed) = reader.boolean(top, "passed") {
        facts.measured = true;
        push(&mut facts, Metric::RunPassed, passed.into());
        contradictions(reader, root, passed, status.as_deref(), errors.value);
    }
    facts.labels.extend(status.map(|text| ("status", text)));
    facts
}

fn push(facts: &mut Facts, metric: Metric, value: Number) {
    facts.samples.push(Sample { metric, value, extra: Vec::new() });
}

/// The plain numbers, in the order of the metric table.
fn numbers(
    reader: &mut Reader<'_>,
    root: &Object<'_>,
    result: Option<&Object<'_>>,
    facts: &mut Facts,
) {
    use NumberKind::{Count, Measure};
    let top = Some(root);
    let mut take = |metric: Metric, value: Option<Number>| {
        if let Some(value) = value {
            push(facts, metric, value);
        }
    };
    take(Metric::ExtractedRows, reader.number(result, "result.extracted_rows", Count));
    take(Metric::InsertedRows, reader.number(result, "result.inserted_rows", Count));
    take(Metric::UpdatedRows, reader.number(result, "result.updated_rows", Count));
    take(Metric::FinalRows, reader.number(result, "result.final_rows", Count));
    take(Metric::DurationSeconds, reader.number(result, "result.duration_seconds", Measure));
    take(Metric::ThroughputRowsPerSecond, throughput(reader, result));
    take(Metric::Attempts, reader.number(top, "attempts", Count));
    take(Metric::MaxAttempts, reader.number(top, "max_attempts", Count));
    let backoff = reader
        .number(top, "retry_backoff_seconds", Measure)
        .or_else(|| reader.number(result, "result.retry_backoff_seconds", Measure));
    take(Metric::RetryBackoffSeconds, backoff);
    take(Metric::DeletedRows, reader.number(result, "result.deleted_rows", Count));
    take(Metric::MovedBytes, reader.number(result, "result.bytes", Count));
    let ledger = reader.object(top, "ledger");
    take(Metric::LedgerUnaccountedRows, reader.number(ledger, "ledger.unaccounted_rows", Count));
}

/// The flat field first, then the two places in which newer reports of the peer keep it.
fn throughput(reader: &mut Reader<'_>, result: Option<&Object<'_>>) -> Option<Number> {
    let flat = reader.number(result, "result.throughput_rows_per_second", NumberKind::Measure);
    if flat.is_some() || result.is_none() {
        return flat;
    }
    let near = reader.object(result, "run_throughput");
    let path = "result.run_throughput.rows_per_second";
    if let Some(number) = reader.number(near, path, NumberKind::Measure) {
        return Some(number);
    }
    // `details` is free-form: only a `run_throughput` object in it concerns us.
    let details = member(result, "details").and_then(|node| match &node.value {
        super::json::Value::Object(object) => Some(object),
        _ => None,
    });
    let far = reader.object(details, "run_throughput");
    reader.number(far, "result.details.run_throughput.rows_per_second", NumberKind::Measure)
}

struct Counted {
    value: Number,
    /// A count or a list was in the report.
    stated: bool,
}

/// A count: as stated, else the items of the lists, at the top and in `result`. The two are no copies
/// of each other: ours keeps the run's own errors in `result` and those of its nodes at the top.
fn count(
    reader: &mut Reader<'_>,
    root: &Object<'_>,
    result: Option<&Object<'_>>,
    lists: [&str; 2],
    stated_key: &str,
) -> Counted {
    let top = Some(root);
    let stated = reader
        .number(top, stated_key, NumberKind::Count)
        .or_else(|| reader.number(result, &format!("result.{stated_key}"), NumberKind::Count));
    let mut sum = 0;
    let mut listed = false;
    for list in lists.into_iter().filter(|list| !list.is_empty()) {
        let above = reader.items(top, list);
        let within = reader.items(result, list);
        listed |= above.is_some() || within.is_some();
        sum += above.unwrap_or(0) + within.unwrap_or(0);
    }
    let counted = Number::Int(i64::try_from(sum).unwrap_or(i64::MAX));
    if let Some(value) = stated {
        if listed && value != counted {
            let node = member(top, stated_key).or_else(|| member(result, stated_key));
            if let Some(node) = node {
                let says = format!("`{stated_key}` is {value}, but {counted} are listed");
                reader.complain(Code::RunReportContradiction, node, says);
            }
        }
        return Counted { value, stated: true };
    }
    Counted { value: counted, stated: listed }
}

fn contradictions(
    reader: &mut Reader<'_>,
    root: &Object<'_>,
    passed: bool,
    status: Option<&str>,
    errors: Number,
) {
    let place = root.get("passed").map(|node| Place::of(reader.text, node.at));
    let mut complain = |says: String| {
        reader.problems.add_at(Code::RunReportContradiction, Some(reader.source), place, says);
    };
    let word = status.unwrap_or("").to_ascii_lowercase();
    if passed && errors.as_f64() > 0.0 {
        complain(format!("`passed` is true, but the error count is {errors}"));
    }
    if passed && BAD.contains(&word.as_str()) {
        complain(format!("`passed` is true, but the status is `{word}`"));
    }
    if !passed && GOOD.contains(&word.as_str()) && errors.as_f64() == 0.0 {
        complain(format!("`passed` is false, but the status is `{word}` and no error is listed"));
    }
}
