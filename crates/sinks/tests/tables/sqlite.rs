//! The acceptance suite over a SQLite file, and what is its alone.

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use flowglass_connect::stream::{Kind, Op, StreamSink, StreamSinkConnector};
use flowglass_model::ErrorClass;
use flowglass_sinks::sqlite::StreamConnector;
use flowglass_testkit::row_sinks::{Contents, Table, TablesUnderTest, Way};
use flowglass_testkit::{Proxy, Scratch, row_sink_suite};
use rusqlite::Connection;
use serde_json::{Value, json};

use super::{Change, around, batch, deliver, refusals, relation};

struct Under {
    scratch: Scratch,
    proxy: Proxy,
}

impl Under {
    fn new() -> Self {
        Self { scratch: Scratch::new(), proxy: Proxy::new() }
    }

    fn file(&self) -> PathBuf {
        self.scratch.path("deep/copy.db")
    }

    fn with(&self, more: Value) -> Arc<dyn StreamSink> {
        let mut config = json!({ "id": "a", "path": self.file() });
        let Value::Object(more) = more else { panic!("no object") };
        config.as_object_mut().unwrap().extend(more);
        StreamConnector.build("s", config, &around()).unwrap()
    }

    fn connection(&self) -> Connection {
        std::fs::create_dir_all(self.file().parent().unwrap()).unwrap();
        Connection::open(self.file()).unwrap()
    }

    fn rows(&self, columns: &[&str], table: &str) -> Table {
        let connection = self.connection();
        let there = connection.prepare(&format!("SELECT 1 FROM \"{table}\"")).is_ok();
        if !there {
            return Table::new();
        }
        let texts: Vec<String> = columns.iter().map(|it| format!("CAST({it} AS TEXT)")).collect();
        let sql = format!("SELECT {} FROM \"{table}\"", texts.join(", "));
        let mut query = connection.prepare(&sql).unwrap();
        let rows = query.query_map([], |row| (0..columns.len()).map(|at| row.get(at)).collect());
        rows.unwrap().map(Result::unwrap).collect()
    }
}

#[async_trait]
impl TablesUnderTest for Under {
    fn sink(&self, _way: Way, adds_without_key: bool) -> Arc<dyn StreamSink> {
        self.with(json!({ "without_key": if adds_without_key { "append" } else { "refuse" } }))
    }

    async fn contents(&self) -> Contents {
        Contents {
            accounts: self.rows(&["id", "name", "amount", "note"], "accounts"),
            log: self.rows(&["batch", "word"], "log"),
        }
    }

    async fn make_picky(&self) {
        let sql = "CREATE TABLE accounts (id INTEGER PRIMARY KEY, name TEXT, \
                   amount TEXT CONSTRAINT picky CHECK (amount <> '666.00'), note TEXT)";
        self.connection().execute_batch(sql).unwrap();
    }

    fn proxy(&self) -> &Proxy {
        &self.proxy
    }
}

row_sink_suite!(
    async { Under::new() },
    everything_is_as_at_the_source,
    an_empty_batch_moves_the_position,
    refused_rows_are_named,
    rows_without_a_key_are_refused,
    a_killed_writer_leaves_no_trace,
    a_new_writer_fences_the_old_one,
);

/// A file is looked at without a network that could fail.
#[tokio::test]
async fn the_file_can_be_examined() {
    let under = Under::new();
    let found = under.with(json!({})).examine().await.unwrap();
    assert!(found.iter().all(|it| it.fine), "{found:?}");
    under.scratch.write("deep/copy.db", "no database at all, but longer than its header is");
    let found = under.with(json!({})).examine().await.unwrap();
    assert!(found.iter().all(|it| !it.fine && it.remedy.is_some()), "{found:?}");
}

