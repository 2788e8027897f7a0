//! From a type of the catalog to what the text of its values means.

use std::collections::HashMap;

use flowglass_connect::stream::Kind;

/// A type as `pg_type` describes it.
#[derive(Debug, Clone)]
pub(super) struct TypeRow {
    pub(super) name: String,
    /// `typtype`: `b` base, `c` composite, `d` domain, `e` enum, `r` range, `m` multirange.
    pub(super) sort: String,
    /// `typcategory`: `A` for arrays.
    pub(super) category: String,
    pub(super) element: u32,
    /// `typlen`: -1 for types of varying length.
    pub(super) length: i16,
    /// The type under a domain, and its modifier.
    pub(super) base: (u32, i32),
}

/// Types by their number.
#[derive(Debug, Default)]
pub(super) struct Types(pub(super) HashMap<u32, TypeRow>);

/// Domains may be made of domains; no catalog goes this deep.
const DEPTH_MAX: usize = 32;

impl Types {
    /// What the text of a value of this type means.
    pub(super) fn kind(&self, type_id: u32, modifier: i32) -> Kind {
        self.kind_at(type_id, modifier, 0)
    }

    fn kind_at(&self, type_id: u32, modifier: i32, depth: usize) -> Kind {
        if let Some(kind) = built_in(type_id, modifier) {
            return kind;
        }
        let Some(row) = self.0.get(&type_id).filter(|_| depth < DEPTH_MAX) else {
            return Kind::Other;
        };
        match row.sort.as_str() {
            "d" => self.kind_at(row.base.0, row.base.1, depth + 1),
            "e" => Kind::Enum,
            // `int2vector` and `oidvector` are of the category too, and are written without braces.
            "b" if row.category == "A"
                && row.element != 0
                && row.length == -1
                && !matches!(type_id, 22 | 30) =>
            {
                Kind::Array(Box::new(self.kind_at(row.element, modifier, depth + 1)))
            }
            "b" if row.name == "hstore" => Kind::Hstore,
            "b" if row.name == "citext" => Kind::Text,
            _ => Kind::Other,
        }
    }
}

/// The types that have the same number everywhere (`src/include/catalog/pg_type.dat`).
fn built_in(type_id: u32, modifier: i32) -> Option<Kind> {
    Some(match type_id {
        16 => Kind::Bool,
        21 => Kind::Int16,
        23 => Kind::Int32,
        // An `oid` is unsigned, and fits.
        20 | 26 => Kind::Int64,
        700 => Kind::Float32,
        701 => Kind::Float64,
        1700 => Kind::Decimal(numeric(modifier)),
        790 => Kind::Money,
        // "char", name, text, xml, bpchar, varchar
        18 | 19 | 25 | 142 | 1042 | 1043 => Kind::Text,
        17 => Kind::Bytes,
        1560 => Kind::Bits(u32::try_from(modifier).unwrap_or(0)),
        1562 => Kind::Bits(0),
        114 | 3802 => Kind::Json,
        2950 => Kind::Uuid,
        1082 => Kind::Date,
        1083 => Kind::Time(digits(modifier)),
        1266 => Kind::TimeTz,
        1114 => Kind::Timestamp(digits(modifier)),
        1184 => Kind::TimestampTz,
        1186 => Kind::Interval,
        _ => return None,
    })
}

/// The modifier of `time(p)` and `timestamp(p)` is `p`.
fn digits(modifier: i32) -> u8 {
    u8::try_from(modifier).unwrap_or(6)
}

/// The modifier of `numeric(p, s)` is `((p << 16) | (s & 0x7ff)) + 4`, the scale a signed number of
/// 11 bits (`src/backend/utils/adt/numeric.c`).
fn numeric(modifier: i32) -> Option<(u16, i16)> {
    let packed = modifier.checked_sub(4).filter(|packed| *packed >= 0)?;
    let scale = ((packed & 0x7ff) ^ 1024) - 1024;
    Some((u16::try_from((packed >> 16) & 0xffff).ok()?, i16::try_from(scale).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(sort: &str, category: &str, element: u32) -> TypeRow {
        TypeRow {
            name: "some".into(),
            sort: sort.into(),
            category: category.into(),
            element,
            length: -1,
            base: (0, -1),
        }
    }

    #[test]
    fn modifiers() {
        let typmod = |precision: i32, scale: i32| ((precision << 16) | (scale & 0x7ff)) + 4;
        assert_eq!(built_in(1700, typmod(12, 2)), Some(Kind::Decimal(Some((12, 2)))));
        assert_eq!(built_in(1700, typmod(5, -2)), Some(Kind::Decimal(Some((5, -2)))));
        assert_eq!(built_in(1700, -1), Some(Kind::Decimal(None)));
        assert_eq!(built_in(1114, 3), Some(Kind::Timestamp(3)));
        assert_eq!(built_in(1083, -1), Some(Kind::Time(6)));
        assert_eq!(built_in(1560, 8), Some(Kind::Bits(8)));
    }

    #[test]
    fn domains_arrays_and_loops() {
        let mut types = Types::default();
        types.0.insert(90_000, TypeRow { base: (1700, -1), ..row("d", "N", 0) });
        types.0.insert(90_001, row("b", "A", 90_000));
        types.0.insert(90_002, row("e", "E", 0));
        types.0.insert(90_003, TypeRow { base: (90_003, -1), ..row("d", "N", 0) });
        assert_eq!(types.kind(90_000, -1), Kind::Decimal(None));
        assert_eq!(types.kind(90_001, -1), Kind::Array(Box::new(Kind::Decimal(None))));
        assert_eq!(types.kind(90_002, -1), Kind::Enum);
        assert_eq!(types.kind(90_003, -1), Kind::Other);
        assert_eq!(types.kind(12_345, -1), Kind::Other);
    }
}
