//! Appends and merges of both databases against a model, batch after batch.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, Decimal128Array, Int64Array, RecordBatch, StringArray};
use flowglass_connect::{BatchTarget, CursorKind, CursorState, CursorValue, ReadRequest, Strategy};
use flowglass_model::ErrorClass;
use flowglass_testkit::{Dice, Postgres};
use serde_json::json;

use super::{Job, filled, owner, read, refused, source, target};

/// Key, cursor, value.
type Row = (i64, i128, Option<String>);

fn batch(rows: &[Row]) -> RecordBatch {
    let cursor = Decimal128Array::from_iter_values(rows.iter().map(|row| row.1))
        .with_precision_and_scale(20, 2)
        .unwrap();
    let columns: [(&str, ArrayRef); 3] = [
        ("id", Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.0)))),
        ("at", Arc::new(cursor)),
        ("v", Arc::new(StringArray::from_iter(rows.iter().map(|row| row.2.clone())))),
    ];
    RecordBatch::try_from_iter(columns).unwrap()
}

fn cursor_at(value: i128) -> CursorState {
    let text = format!(
        "{}{}.{:02}",
        if value < 0 { "-" } else { "" },
        value.abs() / 100,
        value.abs() % 100
    );
    let value = CursorValue { kind: CursorKind::Decimal, text };
    CursorState { column: "at".into(), value, boundary: vec!["00ff".into()] }
}

async fn against_a_model(to: Arc<dyn BatchTarget>, from: serde_json::Value, seed: u64) {
    let mut dice = Dice::from_seed(seed);
    let mut model: BTreeMap<i64, (i128, Option<String>)> = BTreeMap::new();
    for load in 0..8 {
        let count = dice.below(60) + 1;
        let rows: Vec<Row> = (0..count)
            .map(|_| {
                let value = dice.chance(4, 5).then(|| format!("v{}", dice.below(3)));
                (i64::try_from(dice.below(40)).unwrap(), i128::from(dice.below(2500)) - 1200, value)
            })
            .collect();
        let top = rows.iter().map(|row| row.1).max().unwrap();
        let mut last: BTreeMap<i64, (i128, Option<String>)> = BTreeMap::new();
        for (id, at, value) in &rows {
            let newer = last.get(id).is_none_or(|(before, _)| at >= before);
            if newer {
                last.insert(*id, (*at, value.clone()));
            }
        }
        let (mut inserted, mut updated) = (0, 0);
        for (id, row) in last {
            match model.insert(id, row.clone()) {
                None => inserted += 1,
                Some(before) if before != row => updated += 1,
                Some(_same) => {}
            }
        }
        let mut job = Job::new(Strategy::IncrementalMerge).key(&["id"]);
        job.token = format!("load-{load}");
        let halves: Vec<RecordBatch> = rows.chunks(20).map(batch).collect();
        let writer = filled(&to, &job, &halves).await.unwrap();
        let outcome = writer.commit(Some(cursor_at(top))).await.unwrap();
        assert_eq!(
            (outcome.inserted, outcome.updated),
            (inserted, updated),
            "seed {seed} load {load}"
        );
        assert_eq!(outcome.unchanged, count - inserted - updated);
        assert_eq!(outcome.final_rows, model.len() as u64);
        assert_eq!(to.cursor(&owner()).await.unwrap(), Some(cursor_at(top)));
        assert_eq!(to.committed(&owner(), &job.token).await.unwrap(), Some(outcome));
        assert_eq!(to.committed(&owner(), "another").await.unwrap(), None);

        let batches = read(&source(from.clone()), ReadRequest::default()).await.unwrap();
        let mut found = BTreeMap::new();
        for batch in &batches {
            use arrow::array::AsArray;
            let ids = batch.column(0).as_primitive::<arrow::datatypes::Int64Type>();
            let ats = batch.column(1).as_primitive::<arrow::datatypes::Decimal128Type>();
            let values = batch.column(2).as_string::<i32>();
            for row in 0..batch.num_rows() {
                use arrow::array::Array;
                let value = values.is_valid(row).then(|| values.value(row).to_owned());
                assert_eq!(found.insert(ids.value(row), (ats.value(row), value)), None);
            }
        }
        assert_eq!(found, model, "seed {seed} load {load}");
    }
}

