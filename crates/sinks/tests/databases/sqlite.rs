//! SQLite: exact values there and back, what is refused, and what stays after a failure.

use arrow::array::RecordBatch;
use flowglass_connect::{CursorBound, CursorKind, CursorValue, ReadRequest, Strategy};
use flowglass_model::ErrorClass;
use flowglass_testkit::Postgres;
use rusqlite::Connection;
use serde_json::json;

use super::{Job, copy, filled, read, refused, source, target};

#[tokio::test]
async fn postgres_to_sqlite_and_back_is_the_same() {
    let here = Postgres::shared().database().await;
    here.execute(
        "CREATE TABLE a (id int, d numeric(38,10), w numeric(60,20), u numeric, f float8, r real, b bool, t text, x bytea, \
           dt date, tm time, ts timestamp, tz timestamptz, i interval, j jsonb, uu uuid, s smallint); \
         INSERT INTO a VALUES (1, 1234567890123456789012345678.0123456789, -0.00000000000000000001, 'NaN', 0.1, 0.1, true, E'é\\n', '\\x00ff', \
           '2024-02-29', '23:59:59.999999', '1969-12-31 23:59:59.999999', '2024-01-01 00:00:00.000001Z', '1 mon -1 day', '{\"a\": 1.50}', \
           'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', -32768); INSERT INTO a VALUES (2); INSERT INTO a VALUES (3, 0, 0, 1.10, 'Infinity', -0.0, false, '', '', '0044-03-15 BC', \
           '00:00', '0001-01-01', '4713-01-01Z BC', '0', '1', gen_random_uuid(), 1)",
    )
    .await;
    let folder = tempfile::tempdir().unwrap();
    let (one, two) = (folder.path().join("deep/one.db"), folder.path().join("two.db"));
    let job = Job::new(Strategy::FullRefresh);
    let from = source(json!({ "dsn": here.dsn(), "table": "a" }));
    copy(&from, &target(json!({ "path": one, "table": "a" })), &job).await.unwrap();
    let from = source(json!({ "path": one, "table": "a" }));
    copy(&from, &target(json!({ "path": two, "table": "A copy" })), &job).await.unwrap();
    let from = source(json!({ "path": two, "table": "A copy" }));
    copy(&from, &target(json!({ "dsn": here.dsn(), "table": "b" })), &job).await.unwrap();
    assert_eq!(here.lines("TABLE b ORDER BY id").await, here.lines("TABLE a ORDER BY id").await);
    let types = "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute WHERE attnum > 0 AND attrelid = ";
    let types = |table: &str| format!("{types}'{table}'::regclass ORDER BY attnum");
    assert_eq!(here.lines(&types("b")).await, here.lines(&types("a")).await);
    let text: String = Connection::open(&one)
        .unwrap()
        .query_row("SELECT d || ' ' || tz || ' ' || typeof(d) FROM a WHERE id = 1", [], |row| {
            row.get(0)
        })
        .unwrap();
    assert_eq!(text, "1234567890123456789012345678.0123456789 2024-01-01 00:00:00.000001Z text");
}

fn made(sql: &str) -> (tempfile::TempDir, std::path::PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("it.db");
    Connection::open(&path).unwrap().execute_batch(sql).unwrap();
    (folder, path)
}

fn rows_of(batches: &[RecordBatch]) -> usize {
    batches.iter().map(RecordBatch::num_rows).sum()
}

