//! Asks the questions and judges the answers.

use std::sync::Arc;
use std::time::Duration;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type, SchemaRef, TimeUnit};
use flowglass_connect::{
    Batch, BatchReader, BatchSource, Fault, QueryEngine, QueryTable, ReadRequest, Surroundings,
};
use flowglass_model::ErrorClass;
use serde_json::Value;

use super::ask::{DATA, Question, REFERENCED, ask, scan};
use super::rule::{CheckResult, Expect, Rule, RuleKind};

/// Asks every rule about `data` and judges the answers; one result a rule, in their order. A
/// broken rule is a result, not a fault. What is now comes from the clock of `around`.
///
/// # Errors
/// When the data, or a dataset that a foreign key refers to, cannot be read.
pub(crate) async fn evaluate(
    rules: &[Rule],
    data: &Arc<dyn BatchSource>,
    engine: &dyn QueryEngine,
    around: &Surroundings,
) -> Result<Vec<CheckResult>, Fault> {
    let asking = Asking { data, engine, around };
    let schema = schema_of(data).await?;
    let mut questions = Vec::with_capacity(rules.len());
    for rule in rules {
        let referenced = match &rule.kind {
            RuleKind::ForeignKey(key) => Some(schema_of(&key.references).await?),
            _ => None,
        };
        questions.push(ask(&rule.kind, &schema, referenced.as_deref()));
    }
    let common = asking.row(&scan(questions.iter().flatten()), None).await?;
    let mut answers = common.columns().iter();
    let rows = answers.next().map_or(0, count);
    let mut results = Vec::with_capacity(rules.len());
    for (rule, question) in rules.iter().zip(questions) {
        let judged = match question {
            Err(complaint) => Judged::broken(complaint),
            Ok(Question::Rows) => by_rows(&rule.kind, rows),
            Ok(Question::Counts(_)) => {
                let (checked, offending) = (answers.next(), answers.next());
                by_counts(&rule.kind, checked.map_or(0, count), offending.map_or(0, count))
            }
            Ok(Question::Newest(_)) => asking.by_age(&rule.kind, answers.next()),
            Ok(question) => asking.alone(rule, &question).await?,
        };
        results.push(judged.named(rule));
    }
    Ok(results)
}

async fn schema_of(source: &Arc<dyn BatchSource>) -> Result<SchemaRef, Fault> {
    Ok(source.open(ReadRequest::default()).await?.schema())
}

/// What a rule came to, before it gets its name.
#[derive(Debug)]
struct Judged {
    passed: bool,
    detail: String,
    checked: u64,
    offending: u64,
}

impl Judged {
    fn broken(detail: String) -> Self {
        Self { passed: false, detail, checked: 0, offending: 1 }
    }

    fn whole(passed: bool, detail: String, checked: u64) -> Self {
        Self { passed, detail, checked, offending: u64::from(!passed) }
    }

    fn named(self, rule: &Rule) -> CheckResult {
        CheckResult {
            name: rule.name.clone(),
            severity: rule.severity,
            passed: self.passed,
            detail: self.detail,
            rows_checked: self.checked,
            rows_offending: self.offending,
        }
    }
}

struct Asking<'a> {
    data: &'a Arc<dyn BatchSource>,
    engine: &'a dyn QueryEngine,
    around: &'a Surroundings,
}

