//! Which columns of the source become which columns of the target, and as what type.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use flowglass_connect::Fault;
use flowglass_model::ErrorClass;

use super::cast;

/// The column mapping of a copy. Empty with `keep_others` passes everything as it is.
#[derive(Debug, Clone, Default)]
pub struct ColumnMap {
    /// Rules by the target's name, in the target's order.
    pub rules: Vec<(String, ColumnRule)>,
    /// Whether columns that no rule names pass as they are.
    pub keep_others: bool,
}

/// What a column of the target is made of.
#[derive(Debug, Clone, PartialEq)]
pub struct ColumnRule {
    /// The source's column.
    pub from: String,
    /// The type it gets; `None` keeps the source's.
    pub kind: Option<DataType>,
}

impl ColumnRule {
    /// The type of a manifest's word: `int64`, `decimal(12,2)`, `timestamp`, ….
    #[must_use]
    pub fn kind_of(word: &str) -> Option<DataType> {
        let (name, arguments) = match word.split_once('(') {
            Some((name, rest)) => (name.trim(), rest.trim_end().strip_suffix(')')?),
            None => (word.trim(), ""),
        };
        let numbers: Vec<i64> = arguments
            .split(',')
            .filter(|it| !it.trim().is_empty())
            .map(|it| it.trim().parse().ok())
            .collect::<Option<_>>()?;
        let kind = match (flowglass_manifest::column_type(name)?, numbers.as_slice()) {
            ("boolean", []) => DataType::Boolean,
            ("smallint", []) => DataType::Int16,
            ("int", []) => DataType::Int32,
            ("bigint", []) => DataType::Int64,
            ("uint64", []) => DataType::UInt64,
            ("real", []) => DataType::Float32,
            ("double", []) => DataType::Float64,
            ("text", []) => DataType::Utf8,
            ("binary", []) => DataType::Binary,
            ("date", []) => DataType::Date32,
            ("timestamp", []) => DataType::Timestamp(TimeUnit::Microsecond, None),
            ("timestamptz", []) => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            ("decimal", [precision @ 1..=38, scale @ 0..=38]) if scale <= precision => {
                DataType::Decimal128(u8::try_from(*precision).ok()?, i8::try_from(*scale).ok()?)
            }
            ("decimal", [precision @ 39..=76, scale @ 0..=76]) if scale <= precision => {
                DataType::Decimal256(u8::try_from(*precision).ok()?, i8::try_from(*scale).ok()?)
            }
            _ => return None,
        };
        Some(kind)
    }
}

/// What a column of the target is made of, found in a source's schema.
struct Part {
    at: usize,
    field: Field,
    cast: Option<DataType>,
}

impl ColumnMap {
    /// Passes everything as it is.
    #[must_use]
    pub fn identity() -> Self {
        Self { rules: Vec::new(), keep_others: true }
    }

    /// Whether it changes nothing.
    #[must_use]
    pub fn is_identity(&self) -> bool {
        self.rules.is_empty() && self.keep_others
    }

    /// The columns to ask the source for; `None` is all.
    pub(super) fn wanted(&self) -> Option<Vec<String>> {
        if self.keep_others {
            return None;
        }
        let mut names: Vec<String> = self.rules.iter().map(|(_, it)| it.from.clone()).collect();
        names.sort();
        names.dedup();
        Some(names)
    }

    /// The schema that the target gets.
    pub(super) fn target_schema(&self, source: &SchemaRef) -> Result<SchemaRef, Fault> {
        if self.is_identity() {
            return Ok(SchemaRef::clone(source));
        }
        let fields: Vec<Field> = self.parts(source)?.into_iter().map(|it| it.field).collect();
        Ok(Arc::new(Schema::new(fields)))
    }

