//! What is a Postgres sink's alone: exact types, tables that are there already, and the order in
//! which rows are written where the order matters.

use std::collections::HashSet;
use std::sync::Arc;

use flowglass_connect::Fault;
use flowglass_connect::stream::{Kind, Op, Relation, StreamSink, StreamSinkConnector};
use flowglass_model::ErrorClass;
use flowglass_sinks::postgres::StreamConnector;
use flowglass_testkit::row_sinks::RowFeed;
use flowglass_testkit::{Database, Postgres, Settings};
use serde_json::{Value, json};

use super::{Change, around, batch, deliver, refusals, relation};

async fn database() -> Database {
    Postgres::shared().database().await
}

fn sink(database: &Database, more: Value) -> Arc<dyn StreamSink> {
    let mut config = json!({ "id": "a", "dsn": database.dsn(), "table": "copy.{table}" });
    let Value::Object(more) = more else { panic!("no object") };
    config.as_object_mut().unwrap().extend(more);
    StreamConnector.build("s", config, &around()).unwrap()
}

fn insert<'a>(table: &'a Arc<Relation>, row: &'a [&'a str]) -> (&'a Arc<Relation>, Change<'a>) {
    (table, (Op::Insert, None, Some(row)))
}

/// Types, and values whose text is hard: the source's own text goes in, and the same must come out
/// of a column of the same type.
fn types() -> Vec<(Kind, &'static str, [&'static str; 2])> {
    vec![
        (Kind::Bool, "boolean", ["t", "f"]),
        (Kind::Int16, "smallint", ["-32768", "32767"]),
        (Kind::Int32, "integer", ["-2147483648", "7"]),
        (Kind::Int64, "bigint", ["-9223372036854775808", "9223372036854775807"]),
        (Kind::Float32, "real", ["1e-45", "-Infinity"]),
        (Kind::Float64, "double precision", ["0.30000000000000004", "NaN"]),
        (Kind::Decimal(Some((12, 2))), "numeric(12,2)", ["-1234567890.12", "0.00"]),
        (Kind::Decimal(None), "numeric", ["0.000000000000000000000000000000000000001", "NaN"]),
        (Kind::Money, "money", ["$1,234.56", "-$0.05"]),
        (Kind::Text, "character varying(5)", ["ab c ", ""]),
        (Kind::Text, "character(5)", ["ab   ", "     "]),
        (Kind::Text, "\"char\"", ["x", ""]),
        (Kind::Bytes, "bytea", ["\\x00ff5c27", "\\x"]),
        (Kind::Bits(3), "bit(3)", ["101", "000"]),
        (Kind::Bits(0), "bit varying", ["1011", ""]),
        (Kind::Json, "json", ["{\"b\":1,  \"a\":2, \"a\":3}", "1e999"]),
        (Kind::Json, "jsonb", ["{\"a\": \"\\\\x\"}", "[]"]),
        (
            Kind::Uuid,
            "uuid",
            ["0194d4c8-8f6e-7000-8000-000000000000", "00000000-0000-0000-0000-000000000000"],
        ),
        (Kind::Date, "date", ["4714-11-24 BC", "infinity"]),
        (Kind::Time(3), "time(3) without time zone", ["24:00:00", "12:00:00.123"]),
        (Kind::TimeTz, "time with time zone", ["12:00:00.5-03:30", "00:00:00+00"]),
        (
            Kind::Timestamp(6),
            "timestamp without time zone",
            ["-infinity", "294276-12-31 23:59:59.999999"],
        ),
        (
            Kind::TimestampTz,
            "timestamp with time zone",
            ["2024-02-29 23:59:59.000001+00", "infinity"],
        ),
        (Kind::Interval, "interval", ["1 year 2 mons -3 days +04:05:06.789", "00:00:00"]),
        (Kind::Array(Box::new(Kind::Text)), "text[]", ["{\"a,b\",NULL,\"NULL\",\"{\"}", "{}"]),
        (Kind::Array(Box::new(Kind::Int32)), "integer[]", ["{{1,2},{3,4}}", "[0:1]={1,2}"]),
        (Kind::Other, "inet", ["10.0.0.0/8", "::1"]),
        (Kind::Other, "int4range", ["[1,5)", "empty"]),
        (Kind::Other, "point", ["(1.5,-2)", "(0,0)"]),
        (Kind::Other, "tsvector", ["'a':1 'b':2", ""]),
    ]
}

