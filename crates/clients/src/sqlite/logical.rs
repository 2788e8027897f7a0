//! What a column means beyond SQLite's five storage classes.
//!
//! SQLite has no decimals, dates or times, and a column declared `DECIMAL(18,2)` gets an affinity
//! that turns digits into a double. Our targets therefore keep such values as exact text in
//! columns declared `TEXT`, and write down what each column means in a small table beside the
//! data, in the same transaction. A note counts only while the declared type is still the one
//! that it was made for, so that a table which somebody made anew is read as what it is.

use std::collections::BTreeMap;

use arrow::datatypes::{DataType, Field, TimeUnit};
use flowglass_connect::{Fault, NATIVE_TYPE_KEY};
use rusqlite::Connection;

use super::{fault, quote, table_exists};

/// The table of meanings.
pub const COLUMNS_TABLE: &str = "_flowglass_columns";

/// How a value of an Arrow type is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Storage {
    /// 64-bit integers.
    Integer,
    /// Integers 0 and 1.
    Boolean,
    /// 64-bit floating point.
    Real,
    /// Text, or exact text of another type.
    Text,
    /// Bytes.
    Blob,
}

impl Storage {
    /// The type to declare. `BOOLEAN` has numeric affinity, which leaves 0 and 1 alone.
    #[must_use]
    pub const fn declared(self) -> &'static str {
        match self {
            Self::Integer => "INTEGER",
            Self::Boolean => "BOOLEAN",
            Self::Real => "REAL",
            Self::Text => "TEXT",
            Self::Blob => "BLOB",
        }
    }
}

/// How SQLite keeps values of this type exactly; `None` when it cannot.
#[must_use]
pub fn storage_of(arrow: &DataType) -> Option<Storage> {
    Some(match arrow {
        DataType::Boolean => Storage::Boolean,
        DataType::Int8
        | DataType::Int16
        | DataType::Int32
        | DataType::Int64
        | DataType::UInt8
        | DataType::UInt16
        | DataType::UInt32
        | DataType::Duration(_) => Storage::Integer,
        DataType::Float16 | DataType::Float32 | DataType::Float64 => Storage::Real,
        DataType::Utf8
        | DataType::LargeUtf8
        | DataType::Utf8View
        | DataType::UInt64
        | DataType::Decimal32(..)
        | DataType::Decimal64(..)
        | DataType::Decimal128(..)
        | DataType::Decimal256(..)
        | DataType::Date32
        | DataType::Date64
        | DataType::Time32(_)
        | DataType::Time64(_)
        | DataType::Timestamp(..) => Storage::Text,
        DataType::Binary
        | DataType::LargeBinary
        | DataType::BinaryView
        | DataType::FixedSizeBinary(_) => Storage::Blob,
        DataType::Dictionary(_, values) => return storage_of(values),
        _ => return None,
    })
}

/// What is written down for a type: the type itself, in the one form that reading gives back.
fn kept_type(arrow: &DataType) -> DataType {
    match arrow {
        DataType::Dictionary(_, values) => kept_type(values),
        DataType::LargeUtf8 | DataType::Utf8View => DataType::Utf8,
        DataType::LargeBinary | DataType::BinaryView => DataType::Binary,
        DataType::Float16 => DataType::Float32,
        DataType::UInt64 => DataType::Decimal128(20, 0),
        DataType::Decimal32(precision, scale) | DataType::Decimal64(precision, scale) => {
            DataType::Decimal128(*precision, *scale)
        }
        DataType::Date64 => DataType::Timestamp(TimeUnit::Millisecond, None),
        // Text of a moment is kept in UTC; which zone it is shown in is not a matter of the data.
        DataType::Timestamp(unit, Some(_)) => DataType::Timestamp(*unit, Some("UTC".into())),
        other => other.clone(),
    }
}

