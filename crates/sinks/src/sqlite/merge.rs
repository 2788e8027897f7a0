//! Merging by key: rows are staged in a temporary table, and only the last one of each key is
//! compared with the target, so that the counts say what happened to rows and not to attempts.

use flowglass_clients::sqlite::{fault, quote};
use flowglass_connect::{CursorKind, CursorState, Fault, Outcome};
use flowglass_model::ErrorClass;
use rusqlite::Connection;

use super::plan::Fitted;

const STAGE: &str = "temp._flowglass_stage";
const LAST: &str = "temp._flowglass_last";

/// Makes the stage with the target's declared types, so that values compare as they will there.
pub(super) fn make_stage(connection: &Connection, fitted: &Fitted) -> Result<String, Fault> {
    let columns: Vec<String> = fitted
        .columns
        .iter()
        .map(|column| format!("{} {}", quote(&column.name), column.declared))
        .collect();
    connection
        .execute_batch(&format!("CREATE TEMP TABLE _flowglass_stage ({})", columns.join(", ")))
        .map_err(|error| fault("making the stage of the merge", error))?;
    Ok(STAGE.to_owned())
}

/// Merges what was staged.
pub(super) fn merge(
    connection: &Connection,
    table: &str,
    fitted: &Fitted,
    key: &[String],
    cursor: Option<&CursorState>,
) -> Result<Outcome, Fault> {
    let doing = || format!("merging into `{table}`");
    let run = |sql: &str| connection.execute(sql, []).map_err(|error| fault(doing(), error));
    let is_key = |name: &str| key.iter().any(|key| key.eq_ignore_ascii_case(name));
    let names: Vec<String> = fitted.columns.iter().map(|column| quote(&column.name)).collect();
    let names = names.join(", ");
    let keys: Vec<String> = key.iter().map(|name| quote(name)).collect();

    let order = order_by(fitted, cursor);
    run(&format!(
        "CREATE TEMP TABLE _flowglass_last AS SELECT {names} FROM (SELECT {names}, row_number() \
         OVER (PARTITION BY {} ORDER BY {order}) AS \"_flowglass_n\" FROM {STAGE}) \
         WHERE \"_flowglass_n\" = 1",
        keys.join(", ")
    ))?;
    let nulls: Vec<String> = keys.iter().map(|name| format!("{name} IS NULL")).collect();
    let sql = format!("SELECT count(*) FROM {STAGE} WHERE {}", nulls.join(" OR "));
    let nulls: i64 =
        connection.query_row(&sql, [], |row| row.get(0)).map_err(|error| fault(doing(), error))?;
    if nulls > 0 {
        return Err(Fault::new(
            ErrorClass::Constraint,
            format!("{nulls} rows have a null in the key ({})", key.join(", ")),
        ));
    }

    let same_key: Vec<String> = keys.iter().map(|name| format!("t.{name} = s.{name}")).collect();
    let same_key = same_key.join(" AND ");
    let others: Vec<String> = fitted
        .columns
        .iter()
        .filter(|column| !is_key(&column.name))
        .map(|column| quote(&column.name))
        .collect();
    let target = quote(table);
    let mut outcome = Outcome::default();
    if !others.is_empty() {
        let set: Vec<String> = others.iter().map(|name| format!("{name} = s.{name}")).collect();
        let differs: Vec<String> =
            others.iter().map(|name| format!("t.{name} IS NOT s.{name} COLLATE BINARY")).collect();
        let updated = run(&format!(
            "UPDATE main.{target} AS t SET {} FROM {LAST} AS s WHERE {same_key} AND ({})",
            set.join(", "),
            differs.join(" OR ")
        ))?;
        outcome.updated = updated as u64;
    }
    let inserted = run(&format!(
        "INSERT INTO main.{target} ({names}) SELECT {names} FROM {LAST} AS s \
         WHERE NOT EXISTS (SELECT 1 FROM main.{target} AS t WHERE {same_key})"
    ))?;
    outcome.inserted = inserted as u64;
    Ok(outcome)
}

/// The last row of a key stands first: by the cursor, then by arrival.
fn order_by(fitted: &Fitted, cursor: Option<&CursorState>) -> String {
    let found = cursor.filter(|cursor| {
        fitted.columns.iter().any(|column| column.name.eq_ignore_ascii_case(&cursor.column))
    });
    let Some(cursor) = found else {
        return "rowid DESC".to_owned();
    };
    let column = quote(&cursor.column);
    match cursor.value.kind {
        // Exact decimals are text of one scale: by sign, then by length, then by digits, and the
        // other way round below zero.
        CursorKind::Decimal => format!(
            "{column} IS NULL, {column} LIKE '-%', \
             CASE WHEN {column} LIKE '-%' THEN length({column}) END, \
             CASE WHEN {column} LIKE '-%' THEN {column} END, \
             length({column}) DESC, {column} DESC, rowid DESC"
        ),
        CursorKind::Integer
        | CursorKind::Timestamp
        | CursorKind::LocalTimestamp
        | CursorKind::Date
        | CursorKind::Text => {
            format!("{column} COLLATE BINARY DESC NULLS LAST, rowid DESC")
        }
    }
}
