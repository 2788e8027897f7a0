//! Copies of one table, each against the fastest usual way to do the same and against peers.

use std::process::Command;

use anyhow::{Context, Result};

use crate::bench::{Bench, DUCKDB, remove, same, self_timed};
use crate::data::{COLUMNS, sql_columns, yaml_columns};
use crate::measure::{output, run};
use crate::rounds::{Arm, alternate};
use crate::say;
use crate::server::Server;
use crate::verdict::table;

/// Peak memory that no copy may pass, in bytes.
const PEAK_BYTES_MAX: u64 = 256 << 20;

const DLT: &str = include_str!("peers/dlt.py");

/// A peer that takes a minute a round does not need five of them.
const DLT_ROUNDS_MAX: usize = 2;

/// Postgres to Postgres, against `psql` piped into `psql` and dlt.
///
/// # Errors
/// When an arm fails or does not deliver every row.
pub(crate) fn pg_to_pg(bench: &mut Bench) -> Result<()> {
    let server = Server::start()?;
    let csv = bench.csv()?;
    server.ask(&format!("CREATE SCHEMA bench; CREATE TABLE bench.orders ({})", sql_columns()))?;
    output(
        server
            .psql()
            .arg("--command")
            .arg(format!("\\copy bench.orders FROM '{}' WITH (FORMAT csv, HEADER)", csv.display())),
    )?;
    server.ask("VACUUM ANALYZE bench.orders")?;
    let look = |name: &str| {
        server.ask(&format!(
            "SELECT count(*), sum(order_id), sum(amount), max(updated_at), sum(length(note)) FROM {name}"
        ))
    };
    let expected = look("bench.orders")?;
    let node = format!(
        "  nodes:\n    - id: orders\n      copy:\n        from: {{ type: postgres, dsn: \"{dsn}\", table: bench.orders }}\n        \
         to: {{ type: postgres, dsn: \"{dsn}\", table: bench.copy }}\n        strategy: full_refresh\n",
        dsn = server.dsn()
    );
    let figures = {
        let bench = &*bench;
        let (server, look, expected) = (&server, &look, expected.as_str());
        let ours = move || {
            server.ask("DROP TABLE IF EXISTS bench.copy")?;
            let (used, _) = server.measure(&mut bench.workflow("pg-to-pg", &node)?)?;
            same("flowglass", &look("bench.copy")?, expected)?;
            Ok(used)
        };
        let by_psql = move |form: &'static str| {
            move || {
                server.ask(&format!(
                    "DROP TABLE IF EXISTS bench.copy; CREATE TABLE bench.copy ({})",
                    sql_columns()
                ))?;
                let (used, _) = server.measure(&mut psql_to_psql(server, form))?;
                same("psql", &look("bench.copy")?, expected)?;
                Ok(used)
            }
        };
        let by_dlt = move || {
            server.ask("DROP SCHEMA IF EXISTS bench_dlt CASCADE")?;
            let mut dlt = bench.python(DLT);
            dlt.arg(server.dsn()).arg(bench.path("dlt"));
            let used = self_timed(server.measure(&mut dlt)?)?;
            same("dlt", &look("bench_dlt.orders")?, expected)?;
            Ok(used)
        };
        let mut arms = vec![
            Arm::new("flowglass", ours),
            Arm::new("psql to psql", by_psql("text")),
            Arm::new("psql to psql, binary", by_psql("binary")),
        ];
        if !bench.args.no_peers {
            arms.push(Arm::new("dlt", by_dlt).at_most(DLT_ROUNDS_MAX));
        }
        alternate(bench.args.rounds, arms)?
    };
    table("Postgres to Postgres", (bench.args.rows, "rows"), &figures);
    if let [ours, text, _binary, peers @ ..] = figures.as_slice() {
        bench.verdicts.ratio(0.8, ours, text);
        for dlt in peers {
            bench.verdicts.ratio(5.0, ours, dlt);
        }
        bench.verdicts.memory(ours, PEAK_BYTES_MAX);
    }
    Ok(())
}

fn psql_to_psql(server: &Server, form: &str) -> Command {
    let psql = flowglass_testkit::Postgres::program("psql");
    let psql = format!("'{}' --no-psqlrc --quiet --dbname '{}'", psql.display(), server.dsn());
    let mut shell = Command::new("bash");
    shell.args(["-o", "pipefail", "-c"]).arg(format!(
        "{psql} -c 'COPY bench.orders TO STDOUT (FORMAT {form})' | \
         {psql} -c 'COPY bench.copy FROM STDIN (FORMAT {form})'"
    ));
    shell
}