/// Writes down what the columns mean. Called in the transaction that makes them.
///
/// # Errors
/// What SQLite says.
pub fn keep_meanings(connection: &Connection, table: &str, fields: &[&Field]) -> Result<(), Fault> {
    let doing = || format!("writing down the column types of `{table}`");
    let make = format!(
        "CREATE TABLE IF NOT EXISTS {} (table_name TEXT NOT NULL COLLATE NOCASE, \
         column_name TEXT NOT NULL COLLATE NOCASE, declared TEXT NOT NULL, arrow TEXT NOT NULL, \
         native TEXT, PRIMARY KEY (table_name, column_name)) WITHOUT ROWID",
        quote(COLUMNS_TABLE)
    );
    connection.execute_batch(&make).map_err(|error| fault(doing(), error))?;
    let put =
        format!("INSERT OR REPLACE INTO {} VALUES (?1, ?2, ?3, ?4, ?5)", quote(COLUMNS_TABLE));
    let mut put = connection.prepare(&put).map_err(|error| fault(doing(), error))?;
    for field in fields {
        let declared = storage_of(field.data_type()).unwrap_or(Storage::Text).declared();
        let arrow = kept_type(field.data_type()).to_string();
        let native = field.metadata().get(NATIVE_TYPE_KEY);
        put.execute((table, field.name(), declared, arrow, native))
            .map_err(|error| fault(doing(), error))?;
    }
    Ok(())
}

/// What the columns of a table mean, by lower-case name, as far as it was written down and the
/// declared types are still the same.
///
/// # Errors
/// What SQLite says.
pub fn meanings(
    connection: &Connection,
    table: &str,
) -> Result<BTreeMap<String, (DataType, Option<String>)>, Fault> {
    let doing = || format!("reading the column types of `{table}`");
    let mut known = BTreeMap::new();
    if !table_exists(connection, COLUMNS_TABLE)? {
        return Ok(known);
    }
    let sql = format!(
        "SELECT lower(c.column_name), c.arrow, c.native FROM {} c \
         JOIN pragma_table_info(?1) i ON i.name = c.column_name COLLATE NOCASE AND i.type = c.declared \
         WHERE c.table_name = ?1",
        quote(COLUMNS_TABLE)
    );
    let mut query = connection.prepare(&sql).map_err(|error| fault(doing(), error))?;
    let rows = query
        .query_map([table], |row| {
            Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?, row.get(2)?))
        })
        .map_err(|error| fault(doing(), error))?;
    for row in rows {
        let (name, arrow, native) = row.map_err(|error| fault(doing(), error))?;
        if let Ok(arrow) = arrow.parse::<DataType>() {
            known.insert(name, (arrow, native));
        }
    }
    Ok(known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn meanings_read_back_until_the_table_is_another() {
        let connection = Connection::open_in_memory().unwrap();
        let types = [
            DataType::Decimal128(18, 2),
            DataType::Decimal256(60, 10),
            DataType::Date32,
            DataType::Time64(TimeUnit::Microsecond),
            DataType::Timestamp(TimeUnit::Microsecond, None),
            DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into())),
            DataType::Int16,
            DataType::Boolean,
            DataType::Utf8,
            DataType::FixedSizeBinary(16),
        ];
        let fields: Vec<Field> =
            (0..).zip(&types).map(|(i, t)| Field::new(format!("C{i}"), t.clone(), true)).collect();
        let declared: Vec<String> = fields
            .iter()
            .map(|field| {
                format!("{} {}", field.name(), storage_of(field.data_type()).unwrap().declared())
            })
            .collect();
        connection.execute_batch(&format!("CREATE TABLE t ({})", declared.join(", "))).unwrap();
        keep_meanings(&connection, "t", &fields.iter().collect::<Vec<_>>()).unwrap();
        let known = meanings(&connection, "T").unwrap();
        for (at, arrow) in types.iter().enumerate() {
            assert_eq!(&known[&format!("c{at}")].0, arrow);
        }
        connection.execute_batch("DROP TABLE t; CREATE TABLE t (c0 INTEGER, c1 TEXT)").unwrap();
        let known = meanings(&connection, "t").unwrap();
        assert_eq!(known.keys().collect::<Vec<_>>(), ["c1"]);
    }
}
