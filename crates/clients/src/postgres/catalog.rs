//! Asking the catalog: which columns a table has, and what exactly their types are.

use flowglass_connect::Fault;
use flowglass_model::ErrorClass;
use tokio_postgres::{Client, Row};

use super::{ColumnType, Form, fault, quote};

/// A table by schema and name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableName {
    /// The schema.
    pub schema: String,
    /// The name in it.
    pub table: String,
}

impl TableName {
    /// Reads `schema.table`, or `table` for the schema `public`; parts may be in double quotes.
    ///
    /// # Errors
    /// `config` when it is neither.
    pub fn parse(text: &str) -> Result<Self, Fault> {
        let wrong = || {
            Fault::new(ErrorClass::Config, format!("`{text}` is no table name"))
                .hint("Write `schema.table`; a part with a dot or a quote in it in double quotes.")
        };
        let (first, rest) = take_part(text).ok_or_else(wrong)?;
        match rest.strip_prefix('.') {
            None if rest.is_empty() => Ok(Self { schema: "public".to_owned(), table: first }),
            Some(rest) => match take_part(rest) {
                Some((table, "")) => Ok(Self { schema: first, table }),
                _ => Err(wrong()),
            },
            None => Err(wrong()),
        }
    }

    /// Quoted, for SQL.
    #[must_use]
    pub fn sql(&self) -> String {
        format!("{}.{}", quote(&self.schema), quote(&self.table))
    }
}

impl std::fmt::Display for TableName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.schema, self.table)
    }
}

fn take_part(text: &str) -> Option<(String, &str)> {
    let Some(inner) = text.strip_prefix('"') else {
        let end = text.find(['.', '"']).unwrap_or(text.len());
        let (part, rest) = text.split_at_checked(end)?;
        return (!part.is_empty()).then(|| (part.to_owned(), rest));
    };
    let mut part = String::new();
    let mut rest = inner;
    loop {
        let (before, behind) = rest.split_once('"')?;
        part.push_str(before);
        match behind.strip_prefix('"') {
            Some(behind) => {
                part.push('"');
                rest = behind;
            }
            None => return (!part.is_empty()).then_some((part, behind)),
        }
    }
}

/// A column of a table.
#[derive(Debug, Clone)]
pub struct TableColumn {
    /// Its name.
    pub name: String,
    /// Its type.
    pub ty: ColumnType,
    /// It refuses nulls.
    pub not_null: bool,
    /// It is computed, and takes no values.
    pub generated: bool,
}

/// The oid and the kind (`r` table, `v` view, `p` partitioned …) of a table; `None` without it.
///
/// # Errors
/// What the server says.
pub async fn table_of(client: &Client, name: &TableName) -> Result<Option<(u32, String)>, Fault> {
    let sql = "SELECT c.oid, c.relkind::text FROM pg_class c JOIN pg_namespace n \
               ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relname = $2 \
               AND c.relkind IN ('r', 'v', 'm', 'p', 'f')";
    let row = client
        .query_opt(sql, &[&name.schema, &name.table])
        .await
        .map_err(|error| fault(format!("looking for the table {name}"), error))?;
    Ok(row.map(|row| (row.get(0), row.get(1))))
}

/// The columns of a table in their order.
///
/// # Errors
/// What the server says.
pub async fn table_columns(client: &Client, table: u32) -> Result<Vec<TableColumn>, Fault> {
    let sql = "SELECT attname, atttypid, atttypmod, attnotnull, attgenerated::text, attndims::int4 \
               FROM pg_attribute WHERE attrelid = $1 AND attnum > 0 AND NOT attisdropped \
               ORDER BY attnum";
    let rows = client
        .query(sql, &[&table])
        .await
        .map_err(|error| fault("looking at the table's columns", error))?;
    let asked: Vec<(u32, i32)> = rows.iter().map(|row| (row.get(1), row.get(2))).collect();
    let types = column_types(client, &asked).await?;
    let columns = rows.iter().zip(types).map(|(row, mut ty)| {
        // What is declared with more dimensions travels by its text.
        if row.get::<_, i32>(5) > 1 && matches!(ty.form, Form::List { .. }) {
            ty.form = Form::Spelled;
        }
        let generated = !row.get::<_, &str>(4).is_empty();
        TableColumn { name: row.get(0), ty, not_null: row.get(3), generated }
    });
    Ok(columns.collect())
}

/// A name that means the same whatever the search path: `format_type` leaves the schema out when
/// it is on the path.
const TYPE_NAME: &str = "CASE WHEN n.nspname = 'pg_catalog' AND coalesce(en.nspname, n.nspname) = 'pg_catalog' \
    THEN format_type(t.oid, s.typmod) \
    WHEN t.typelem <> 0 AND t.typlen = -1 AND t.typcategory = 'A' \
    THEN format('%I.%I[]', en.nspname, e.typname) \
    ELSE format('%I.%I', n.nspname, t.typname) \
      || coalesce(substring(format_type(t.oid, s.typmod) from '[(].*[)]$'), '') END";

