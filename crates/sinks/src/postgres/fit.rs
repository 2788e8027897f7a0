//! The plan against the table that is there: which columns are written, made or left out, and
//! what a new column is declared as.

use arrow::array::new_empty_array;
use arrow::datatypes::{DataType, Field};
use flowglass_clients::postgres::{
    BASE_TYPE_KEY, ColumnType, LABELS_KEY, NATIVE_PREFIX, RAW_REFUSED, Session, TableColumn,
    TableName, column_types, fault, is_type_name, literal, quote, table_columns, table_of,
};
use flowglass_connect::{Fault, NATIVE_TYPE_KEY, SchemaChange, Strategy, WritePlan};
use flowglass_model::ErrorClass;

use super::encode::Cells;

/// A column of the batches that goes into the table.
#[derive(Debug, Clone)]
pub(super) struct Written {
    /// Its place in the batches.
    pub(super) at: usize,
    pub(super) name: String,
    pub(super) ty: ColumnType,
}

/// A column that the table lacks.
#[derive(Debug, Clone)]
pub(super) struct Added {
    pub(super) name: String,
    /// Its type in SQL.
    pub(super) declared: String,
}

/// The table as it is, before anything was done to it.
#[derive(Debug, Default)]
pub(super) struct There {
    /// `None` when there is no table.
    pub(super) oid: Option<u32>,
    columns: Vec<TableColumn>,
}

/// What will be written.
#[derive(Debug, Default)]
pub(super) struct Fitted {
    pub(super) there: There,
    pub(super) columns: Vec<Written>,
    pub(super) added: Vec<Added>,
}

impl Fitted {
    /// The written columns, quoted and joined.
    pub(super) fn names(&self) -> String {
        let names: Vec<String> = self.columns.iter().map(|column| quote(&column.name)).collect();
        names.join(", ")
    }

    /// The statements that add the missing columns to a table.
    pub(super) fn add_columns(&self, table: &str) -> String {
        let add = |column: &Added| {
            format!("ALTER TABLE {table} ADD COLUMN {} {};", quote(&column.name), column.declared)
        };
        self.added.iter().map(add).collect()
    }
}

/// Looks at the table and decides. Types that a new column needs are made here; nothing else is
/// changed. Runs inside the load's transaction.
pub(super) async fn fit(
    session: &Session,
    table: &TableName,
    plan: &WritePlan,
) -> Result<Fitted, Fault> {
    let there = look(session, table).await?;
    let mut fitted = Fitted { there, ..Fitted::default() };
    for (at, field) in plan.schema.fields().iter().enumerate() {
        let name = field.name();
        let found = fitted.there.columns.iter().find(|column| column.name == *name);
        if let Some(column) = found {
            if column.generated {
                let doing = format!("column `{name}` of {table} is computed and takes no values");
                return Err(
                    Fault::new(ErrorClass::Schema, doing).hint("Leave the column out of the copy.")
                );
            }
            Cells::new(&new_empty_array(field.data_type()), field, &column.ty)?;
            let ty = column.ty.clone();
            fitted.columns.push(Written { at, name: name.clone(), ty });
            continue;
        }
        let exists = fitted.there.oid.is_some();
        match plan.schema_change {
            SchemaChange::Ignore if exists && !plan.key.contains(name) => continue,
            SchemaChange::Fail | SchemaChange::Ignore if exists => {
                return Err(Fault::new(
                    ErrorClass::Schema,
                    format!("the table {table} lacks the column `{name}`"),
                ));
            }
            SchemaChange::Evolve | SchemaChange::Fail | SchemaChange::Ignore => {}
        }
        let (declared, ty) = declare(session, field).await?;
        fitted.columns.push(Written { at, name: name.clone(), ty });
        fitted.added.push(Added { name: name.clone(), declared });
    }
    Ok(fitted)
}

async fn look(session: &Session, table: &TableName) -> Result<There, Fault> {
    let Some((oid, kind)) = table_of(&session.client, table).await? else {
        let sql = "SELECT count(*) FROM pg_namespace WHERE nspname = $1";
        let schema = session
            .client
            .query_one(sql, &[&table.schema])
            .await
            .map_err(|error| fault("looking for the schema", error))?;
        if schema.get::<_, i64>(0) == 0 {
            let doing = format!("there is no schema `{}`", table.schema);
            return Err(Fault::new(ErrorClass::NotFound, doing)
                .hint(format!("Make it: `CREATE SCHEMA {}`.", quote(&table.schema))));
        }
        return Ok(There::default());
    };
    if !matches!(kind.as_str(), "r" | "p") {
        let doing = format!("{table} is a view or a foreign table, which is not written to");
        return Err(Fault::new(ErrorClass::Unsupported, doing));
    }
    let columns = table_columns(&session.client, oid).await?;
    Ok(There { oid: Some(oid), columns })
}

/// Whether raw rows fit the columns byte for byte.
pub(super) fn check_raw(fitted: &Fitted, plan: &WritePlan, table: &TableName) -> Result<(), Fault> {
    let refused = |what: String| {
        Fault::new(ErrorClass::Unsupported, format!("{RAW_REFUSED}: {what}"))
            .hint("Read the source again with Arrow batches.")
    };
    if fitted.columns.len() != plan.schema.fields().len() {
        return Err(refused(format!("{table} lacks a column")));
    }
    for (column, field) in fitted.columns.iter().zip(plan.schema.fields()) {
        if !column.ty.same_as(field) {
            let (name, ty) = (&column.name, &column.ty.name);
            return Err(refused(format!(
                "column `{name}` of {table} is {ty}, the source's is not"
            )));
        }
    }
    Ok(())
}

