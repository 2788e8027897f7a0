//! What there is to read: the shape of each table as the log would tell it, and its pages.

use flowglass_clients::postgres::quote;
use flowglass_connect::Fault;
use flowglass_model::ErrorClass;

use super::progress::{Part, Run};
use crate::postgres::cdc::config::Plan;
use crate::postgres::cdc::message::{Shape, ShapeColumn};
use crate::postgres::cdc::publication::Table;
use crate::postgres::cdc::side::Side;

/// How many rows a page is taken to have when nobody has counted.
const ROWS_A_PAGE: f64 = 60.0;

/// Where a row's number has room for its part.
const PARTS_MAX: usize = 0x7fff;

/// The first server whose publications can leave out columns and rows.
const LISTS_SERVER: i32 = 150_000;

/// A table that is read: as the log describes it, and which of its rows are published.
#[derive(Debug, Clone)]
pub(in super::super) struct Subject {
    pub(in super::super) shape: Shape,
    /// The publication's condition on rows.
    pub(in super::super) filter: Option<String>,
}

const COLUMNS: &str = "SELECT a.attname::text, a.atttypid, a.atttypmod, \
    CASE c.relreplident WHEN 'f' THEN true \
      WHEN 'd' THEN coalesce(a.attnum = ANY (p.indkey::int2[]), false) \
      WHEN 'i' THEN coalesce(a.attnum = ANY (r.indkey::int2[]), false) ELSE false END, \
    c.relreplident::text \
    FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid \
    LEFT JOIN pg_index p ON p.indrelid = c.oid AND p.indisprimary \
    LEFT JOIN pg_index r ON r.indrelid = c.oid AND r.indisreplident \
    WHERE a.attrelid = $1 AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '' \
    ORDER BY a.attnum";

const LISTS: &str = "SELECT attnames::text[], rowfilter FROM pg_publication_tables \
    WHERE pubname = $1 AND schemaname = $2 AND tablename = $3";

const HOLDERS: &str = "SELECT n.nspname::text, c.relname::text, \
    (pg_relation_size(c.oid) / current_setting('block_size')::int8)::int8, \
    CASE WHEN c.relpages > 0 AND c.reltuples > 0 THEN c.reltuples / c.relpages END::float8, \
    pg_relation_filenode(c.oid) \
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
    WHERE c.oid = $1 AND c.relkind = 'r' OR c.oid IN \
      (SELECT relid FROM pg_partition_tree($1::oid::regclass) WHERE isleaf AND relid <> $1) \
      AND c.relkind = 'r' ORDER BY 1, 2";

/// Describes a table as the log would.
pub(in super::super) async fn subject(
    side: &Side,
    plan: &Plan,
    table: &Table,
) -> Result<Subject, Fault> {
    let doing = format!("looking at the columns of {}", table.name);
    let rows = side.query(&doing, COLUMNS, &[&table.id]).await?;
    let identity = rows.first().map_or("d", |row| row.get(4));
    let mut shape = Shape {
        id: table.id,
        schema: table.name.schema.clone(),
        table: table.name.table.clone(),
        identity: identity.bytes().next().unwrap_or(b'd'),
        columns: Vec::new(),
    };
    shape.columns.extend(rows.iter().map(|row| ShapeColumn {
        name: row.get(0),
        type_id: row.get(1),
        modifier: row.get(2),
        identifies: row.get(3),
    }));
    let version = "SELECT current_setting('server_version_num')::int4";
    let version = side.query(&doing, version, &[]).await?;
    let mut filter = None;
    if version.first().is_some_and(|row| row.get::<_, i32>(0) >= LISTS_SERVER) {
        let names = (&plan.publication, &table.name.schema, &table.name.table);
        let lists = side.query(&doing, LISTS, &[names.0, names.1, names.2]).await?;
        if let Some(row) = lists.first() {
            let names: Option<Vec<String>> = row.get(0);
            if let Some(names) = names {
                shape.columns.retain(|column| names.contains(&column.name));
            }
            filter = row.get(1);
        }
    }
    Ok(Subject { shape, filter })
}

/// The tables that hold the rows of a table, each cut into runs of about so many rows.
pub(in super::super) async fn parts(
    side: &Side,
    table: &Table,
    chunk_rows: u32,
) -> Result<Vec<Part>, Fault> {
    let doing = format!("looking at the pages of {}", table.name);
    let rows = side.query(&doing, HOLDERS, &[&table.id]).await?;
    if rows.len() > PARTS_MAX {
        let said = format!("{} has more than {PARTS_MAX} partitions", table.name);
        return Err(Fault::new(ErrorClass::Unsupported, said));
    }
    let parts = rows.iter().map(|row| {
        let rows_a_page: Option<f64> = row.get(3);
        let (pages, runs) = cut(row.get(2), rows_a_page.unwrap_or(ROWS_A_PAGE), chunk_rows);
        Part {
            schema: table.name.schema.clone(),
            table: table.name.table.clone(),
            holder: (row.get(0), row.get(1)),
            pages,
            runs,
            file: row.get(4),
            joined: None,
        }
    });
    Ok(parts.collect())
}

/// How many pages a run has, and how many runs there are.
fn cut(pages: i64, rows_a_page: f64, chunk_rows: u32) -> (u32, u32) {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a float beyond the range becomes its end, which is what is wanted"
    )]
    let a_run = (f64::from(chunk_rows) / rows_a_page.max(0.01)).round().max(1.0) as u32;
    let pages = u32::try_from(pages).unwrap_or(u32::MAX);
    (a_run, pages.div_ceil(a_run).max(1))
}

/// The condition of a run of pages, or of what is left of it behind a row.
pub(in super::super) fn condition(run: Run, within: Option<(u32, u16)>) -> String {
    let from = match within {
        Some((page, item)) => format!("ctid > '({page},{item})'"),
        None => format!("ctid >= '({},0)'", run.from),
    };
    run.to.map_or_else(|| from.clone(), |to| format!("{from} AND ctid < '({to},0)'"))
}

/// The statement that reads the rows of a part for which `condition` holds.
pub(in super::super) fn copy(part: &Part, subject: &Subject, condition: &str) -> String {
    let columns: Vec<String> =
        subject.shape.columns.iter().map(|column| format!(", {}", quote(&column.name))).collect();
    let filter = subject.filter.as_ref().map_or(String::new(), |it| format!(" AND ({it})"));
    format!(
        "COPY (SELECT ctid{} FROM ONLY {} WHERE ({condition}){filter}) TO STDOUT",
        columns.concat(),
        holder(part),
    )
}

/// The table that holds the rows of a part, for SQL.
pub(in super::super) fn holder(part: &Part) -> String {
    format!("{}.{}", quote(&part.holder.0), quote(&part.holder.1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_have_about_as_many_rows_as_was_asked_for() {
        assert_eq!(cut(0, 60.0, 10_000), (167, 1));
        assert_eq!(cut(1000, 50.0, 10_000), (200, 5));
        assert_eq!(cut(1001, 50.0, 10_000), (200, 6));
        assert_eq!(cut(10, 0.0001, 1), (100, 1));
        assert_eq!(cut(i64::MAX, 1000.0, 1), (1, u32::MAX));
    }
}
