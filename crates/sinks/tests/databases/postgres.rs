//! Postgres: full refresh, schema changes, what messages say, where an incremental read begins.

use flowglass_connect::{
    CursorBound, CursorKind, CursorValue, ReadRequest, SchemaChange, Strategy, TargetConnector,
};
use flowglass_model::ErrorClass;
use flowglass_testkit::{Database, Postgres, wait_for_async};
use serde_json::json;

use super::{Job, around, copy, filled, read, refused, source, target};

async fn two_tables() -> Database {
    let here = Postgres::shared().database().await;
    here.execute(
        "CREATE TABLE old (id int PRIMARY KEY, v text); INSERT INTO old VALUES (1, 'old'); \
         CREATE TABLE new (id int, v text); INSERT INTO new SELECT i, 'new' FROM generate_series(1, 1000) i",
    )
    .await;
    here
}

#[tokio::test]
async fn a_refreshed_table_keeps_all_that_hangs_on_it() {
    let here = two_tables().await;
    Postgres::shared().role("reader", "pw").await;
    here.execute(
        "ALTER TABLE old ADD x int DEFAULT 7 CHECK (x > 0), ADD CONSTRAINT \"odd USING k\" UNIQUE (v, id); \
         CREATE INDEX \"i USING\" ON old (v) WHERE id > 5; COMMENT ON TABLE old IS 'it''s'; \
         GRANT SELECT ON old TO reader; CREATE TABLE other (id int PRIMARY KEY); \
         INSERT INTO other SELECT generate_series(1, 1000); \
         ALTER TABLE old ADD CONSTRAINT fk FOREIGN KEY (id) REFERENCES other",
    )
    .await;
    let hangs = "SELECT 'index', indexdef FROM pg_indexes WHERE tablename = 'old' \
        UNION ALL SELECT 'constraint', conname || pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = 'old'::regclass \
        UNION ALL SELECT 'comment', obj_description('old'::regclass) \
        UNION ALL SELECT 'acl', relacl::text FROM pg_class WHERE oid = 'old'::regclass \
        UNION ALL SELECT 'default', pg_get_expr(adbin, adrelid) FROM pg_attrdef WHERE adrelid = 'old'::regclass \
        ORDER BY 1, 2";
    let before = here.lines(hangs).await;
    assert_eq!(before.len(), 10, "{before:?}");
    let oid = here.lines("SELECT 'old'::regclass::oid").await;
    let from = source(json!({ "dsn": here.dsn(), "table": "new" }));
    let to = target(json!({ "dsn": here.dsn(), "table": "old" }));
    let done = copy(&from, &to, &Job::new(Strategy::FullRefresh)).await.unwrap();
    assert_eq!((done.outcome.inserted, done.outcome.final_rows), (1000, 1000));
    assert_eq!(here.lines(hangs).await, before);
    assert_eq!(here.lines("SELECT count(*), min(x), max(v) FROM old").await, ["1000|7|new"]);
    assert_ne!(here.lines("SELECT 'old'::regclass::oid").await, oid, "it was swapped");
}

#[tokio::test]
async fn a_table_with_dependents_stays_and_changes_its_rows() {
    for hanging in [
        "CREATE VIEW seen AS SELECT * FROM old",
        "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'; \
         CREATE TRIGGER t BEFORE INSERT ON old FOR EACH ROW EXECUTE FUNCTION f()",
        "ALTER TABLE old ADD s serial",
        "CREATE TABLE child (id int REFERENCES old DEFERRABLE INITIALLY DEFERRED)",
        "CREATE PUBLICATION p FOR TABLE old",
        "ALTER TABLE old ENABLE ROW LEVEL SECURITY",
        "CREATE TABLE like_old (o old)",
    ] {
        let here = two_tables().await;
        here.execute(hanging).await;
        let oid = here.lines("SELECT 'old'::regclass::oid").await;
        let from = source(json!({ "dsn": here.dsn(), "table": "new" }));
        let to = target(json!({ "dsn": here.dsn(), "table": "old" }));
        let done = copy(&from, &to, &Job::new(Strategy::FullRefresh).raw()).await.unwrap();
        assert_eq!(done.outcome.final_rows, 1000, "{hanging}");
        assert_eq!(here.lines("SELECT 'old'::regclass::oid").await, oid, "{hanging}");
        assert_eq!(here.lines("SELECT count(*), max(v) FROM old").await, ["1000|new"], "{hanging}");
    }
}