/// The statement that makes the table.
pub(super) fn create(table: &str, fitted: &Fitted, plan: &WritePlan) -> String {
    let mut parts: Vec<String> = fitted
        .added
        .iter()
        .map(|column| format!("{} {}", quote(&column.name), column.declared))
        .collect();
    if plan.strategy == Strategy::IncrementalMerge {
        let key: Vec<String> = plan.key.iter().map(|name| quote(name)).collect();
        parts.push(format!("PRIMARY KEY ({})", key.join(", ")));
    }
    format!("CREATE TABLE {table} ({})", parts.join(", "))
}

/// What a new column is declared as: the source's own type where it is a Postgres too and this
/// database has the type (an enum is made), else the type that keeps every value of Arrow's.
async fn declare(session: &Session, field: &Field) -> Result<(String, ColumnType), Fault> {
    let metadata = field.metadata();
    let native = metadata.get(NATIVE_TYPE_KEY).and_then(|it| it.strip_prefix(NATIVE_PREFIX));
    let base = metadata.get(BASE_TYPE_KEY).map(String::as_str);
    let mut wanted: Vec<String> = Vec::new();
    for name in [native, base].into_iter().flatten().filter(|name| is_type_name(name)) {
        wanted.push(name.to_owned());
    }
    wanted.extend(declared_of(field.data_type()));
    for name in wanted {
        let Some(ty) = find_or_make(session, &name, metadata.get(LABELS_KEY)).await? else {
            continue;
        };
        // What the column holds may have changed on the way, while its metadata stayed.
        match Cells::new(&new_empty_array(field.data_type()), field, &ty) {
            Ok(_cells) => return Ok((name, ty)),
            Err(fault) if fault.class() == ErrorClass::Schema => {}
            Err(fault) => return Err(fault),
        }
    }
    let doing = format!(
        "column `{}` is of type {}, which Postgres cannot keep exactly",
        field.name(),
        field.data_type()
    );
    Err(Fault::new(ErrorClass::Unsupported, doing)
        .hint("Leave the column out, or turn it into text in a SQL node first."))
}

/// The type of that name with its modifier, as a column declared so would have it.
async fn find_or_make(
    session: &Session,
    name: &str,
    labels: Option<&String>,
) -> Result<Option<ColumnType>, Fault> {
    let doing = "looking up a type";
    // A savepoint, since a name that does not even parse is an error that ends the transaction.
    session.run(doing, "SAVEPOINT flowglass_type").await?;
    let mut found = describe(session, name).await;
    if let (None, Some(labels)) = (&found, labels) {
        session.run(doing, "ROLLBACK TO SAVEPOINT flowglass_type").await?;
        let labels: Vec<String> = serde_json::from_str(labels).unwrap_or_default();
        let labels: Vec<String> = labels.iter().map(|label| literal(label)).collect();
        let make = format!("CREATE TYPE {name} AS ENUM ({})", labels.join(", "));
        if session.run("making an enum", &make).await.is_ok() {
            found = describe(session, name).await;
        }
    }
    if found.is_none() {
        session.run(doing, "ROLLBACK TO SAVEPOINT flowglass_type").await?;
    }
    session.run(doing, "RELEASE SAVEPOINT flowglass_type").await?;
    Ok(found)
}

/// Lets the server itself read the type's name, modifier included.
async fn describe(session: &Session, name: &str) -> Option<ColumnType> {
    let statement = session.client.prepare(&format!("SELECT NULL::{name} AS it")).await.ok()?;
    let column = statement.columns().first()?;
    let (base, typmod) = (column.type_().oid(), column.type_modifier());
    // A result's description shows the type under a domain.
    let sql = "SELECT to_regtype($1::text)::oid";
    let named: Option<u32> = session.client.query_one(sql, &[&name]).await.ok()?.get(0);
    let asked = match named {
        Some(oid) if oid != base => (oid, -1),
        _ => (base, typmod),
    };
    column_types(&session.client, &[asked]).await.ok()?.pop()
}

/// The type for a column of Arrow alone.
fn declared_of(arrow: &DataType) -> Option<String> {
    Some(match arrow {
        DataType::Boolean => "boolean".to_owned(),
        DataType::Int8 | DataType::Int16 | DataType::UInt8 => "smallint".to_owned(),
        DataType::Int32 | DataType::UInt16 => "integer".to_owned(),
        DataType::Int64 | DataType::UInt32 => "bigint".to_owned(),
        DataType::UInt64 => "numeric(20,0)".to_owned(),
        DataType::Float16 | DataType::Float32 => "real".to_owned(),
        DataType::Float64 => "double precision".to_owned(),
        DataType::Decimal32(precision, scale)
        | DataType::Decimal64(precision, scale)
        | DataType::Decimal128(precision, scale)
        | DataType::Decimal256(precision, scale) => {
            if u8::try_from(*scale).is_ok_and(|scale| scale <= *precision) {
                format!("numeric({precision},{scale})")
            } else {
                "numeric".to_owned()
            }
        }
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "text".to_owned(),
        DataType::Binary
        | DataType::LargeBinary
        | DataType::BinaryView
        | DataType::FixedSizeBinary(_) => "bytea".to_owned(),
        DataType::Date32 => "date".to_owned(),
        DataType::Date64 | DataType::Timestamp(_, None) => "timestamp".to_owned(),
        DataType::Timestamp(_, Some(_)) => "timestamptz".to_owned(),
        DataType::Time32(_) | DataType::Time64(_) => "time".to_owned(),
        DataType::Dictionary(_, values) => return declared_of(values),
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _)
            if !item.data_type().is_nested() =>
        {
            format!("{}[]", declared_of(item.data_type())?)
        }
        _ => return None,
    })
}