impl Asking<'_> {
    async fn open(
        &self,
        sql: &str,
        other: Option<&Arc<dyn BatchSource>>,
    ) -> Result<Box<dyn BatchReader>, Fault> {
        let mut tables = vec![QueryTable { name: DATA.to_owned(), source: Arc::clone(self.data) }];
        if let Some(other) = other {
            tables.push(QueryTable { name: REFERENCED.to_owned(), source: Arc::clone(other) });
        }
        self.engine.query(sql, tables, self.around)?.open(ReadRequest::default()).await
    }

    /// The one row that an aggregate answers.
    async fn row(
        &self,
        sql: &str,
        other: Option<&Arc<dyn BatchSource>>,
    ) -> Result<RecordBatch, Fault> {
        let mut reader = self.open(sql, other).await?;
        match reader.next().await? {
            Some(Batch::Arrow(batch)) if batch.num_rows() == 1 => Ok(batch),
            _ => Err(Fault::new(
                ErrorClass::Internal,
                "checking: an aggregate did not answer one row",
            )),
        }
    }

    /// A rule with a query of its own. The data could be read before, so a fault about data or
    /// text is the rule's.
    async fn alone(&self, rule: &Rule, question: &Question) -> Result<Judged, Fault> {
        let other = match &rule.kind {
            RuleKind::ForeignKey(key) => Some(&key.references),
            _ => None,
        };
        let judged = match question {
            Question::Alone(sql) => self.row(sql, other).await.map(|row| {
                let figure = |at: usize| row.columns().get(at).map_or(0, count);
                by_counts(&rule.kind, figure(0), figure(1))
            }),
            Question::NewestAlone(sql) => {
                self.row(sql, other).await.map(|row| self.by_age(&rule.kind, row.columns().first()))
            }
            Question::Own(sql) => self.own(sql, &rule.kind).await,
            Question::Rows | Question::Counts(_) | Question::Newest(_) => {
                return Err(Fault::new(
                    ErrorClass::Internal,
                    "checking: a common question asked alone",
                ));
            }
        };
        match judged {
            Err(fault) if is_about_the_rule(fault.class()) => {
                Ok(Judged::broken(format!("it cannot be asked: {}", fault.chain())))
            }
            judged => judged,
        }
    }

    async fn own(&self, sql: &str, kind: &RuleKind) -> Result<Judged, Fault> {
        let RuleKind::Sql { expect, .. } = kind else {
            return Err(Fault::new(ErrorClass::Internal, "checking: a rule without a query"));
        };
        let mut reader = self.open(sql, None).await?;
        let (mut rows, mut first) = (0, None);
        while let Some(Batch::Arrow(batch)) = reader.next().await? {
            rows += batch.num_rows() as u64;
            if first.is_none() {
                first = batch.columns().first().map(|column| column.slice(0, 1));
            }
            // One row decides, but for `no_rows`, which tells how many there are.
            if *expect != Expect::NoRows {
                break;
            }
        }
        Ok(by_answer(expect, rows, first.as_ref()))
    }

    fn by_age(&self, kind: &RuleKind, newest: Option<&ArrayRef>) -> Judged {
        let RuleKind::Freshness { column, max_age } = kind else {
            return Judged::broken("it is not about freshness".to_owned());
        };
        let Some(newest) = newest.and_then(instant) else {
            return Judged::whole(
                false,
                format!("`{column}` has no value, so nothing is fresh"),
                0,
            );
        };
        let age = self.around.clock.now().duration_since(newest);
        // A value in the future is fresh.
        let age = Duration::try_from(age).unwrap_or(Duration::ZERO);
        let said = format!(
            "the newest `{column}` is {} old, allowed are {}",
            spoken(age),
            spoken(*max_age)
        );
        Judged::whole(age <= *max_age, said, 1)
    }
}

/// Classes that come of the rule's text or of the values that it asks to convert.
const fn is_about_the_rule(class: ErrorClass) -> bool {
    matches!(
        class,
        ErrorClass::Config
            | ErrorClass::NotFound
            | ErrorClass::Malformed
            | ErrorClass::Inexact
            | ErrorClass::Unsupported
    )
}

fn by_rows(kind: &RuleKind, rows: u64) -> Judged {
    let RuleKind::RowCount { min, max } = kind else {
        return Judged::broken("it is not about the number of rows".to_owned());
    };
    let passed = min.is_none_or(|min| rows >= min) && max.is_none_or(|max| rows <= max);
    let allowed = match (min, max) {
        (Some(min), Some(max)) => format!("{min} to {max}"),
        (Some(min), None) => format!("at least {min}"),
        (None, Some(max)) => format!("at most {max}"),
        (None, None) => "any number".to_owned(),
    };
    Judged::whole(passed, format!("{} found, {allowed} expected", rows_word(rows)), rows)
}

fn by_counts(kind: &RuleKind, checked: u64, offending: u64) -> Judged {
    let what = match kind {
        RuleKind::NotNull(columns) => format!("have a null in {}", listed(columns)),
        RuleKind::Unique(columns) => format!("share their {} with another row", listed(columns)),
        RuleKind::AcceptedValues { column, .. } => format!("have another value in `{column}`"),
        RuleKind::Range { column, .. } => format!("are out of range in `{column}`"),
        RuleKind::ForeignKey(key) => {
            format!(
                "have a {} that is not found in {}",
                listed(&key.columns),
                key.references.asset()
            )
        }
        RuleKind::RowCount { .. } | RuleKind::Freshness { .. } | RuleKind::Sql { .. } => {
            return Judged::broken("it is not about rows".to_owned());
        }
    };
    let detail = format!("{offending} of {} {what}", rows_word(checked));
    Judged { passed: offending == 0, detail, checked, offending }
}

fn by_answer(expect: &Expect, rows: u64, first: Option<&ArrayRef>) -> Judged {
    match expect {
        Expect::NoRows => {
            let detail = format!("the query found {}, none expected", rows_word(rows));
            Judged { passed: rows == 0, detail, checked: rows, offending: rows }
        }
        Expect::Rows => {
            let found = if rows > 0 { "rows" } else { "no row" };
            Judged::whole(rows > 0, format!("the query found {found}, at least one expected"), rows)
        }
        Expect::Equals(_) | Expect::Between { .. } => {
            let Some(first) = first else {
                return Judged::whole(
                    false,
                    "the query found no row, a value expected".to_owned(),
                    0,
                );
            };
            let text = text_of(first);
            let passed = text.as_deref().is_some_and(|text| fits(expect, text));
            let said = match (&text, passed) {
                (None, _) => "the query's value is null or cannot be compared",
                (Some(_), true) => "the query's value is as expected",
                (Some(_), false) => "the query's value is not the expected one",
            };
            Judged::whole(passed, said.to_owned(), rows)
        }
    }
}