/// CSV to SQLite, against the `.import` of SQLite's own shell.
///
/// # Errors
/// As [`pg_to_pg`].
pub(crate) fn csv_to_sqlite(bench: &mut Bench) -> Result<()> {
    let csv = bench.csv()?;
    let (ours_path, theirs_path) = (bench.path("ours.db"), bench.path("theirs.db"));
    let node = format!(
        "  nodes:\n    - id: orders\n      copy:\n        from: {{ type: csv, path: \"{}\", columns: {} }}\n        \
         to: {{ type: sqlite, path: \"{}\", table: orders }}\n        strategy: full_refresh\n",
        csv.display(),
        yaml_columns(),
        ours_path.display()
    );
    let ask =
        |path: &std::path::Path, sql: &str| output(Command::new("sqlite3").arg(path).arg(sql));
    let look = "SELECT count(*), sum(order_id), sum(length(note)), max(updated_at) IS NOT NULL FROM orders";
    // A first run, which nobody measures, tells the table that we make: the shell gets the same.
    remove(&ours_path)?;
    run(&mut bench.workflow("csv-to-sqlite", &node)?)?;
    let declared = ask(&ours_path, "SELECT sql FROM sqlite_schema WHERE name = 'orders'")?;
    let expected = bench.duckdb_row(&format!(
        "SELECT count(*) || '|' || sum(order_id) || '|' || sum(length(note)) || '|1' FROM {}",
        duckdb_csv(&csv)
    ))?;
    let expected = expected.trim_matches(|it| "(),'".contains(it)).to_owned();
    let figures = {
        let bench = &*bench;
        let expected = expected.as_str();
        let ours = || {
            remove(&ours_path)?;
            let (used, _) = run(&mut bench.workflow("csv-to-sqlite", &node)?)?;
            same("flowglass", &ask(&ours_path, look)?, expected)?;
            Ok(used)
        };
        let theirs = || {
            remove(&theirs_path)?;
            ask(&theirs_path, &declared)?;
            let import = format!(".import --csv --skip 1 '{}' orders", csv.display());
            let (used, _) = run(Command::new("sqlite3").arg(&theirs_path).arg(import))?;
            same("sqlite3", &ask(&theirs_path, look)?, expected)?;
            Ok(used)
        };
        alternate(
            bench.args.rounds,
            vec![Arm::new("flowglass", ours), Arm::new("sqlite3 .import", theirs)],
        )?
    };
    table("CSV to SQLite", (bench.args.rows, "rows"), &figures);
    say::print(&format!(
        "Table: `{}`\n\n",
        declared.split_whitespace().collect::<Vec<_>>().join(" ")
    ));
    if let [ours, theirs] = figures.as_slice() {
        bench.verdicts.ratio(0.9, ours, theirs);
        bench.verdicts.memory(ours, PEAK_BYTES_MAX);
    }
    Ok(())
}

/// CSV to Parquet, against DuckDB's `COPY` with the same types and compression.
///
/// # Errors
/// As [`pg_to_pg`].
pub(crate) fn csv_to_parquet(bench: &mut Bench) -> Result<()> {
    let csv = bench.csv()?;
    let (ours_path, theirs_path) = (bench.path("ours.parquet"), bench.path("theirs.parquet"));
    let node = format!(
        "  nodes:\n    - id: orders\n      copy:\n        from: {{ type: csv, path: \"{}\", columns: {} }}\n        \
         to: {{ type: parquet, path: \"{}\" }}\n        strategy: full_refresh\n",
        csv.display(),
        yaml_columns(),
        ours_path.display()
    );
    let look = |from: &str| {
        bench.duckdb_row(&format!(
            "SELECT count(*), sum(order_id), sum(amount), max(updated_at), sum(length(note)) FROM {from}"
        ))
    };
    let expected = look(&duckdb_csv(&csv))?;
    let statement = format!(
        "COPY (SELECT * FROM {}) TO '{}' (FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1)",
        duckdb_csv(&csv),
        theirs_path.display()
    );
    let figures = {
        let bench = &*bench;
        let ours = || {
            remove(&ours_path)?;
            let (used, _) = run(&mut bench.workflow("csv-to-parquet", &node)?)?;
            same("flowglass", &look(&format!("'{}'", ours_path.display()))?, &expected)?;
            Ok(used)
        };
        let theirs = || {
            remove(&theirs_path)?;
            let used = self_timed(run(bench.python(DUCKDB).arg(&statement))?)?;
            same("duckdb", &look(&format!("'{}'", theirs_path.display()))?, &expected)?;
            Ok(used)
        };
        alternate(
            bench.args.rounds,
            vec![Arm::new("flowglass", ours), Arm::new("DuckDB COPY", theirs)],
        )?
    };
    table("CSV to Parquet (zstd, level 1)", (bench.args.rows, "rows"), &figures);
    let sizes: Vec<u64> = [&ours_path, &theirs_path]
        .into_iter()
        .map(|path| path.metadata().map(|it| it.len()).context("reading a file's size"))
        .collect::<Result<_>>()?;
    say::print(&format!("Bytes of the two files: {sizes:?}\n\n"));
    if let [ours, theirs] = figures.as_slice() {
        bench.verdicts.ratio(1.0, ours, theirs);
        bench.verdicts.memory(ours, PEAK_BYTES_MAX);
    }
    Ok(())
}

/// The table function that reads the CSV with the declared types.
fn duckdb_csv(csv: &std::path::Path) -> String {
    let columns = COLUMNS.map(|(name, kind)| format!("'{name}': '{kind}'")).join(", ");
    format!("read_csv('{}', header = true, columns = {{{columns}}})", csv.display())
}
