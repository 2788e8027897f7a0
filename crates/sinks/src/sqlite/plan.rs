//! The plan against the table that is there: which columns are written, made or left out.

use arrow::datatypes::{DataType, Field};
use flowglass_clients::sqlite::{Storage, fault, keep_meanings, meanings, quote, storage_of};
use flowglass_connect::{Fault, SchemaChange, Strategy, WritePlan};
use flowglass_model::ErrorClass;
use rusqlite::Connection;

/// Digits that SQLite's numeric affinity promises to keep when it makes a double of a text.
const NUMERIC_DIGITS_KEPT: u8 = 15;

/// A column of the batches that goes into the table.
#[derive(Debug, Clone)]
pub(super) struct Written {
    /// Its place in the batches.
    pub(super) at: usize,
    /// Its name in the table.
    pub(super) name: String,
    /// Its declared type in the table.
    pub(super) declared: String,
    /// Text that looks like a number would be turned into one by the table's affinity.
    pub(super) number_text_is_lost: bool,
}

/// What is written, after the table was made fit for it.
#[derive(Debug, Default)]
pub(super) struct Fitted {
    pub(super) columns: Vec<Written>,
    /// Columns that were added, with their declared type.
    pub(super) added: Vec<(String, String)>,
}

/// A column of the table that is there.
#[derive(Debug)]
struct There {
    name: String,
    declared: String,
}

/// Makes the table, or makes it fit, within the transaction.
pub(super) fn fit(connection: &Connection, table: &str, plan: &WritePlan) -> Result<Fitted, Fault> {
    for field in plan.schema.fields() {
        if storage_of(field.data_type()).is_none() {
            let doing = format!(
                "column `{}` is of type {}, which SQLite cannot keep exactly",
                field.name(),
                field.data_type()
            );
            return Err(Fault::new(ErrorClass::Unsupported, doing)
                .hint("Leave the column out, or turn it into text in a SQL node first."));
        }
    }
    let there = columns_of(connection, table)?;
    if there.is_empty() {
        return make(connection, table, plan);
    }
    let fitted = alter(connection, table, plan, &there)?;
    if plan.strategy == Strategy::IncrementalMerge {
        need_unique(connection, table, &plan.key)?;
    }
    Ok(fitted)
}

fn columns_of(connection: &Connection, table: &str) -> Result<Vec<There>, Fault> {
    let doing = || format!("looking at the table `{table}`");
    let mut query = connection
        .prepare("SELECT name, type FROM pragma_table_xinfo(?1) WHERE hidden = 0")
        .map_err(|error| fault(doing(), error))?;
    let rows = query
        .query_map([table], |row| Ok(There { name: row.get(0)?, declared: row.get(1)? }))
        .map_err(|error| fault(doing(), error))?;
    rows.collect::<Result<_, _>>().map_err(|error| fault(doing(), error))
}

fn declared_of(field: &Field) -> &'static str {
    storage_of(field.data_type()).unwrap_or(Storage::Text).declared()
}

fn make(connection: &Connection, table: &str, plan: &WritePlan) -> Result<Fitted, Fault> {
    let merging = plan.strategy == Strategy::IncrementalMerge;
    let mut parts = Vec::new();
    let mut columns = Vec::new();
    for (at, field) in plan.schema.fields().iter().enumerate() {
        let declared = declared_of(field);
        let required = if merging && plan.key.contains(field.name()) { " NOT NULL" } else { "" };
        parts.push(format!("{} {declared}{required}", quote(field.name())));
        columns.push(Written {
            at,
            name: field.name().clone(),
            declared: declared.to_owned(),
            number_text_is_lost: false,
        });
    }
    if merging {
        let key: Vec<String> = plan.key.iter().map(|name| quote(name)).collect();
        parts.push(format!("PRIMARY KEY ({})", key.join(", ")));
    }
    connection
        .execute_batch(&format!("CREATE TABLE {} ({})", quote(table), parts.join(", ")))
        .map_err(|error| fault(format!("making the table `{table}`"), error))?;
    let fields: Vec<&Field> = plan.schema.fields().iter().map(AsRef::as_ref).collect();
    keep_meanings(connection, table, &fields)?;
    Ok(Fitted { columns, added: Vec::new() })
}

