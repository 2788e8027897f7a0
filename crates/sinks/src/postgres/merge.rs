//! Merging by key: rows are staged in a temporary table, and only the last one of each key is
//! compared with the target, so that the counts say what happened to rows and not to attempts.
//!
//! `UPDATE` and `INSERT` under a lock that lets readers pass and keeps other writers out, instead
//! of `ON CONFLICT`: the command tags then are the exact counts, and the target needs no unique
//! index. Rows are compared by their binary image (`*<>`), since equality by type calls `1.0` and
//! `1.00`, or `A` and `a` in `citext`, the same, and knows nothing of `json`.

use flowglass_clients::postgres::{Session, TableName, fault, quote};
use flowglass_connect::{CursorKind, CursorState, Fault, Outcome};
use flowglass_model::ErrorClass;

use super::fit::Fitted;

pub(super) const STAGE: &str = "pg_temp._flowglass_stage";
const LAST: &str = "pg_temp._flowglass_last";

/// Makes the stage, with the types that the columns have or will have in the table.
pub(super) async fn make_stage(session: &Session, fitted: &Fitted) -> Result<(), Fault> {
    let columns: Vec<String> = fitted
        .columns
        .iter()
        .map(|column| format!("{} {}", quote(&column.name), column.ty.name))
        .collect();
    let sql = format!("CREATE TEMP TABLE _flowglass_stage ({}) ON COMMIT DROP", columns.join(", "));
    session.run("making the stage of the load", &sql).await
}

/// Adds the staged rows to the table, which has got all their columns by now.
pub(super) async fn append(
    session: &Session,
    table: &TableName,
    fitted: &Fitted,
) -> Result<Outcome, Fault> {
    let (target, names) = (table.sql(), fitted.names());
    let sql = format!("INSERT INTO {target} ({names}) SELECT {names} FROM {STAGE} ORDER BY ctid");
    let inserted = session.execute(&format!("appending to {table}"), &sql).await?;
    Ok(Outcome { inserted, ..Outcome::default() })
}

/// Merges the staged rows into the table.
pub(super) async fn merge(
    session: &Session,
    table: &TableName,
    fitted: &Fitted,
    key: &[String],
    cursor: Option<&CursorState>,
) -> Result<Outcome, Fault> {
    let doing = format!("merging into {table}");
    let (target, names) = (table.sql(), fitted.names());
    let keys: Vec<String> = key.iter().map(|name| quote(name)).collect();
    let key_list = keys.join(", ");
    session.run(&doing, &format!("LOCK TABLE {target} IN SHARE ROW EXCLUSIVE MODE")).await?;
    refuse_nulls(session, table, &keys).await?;
    let sql = format!(
        "CREATE TEMP TABLE _flowglass_last ON COMMIT DROP AS SELECT DISTINCT ON ({key_list}) {names} \
         FROM {STAGE} ORDER BY {key_list}, {}; ANALYZE {LAST}",
        order_by(fitted, cursor)
    );
    session.run(&doing, &sql).await?;

    let same: Vec<String> = keys.iter().map(|name| format!("t.{name} = s.{name}")).collect();
    let same = same.join(" AND ");
    refuse_ambiguous(session, table, &same, &keys).await?;
    let others: Vec<String> = fitted
        .columns
        .iter()
        .filter(|column| !key.contains(&column.name))
        .map(|column| quote(&column.name))
        .collect();
    let mut outcome = Outcome::default();
    if !others.is_empty() {
        let list = |of: &str| {
            others.iter().map(|name| format!("{of}.{name}")).collect::<Vec<_>>().join(", ")
        };
        let set: Vec<String> = others.iter().map(|name| format!("{name} = s.{name}")).collect();
        let sql = format!(
            "UPDATE {target} AS t SET {} FROM {LAST} AS s WHERE {same} \
             AND ROW({})::record *<> ROW({})::record",
            set.join(", "),
            list("t"),
            list("s")
        );
        outcome.updated = session.execute(&doing, &sql).await?;
    }
    let sql = format!(
        "INSERT INTO {target} ({names}) SELECT {names} FROM {LAST} AS s \
         WHERE NOT EXISTS (SELECT FROM {target} AS t WHERE {same})"
    );
    outcome.inserted = session.execute(&doing, &sql).await?;
    Ok(outcome)
}

async fn refuse_nulls(session: &Session, table: &TableName, keys: &[String]) -> Result<(), Fault> {
    let nulls: Vec<String> = keys.iter().map(|name| format!("{name} IS NULL")).collect();
    let sql = format!("SELECT count(*) FROM {STAGE} WHERE {}", nulls.join(" OR "));
    let row = session
        .client
        .query_one(&sql, &[])
        .await
        .map_err(|error| fault("looking for nulls in the key", error))?;
    match row.get::<_, i64>(0) {
        0 => Ok(()),
        nulls => Err(Fault::new(
            ErrorClass::Constraint,
            format!("{nulls} rows for {table} have a null in the key ({})", keys.join(", ")),
        )),
    }
}

/// A key that stands for several rows of the target cannot be merged by. With a unique index the
/// query is over as soon as it began; without one it is what keeps the counts true.
async fn refuse_ambiguous(
    session: &Session,
    table: &TableName,
    same: &str,
    keys: &[String],
) -> Result<(), Fault> {
    let of_last: Vec<String> = keys.iter().map(|name| format!("s.{name}")).collect();
    let sql = format!(
        "SELECT EXISTS (SELECT FROM {LAST} AS s JOIN {} AS t ON {same} \
         GROUP BY {} HAVING count(*) > 1)",
        table.sql(),
        of_last.join(", ")
    );
    let row = session
        .client
        .query_one(&sql, &[])
        .await
        .map_err(|error| fault("looking for doubles of the key", error))?;
    if row.get::<_, bool>(0) {
        let columns = keys.join(", ");
        let doing = format!("{table} has several rows with one key ({columns})");
        return Err(Fault::new(ErrorClass::Constraint, doing)
            .hint(format!("Remove the doubles and make a unique index on ({columns}).")));
    }
    Ok(())
}

/// The last row of a key stands first: by the cursor, then by arrival (a table that is only
/// filled keeps its rows in order of `ctid`).
fn order_by(fitted: &Fitted, cursor: Option<&CursorState>) -> String {
    let found =
        cursor.filter(|cursor| fitted.columns.iter().any(|column| column.name == cursor.column));
    let Some(cursor) = found else {
        return "ctid DESC".to_owned();
    };
    let column = quote(&cursor.column);
    match cursor.value.kind {
        CursorKind::Text => {
            format!("{column}::text COLLATE \"C\" DESC NULLS LAST, ctid DESC")
        }
        CursorKind::Integer
        | CursorKind::Decimal
        | CursorKind::Timestamp
        | CursorKind::LocalTimestamp
        | CursorKind::Date => format!("{column} DESC NULLS LAST, ctid DESC"),
    }
}
