//! Which Arrow type a column of SQLite is read as.
//!
//! First the manifest's word, then what our own target wrote down, then the declared type: well
//! known names before SQLite's affinity rules (<https://www.sqlite.org/datatype3.html>, 3.1).

use std::collections::BTreeMap;

use arrow::datatypes::{DataType, Field, TimeUnit};
use flowglass_clients::sqlite::{fault, meanings};
use flowglass_connect::{Fault, NATIVE_TYPE_KEY};
use flowglass_model::ErrorClass;
use rusqlite::{Connection, Statement};

use super::config::{ColumnType, Config};

/// A column to read.
#[derive(Debug, Clone)]
pub(super) struct Shape {
    /// The Arrow field.
    pub(super) field: Field,
    /// Numbers are taken as their text too: the column has no declared type to hold them to.
    pub(super) any: bool,
}

/// The columns that a prepared statement gives, from the `skip`th on.
pub(super) fn shapes(
    connection: &Connection,
    statement: &Statement<'_>,
    skip: usize,
    config: &Config,
) -> Result<Vec<Shape>, Fault> {
    let known = match &config.table {
        Some(table) => meanings(connection, table)?,
        None => BTreeMap::new(),
    };
    let columns: Vec<_> = statement.columns().collect();
    let mut shapes = Vec::with_capacity(columns.len());
    for column in columns.iter().skip(skip) {
        let name = column.name();
        let declared = column.decl_type().unwrap_or_default();
        let native = (!declared.is_empty()).then(|| format!("sqlite:{declared}"));
        let (arrow, native, any) = match (config.columns.get(name), known.get(&name.to_lowercase()))
        {
            (Some(ColumnType(arrow)), _) => (arrow.clone(), native, *arrow == DataType::Utf8),
            (None, Some((arrow, native))) => (arrow.clone(), native.clone(), false),
            (None, None) => {
                let (arrow, any) = declared_as(declared);
                (arrow, native, any)
            }
        };
        let mut field = Field::new(name, arrow, true);
        if let Some(native) = native {
            field.set_metadata([(NATIVE_TYPE_KEY.to_owned(), native)].into());
        }
        shapes.push(Shape { field, any });
    }
    let unknown = config
        .columns
        .keys()
        .find(|name| !columns.iter().skip(skip).any(|column| column.name() == name.as_str()));
    match unknown {
        Some(name) => Err(Fault::new(
            ErrorClass::Config,
            format!("`columns` names `{name}`, which the source does not have"),
        )),
        None => Ok(shapes),
    }
}

/// The type for a declared type, and whether any number or text may stand in it.
fn declared_as(declared: &str) -> (DataType, bool) {
    let word = declared.to_ascii_uppercase();
    let (base, arguments) = word.find('(').map_or((word.as_str(), ""), |at| word.split_at(at));
    let exact = match base.trim() {
        "BOOLEAN" | "BOOL" => Some(DataType::Boolean),
        "DATE" => Some(DataType::Date32),
        "TIME" => Some(DataType::Time64(TimeUnit::Microsecond)),
        "DATETIME" | "TIMESTAMP" | "TIMESTAMP WITHOUT TIME ZONE" => {
            Some(DataType::Timestamp(TimeUnit::Microsecond, None))
        }
        "TIMESTAMPTZ" | "TIMESTAMP WITH TIME ZONE" => {
            Some(DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())))
        }
        "DECIMAL" | "NUMERIC" | "DEC" | "NUMBER" => decimal_of(arguments),
        _ => None,
    };
    if let Some(exact) = exact {
        return (exact, false);
    }
    let has = |part: &str| base.contains(part);
    if has("INT") {
        (DataType::Int64, false)
    } else if has("CHAR") || has("CLOB") || has("TEXT") {
        (DataType::Utf8, false)
    } else if has("BLOB") {
        (DataType::Binary, false)
    } else if has("REAL") || has("FLOA") || has("DOUB") {
        (DataType::Float64, false)
    } else {
        (DataType::Utf8, true)
    }
}