fn alter(
    connection: &Connection,
    table: &str,
    plan: &WritePlan,
    there: &[There],
) -> Result<Fitted, Fault> {
    let known = meanings(connection, table)?;
    let mut fitted = Fitted::default();
    for (at, field) in plan.schema.fields().iter().enumerate() {
        let found = there.iter().find(|column| column.name.eq_ignore_ascii_case(field.name()));
        let Some(column) = found else {
            add(connection, table, plan, (at, field), &mut fitted)?;
            continue;
        };
        if let Some((meaning, _native)) = known.get(&field.name().to_lowercase()) {
            same_meaning(table, field, meaning)?;
        }
        let number_text_is_lost = check_affinity(table, field, &column.declared)?;
        fitted.columns.push(Written {
            at,
            name: column.name.clone(),
            declared: column.declared.clone(),
            number_text_is_lost,
        });
    }
    Ok(fitted)
}

fn add(
    connection: &Connection,
    table: &str,
    plan: &WritePlan,
    (at, field): (usize, &Field),
    fitted: &mut Fitted,
) -> Result<(), Fault> {
    let name = field.name();
    match plan.schema_change {
        SchemaChange::Ignore if plan.key.contains(name) => Err(Fault::new(
            ErrorClass::Schema,
            format!("the table `{table}` lacks the key column `{name}`"),
        )),
        SchemaChange::Ignore => Ok(()),
        SchemaChange::Fail => Err(Fault::new(
            ErrorClass::Schema,
            format!("the table `{table}` lacks the column `{name}`"),
        )),
        SchemaChange::Evolve => {
            let declared = declared_of(field);
            let sql = format!("ALTER TABLE {} ADD COLUMN {} {declared}", quote(table), quote(name));
            connection.execute_batch(&sql).map_err(|error| {
                fault(format!("adding the column `{name}` to the table `{table}`"), error)
            })?;
            keep_meanings(connection, table, &[field])?;
            fitted.added.push((name.clone(), declared.to_owned()));
            fitted.columns.push(Written {
                at,
                name: name.clone(),
                declared: declared.to_owned(),
                number_text_is_lost: false,
            });
            Ok(())
        }
    }
}

/// Whether values of the field mean the same as those that are in the column.
fn same_meaning(table: &str, field: &Field, there: &DataType) -> Result<(), Fault> {
    let fits = match (field.data_type(), there) {
        (
            DataType::Decimal128(precision, scale) | DataType::Decimal256(precision, scale),
            DataType::Decimal128(wide, wide_scale) | DataType::Decimal256(wide, wide_scale),
        ) => {
            let whole = |precision: &u8, scale: &i8| i16::from(*precision) - i16::from(*scale);
            scale <= wide_scale && whole(precision, scale) <= whole(wide, wide_scale)
        }
        (DataType::UInt64, DataType::Decimal128(precision, 0)) => *precision >= 20,
        (DataType::Timestamp(_, zone), DataType::Timestamp(_, there)) => {
            zone.is_some() == there.is_some()
        }
        (DataType::Time32(_) | DataType::Time64(_), DataType::Time32(_) | DataType::Time64(_)) => {
            true
        }
        (DataType::Date64, DataType::Timestamp(_, None)) => true,
        (new, there) => {
            storage_of(new) == storage_of(there)
                && (storage_of(new) != Some(Storage::Text)
                    || is_plain_text(new) == is_plain_text(there))
                && (is_plain_text(new) || storage_of(new) != Some(Storage::Text) || new == there)
        }
    };
    if fits {
        return Ok(());
    }
    Err(mismatch(table, field, &format!("holds {there}")))
}

fn is_plain_text(arrow: &DataType) -> bool {
    match arrow {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => true,
        DataType::Dictionary(_, values) => is_plain_text(values),
        _ => false,
    }
}

