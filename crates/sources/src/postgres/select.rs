//! The statement that is read, and the schema that it gives.

use std::sync::Arc;

use arrow::datatypes::{Schema, SchemaRef};
use flowglass_clients::exact::{Decimal, parse_date, parse_moment};
use flowglass_clients::postgres::{
    ColumnType, Form, POSTGRES_EPOCH_DAYS, POSTGRES_EPOCH_MICROS, TableColumn, column_types, fault,
    literal, quote, table_columns, table_of,
};
use flowglass_connect::{CursorBound, CursorKind, CursorValue, Fault, RawEncoding, ReadRequest};
use flowglass_model::ErrorClass;
use tokio_postgres::Client;

use super::config::Subject;

/// `inet`, whose cast to text says more than what Postgres prints for it.
const INET: u32 = 869;

/// What will be read.
#[derive(Debug)]
pub(super) struct Selection {
    pub(super) schema: SchemaRef,
    pub(super) types: Vec<ColumnType>,
    pub(super) copy: String,
    pub(super) raw: Option<RawEncoding>,
    pub(super) rows_expected: Option<u64>,
}

/// Looks at the table or query, in the transaction that will read it.
pub(super) async fn select(
    client: &Client,
    subject: &Subject,
    request: &ReadRequest,
) -> Result<Selection, Fault> {
    let (from, there, rows_expected) = match subject {
        Subject::Table(name) => {
            let Some((oid, _kind)) = table_of(client, name).await? else {
                return Err(Fault::new(ErrorClass::NotFound, format!("there is no table {name}")));
            };
            let columns = table_columns(client, oid).await?;
            // `ONLY` is not said: a partitioned table is read with its partitions.
            (name.sql(), columns, rows_expected(client, oid).await?)
        }
        Subject::Query(query) => {
            let from = format!("(\n{query}\n) AS q");
            let columns = columns_of_query(client, &from).await?;
            (from, columns, None)
        }
    };
    let wanted = wanted(&there, request.columns.as_deref())?;
    let fields: Vec<_> =
        wanted.iter().map(|column| column.ty.field(&column.name, !column.not_null)).collect();
    let accepted = request.raw_accepted.contains(&RawEncoding::PostgresCopyBinary);
    let raw = (accepted && wanted.iter().all(|column| column.ty.portable))
        .then_some(RawEncoding::PostgresCopyBinary);
    let list: Vec<String> = wanted
        .iter()
        .map(|column| {
            let name = quote(&column.name);
            match (&column.ty.form, column.ty.oid) {
                (_, _) if raw.is_some() => name,
                (Form::Spelled, INET) => format!("textin(inet_out({name}))"),
                (Form::Spelled, _) => format!("{name}::text"),
                _ => name,
            }
        })
        .collect();
    let condition = match &request.from_cursor {
        Some(CursorBound { column, value: Some(value) }) => {
            format!(" WHERE {}", condition(&there, column, value)?)
        }
        _ => String::new(),
    };
    let bounded = !condition.is_empty();
    let list = list.join(", ");
    Ok(Selection {
        schema: Arc::new(Schema::new(fields)),
        types: wanted.iter().map(|column| column.ty.clone()).collect(),
        copy: format!("COPY (SELECT {list} FROM {from}{condition}) TO STDOUT (FORMAT binary)"),
        raw,
        rows_expected: rows_expected.filter(|_rows| !bounded),
    })
}

/// What the statistics say; nothing before the first `ANALYZE`.
async fn rows_expected(client: &Client, table: u32) -> Result<Option<u64>, Fault> {
    let sql = "SELECT reltuples::float8 FROM pg_class WHERE oid = $1 AND relkind IN ('r', 'm') \
               AND reltuples >= 0";
    let row = client
        .query_opt(sql, &[&table])
        .await
        .map_err(|error| fault("looking at the table's statistics", error))?;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "an estimate for the progress bar, not below zero"
    )]
    Ok(row.map(|row| row.get::<_, f64>(0) as u64))
}

async fn columns_of_query(client: &Client, from: &str) -> Result<Vec<TableColumn>, Fault> {
    let statement = client
        .prepare(&format!("SELECT * FROM {from}"))
        .await
        .map_err(|error| fault("preparing the query", error))?;
    let asked: Vec<(u32, i32)> = statement
        .columns()
        .iter()
        .map(|column| (column.type_().oid(), column.type_modifier()))
        .collect();
    let types = column_types(client, &asked).await?;
    let columns = statement.columns().iter().zip(types).map(|(column, ty)| TableColumn {
        name: column.name().to_owned(),
        ty,
        not_null: false,
        generated: false,
    });
    Ok(columns.collect())
}

fn wanted<'a>(
    there: &'a [TableColumn],
    asked: Option<&[String]>,
) -> Result<Vec<&'a TableColumn>, Fault> {
    let Some(asked) = asked else {
        return Ok(there.iter().collect());
    };
    let find = |name: &String| {
        there.iter().find(|column| column.name == *name).ok_or_else(|| {
            Fault::new(ErrorClass::NotFound, format!("the source has no column `{name}`"))
        })
    };
    asked.iter().map(find).collect()
}

/// `column >= value`, the value made of checked parts only.
fn condition(there: &[TableColumn], column: &str, value: &CursorValue) -> Result<String, Fault> {
    let found = there.iter().find(|it| it.name == column).ok_or_else(|| {
        Fault::new(ErrorClass::Config, format!("the source has no cursor column `{column}`"))
    })?;
    let unreadable = || {
        let kind = value.kind;
        let doing = format!("the stored cursor of column `{column}` is no value of kind {kind:?}");
        Fault::new(ErrorClass::Malformed, doing)
    };
    let name = quote(column);
    let text = value.text.as_bytes();
    let from = match value.kind {
        CursorKind::Integer => {
            let number: i128 = value.text.parse().map_err(|_not_a_number| unreadable())?;
            format!("{}::{}", literal(&number.to_string()), found.ty.base_name)
        }
        CursorKind::Decimal => {
            Decimal::parse(text).ok_or_else(unreadable)?;
            format!("{}::numeric", literal(&value.text))
        }
        // Counted from Postgres' own epoch: exact, and good for every year.
        CursorKind::Date => {
            let days = parse_date(text).ok_or_else(unreadable)? - i64::from(POSTGRES_EPOCH_DAYS);
            format!("(DATE '2000-01-01' + ({days}))")
        }
        CursorKind::Timestamp | CursorKind::LocalTimestamp => {
            let mut moment = parse_moment(text).ok_or_else(unreadable)?;
            // Finer digits than Postgres keeps are cut, which reads no row too few.
            moment.nanos -= moment.nanos % 1_000;
            let micros = moment
                .in_units(1_000_000)
                .and_then(|micros| micros.checked_sub(POSTGRES_EPOCH_MICROS))
                .ok_or_else(unreadable)?;
            let epoch = match found.ty.form {
                Form::Timestamp | Form::Date => "TIMESTAMP '2000-01-01 00:00:00'",
                _ => "TIMESTAMPTZ '2000-01-01 00:00:00+00'",
            };
            format!("({epoch} + INTERVAL '{micros} microseconds')")
        }
        CursorKind::Text if value.text.contains('\0') => return Err(unreadable()),
        // By code points, whatever the column's own collation is.
        CursorKind::Text => {
            return Ok(format!("{name}::text COLLATE \"C\" >= {}", literal(&value.text)));
        }
    };
    Ok(format!("{name} >= {from}"))
}
