//! Rules asked of DataFusion over data in memory, against what a plain reading of the rows says.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::{
    ArrayRef, Date32Array, Decimal128Array, Float64Array, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray,
};
use flowglass_connect::{BatchSource, Fault, Surroundings};
use flowglass_model::ErrorClass;
use flowglass_query::DataFusion;
use flowglass_testkit::{FakeClock, MemorySource};
use proptest::prelude::*;
use serde_json::json;

use super::{CheckResult, Expect, ForeignKey, Rule, RuleKind, Severity, evaluate};

fn source(name: &str, columns: Vec<(&str, ArrayRef)>) -> Arc<dyn BatchSource> {
    let columns = columns.into_iter().map(|(name, column)| (name, column, true));
    let batch = RecordBatch::try_from_iter_with_nullable(columns).unwrap();
    Arc::new(MemorySource::new(name, batch.schema(), vec![batch]))
}

fn rule(kind: RuleKind) -> Rule {
    Rule { name: "it".to_owned(), severity: Severity::Error, kind }
}

async fn check(
    kinds: Vec<RuleKind>,
    data: &Arc<dyn BatchSource>,
) -> Result<Vec<CheckResult>, Fault> {
    let scratch = tempfile::tempdir().unwrap();
    let around = Surroundings {
        base_dir: scratch.path().to_owned(),
        scratch_dir: scratch.path().to_owned(),
        clock: Arc::new(FakeClock::at("2026-01-15T12:00:00Z".parse().unwrap())),
    };
    let rules: Vec<Rule> = kinds.into_iter().map(rule).collect();
    evaluate(&rules, data, &DataFusion::default(), &around).await
}