fn mismatch(table: &str, field: &Field, there: &str) -> Fault {
    Fault::new(
        ErrorClass::Schema,
        format!(
            "column `{}` of the table `{table}` {there}, which does not keep {} exactly",
            field.name(),
            field.data_type()
        ),
    )
    .hint("Change the column's declared type (TEXT keeps any exact text), or map the column to another type.")
}

/// What SQLite makes of values by a column's declared type
/// (<https://www.sqlite.org/datatype3.html>, 3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Affinity {
    Integer,
    Text,
    None,
    Real,
    Numeric,
}

fn affinity_of(declared: &str) -> Affinity {
    let declared = declared.to_ascii_uppercase();
    let has = |part: &str| declared.contains(part);
    if has("INT") {
        Affinity::Integer
    } else if has("CHAR") || has("CLOB") || has("TEXT") {
        Affinity::Text
    } else if has("BLOB") || declared.is_empty() {
        Affinity::None
    } else if has("REAL") || has("FLOA") || has("DOUB") {
        Affinity::Real
    } else {
        Affinity::Numeric
    }
}

/// Refuses a column whose affinity bends the field's values. `true` when it bends only text that
/// looks like a number, which each value is then checked for.
fn check_affinity(table: &str, field: &Field, declared: &str) -> Result<bool, Fault> {
    let arrow = field.data_type();
    let affinity = affinity_of(declared);
    let fits = match (storage_of(arrow).unwrap_or(Storage::Text), affinity) {
        (_, Affinity::None) => true,
        (Storage::Integer | Storage::Boolean, Affinity::Integer | Affinity::Numeric) => true,
        (Storage::Integer, Affinity::Real) => matches!(
            arrow,
            DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::UInt8 | DataType::UInt16
        ),
        (Storage::Real, Affinity::Real | Affinity::Numeric) => true,
        (Storage::Text, Affinity::Text) => true,
        (Storage::Text, Affinity::Numeric) => match arrow {
            DataType::Decimal128(precision, _) => *precision <= NUMERIC_DIGITS_KEPT,
            DataType::Decimal256(..) | DataType::UInt64 => false,
            _ => true,
        },
        (
            Storage::Integer | Storage::Boolean | Storage::Real | Storage::Text | Storage::Blob,
            Affinity::Integer | Affinity::Text | Affinity::Real | Affinity::Numeric,
        ) => false,
    };
    if !fits {
        return Err(mismatch(table, field, &format!("is declared {declared}")));
    }
    Ok(affinity == Affinity::Numeric && is_plain_text(arrow))
}

/// Merges need to find a row by its key, and to know that there is one at most.
fn need_unique(connection: &Connection, table: &str, key: &[String]) -> Result<(), Fault> {
    let doing = || format!("looking at the indexes of `{table}`");
    let sql = "SELECT group_concat(lower(name), char(0)) FROM ( \
               SELECT '' AS owner, name FROM pragma_table_info(?1) WHERE pk > 0 \
               UNION ALL SELECT l.name, i.name FROM pragma_index_list(?1) l, \
               pragma_index_info(l.name) i WHERE l.\"unique\" AND NOT l.partial) GROUP BY owner";
    let mut query = connection.prepare(sql).map_err(|error| fault(doing(), error))?;
    let rows = query
        .query_map([table], |row| row.get::<_, Option<String>>(0))
        .map_err(|error| fault(doing(), error))?;
    let mut wanted: Vec<String> = key.iter().map(|name| name.to_lowercase()).collect();
    wanted.sort();
    for row in rows {
        let names = row.map_err(|error| fault(doing(), error))?.unwrap_or_default();
        let mut names: Vec<&str> = names.split('\0').collect();
        names.sort_unstable();
        if names == wanted {
            return Ok(());
        }
    }
    let columns = key.join(", ");
    Err(Fault::new(
        ErrorClass::Config,
        format!("the table `{table}` has no unique index on the key ({columns})"),
    )
    .hint(format!("Make one: `CREATE UNIQUE INDEX … ON {table} ({columns})`.")))
}
