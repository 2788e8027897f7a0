//! Columns from keys: which there are, and what their values are.
//!
//! A column appears with the first value of its key that is not null, and stays. Its kind is that of
//! all its values so far: whole numbers that 64 bits hold, decimal numbers, truth values, text; values
//! of several kinds, objects, arrays and numbers with an exponent are JSON as it was written, which
//! loses nothing. Each change of this is a new version of the table's shape.

use std::collections::HashMap;
use std::sync::Arc;

use flowglass_connect::stream::{Column, Kind, Relation};

use super::config::Settings;

/// A table with more columns than this has keys that are values.
pub(super) const COLUMNS_MAX: usize = 1000;

/// The columns so far.
#[derive(Debug)]
pub(super) struct Columns {
    places: HashMap<String, usize>,
    relation: Arc<Relation>,
}

impl Columns {
    pub(super) fn new(settings: &Settings) -> Self {
        let relation = Relation {
            id: 1,
            database: settings.id.as_str().into(),
            schema: settings.schema.as_str().into(),
            table: settings.table.as_str().into(),
            columns: Vec::new(),
            key: Vec::new(),
            version: 0,
        };
        Self { places: HashMap::new(), relation: Arc::new(relation) }
    }

    /// The table as it is now.
    pub(super) const fn relation(&self) -> &Arc<Relation> {
        &self.relation
    }

    pub(super) fn place(&self, key: &str) -> Option<usize> {
        self.places.get(key).copied()
    }

    pub(super) fn kind(&self, place: usize) -> Option<&Kind> {
        self.relation.columns.get(place).map(|column| &column.kind)
    }

    /// Makes room for what a row has, by key and kind of its value. `false` when it has too many keys.
    pub(super) fn widen(&mut self, row: &[(String, Kind)], key: &[String]) -> bool {
        let news = row.iter().filter(|(name, _)| !self.places.contains_key(name)).count();
        if self.relation.columns.len() + news > COLUMNS_MAX {
            return false;
        }
        let mut columns = self.relation.columns.clone();
        for (name, kind) in row {
            if let Some(column) = self.place(name).and_then(|at| columns.get_mut(at)) {
                column.kind = both(&column.kind, kind);
                column.native = native(&column.kind).to_owned();
            } else {
                self.places.insert(name.clone(), columns.len());
                columns.push(Column {
                    name: name.clone(),
                    kind: kind.clone(),
                    native: native(kind).to_owned(),
                    nullable: true,
                });
            }
        }
        // A key names rows once all of its columns are there.
        let key = key.iter().map(|name| self.place(name)).collect::<Option<Vec<_>>>();
        self.relation = Arc::new(Relation {
            id: self.relation.id,
            database: Arc::clone(&self.relation.database),
            schema: Arc::clone(&self.relation.schema),
            table: Arc::clone(&self.relation.table),
            columns,
            key: key.unwrap_or_default(),
            version: self.relation.version + 1,
        });
        true
    }
}

/// The kind of a JSON value; `None` for null.
pub(super) fn kind_of(value: &str) -> Option<Kind> {
    Some(match value.as_bytes().first()? {
        b'n' => return None,
        b't' | b'f' => Kind::Bool,
        b'"' => Kind::Text,
        b'{' | b'[' => Kind::Json,
        _ if value.parse::<i64>().is_ok() => Kind::Int64,
        _ if value.contains(['e', 'E']) => Kind::Json,
        _ => Kind::Decimal(None),
    })
}

/// The kind that holds the values of both.
pub(super) fn both(one: &Kind, other: &Kind) -> Kind {
    match (one, other) {
        (one, other) if one == other => one.clone(),
        (Kind::Int64, Kind::Decimal(_)) | (Kind::Decimal(_), Kind::Int64) => Kind::Decimal(None),
        _ => Kind::Json,
    }
}

const fn native(kind: &Kind) -> &'static str {
    match kind {
        Kind::Bool => "boolean",
        Kind::Int64 => "bigint",
        Kind::Decimal(_) => "numeric",
        Kind::Text => "text",
        _ => "json",
    }
}

/// The table of lines that are no rows.
pub(super) fn bad(settings: &Settings) -> Arc<Relation> {
    let column = |name: &str, kind: Kind| Column {
        name: name.to_owned(),
        native: native(&kind).to_owned(),
        kind,
        nullable: false,
    };
    Arc::new(Relation {
        id: 2,
        database: settings.id.as_str().into(),
        schema: settings.schema.as_str().into(),
        table: format!("{}_bad", settings.table).into(),
        columns: vec![
            column("line", Kind::Int64),
            column("reason", Kind::Text),
            column("text", Kind::Text),
        ],
        key: Vec::new(),
        version: 1,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_of_values() {
        for (value, kind) in [
            ("1", Kind::Int64),
            ("-9223372036854775808", Kind::Int64),
            ("9223372036854775808", Kind::Decimal(None)),
            ("1.50", Kind::Decimal(None)),
            ("1e5", Kind::Json),
            ("true", Kind::Bool),
            ("\"1\"", Kind::Text),
            ("[1]", Kind::Json),
        ] {
            assert_eq!(kind_of(value), Some(kind), "{value}");
        }
        assert_eq!(kind_of("null"), None);
        assert_eq!(both(&Kind::Int64, &Kind::Decimal(None)), Kind::Decimal(None));
        assert_eq!(both(&Kind::Bool, &Kind::Text), Kind::Json);
    }
}