fn shown(results: &[CheckResult]) -> String {
    let line = |it: &CheckResult| {
        let word = if it.passed { "holds " } else { "broken" };
        format!("{word} {}/{}: {}", it.rows_offending, it.rows_checked, it.detail)
    };
    results.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn s(text: &str) -> String {
    text.to_owned()
}

fn range(column: &str, min: serde_json::Value, max: serde_json::Value) -> RuleKind {
    let bound = |value: serde_json::Value| (!value.is_null()).then_some(value);
    RuleKind::Range { column: s(column), min: bound(min), max: bound(max) }
}

fn own(query: &str, expect: Expect) -> RuleKind {
    RuleKind::Sql { query: s(query), expect }
}

fn fresh(column: &str, hours: u64) -> RuleKind {
    RuleKind::Freshness { column: s(column), max_age: Duration::from_secs(hours * 3600) }
}

fn key(columns: &[&str], references: &Arc<dyn BatchSource>, there: &[&str]) -> RuleKind {
    RuleKind::ForeignKey(ForeignKey {
        columns: columns.iter().map(|it| s(it)).collect(),
        references: Arc::clone(references),
        referenced_columns: there.iter().map(|it| s(it)).collect(),
    })
}

fn orders(rows: usize) -> Arc<dyn BatchSource> {
    let cut = |column: ArrayRef| column.slice(0, rows);
    let amounts = Decimal128Array::from(vec![Some(100), None, Some(-5), Some(999_999)])
        .with_precision_and_scale(10, 2)
        .unwrap();
    let at = TimestampMicrosecondArray::from(vec![
        Some(1_768_471_200_000_000), // 2026-01-15T10:00:00Z
        None,
        Some(1_768_384_800_000_000),
        Some(1_768_384_800_000_000),
    ])
    .with_timezone("UTC");
    source(
        "orders",
        vec![
            ("Order ID", cut(Arc::new(Int64Array::from(vec![1, 2, 2, 4])))),
            (
                "status \"x\"",
                cut(Arc::new(StringArray::from(vec![
                    Some("paid"),
                    Some("it's"),
                    None,
                    Some("hush4711"),
                ]))),
            ),
            ("amount", cut(Arc::new(amounts))),
            ("ratio", cut(Arc::new(Float64Array::from(vec![0.5, f64::NAN, 2.0, 0.0])))),
            ("at", cut(Arc::new(at))),
            ("day", cut(Arc::new(Date32Array::from(vec![20_468, 20_467, 20_466, 20_465])))),
            (
                "text_at",
                cut(Arc::new(StringArray::from(vec![
                    "2026-01-15T11:00:00Z",
                    "2026-01-14",
                    "2026-01-13 10:00:00",
                    "2026-01-01",
                ]))),
            ),
        ],
    )
}

fn every_rule() -> Vec<RuleKind> {
    let ids = source(
        "ids",
        vec![("id", Arc::new(Int64Array::from(vec![Some(1), Some(2), None, Some(2)])) as _)],
    );
    vec![
        RuleKind::NotNull(vec![s("order id"), s("amount"), s("at")]),
        RuleKind::NotNull(vec![s("ammount")]),
        RuleKind::Unique(vec![s("Order ID")]),
        RuleKind::Unique(vec![s("Order ID"), s("amount")]),
        RuleKind::AcceptedValues {
            column: s("status \"x\""),
            values: vec![json!("paid"), json!("it's")],
        },
        RuleKind::AcceptedValues {
            column: s("Order ID"),
            values: vec![json!(1), json!("2"), json!(4.0)],
        },
        RuleKind::AcceptedValues { column: s("amount"), values: vec![json!("x")] },
        range("amount", json!(0), json!("9999.99")),
        range("ratio", json!(0), json!(1)),
        range("at", json!("2026-01-15"), json!(null)),
        range("day", json!("2026-01-13"), json!("2026-01-15")),
        range("status \"x\"", json!(1), json!(null)),
        RuleKind::RowCount { min: Some(1), max: Some(3) },
        fresh("at", 2),
        fresh("at", 1),
        fresh("day", 12),
        fresh("text_at", 1),
        fresh("amount", 1),
        key(&["Order ID"], &ids, &["ID"]),
        key(&["Order ID"], &ids, &["nr"]),
        key(&["at"], &ids, &["id"]),
        own("SELECT * FROM data WHERE amount < 0", Expect::NoRows),
        own("SELECT * FROM data WHERE amount < 0", Expect::Rows),
        own("SELECT sum(amount) FROM data", Expect::Equals(json!(10000.94))),
        own("SELECT count(*) FROM data", Expect::Between { min: Some(1.0), max: None }),
        own("SELECT max(amuont) FROM data", Expect::NoRows),
        own("DELETE FROM data", Expect::NoRows),
        own("SELECT CAST(\"status \"\"x\"\"\" AS BIGINT) FROM data", Expect::NoRows),
    ]
}

#[tokio::test]
async fn every_rule_tells_figures_and_no_value() {
    let said = shown(&check(every_rule(), &orders(4)).await.unwrap());
    assert!(!said.contains("hush4711"));
    insta::assert_snapshot!(said);
}

#[tokio::test]
async fn without_rows_rules_about_rows_hold() {
    insta::assert_snapshot!(shown(&check(every_rule(), &orders(0)).await.unwrap()));
}

#[tokio::test]
async fn data_that_cannot_be_read_is_a_fault_and_not_a_broken_rule() {
    let batch =
        RecordBatch::try_from_iter([("a", Arc::new(Int64Array::from(vec![1])) as ArrayRef)])
            .unwrap();
    let broken =
        MemorySource::new("t", batch.schema(), vec![batch]).breaking_at(1, ErrorClass::Malformed);
    let fault =
        check(vec![RuleKind::NotNull(vec![s("a")])], &(Arc::new(broken) as _)).await.unwrap_err();
    assert_eq!(fault.class(), ErrorClass::Malformed);
}

type Row = (Option<i64>, Option<String>);

/// Values of a small set, or null, so that repeats and misses are common.
fn cells() -> impl Strategy<Value = Vec<Row>> {
    let text = prop::option::weighted(0.8, prop::sample::select(vec!["a", "b", "it's", "ä\"", ""]));
    prop::collection::vec(
        (prop::option::weighted(0.8, -3_i64..6), text.prop_map(|it| it.map(s))),
        0..40,
    )
}

fn asked(
    rows: &[(Option<i64>, Option<String>)],
    there: &[i64],
    kinds: Vec<RuleKind>,
) -> Vec<(u64, u64)> {
    let numbers: Int64Array = rows.iter().map(|row| row.0).collect();
    let texts: StringArray = rows.iter().map(|row| row.1.clone()).collect();
    let data = source("t", vec![("n", Arc::new(numbers) as _), ("te\"xt", Arc::new(texts) as _)]);
    let other = source("u", vec![("k", Arc::new(Int64Array::from(there.to_vec())) as _)]);
    let kinds = kinds.into_iter().chain([key(&["n"], &other, &["k"])]).collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let results = runtime.block_on(check(kinds, &data)).unwrap();
    for result in &results {
        assert_eq!(result.passed, result.rows_offending == 0, "{}", result.detail);
    }
    results.iter().map(|it| (it.rows_checked, it.rows_offending)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn figures_are_those_of_a_plain_reading(
        rows in cells(),
        there in prop::collection::vec(-3_i64..6, 0..6),
        (low, high) in (-3_i64..6, -3_i64..6),
    ) {
        let count = |fits: &dyn Fn(&Row) -> bool| rows.iter().filter(|row| fits(row)).count() as u64;
        let numbers = count(&|row| row.0.is_some());
        let mut groups: HashMap<(i64, &str), u64> = HashMap::new();
        for (number, text) in &rows {
            if let (Some(number), Some(text)) = (number, text) {
                *groups.entry((*number, text)).or_default() += 1;
            }
        }
        let expected = vec![
            (rows.len() as u64, count(&|row| row.0.is_none() || row.1.is_none())),
            (groups.values().sum(), groups.values().filter(|n| **n > 1).sum()),
            (count(&|row| row.1.is_some()), count(&|row| row.1.as_deref().is_some_and(|it| it != "a" && it != "it's"))),
            (numbers, count(&|row| row.0.is_some_and(|n| n < low || n > high))),
            (numbers, count(&|row| row.0.is_some_and(|n| !there.contains(&n)))),
        ];
        let both = || vec![s("n"), s("te\"xt")];
        let kinds = vec![
            RuleKind::NotNull(both()),
            RuleKind::Unique(both()),
            RuleKind::AcceptedValues { column: s("te\"xt"), values: vec![json!("a"), json!("it's")] },
            range("n", json!(low), json!(high)),
        ];
        prop_assert_eq!(asked(&rows, &there, kinds), expected);
    }
}