#[tokio::test]
async fn a_value_of_another_class_is_refused_by_column_and_rowid() {
    for (declared, value, class) in [
        ("INTEGER", "'planted'", ErrorClass::Inexact),
        ("INTEGER", "1.5", ErrorClass::Inexact),
        ("REAL", "'planted'", ErrorClass::Inexact),
        ("TEXT", "x'00'", ErrorClass::Inexact),
        ("TEXT", "CAST(x'ff' AS TEXT)", ErrorClass::Malformed),
        ("BLOB", "'planted'", ErrorClass::Inexact),
        ("BOOLEAN", "2", ErrorClass::Inexact),
        ("DECIMAL(5,2)", "1.005", ErrorClass::Inexact),
        ("DECIMAL(5,2)", "'planted'", ErrorClass::Malformed),
        ("DATE", "'2024-02-30'", ErrorClass::Malformed),
        ("TIMESTAMP", "'2024-01-01 00:00:00Z'", ErrorClass::Malformed),
        ("TIMESTAMP", "'2024-01-01 00:00:00.1234567'", ErrorClass::Inexact),
    ] {
        let sql = format!(
            "CREATE TABLE t (\"the column\" {declared}); INSERT INTO t(rowid, \"the column\") VALUES (7, NULL), (42, {value})"
        );
        let (_folder, path) = made(&sql);
        let fault = refused(
            read(&source(json!({ "path": path, "table": "t" })), ReadRequest::default()).await,
        );
        let said = fault.chain();
        assert_eq!(fault.class(), class, "{declared} {value}: {said}");
        assert!(
            said.contains("`the column`") && said.contains("rowid 42") && !said.contains("planted"),
            "{said}"
        );
    }
}

#[tokio::test]
async fn declared_types_and_settings_decide() {
    let (_folder, path) = made(
        "CREATE TABLE t (a, b DECIMAL(9,3), c DATETIME, d BOOL, \"rowid\" TEXT, PRIMARY KEY (a)) WITHOUT ROWID; \
         INSERT INTO t VALUES (1, 0.125, '2024-01-01T10:00', 1, 'x'), ('two', '7', NULL, 0, NULL), (3.0, 1e3, '2024-01-01', NULL, '')",
    );
    let from = source(json!({ "path": path, "table": "t" }));
    let batches =
        read(&from, ReadRequest { batch_rows_max: 2, ..ReadRequest::default() }).await.unwrap();
    assert_eq!(batches.len(), 2);
    let all = arrow::compute::concat_batches(&batches[0].schema(), &batches).unwrap();
    let decimals = arrow::compute::cast(all.column(1), &arrow::datatypes::DataType::Utf8).unwrap();
    let found: Vec<_> = arrow::array::AsArray::as_string::<i32>(&decimals)
        .iter()
        .flatten()
        .map(str::to_owned)
        .collect();
    assert_eq!(found, ["0.125", "1000.000", "7.000"]);
    let from = source(
        json!({ "path": path, "query": "SELECT count(*) AS n FROM t;", "columns": { "n": "integer" } }),
    );
    let batches = read(&from, ReadRequest::default()).await.unwrap();
    assert_eq!(
        arrow::array::AsArray::as_primitive::<arrow::datatypes::Int64Type>(batches[0].column(0))
            .value(0),
        3
    );
    let request = ReadRequest { columns: Some(vec!["missing".into()]), ..ReadRequest::default() };
    let fault = refused(read(&source(json!({ "path": path, "table": "t" })), request).await);
    assert_eq!(fault.class(), ErrorClass::NotFound);
    let nothing = source(json!({ "path": path.with_extension("no"), "table": "t" }));
    assert_eq!(refused(nothing.open(ReadRequest::default()).await).class(), ErrorClass::NotFound);
}

#[tokio::test]
async fn an_incremental_read_begins_at_the_boundary() {
    let (_folder, path) = made(
        "CREATE TABLE t (i INTEGER, t TEXT, n DECIMAL(9,2), d DATE, z TIMESTAMPTZ); \
         INSERT INTO t SELECT value, char(64 + value), value * 2.5, date('2024-01-01', value || ' days'), \
         strftime('%Y-%m-%dT%H:%M:%SZ', '2024-01-01', value || ' seconds') FROM json_each('[1,2,3,4,5,6,7,8,9]'); INSERT INTO t DEFAULT VALUES",
    );
    for (column, kind, text) in [
        ("i", CursorKind::Integer, "5"),
        ("t", CursorKind::Text, "E"),
        ("n", CursorKind::Decimal, "12.5"),
        ("d", CursorKind::Date, "2024-01-06"),
        ("z", CursorKind::Timestamp, "2024-01-01T00:00:05Z"),
    ] {
        let value = Some(CursorValue { kind, text: text.to_owned() });
        let from_cursor = Some(CursorBound { column: column.to_owned(), value });
        let request = ReadRequest { from_cursor, ..ReadRequest::default() };
        let batches = read(&source(json!({ "path": path, "table": "t" })), request).await.unwrap();
        assert_eq!(rows_of(&batches), 5, "{column}");
    }
}

