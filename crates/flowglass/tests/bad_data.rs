//! Data that cannot be read, through `run`: each source has its golden complaint, the run fails with
//! exit code 1, and what was in the target before is there after, byte for byte.
//!
//! Every case copies into three kinds of target at once, since each has its own way to keep a load
//! aside until it is whole.
#![expect(clippy::unwrap_used, reason = "a test may fail by panicking")]

use std::collections::BTreeMap;

use flowglass_testkit::{Postgres, Redact, Scratch};

use crate::support::{flowglass, sqlite, wait};

/// A source that does not do: its name, its manifest lines, its file.
struct Case {
    name: &'static str,
    from: &'static str,
    data: Vec<u8>,
}

fn case(name: &'static str, from: &'static str, data: impl Into<Vec<u8>>) -> Case {
    Case { name, from, data: data.into() }
}

const CSV: &str = "{ type: csv, path: data }";
const TYPED: &str = "{ type: csv, path: data, columns: { id: bigint, amount: \"decimal(9,2)\" } }";
const JSONL: &str = "{ type: jsonl, path: data }";
const TYPED_JSONL: &str = "{ type: jsonl, path: data, columns: { id: bigint } }";
const PARQUET: &str = "{ type: parquet, path: data }";
const SQLITE: &str = "{ type: sqlite, path: data, table: rows }";

/// Enough good rows that the bad one comes after the first batches have been written somewhere.
const GOOD: u64 = 20_000;

fn csv_with(last: &str) -> Vec<u8> {
    let rows: String = (1..=GOOD).map(|it| format!("{it},{it}.25\n")).collect();
    format!("id,amount\n{rows}{last}").into_bytes()
}

fn jsonl_with(last: &[u8]) -> Vec<u8> {
    let rows: String = (1..=GOOD).map(|it| format!("{{\"id\":{it}}}\n")).collect();
    [rows.as_bytes(), last].concat()
}

/// A database file made by the shell.
fn database_with(sql: &str) -> Vec<u8> {
    let scratch = Scratch::new();
    let path = scratch.path("made.db");
    drop(sqlite(&path, sql));
    std::fs::read(path).unwrap()
}

/// A Parquet file of ours, to be damaged.
fn parquet() -> Vec<u8> {
    let scratch = Scratch::project(&[(
        "make.yaml",
        "apiVersion: flowglass/v1\nkind: Workflow\nmetadata: { name: make }\nspec:\n  nodes:\n    \
         - { id: make, copy: { from: { type: csv, path: rows.csv }, to: { type: parquet, path: made } } }\n",
    )]);
    scratch.write("rows.csv", csv_with(""));
    drop(flowglass(&scratch, &["run", "make.yaml"]).run().ok());
    std::fs::read(scratch.path("made")).unwrap()
}

fn files() -> Vec<Case> {
    let whole = parquet();
    let mut flipped = whole.clone();
    let middle = flipped.len() / 3;
    flipped[middle..middle + 64].fill(0xAA);
    vec![
        case("csv: a field too many", CSV, csv_with("7,1.00,extra\n")),
        case("csv: a field too few", CSV, csv_with("7\n")),
        case("csv: a quote that is not closed", CSV, csv_with("\"7,1.00\n8,2.00\n")),
        case("csv: not UTF-8", CSV, [csv_with("").as_slice(), b"7,\xff\xfe\n"].concat()),
        case("csv: empty", CSV, ""),
        case("csv: a name twice", CSV, "id,id\n1,2\n"),
        case("csv: no number", TYPED, csv_with("seven,1.00\n")),
        case("csv: too large a number", TYPED, csv_with("9223372036854775808,1.00\n")),
        case("csv: too many digits", TYPED, csv_with("7,1.005\n")),
        case("csv: not what it looked like", CSV, csv_with("7,one\n")),
        case(
            "csv: a column that is not there",
            "{ type: csv, path: data, columns: { it: text } }",
            "id\n1\n",
        ),
        case("csv: no file", "{ type: csv, path: absent.csv }", ""),
        case("jsonl: a torn line", JSONL, jsonl_with(b"{\"id\":7")),
        case("jsonl: no object", JSONL, jsonl_with(b"[7]\n")),
        case("jsonl: not UTF-8", JSONL, jsonl_with(b"{\"id\":\"\xff\"}\n")),
        case("jsonl: two values on a line", JSONL, jsonl_with(b"{\"id\":7} {\"id\":8}\n")),
        case("jsonl: text for a number", TYPED_JSONL, jsonl_with(b"{\"id\":\"seven\"}\n")),
        case("jsonl: a fraction for a whole number", TYPED_JSONL, jsonl_with(b"{\"id\":7.5}\n")),
        case("jsonl: no file", "{ type: jsonl, path: absent.jsonl }", ""),
        case("parquet: text", PARQUET, "id,amount\n1,2\n"),
        case("parquet: empty", PARQUET, ""),
        case("parquet: the end is missing", PARQUET, &whole[..whole.len() / 2]),
        case("parquet: a damaged page", PARQUET, flipped),
        case(
            "sqlite: no database",
            SQLITE,
            "this is a plain text and no database at all, for sure\n".repeat(40),
        ),
        case("sqlite: no table", SQLITE, database_with("CREATE TABLE other (id INTEGER)")),
        case("sqlite: no file", "{ type: sqlite, path: absent.db, table: rows }", ""),
        case(
            "sqlite: text in a number's column",
            SQLITE,
            database_with(
                "CREATE TABLE rows (id INTEGER);
                 WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)
                 INSERT INTO rows SELECT i FROM n; INSERT INTO rows VALUES ('seven')",
            ),
        ),
        case(
            "sqlite: a query with a mistake",
            "{ type: sqlite, path: data, query: SELEKT 1 }",
            database_with("CREATE TABLE rows (id INTEGER)"),
        ),
    ]
}