#[tokio::test]
async fn merges_into_sqlite_match_the_model() {
    for seed in 0..12 {
        let folder = tempfile::tempdir().unwrap();
        let config = json!({ "path": folder.path().join("it.db"), "table": "t" });
        against_a_model(target(config.clone()), config, seed).await;
    }
}

#[tokio::test]
async fn merges_into_postgres_match_the_model() {
    let postgres = Postgres::shared();
    for seed in 0..4 {
        let here = postgres.database().await;
        if seed % 2 == 1 {
            // A table without any index: the counts must hold all the same.
            here.execute("CREATE TABLE t (id bigint, at numeric(20,2), v text)").await;
        }
        let config = json!({ "dsn": here.dsn(), "table": "t" });
        against_a_model(target(config.clone()), config, seed).await;
    }
}

#[tokio::test]
async fn appends_add_and_refreshes_replace() {
    let here = Postgres::shared().database().await;
    let folder = tempfile::tempdir().unwrap();
    for to in [
        target(json!({ "path": folder.path().join("it.db"), "table": "t" })),
        target(json!({ "dsn": here.dsn(), "table": "t" })),
    ] {
        assert_eq!(to.cursor(&owner()).await.unwrap(), None);
        assert_eq!(to.committed(&owner(), "t").await.unwrap(), None);
        let rows = [batch(&[(1, 1, None), (1, 1, Some("x".into()))])];
        for (strategy, inserted, last) in [
            (Strategy::FullRefresh, 2, 2),
            (Strategy::Append, 2, 4),
            (Strategy::IncrementalAppend, 2, 6),
            (Strategy::FullRefresh, 2, 2),
        ] {
            let writer = filled(&to, &Job::new(strategy), &rows).await.unwrap();
            let outcome = writer.commit(None).await.unwrap();
            assert_eq!((outcome.inserted, outcome.final_rows), (inserted, last), "{strategy:?}");
            assert!(outcome.bytes > 0 && outcome.updated + outcome.unchanged == 0);
        }
        // A load without a single row is a load too.
        let job = Job::new(Strategy::FullRefresh);
        let writer = to.begin(job.plan(rows[0].schema(), None)).await.unwrap();
        assert_eq!(writer.commit(None).await.unwrap().final_rows, 0);
    }
}

#[tokio::test]
async fn keys_that_cannot_be_merged_by_are_refused() {
    let here = Postgres::shared().database().await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("it.db");
    let table = "CREATE TABLE t (id bigint, at numeric(20,2), v text); INSERT INTO t VALUES (1, 1, 'a'), (1, 1, 'b')";
    here.execute(table).await;
    rusqlite::Connection::open(&path)
        .unwrap()
        .execute_batch("CREATE TABLE t (id INTEGER, at TEXT, v TEXT)")
        .unwrap();
    let job = Job::new(Strategy::IncrementalMerge).key(&["id"]);
    let rows = [batch(&[(1, 1, Some("c".into()))])];
    let to = target(json!({ "dsn": here.dsn(), "table": "t" }));
    let fault = refused(filled(&to, &job, &rows).await.unwrap().commit(None).await);
    assert_eq!(fault.class(), ErrorClass::Constraint);
    let to = target(json!({ "path": path, "table": "t" }));
    let fault = refused(filled(&to, &job, &rows).await);
    assert_eq!(fault.class(), ErrorClass::Config);
    assert!(fault.advice().contains("CREATE UNIQUE INDEX"));
    for to in [
        target(json!({ "path": folder.path().join("other.db"), "table": "t" })),
        target(json!({ "dsn": here.dsn(), "table": "nulls" })),
    ] {
        let job = Job::new(Strategy::IncrementalMerge).key(&["v"]);
        let writer = filled(&to, &job, &[batch(&[(1, 1, None)])]).await.unwrap();
        let fault = refused(writer.commit(None).await);
        assert_eq!(fault.class(), ErrorClass::Constraint, "{}", fault.chain());
        assert!(fault.chain().contains("null in the key"));
    }
}