#[tokio::test]
async fn a_writer_that_is_dropped_leaves_nothing() {
    let (folder, path) = made(
        "CREATE TABLE old (id INTEGER PRIMARY KEY, v TEXT); INSERT INTO old VALUES (1, 'old'); CREATE TABLE new AS SELECT 2 AS id, 'new' AS v",
    );
    let batches = read(&source(json!({ "path": path, "query": "SELECT CAST(2 AS INTEGER) AS id, 'new' AS v", "columns": { "id": "integer" } })), ReadRequest::default()).await.unwrap();
    let left = |path: &std::path::Path| -> Vec<String> {
        let connection = Connection::open(path).unwrap();
        let mut query = connection
            .prepare("SELECT name FROM sqlite_schema UNION ALL SELECT v FROM old ORDER BY 1")
            .unwrap();
        query.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    };
    for strategy in [Strategy::FullRefresh, Strategy::Append, Strategy::IncrementalMerge] {
        let job = Job::new(strategy).key(&["id"]);
        for table in ["old", "fresh"] {
            let to = target(json!({ "path": path, "table": table }));
            filled(&to, &job, &batches).await.unwrap().abort().await.unwrap();
            assert_eq!(left(&path), ["new", "old", "old"]);
        }
        let fresh = folder.path().join("fresh.db");
        let to = target(json!({ "path": fresh, "table": "t" }));
        drop(filled(&to, &job, &batches).await.unwrap());
        // The next writer waits until the dropped one is gone, and so may we.
        filled(&to, &job, &batches).await.unwrap().abort().await.unwrap();
        assert!(!fresh.exists(), "a file that we made goes with the writer");
    }
}

#[tokio::test]
async fn what_sqlite_would_bend_is_refused() {
    let here = Postgres::shared().database().await;
    for (from, value, declared, class) in [
        ("numeric(20,2)", "1.10", "DECIMAL(20,2)", Some(ErrorClass::Schema)),
        ("numeric(15,2)", "1.10", "DECIMAL(15,2)", None),
        ("text", "'007'", "NUMERIC", Some(ErrorClass::Inexact)),
        ("text", "'seven'", "NUMERIC", None),
        ("text", "'7'", "INTEGER", Some(ErrorClass::Schema)),
        ("bigint", "7", "TEXT", Some(ErrorClass::Schema)),
        ("float8", "'NaN'", "REAL", Some(ErrorClass::Inexact)),
        ("date", "'2024-01-01'", "DATE", None),
        ("int[]", "'{1}'", "TEXT", Some(ErrorClass::Unsupported)),
    ] {
        let (_folder, path) = made(&format!("CREATE TABLE t (v {declared})"));
        let from =
            source(json!({ "dsn": here.dsn(), "query": format!("SELECT ({value})::{from} AS v") }));
        let answer = copy(
            &from,
            &target(json!({ "path": path, "table": "t" })),
            &Job::new(Strategy::Append),
        )
        .await;
        match class {
            None => assert_eq!(answer.unwrap().outcome.final_rows, 1),
            Some(class) => {
                let fault = refused(answer);
                assert_eq!(fault.class(), class, "{declared} {value}");
                assert!(fault.chain().contains("`v`"), "{}", fault.chain());
            }
        }
    }
}

#[tokio::test]
async fn messages_name_the_constraint_and_never_a_value() {
    let (_folder, path) = made(
        "CREATE TABLE a (v TEXT); INSERT INTO a VALUES ('planted'), ('planted'); CREATE TABLE once (v TEXT UNIQUE)",
    );
    let from = source(json!({ "path": path, "table": "a" }));
    let to = target(json!({ "path": path, "table": "once" }));
    let batches = read(&from, ReadRequest::default()).await.unwrap();
    let mut writer =
        to.begin(Job::new(Strategy::Append).plan(batches[0].schema(), None)).await.unwrap();
    drop(writer.write(flowglass_connect::Batch::Arrow(batches[0].clone())).await);
    let fault = refused(writer.commit(None).await);
    assert_eq!(fault.class(), ErrorClass::Constraint);
    assert_eq!(
        fault.chain(),
        "writing row 2 of the load to `once`: UNIQUE constraint failed: once.v"
    );
}