#[tokio::test]
async fn readers_see_the_old_rows_and_then_the_new_ones() {
    let here = two_tables().await;
    let from = source(json!({ "dsn": here.dsn(), "table": "new" }));
    let to = target(json!({ "dsn": here.dsn(), "table": "old" }));
    let batches = read(&from, ReadRequest::default()).await.unwrap();
    let writer = filled(&to, &Job::new(Strategy::FullRefresh), &batches).await.unwrap();
    assert_eq!(here.lines("SELECT v FROM old").await, ["old"]);
    // A snapshot from before the swap that looks at the table only afterwards.
    let early = here.client().await;
    early
        .batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1 FROM new LIMIT 1")
        .await
        .unwrap();
    writer.commit(None).await.unwrap();
    let seen: i64 = early.query_one("SELECT count(*) FROM old", &[]).await.unwrap().get(0);
    assert_eq!(seen, 1000, "an old snapshot sees the new rows, never none");
    assert_eq!(here.lines("SELECT count(*) FROM old").await, ["1000"]);
}

#[tokio::test]
async fn a_writer_that_is_dropped_leaves_nothing() {
    let here = two_tables().await;
    let from = source(json!({ "dsn": here.dsn(), "table": "new" }));
    let batches = read(&from, ReadRequest::default()).await.unwrap();
    for strategy in [Strategy::FullRefresh, Strategy::Append, Strategy::IncrementalMerge] {
        for table in ["old", "fresh"] {
            let to = target(json!({ "dsn": here.dsn(), "table": table }));
            let job = Job::new(strategy).key(&["id"]);
            drop(filled(&to, &job, &batches).await.unwrap());
            filled(&to, &job, &batches).await.unwrap().abort().await.unwrap();
        }
        wait_for_async("the dropped sessions ended", std::time::Duration::from_secs(20), async || {
            let sql = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'flowglass%'";
            (here.lines(sql).await == ["0"]).then_some(())
        })
        .await;
        assert_eq!(here.lines("SELECT id, v FROM old").await, ["1|old"]);
        let left =
            "SELECT relname FROM pg_class WHERE relname LIKE '%flowglass%' OR relname = 'fresh'";
        assert_eq!(here.lines(left).await, Vec::<String>::new());
    }
}

#[tokio::test]
async fn new_columns_follow_schema_change() {
    let here = two_tables().await;
    here.execute("ALTER TABLE new ADD extra numeric(9,3) DEFAULT 1.250").await;
    let from = source(json!({ "dsn": here.dsn(), "table": "new" }));
    let to = target(json!({ "dsn": here.dsn(), "table": "old" }));
    for strategy in [Strategy::Append, Strategy::FullRefresh, Strategy::IncrementalMerge] {
        let mut job = Job::new(strategy).raw().key(&["id"]);
        here.execute("DROP TABLE old; CREATE TABLE old (id int PRIMARY KEY, v text); INSERT INTO old VALUES (-1, 'old')").await;
        job.schema_change = SchemaChange::Fail;
        let fault = refused(copy(&from, &to, &job).await);
        assert_eq!(fault.class(), ErrorClass::Schema);
        assert!(fault.chain().contains("`extra`"));
        job.schema_change = SchemaChange::Ignore;
        assert_eq!(copy(&from, &to, &job).await.unwrap().outcome.columns_added, []);
        here.execute("DELETE FROM old WHERE id > 0").await;
        job.schema_change = SchemaChange::Evolve;
        let done = copy(&from, &to, &job).await.unwrap();
        assert_eq!(done.outcome.columns_added, [("extra".to_owned(), "numeric(9,3)".to_owned())]);
        assert_eq!(here.lines("SELECT id, v, extra FROM old WHERE id = 5").await, ["5|new|1.250"]);
    }
}

#[tokio::test]
async fn messages_name_the_constraint_and_never_a_value() {
    let here = Postgres::shared().database().await;
    here.execute(
        "CREATE TABLE a (v text); INSERT INTO a VALUES ('planted-value'), ('planted-value'); \
         CREATE TABLE once (v text CONSTRAINT only_once UNIQUE); \
         CREATE TABLE short (v text CONSTRAINT is_short CHECK (length(v) < 5)); \
         CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no % here', NEW.v; END $$; \
         CREATE TABLE guarded (v text); CREATE TRIGGER g BEFORE INSERT ON guarded FOR EACH ROW EXECUTE FUNCTION f(); \
         CREATE TABLE net (v inet)",
    )
    .await;
    let from = source(json!({ "dsn": here.dsn(), "table": "a" }));
    for (table, class, named) in [
        ("once", ErrorClass::Constraint, "only_once"),
        ("short", ErrorClass::Constraint, "is_short"),
        ("guarded", ErrorClass::Malformed, "guarded"),
        ("net", ErrorClass::Malformed, "column v"),
    ] {
        let to = target(json!({ "dsn": here.dsn(), "table": table }));
        for job in [Job::new(Strategy::Append), Job::new(Strategy::Append).raw()] {
            let fault = refused(copy(&from, &to, &job).await);
            let said = format!("{} {fault:?} {}", fault.chain(), fault.advice());
            assert_eq!(fault.class(), class, "{said}");
            assert!(said.contains(named), "{said}");
            assert!(!said.contains("planted-value"), "{said}");
        }
    }
}