#[tokio::test]
async fn values_are_read_back_by_a_copy_as_what_they_were() {
    let under = Under::new();
    let table = relation(
        "things",
        2,
        &[
            ("id", Kind::Int64, "bigint"),
            ("part", Kind::Text, "text"),
            ("price", Kind::Decimal(Some((30, 10))), "numeric(30,10)"),
            ("at", Kind::TimestampTz, "timestamp with time zone"),
            ("day", Kind::Date, "date"),
            ("raw", Kind::Bytes, "bytea"),
            ("ok", Kind::Bool, "boolean"),
            ("half", Kind::Float64, "double precision"),
        ],
    );
    let row: &[&str] = &[
        "9223372036854775807",
        "a'b",
        "12345678901234567890.0123456789",
        "2024-02-29 23:59:59.123456+00",
        "2024-02-29",
        "\\xdeadbeef",
        "t",
        "0.30000000000000004",
    ];
    let nulls: &[&str] = &["1", "", "_", "_", "_", "_", "_", "_"];
    let changes =
        [(&table, (Op::Insert, None, Some(row))), (&table, (Op::Read, None, Some(nulls)))];
    let said = deliver(&under.with(json!({})), batch(0, &changes)).await.unwrap();
    assert_eq!(refusals(&said), []);
    let source = crate::databases::source(json!({ "path": under.file(), "table": "things" }));
    let mut reader = source.open(flowglass_connect::ReadRequest::default()).await.unwrap();
    let types: Vec<String> =
        reader.schema().fields().iter().map(|it| it.data_type().to_string()).collect();
    assert_eq!(
        types,
        [
            "Int64",
            "Utf8",
            "Decimal128(30, 10)",
            "Timestamp(µs, \"UTC\")",
            "Date32",
            "Binary",
            "Boolean",
            "Float64"
        ]
    );
    let Some(flowglass_connect::Batch::Arrow(rows)) = reader.next().await.unwrap() else {
        panic!("no rows")
    };
    let shown = arrow::util::pretty::pretty_format_batches(&[rows]).unwrap().to_string();
    for value in
        ["9223372036854775807", row[1], row[2], "2024-02-29T23:59:59.123456Z", "deadbeef", row[7]]
    {
        assert!(shown.contains(value), "{value}: {shown}");
    }
}

#[tokio::test]
async fn a_trigger_that_rolls_back_stops_the_stream_and_not_a_part_of_it() {
    let under = Under::new();
    under
        .connection()
        .execute_batch(
            "CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT); CREATE TRIGGER no BEFORE INSERT ON t \
             WHEN NEW.v = 'bad' BEGIN SELECT RAISE(ROLLBACK, 'no'); END;",
        )
        .unwrap();
    let table = relation("t", 1, &[("id", Kind::Int32, "integer"), ("v", Kind::Text, "text")]);
    let row = |cells: &'static [&'static str]| (&table, (Op::Insert, None, Some(cells)));
    let changes = [row(&["1", "good"]), row(&["2", "bad"]), row(&["3", "good"])];
    let fault = deliver(&under.with(json!({})), batch(0, &changes)).await.err().unwrap();
    assert_eq!(fault.class(), ErrorClass::Unsupported, "{}", fault.chain());
    assert_eq!(under.rows(&["id"], "t"), Table::new());
}

#[tokio::test]
async fn rows_that_cannot_be_completed_or_found_are_refused() {
    let under = Under::new();
    let columns =
        [("id", Kind::Int32, "integer"), ("v", Kind::Text, "text"), ("big", Kind::Text, "text")];
    let table = relation("t", 1, &columns);
    let changes: [(_, Change<'_>); 6] = [
        (&table, (Op::Insert, None, Some(&["1", "a", "large"]))),
        (&table, (Op::Update, None, Some(&["2", "b", "="]))),
        (&table, (Op::Insert, None, Some(&["_", "a", "b"]))),
        (&table, (Op::Update, Some(&["1", "_", "_"]), Some(&["5", "c", "="]))),
        (&table, (Op::Update, None, Some(&["5", "d", "="]))),
        (&table, (Op::Delete, Some(&["9", "_", "_"]), None)),
    ];
    let said = deliver(&under.with(json!({})), batch(0, &changes)).await.unwrap();
    let refused: Vec<usize> = said.refused.iter().map(|it| it.change).collect();
    assert_eq!(refused, [1, 2], "{:?}", refusals(&said));
    let text = |text: &str| Some(text.to_owned());
    assert_eq!(under.rows(&["id", "v", "big"], "t"), [[text("5"), text("d"), text("large")]]);
}

#[test]
fn what_cannot_be_used_is_refused() {
    for (config, said) in [
        (json!({ "id": "", "path": "x" }), "`id` is empty"),
        (json!({ "id": "a", "path": "x", "table": "{op}" }), "there are `{schema}` and `{table}`"),
        (json!({ "id": "a", "path": "x", "mode": "fast" }), "unknown field `mode`"),
    ] {
        let fault = StreamConnector.build("s", config, &around()).err().unwrap();
        assert_eq!(fault.class(), ErrorClass::Config);
        assert!(fault.chain().contains(said), "{}", fault.chain());
    }
}