#[tokio::test]
async fn text_of_every_type_comes_out_as_it_went_in() {
    let (database, types) = (database().await, types());
    let names: Vec<String> = (0..types.len()).map(|at| format!("c{at}")).collect();
    let mut columns = vec![("id", Kind::Int32, "integer")];
    for (name, (kind, native, _)) in names.iter().zip(&types) {
        columns.push((name.as_str(), kind.clone(), native));
    }
    let table = relation("things", 1, &columns);
    let row = |number: usize| {
        let id = ["1", "2"][number];
        let cells = types.iter().map(|(_, _, texts)| texts[number]);
        std::iter::once(id).chain(cells).collect::<Vec<_>>()
    };
    let (one, two) = (row(0), row(1));
    let changes = [insert(&table, &one), insert(&table, &two)];
    let said = deliver(&sink(&database, json!({})), batch(0, &changes)).await.unwrap();
    assert_eq!(refusals(&said), []);
    let settings = "SET timezone = 'UTC'; SET lc_monetary = 'C'; ";
    for (number, expected) in [(1, &one), (2, &two)] {
        for (at, column) in names.iter().enumerate() {
            let sql = format!("{settings}SELECT {column} FROM copy.things WHERE id = {number}");
            let lines = database.lines(&sql).await;
            assert_eq!(lines, [expected[at + 1]], "{}", types[at].1);
        }
    }
    let sql = "SELECT format_type(atttypid, atttypmod) FROM pg_attribute \
               WHERE attrelid = 'copy.things'::regclass AND attnum > 1 ORDER BY attnum";
    let natives: Vec<&str> = types.iter().map(|(_, native, _)| *native).collect();
    assert_eq!(database.lines(sql).await, natives);
}

#[tokio::test]
async fn types_that_this_database_lacks_become_text() {
    let database = database().await;
    let columns = [
        ("id", Kind::UInt64, "bigint unsigned"),
        ("state", Kind::Enum, "shop.order_state"),
        ("at", Kind::TimestampTz, "timestamp"),
    ];
    let table = relation("foreign", 1, &columns);
    let row: &[&str] = &["18446744073709551615", "paid", "2024-01-01 00:00:00.5+00"];
    let said = deliver(&sink(&database, json!({})), batch(0, &[insert(&table, row)])).await;
    assert_eq!(refusals(&said.unwrap()), []);
    let sql = "SELECT format_type(atttypid, atttypmod) FROM pg_attribute \
               WHERE attrelid = 'copy.foreign'::regclass AND attnum > 0 ORDER BY attnum";
    let types = ["numeric(20,0)", "text", "timestamp with time zone"];
    assert_eq!(database.lines(sql).await, types);
}

#[tokio::test]
async fn what_a_narrower_column_would_round_or_cut_is_refused() {
    let database = database().await;
    database
        .execute(
            "CREATE SCHEMA copy; CREATE TABLE copy.narrow (id int PRIMARY KEY, \
             n numeric(10,1), t varchar(3), at timestamp(0), small smallint)",
        )
        .await;
    let columns = [
        ("id", Kind::Int32, "integer"),
        ("n", Kind::Decimal(None), "numeric"),
        ("t", Kind::Text, "text"),
        ("at", Kind::Timestamp(6), "timestamp without time zone"),
        ("small", Kind::Int32, "integer"),
    ];
    let table = relation("narrow", 1, &columns);
    let rows: [&[&str]; 7] = [
        &["1", "1.50", "abc", "2024-01-01 00:00:00", "1"],
        &["2", "1.25", "abc", "_", "1"],
        &["3", "1", "abcd", "_", "1"],
        &["4", "1", "a", "2024-01-01 00:00:00.4", "1"],
        &["5", "1", "a", "_", "32768"],
        &["6", "nonsense", "a", "_", "1"],
        &["7", "_", "_", "_", "_"],
    ];
    let changes: Vec<_> = rows.iter().map(|row| insert(&table, row)).collect();
    let said = deliver(&sink(&database, json!({})), batch(0, &changes)).await.unwrap();
    let refused: Vec<_> = said.refused.iter().map(|it| (it.change, it.fault.class())).collect();
    let inexact = ErrorClass::Inexact;
    let expected =
        [(1, inexact), (2, inexact), (3, inexact), (4, inexact), (5, ErrorClass::Malformed)];
    assert_eq!(refused, expected, "{:?}", refusals(&said));
    assert_eq!(database.lines("SELECT id FROM copy.narrow ORDER BY id").await, ["1", "7"]);
}