/// The decimal type of `(PRECISION)` or `(PRECISION, SCALE)`; `None` when Arrow has none such.
pub(super) fn decimal_of(arguments: &str) -> Option<DataType> {
    let inner = arguments.trim().strip_prefix('(')?.strip_suffix(')')?;
    let (precision, scale) = inner.split_once(',').unwrap_or((inner, "0"));
    let precision: u8 = precision.trim().parse().ok()?;
    let scale: i8 = scale.trim().parse().ok()?;
    let fits = scale >= 0 && u8::try_from(scale).is_ok_and(|scale| scale <= precision);
    match precision {
        1..=38 if fits => Some(DataType::Decimal128(precision, scale)),
        39..=76 if fits => Some(DataType::Decimal256(precision, scale)),
        _ => None,
    }
}

/// Looks up names and prepares what is read: the SQL, how many columns of ours stand before the
/// asked ones, and whether the first of these is the rowid.
pub(super) fn statement_text(
    connection: &Connection,
    config: &Config,
    columns: Option<&[String]>,
) -> Result<(String, bool), Fault> {
    use flowglass_clients::sqlite::{quote, table_exists};
    let from = match (&config.table, &config.query) {
        (Some(table), _) if !table_exists(connection, table)? => {
            return Err(Fault::new(
                ErrorClass::NotFound,
                format!("there is no table `{table}` in {}", config.path.display()),
            ));
        }
        (Some(table), _) => quote(table),
        (None, query) => {
            let query = query.as_deref().unwrap_or_default();
            format!("(\n{}\n)", query.trim().trim_end_matches(';'))
        }
    };
    let probe = connection
        .prepare(&format!("SELECT * FROM {from}"))
        .map_err(|error| fault("looking at what is read", error))?;
    let there: Vec<String> = probe.column_names().map(str::to_owned).collect();
    let wanted = match columns {
        None => there.clone(),
        Some(columns) => columns.to_vec(),
    };
    if let Some(missing) = wanted.iter().find(|name| !there.contains(name)) {
        return Err(Fault::new(
            ErrorClass::NotFound,
            format!("the source has no column `{missing}`"),
        ));
    }
    let list = wanted.iter().map(|name| quote(name)).collect::<Vec<_>>().join(", ");
    // A column of the table's own may hide one of the rowid's three names.
    let rowid = ["rowid", "_rowid_", "oid"]
        .into_iter()
        .find(|name| !there.iter().any(|column| column.eq_ignore_ascii_case(name)))
        .filter(|_name| config.table.as_deref().is_some_and(|table| is_table(connection, table)));
    if let Some(rowid) = rowid {
        let sql = format!("SELECT {rowid}, {list} FROM {from}");
        // Tables made WITHOUT ROWID refuse this.
        if connection.prepare(&sql).is_ok() {
            return Ok((format!("{sql} ORDER BY {rowid}"), true));
        }
    }
    Ok((format!("SELECT {list} FROM {from}"), false))
}

fn is_table(connection: &Connection, table: &str) -> bool {
    let sql =
        "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = ?1 COLLATE NOCASE";
    connection.query_row(sql, [table], |row| row.get::<_, i64>(0)).is_ok_and(|count| count == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn declared_types() {
        for (declared, arrow, any) in [
            ("INTEGER", DataType::Int64, false),
            ("UNSIGNED BIG INT", DataType::Int64, false),
            ("VARCHAR(20)", DataType::Utf8, false),
            ("double precision", DataType::Float64, false),
            ("Decimal(18, 2)", DataType::Decimal128(18, 2), false),
            ("NUMERIC(60,3)", DataType::Decimal256(60, 3), false),
            ("NUMERIC", DataType::Utf8, true),
            ("DECIMAL(2,5)", DataType::Utf8, true),
            ("", DataType::Utf8, true),
            ("timestamp", DataType::Timestamp(TimeUnit::Microsecond, None), false),
        ] {
            assert_eq!(declared_as(declared), (arrow, any), "{declared}");
        }
    }
}