#[tokio::test]
async fn no_message_holds_the_password() {
    let here = Postgres::shared().database().await;
    Postgres::shared().role("insider", "s3cret-pw").await;
    let good = here.dsn_of("insider", "s3cret-pw");
    let wrong = here.dsn_of("insider", "s3cret-not");
    for (dsn, class) in [
        (wrong, ErrorClass::Auth),
        (good.replace("/test_", "/missing_"), ErrorClass::NotFound),
        (format!("{good}?sslmode=require"), ErrorClass::Config),
        (format!("postgres://insider:s3cret-pw@127.0.0.1:1/{}", "d"), ErrorClass::Unreachable),
    ] {
        let from = source(json!({ "dsn": dsn, "table": "t" }));
        let fault = refused(from.open(ReadRequest::default()).await);
        let said = format!("{} {fault:?} {} {:?}", fault.chain(), fault.advice(), from.asset());
        assert_eq!(fault.class(), class, "{said}");
        assert!(!said.contains("s3cret"), "{said}");
        let to = target(json!({ "dsn": dsn, "table": "t" }));
        let fault = refused(to.cursor(&super::owner()).await);
        assert!(!format!("{} {fault:?}", fault.chain()).contains("s3cret"));
    }
    let here = around(std::path::Path::new("/"));
    let fault = refused(
        flowglass_sinks::postgres::Connector
            .build(json!({ "dsn": "postgres://u:s3cret-pw@h:x/d", "table": "t" }), &here),
    );
    assert!(!format!("{} {fault:?}", fault.chain()).contains("s3cret"));
}

#[tokio::test]
async fn an_incremental_read_begins_at_the_boundary() {
    let here = Postgres::shared().database().await;
    here.execute(
        "CREATE TABLE a (i bigint, n numeric, t text, d date, l timestamp, z timestamptz); \
         INSERT INTO a SELECT i, i / 10.0, chr(64 + i), date '2024-01-01' + i, timestamp '2024-01-01' + i * interval '1 us', \
         timestamptz '2024-01-01Z' + i * interval '1 us' FROM generate_series(1, 9) i; INSERT INTO a DEFAULT VALUES",
    )
    .await;
    for (column, kind, text) in [
        ("i", CursorKind::Integer, "5"),
        ("n", CursorKind::Decimal, "0.5"),
        ("t", CursorKind::Text, "E"),
        ("d", CursorKind::Date, "2024-01-06"),
        ("l", CursorKind::LocalTimestamp, "2024-01-01T00:00:00.000005"),
        ("z", CursorKind::Timestamp, "2024-01-01T02:00:00.000005999+02:00"),
    ] {
        for config in [
            json!({ "dsn": here.dsn(), "table": "a" }),
            json!({ "dsn": here.dsn(), "query": "SELECT * FROM a -- all\n;" }),
        ] {
            let value = Some(CursorValue { kind, text: text.to_owned() });
            let from_cursor = Some(CursorBound { column: column.to_owned(), value });
            let request = ReadRequest {
                from_cursor,
                columns: Some(vec!["i".into()]),
                ..ReadRequest::default()
            };
            let batches = read(&source(config), request).await.unwrap();
            let rows: usize = batches.iter().map(arrow::array::RecordBatch::num_rows).sum();
            assert_eq!(rows, 5, "{column}");
        }
    }
    let value = Some(CursorValue { kind: CursorKind::Text, text: "x' OR true --".into() });
    let from_cursor = Some(CursorBound { column: "t".into(), value });
    let request = ReadRequest { from_cursor, ..ReadRequest::default() };
    let from = source(json!({ "dsn": here.dsn(), "table": "a" }));
    assert_eq!(read(&from, request).await.unwrap().len(), 0);
}