fn fits(expect: &Expect, text: &str) -> bool {
    match expect {
        Expect::Equals(Value::String(wanted)) => wanted == text,
        Expect::Equals(Value::Bool(wanted)) => text == if *wanted { "true" } else { "false" },
        Expect::Equals(Value::Number(wanted)) => same_number(&wanted.to_string(), text),
        Expect::Equals(_) | Expect::NoRows | Expect::Rows => false,
        Expect::Between { min, max } => text.parse::<f64>().is_ok_and(|value| {
            !value.is_nan()
                && min.is_none_or(|min| value >= min)
                && max.is_none_or(|max| value <= max)
        }),
    }
}

/// Exact for numbers written in digits; by their floating point value otherwise.
fn same_number(left: &str, right: &str) -> bool {
    let digits = |text: &str| match text.split_once('.') {
        Some((_, fraction)) if fraction.bytes().all(|b| b.is_ascii_digit()) => {
            text.trim_end_matches('0').trim_end_matches('.').to_owned()
        }
        _ => text.to_owned(),
    };
    let (left, right) = (digits(left), digits(right));
    let written_out =
        |text: &str| text.bytes().all(|b| b.is_ascii_digit() || b == b'-' || b == b'.');
    if written_out(&left) && written_out(&right) {
        return left == right;
    }
    matches!((left.parse::<f64>(), right.parse::<f64>()), (Ok(left), Ok(right)) if left.total_cmp(&right).is_eq())
}

fn text_of(one: &ArrayRef) -> Option<String> {
    let text = cast(one, &DataType::Utf8).ok()?;
    let text = text.as_string_opt::<i32>()?;
    (!text.is_empty() && text.is_valid(0)).then(|| text.value(0).to_owned())
}

fn count(column: &ArrayRef) -> u64 {
    let Ok(whole) = cast(column, &DataType::Int64) else { return 0 };
    let values = whole.as_primitive::<Int64Type>();
    if values.is_empty() || values.is_null(0) {
        0
    } else {
        u64::try_from(values.value(0)).unwrap_or(0)
    }
}

/// The instant that the one value of a column of dates or times stands for.
fn instant(column: &ArrayRef) -> Option<jiff::Timestamp> {
    let unit = match column.data_type() {
        DataType::Timestamp(unit, _) => *unit,
        DataType::Date32 | DataType::Date64 => TimeUnit::Second,
        _ => return None,
    };
    // The zone says how it is shown, not when it is.
    let instants = cast(column, &DataType::Timestamp(unit, None)).ok()?;
    let whole = cast(&instants, &DataType::Int64).ok()?;
    let values = whole.as_primitive_opt::<Int64Type>()?;
    if values.is_empty() || values.is_null(0) {
        return None;
    }
    let value = values.value(0);
    match unit {
        TimeUnit::Second => jiff::Timestamp::from_second(value).ok(),
        TimeUnit::Millisecond => jiff::Timestamp::from_millisecond(value).ok(),
        TimeUnit::Microsecond => jiff::Timestamp::from_microsecond(value).ok(),
        TimeUnit::Nanosecond => jiff::Timestamp::from_nanosecond(i128::from(value)).ok(),
    }
}

fn listed(columns: &[String]) -> String {
    columns.iter().map(|column| format!("`{column}`")).collect::<Vec<_>>().join(", ")
}

fn rows_word(rows: u64) -> String {
    if rows == 1 { "1 row".to_owned() } else { format!("{rows} rows") }
}

/// A duration in its two largest units, as the manifest writes durations.
fn spoken(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let units = [("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)];
    let mut rest = seconds;
    let mut said = String::new();
    let mut parts = 0;
    for (unit, length) in units {
        let number = rest / length;
        rest %= length;
        if number > 0 && parts < 2 {
            said.push_str(&format!("{number}{unit}"));
            parts += 1;
        }
    }
    if said.is_empty() { "0s".to_owned() } else { said }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_equal_by_value() {
        assert!(same_number("10", "10.00"));
        assert!(same_number("0.5", "0.50"));
        assert!(same_number("1e3", "1000"));
        assert!(!same_number("9007199254740993", "9007199254740992"));
        assert!(!same_number("100", "1"));
    }

    #[test]
    fn durations_are_said_in_two_units() {
        assert_eq!(spoken(Duration::from_secs(90_061)), "1d1h");
        assert_eq!(spoken(Duration::from_secs(61)), "1m1s");
        assert_eq!(spoken(Duration::from_millis(10)), "0s");
    }
}