/// Within a batch, rows of several tables and keys go out together. Where the tables bind them to an
/// order, they are written in that of their commits.
#[tokio::test]
async fn constraints_between_rows_are_met_in_the_order_of_the_source() {
    let database = database().await;
    database
        .execute(
            "CREATE SCHEMA copy; CREATE TABLE copy.parents (id int PRIMARY KEY, mail text UNIQUE); \
             CREATE TABLE copy.children (id int PRIMARY KEY, parent int REFERENCES copy.parents)",
        )
        .await;
    let int = |name: &'static str| (name, Kind::Int32, "integer");
    let parents = relation("parents", 1, &[int("id"), ("mail", Kind::Text, "text")]);
    let children = relation("children", 1, &[int("id"), int("parent")]);
    let update = |row: &'static [&'static str]| (&parents, (Op::Update, None, Some(row)));
    let changes: [(_, Change<'_>); 10] = [
        insert(&parents, &["1", "a"]),
        insert(&children, &["10", "1"]),
        insert(&parents, &["2", "b"]),
        insert(&children, &["20", "2"]),
        // Two rows change what must be unique, by way of a third value.
        update(&["1", "c"]),
        update(&["2", "a"]),
        update(&["1", "b"]),
        // The child goes before its parent.
        (&children, (Op::Delete, Some(&["20", "_"]), None)),
        (&parents, (Op::Delete, Some(&["2", "_"]), None)),
        // This one never can.
        insert(&children, &["30", "99"]),
    ];
    let said = deliver(&sink(&database, json!({})), batch(0, &changes)).await.unwrap();
    let refused: Vec<_> = said.refused.iter().map(|it| (it.change, it.fault.class())).collect();
    assert_eq!(refused, [(9, ErrorClass::Constraint)], "{:?}", refusals(&said));
    assert_eq!(database.lines("SELECT * FROM copy.parents").await, ["1|b"]);
    assert_eq!(database.lines("SELECT * FROM copy.children").await, ["10|1"]);
}