    /// The rows as the target gets them.
    pub(super) fn apply(&self, rows: RecordBatch) -> Result<RecordBatch, Fault> {
        if self.is_identity() {
            return Ok(rows);
        }
        let mut fields = Vec::new();
        let mut columns: Vec<ArrayRef> = Vec::new();
        for part in self.parts(&rows.schema())? {
            let values = rows.column(part.at);
            columns.push(match &part.cast {
                Some(kind) => cast::exactly(part.field.name(), values, kind)?,
                None => ArrayRef::clone(values),
            });
            fields.push(part.field);
        }
        RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).map_err(|error| {
            Fault::new(ErrorClass::Internal, "arranging the columns").because(error)
        })
    }

    fn parts(&self, source: &SchemaRef) -> Result<Vec<Part>, Fault> {
        let mut parts = Vec::new();
        for (name, rule) in &self.rules {
            let Some((at, field)) = source.column_with_name(&rule.from) else {
                return Err(unknown_column(&rule.from, source));
            };
            let mut field = field.clone().with_name(name);
            let cast = rule.kind.clone().filter(|kind| kind != field.data_type());
            if let Some(kind) = &cast {
                // The source's own type name is not true of the converted column.
                field = Field::new(name, kind.clone(), field.is_nullable());
            }
            parts.push(Part { at, field, cast });
        }
        if self.keep_others {
            let named = |name: &str| self.rules.iter().any(|(_, it)| it.from == name);
            for (at, field) in
                source.fields().iter().enumerate().filter(|(_, it)| !named(it.name()))
            {
                parts.push(Part { at, field: field.as_ref().clone(), cast: None });
            }
        }
        Ok(parts)
    }
}

fn unknown_column(name: &str, source: &SchemaRef) -> Fault {
    let known: Vec<_> = source.fields().iter().map(|it| it.name().as_str()).collect();
    let said = format!("the source has no column `{name}`");
    Fault::new(ErrorClass::NotFound, said).hint(format!("its columns are: {}", known.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{Int64Array, StringArray};

    #[test]
    fn words_of_types() {
        assert_eq!(ColumnRule::kind_of("decimal(12, 2)"), Some(DataType::Decimal128(12, 2)));
        assert_eq!(ColumnRule::kind_of("INT64"), Some(DataType::Int64));
        for bad in ["decimal", "decimal(2,3)", "decimal(77,1)", "int(4", "money", "int64(3)"] {
            assert_eq!(ColumnRule::kind_of(bad), None, "{bad}");
        }
    }

    #[test]
    fn every_type_that_a_manifest_may_name_is_made() {
        let mut made = Vec::new();
        for (name, others) in flowglass_manifest::COLUMN_TYPES {
            let arguments = if *name == "decimal" { "(12,2)" } else { "" };
            let kind = |word: &str| ColumnRule::kind_of(&format!("{word}{arguments}"));
            let known = kind(name).unwrap_or_else(|| panic!("{name} is not made"));
            assert!(others.iter().all(|it| kind(it).as_ref() == Some(&known)), "{name}");
            assert!(!made.contains(&known), "{name} is another type's name");
            made.push(known);
        }
    }

    #[test]
    fn columns_are_renamed_cast_and_left_out() {
        let id: ArrayRef = Arc::new(Int64Array::from(vec![1]));
        let price: ArrayRef = Arc::new(StringArray::from(vec!["9.90"]));
        let note: ArrayRef = Arc::new(StringArray::from(vec!["x"]));
        let rows =
            RecordBatch::try_from_iter([("id", id), ("price", price), ("note", note)]).unwrap();
        let rule = |from: &str, kind| ColumnRule { from: from.to_owned(), kind };
        let map = ColumnMap {
            rules: vec![
                ("amount".to_owned(), rule("price", Some(DataType::Decimal128(9, 2)))),
                ("id".to_owned(), rule("id", None)),
            ],
            keep_others: false,
        };
        let shaped = map.apply(rows.clone()).unwrap();
        assert_eq!(shaped.schema(), map.target_schema(&rows.schema()).unwrap());
        assert_eq!(shaped.schema().field(0).name(), "amount");
        assert_eq!((shaped.num_columns(), map.wanted().unwrap().len()), (2, 2));
    }
}