fn postgres() -> Vec<Case> {
    vec![
        case("postgres: no table", "{ type: postgres, dsn: \"${DSN}\", table: absent }", ""),
        case(
            "postgres: a query with a mistake",
            "{ type: postgres, dsn: \"${DSN}\", query: SELEKT 1 }",
            "",
        ),
        case(
            "postgres: an error after many rows",
            "{ type: postgres, dsn: \"${DSN}\", \
             query: \"SELECT (1 / (20000 - i))::text AS it FROM generate_series(1, 20001) AS i\" }",
            "",
        ),
        case(
            "postgres: a type that is not kept",
            "{ type: postgres, dsn: \"${DSN}\", query: \"SELECT 'NaN'::numeric(6,2) AS it\" }",
            "",
        ),
        case(
            "postgres: no such database",
            "{ type: postgres, dsn: \"${DSN}_absent\", table: rows }",
            "",
        ),
    ]
}

/// Runs one case and says what it complained of.
fn complaint(case: &Case, dsn: &str) -> String {
    let from = case.from;
    let manifest = format!(
        "apiVersion: flowglass/v1\nkind: Workflow\nmetadata: {{ name: bad }}\nspec:\n  nodes:\n    \
         - {{ id: a, copy: {{ from: {from}, to: {{ type: sqlite, path: old.db, table: rows }} }} }}\n    \
         - {{ id: b, copy: {{ from: {from}, to: {{ type: csv, path: old.csv }} }} }}\n    \
         - {{ id: c, copy: {{ from: {from}, to: {{ type: parquet, path: old.parquet }} }} }}\n"
    );
    let scratch = Scratch::project(&[("pipeline.yaml", &manifest), ("old.csv", "it\nkept\n")]);
    scratch.write("data", &case.data);
    scratch.write("old.parquet", parquet_of_old());
    let old = scratch.path("old.db");
    drop(sqlite(&old, "CREATE TABLE rows (it TEXT); INSERT INTO rows VALUES ('kept')"));
    let outside = |scratch: &Scratch| -> BTreeMap<String, Vec<u8>> {
        let files = scratch.files().into_iter();
        let files = files.filter(|it| !it.starts_with(".flowglass/") && it != "old.db");
        files.map(|it| (it.clone(), std::fs::read(scratch.path(&it)).unwrap())).collect()
    };
    let before = outside(&scratch);
    let call = flowglass(&scratch, &["run", "pipeline.yaml", "--format", "json"]).env("DSN", dsn);
    let said = call.run();
    assert_eq!(said.code(), Some(1), "{}: {said}", case.name);
    assert!(!said.stderr.contains("panicked"), "{}: {said}", case.name);
    assert!(
        outside(&scratch) == before,
        "{}: a file was touched: {:?}",
        case.name,
        scratch.files()
    );
    let name = case.name;
    assert_eq!(sqlite(&old, "SELECT it FROM rows"), ["kept"], "{name}");
    let made = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name <> 'rows' \
                AND name NOT IN ('flowglass_state', '_flowglass_state')";
    assert_eq!(sqlite(&old, made), Vec::<String>::new(), "{name}");
    let report = said.json();
    let text = |it: &serde_json::Value| it.as_str().unwrap_or("-").to_owned();
    let errors: Vec<_> = report["errors"].as_array().unwrap().iter().collect();
    assert_eq!(errors.len(), 3, "{name}: {report:#}");
    let say = |it: &serde_json::Value| {
        format!("{}: {}\n  hint: {}\n", text(&it["class"]), text(&it["detail"]), text(&it["hint"]))
    };
    let mut said: Vec<String> = errors.into_iter().map(say).collect();
    said.dedup();
    format!("## {name}\n{}\n", said.concat())
}

/// The old Parquet target need not be readable: nobody reads it.
fn parquet_of_old() -> &'static [u8] {
    b"PAR1 kept PAR1"
}

#[test]
fn files_that_cannot_be_read_leave_the_targets_alone() {
    let seen: String = files().iter().map(|it| complaint(it, "")).collect();
    Redact::new().bind(|| insta::assert_snapshot!("bad_files", seen));
}

#[test]
fn a_database_that_says_no_leaves_the_targets_alone() {
    let database = wait(Postgres::shared().database());
    let seen: String = postgres().iter().map(|it| complaint(it, database.dsn())).collect();
    Redact::new()
        .replace(r"127\.0\.0\.1:\d+", "127.0.0.1:PORT")
        .replace(r"test_\d+", "test_N")
        .bind(|| insta::assert_snapshot!("bad_postgres", seen));
}