/// The full types for pairs of type oid and modifier, in the same order.
///
/// # Errors
/// What the server says.
pub async fn column_types(client: &Client, asked: &[(u32, i32)]) -> Result<Vec<ColumnType>, Fault> {
    let doing = "looking up column types";
    let sql = format!(
        "WITH RECURSIVE asked AS (SELECT o AS oid, m AS typmod, n FROM unnest($1::oid[], $2::int4[]) \
           WITH ORDINALITY AS a(o, m, n)), \
         steps AS (SELECT a.n, a.oid, a.typmod, 0 AS depth FROM asked a \
           UNION ALL SELECT s.n, t.typbasetype, t.typtypmod, s.depth + 1 FROM steps s \
           JOIN pg_type t ON t.oid = s.oid WHERE t.typtype = 'd'), \
         named AS (SELECT s.n, s.depth, s.oid, s.typmod, t.typtype, t.typname, \
             {TYPE_NAME} AS name, \
             CASE WHEN t.typelem <> 0 AND t.typlen = -1 AND t.typcategory = 'A' THEN t.typelem END AS elem, \
             e.typtype AS elem_type, e.typname AS elem_name, \
             (SELECT array_agg(l.enumlabel::text ORDER BY l.enumsortorder) FROM pg_enum l \
               WHERE l.enumtypid = t.oid) AS labels \
           FROM steps s JOIN pg_type t ON t.oid = s.oid JOIN pg_namespace n ON n.oid = t.typnamespace \
           LEFT JOIN pg_type e ON e.oid = t.typelem AND t.typelem <> 0 \
           LEFT JOIN pg_namespace en ON en.oid = e.typnamespace) \
         SELECT top.name, base.name, base.oid, base.typmod, base.typtype::text, base.typname, \
           base.elem, base.elem_type::text, base.elem_name, base.labels \
         FROM named top JOIN named base ON base.n = top.n AND base.typtype <> 'd' \
         WHERE top.depth = 0 ORDER BY top.n"
    );
    let oids: Vec<u32> = asked.iter().map(|(oid, _typmod)| *oid).collect();
    let typmods: Vec<i32> = asked.iter().map(|(_oid, typmod)| *typmod).collect();
    let rows = client.query(&sql, &[&oids, &typmods]).await.map_err(|error| fault(doing, error))?;
    if rows.len() != asked.len() {
        return Err(Fault::new(ErrorClass::Internal, format!("{doing}: some are missing")));
    }
    Ok(rows.iter().map(type_of).collect())
}

/// First oid that is not the same in every database.
const FIRST_UNSTABLE_OID: u32 = 16_384;

/// Types whose binary form is an oid of their own database: `regproc` and its kin.
const REGISTERED: [u32; 11] = [24, 2202, 2203, 2204, 2205, 2206, 3734, 3769, 4089, 4096, 4191];

fn type_of(row: &Row) -> ColumnType {
    let (oid, typmod): (u32, i32) = (row.get(2), row.get(3));
    let kind: &str = row.get(4);
    let name: &str = row.get(5);
    let element: Option<u32> = row.get(6);
    let form = match element {
        // The two vector types are arrays that count from 0.
        Some(element_oid) if oid != 22 && oid != 30 => {
            let element_kind: &str = row.get(7);
            let form = Form::of(element_oid, typmod, element_kind, row.get(8));
            if form == Form::Spelled || element_kind == "d" {
                Form::Spelled
            } else {
                Form::List { element: Box::new(form), element_oid }
            }
        }
        _ => Form::of(oid, typmod, kind, name),
    };
    let portable = (oid < FIRST_UNSTABLE_OID && !REGISTERED.contains(&oid))
        || kind == "e"
        || matches!(name, "citext" | "hstore");
    ColumnType {
        name: row.get(0),
        base_name: row.get(1),
        oid,
        typmod,
        form,
        labels: row.get(9),
        portable,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_names() {
        let parse = |text: &str| TableName::parse(text).ok().map(|it| (it.schema, it.table));
        let pair = |schema: &str, table: &str| Some((schema.to_owned(), table.to_owned()));
        assert_eq!(parse("orders"), pair("public", "orders"));
        assert_eq!(parse("Shop.orders"), pair("Shop", "orders"));
        assert_eq!(parse(r#""a.b"."c""d""#), pair("a.b", "c\"d"));
        for wrong in ["", ".", "a.", "a.b.c", "\"a", "a\"b"] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
        assert_eq!(TableName::parse("a.b\u{e9}").unwrap().sql(), "\"a\".\"b\u{e9}\"");
    }
}
