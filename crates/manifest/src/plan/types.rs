//! The words for the types of columns: one table for the check of a manifest and for the engine,
//! so that what one takes the other knows.

/// The types that a column may be declared with, each with its other names. `decimal` takes a
/// precision and a scale; the others stand alone.
pub const COLUMN_TYPES: &[(&str, &[&str])] = &[
    ("boolean", &["bool"]),
    ("smallint", &["int16"]),
    ("int", &["int32", "integer"]),
    ("bigint", &["int64"]),
    ("uint64", &[]),
    ("real", &["float32"]),
    ("double", &["float64", "float"]),
    ("decimal", &["numeric"]),
    ("text", &["string", "varchar"]),
    ("binary", &["bytes"]),
    ("date", &[]),
    ("timestamp", &[]),
    ("timestamptz", &[]),
];

/// The first name of the type that `word` stands for, whatever the case of its letters.
#[must_use]
pub fn column_type(word: &str) -> Option<&'static str> {
    let means = |name: &&str| name.eq_ignore_ascii_case(word);
    let found = COLUMN_TYPES.iter().find(|(name, others)| means(name) || others.iter().any(means));
    found.map(|(name, _)| *name)
}