#[tokio::test]
async fn rows_that_cannot_be_completed_or_found_are_refused() {
    let database = database().await;
    let columns =
        [("id", Kind::Int32, "integer"), ("v", Kind::Text, "text"), ("big", Kind::Text, "text")];
    let table = relation("t", 1, &columns);
    let changes: [(_, Change<'_>); 6] = [
        insert(&table, &["1", "a", "large"]),
        (&table, (Op::Update, None, Some(&["2", "b", "="]))),
        insert(&table, &["_", "a", "b"]),
        (&table, (Op::Update, Some(&["1", "_", "_"]), Some(&["5", "c", "="]))),
        (&table, (Op::Update, None, Some(&["5", "d", "="]))),
        (&table, (Op::Delete, Some(&["9", "_", "_"]), None)),
    ];
    let said = deliver(&sink(&database, json!({})), batch(0, &changes)).await.unwrap();
    let refused: Vec<usize> = said.refused.iter().map(|it| it.change).collect();
    assert_eq!(refused, [1, 2], "{:?}", refusals(&said));
    assert_eq!(database.lines("SELECT * FROM copy.t").await, ["5|d|large"]);
    // The same where the rest of the row is in the table alone.
    let changes: [(_, Change<'_>); 2] = [
        (&table, (Op::Update, Some(&["5", "_", "_"]), Some(&["6", "e", "="]))),
        (&table, (Op::Update, None, Some(&["6", "f", "="]))),
    ];
    let said = deliver(&sink(&database, json!({})), batch(1, &changes)).await.unwrap();
    assert_eq!(refusals(&said), []);
    assert_eq!(database.lines("SELECT * FROM copy.t").await, ["6|f|large"]);
}

#[tokio::test]
async fn tables_that_do_not_fit_stop_the_stream_and_say_how_to_mend_it() {
    let database = database().await;
    database
        .execute(
            "CREATE SCHEMA copy; CREATE TABLE copy.loose (id int); CREATE TABLE copy.other \
             (id int PRIMARY KEY, v boolean); CREATE TABLE copy.less (id int PRIMARY KEY)",
        )
        .await;
    let v = |table: &str| {
        relation(table, 1, &[("id", Kind::Int32, "integer"), ("v", Kind::Text, "text")])
    };
    let stops = async |config: Value, table: &str| -> Fault {
        let changes = [(&v(table), (Op::Insert, None, Some(&["1", "x"][..])))];
        deliver(&sink(&database, config), batch(0, &changes)).await.err().unwrap()
    };
    let loose = stops(json!({}), "loose").await;
    assert_eq!(loose.class(), ErrorClass::Config, "{}", loose.chain());
    assert!(loose.advice().contains("CREATE UNIQUE INDEX ON \"copy\".\"loose\" (\"id\")"));
    assert_eq!(stops(json!({}), "other").await.class(), ErrorClass::Schema);
    assert_eq!(stops(json!({ "schema_change": "fail" }), "less").await.class(), ErrorClass::Schema);
    let none = stops(json!({ "create_tables": false }), "none").await;
    assert_eq!(none.class(), ErrorClass::NotFound);
    assert!(none.advice().contains("CREATE TABLE"), "{}", none.advice());
    let (one, two) = (v("less"), v("loose"));
    let changes = [insert(&one, &["1", "x"]), insert(&two, &["1", "x"])];
    let same = sink(&database, json!({ "table": "copy.same" }));
    let same = deliver(&same, batch(0, &changes)).await.err().unwrap();
    assert_eq!(same.class(), ErrorClass::Config, "{}", same.chain());
    // What is left out on purpose is no obstacle.
    let less = sink(&database, json!({ "schema_change": "ignore" }));
    let said = deliver(&less, batch(0, &[insert(&one, &["1", "x"])])).await.unwrap();
    assert_eq!(refusals(&said), []);
    assert_eq!(database.lines("SELECT * FROM copy.less").await, ["1"]);
}

#[tokio::test]
async fn a_truncate_can_be_left_out() {
    let database = database().await;
    let table = relation("t", 1, &[("id", Kind::Int32, "integer")]);
    let truncate = (&table, (Op::Truncate, None, None));
    let changes = [insert(&table, &["1"]), truncate, insert(&table, &["2"])];
    let keeps = sink(&database, json!({ "truncate": "ignore" }));
    deliver(&keeps, batch(0, &changes)).await.unwrap();
    assert_eq!(database.lines("SELECT id FROM copy.t ORDER BY id").await, ["1", "2"]);
    deliver(&sink(&database, json!({})), batch(1, &changes)).await.unwrap();
    assert_eq!(database.lines("SELECT id FROM copy.t ORDER BY id").await, ["2"]);
}

/// A server that is killed, as by a power cut, comes back with what it had acknowledged, and the
/// stream goes on from there.
#[tokio::test]
async fn a_server_that_is_killed_has_what_it_acknowledged() {
    let durable = [("fsync", "on"), ("synchronous_commit", "on"), ("full_page_writes", "on")];
    let settings = durable.iter().fold(Settings::default(), |it, (key, on)| it.set(key, on));
    let mut server = Postgres::start(settings);
    let database = server.database().await;
    let sink = sink(&database, json!({ "without_key": "append" }));
    let feed = RowFeed::new(30, 17);
    let mut done = 0_u64;
    for killed_at in [Some(6), Some(13), Some(21), None] {
        let mut writer = sink.open().await.unwrap();
        let kept = writer.committed().await.unwrap();
        let stands = (done..=done + 1).find(|count| {
            let last = count.checked_sub(1).map(|last| feed.batch(last).batch.position());
            last == kept.as_ref()
        });
        // The batch that nobody acknowledged is there whole, or not at all.
        let first = stands.unwrap_or_else(|| panic!("{done} were acknowledged, kept is {kept:?}"));
        done = first;
        for number in first..killed_at.unwrap_or(30) {
            writer.send(feed.delivery(number, number - first + 1)).await.unwrap();
            assert!(writer.acknowledged().await.unwrap().refused.is_empty());
            done = number + 1;
        }
        if killed_at.is_some() {
            writer.send(feed.delivery(done, done - first + 1)).await.unwrap();
            server.kill();
            if let Err(fault) = writer.acknowledged().await {
                assert!(fault.class().retryable(), "{}: {}", fault.class(), fault.chain());
            }
            server.restart();
        }
    }
    let accounts = database.lines("SELECT id, name, amount, note FROM copy.accounts").await;
    let log = database.lines("SELECT batch, word FROM copy.log").await;
    let expected = feed.contents(30);
    assert_eq!((accounts.len(), log.len()), (expected.accounts.len(), expected.log.len()));
    let words: HashSet<String> = log.into_iter().collect();
    let as_line = |row: &Vec<Option<String>>| {
        row.iter().map(|cell| cell.as_deref().unwrap_or("\\N")).collect::<Vec<_>>().join("|")
    };
    assert!(expected.log.iter().all(|row| words.contains(&as_line(row))));
    assert!(expected.accounts.iter().all(|row| accounts.contains(&as_line(row))));
}

#[tokio::test]
async fn a_wrong_password_is_said_and_not_shown() {
    let database = database().await;
    Postgres::shared().role("sink_role", "right-one").await;
    let at = |password: &str| json!({ "dsn": database.dsn_of("sink_role", password) });
    let wrong = sink(&database, at("wrong-one")).open().await.err().unwrap();
    assert_eq!(wrong.class(), ErrorClass::Auth);
    assert!(!wrong.chain().contains("-one"), "{}", wrong.chain());
    // It is let in, but may make no table: the examination says what to grant.
    let found = sink(&database, at("right-one")).examine().await.unwrap();
    let bad: Vec<_> = found.iter().filter(|it| !it.fine).collect();
    assert!(bad.iter().all(|it| it.remedy.as_ref().is_some_and(|it| it.starts_with("GRANT"))));
    assert_eq!(bad.len(), 1, "{found:?}");
}
