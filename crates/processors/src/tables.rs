//! Which tables a processor is about: patterns as `tables` has them.

use flowglass_connect::stream::Relation;
use serde::Deserialize;

/// The tables that a processor applies to: all, unless it says which.
///
/// A pattern is `schema.table`, or `table` alone for that table of any schema; `%` and `*` stand for any
/// characters, dots excepted.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(transparent)]
pub(crate) struct Tables(Option<Vec<String>>);

impl Tables {
    /// Whether the processor applies to that table.
    pub(crate) fn take(&self, relation: &Relation) -> bool {
        let Some(patterns) = &self.0 else { return true };
        patterns.iter().any(|pattern| match pattern.split_once('.') {
            Some((schema, table)) => {
                matches(schema, &relation.schema) && matches(table, &relation.table)
            }
            None => matches(pattern, &relation.table),
        })
    }

    /// Whether the tables were named, so that each has to be as the processor needs it.
    pub(crate) const fn are_named(&self) -> bool {
        self.0.is_some()
    }
}

/// Whether a name fits a pattern. After a mismatch it goes on one character behind the last wildcard's
/// first try, which is enough, since a later wildcard can take whatever an earlier one could.
fn matches(pattern: &str, name: &str) -> bool {
    let (pattern, name) = (pattern.as_bytes(), name.as_bytes());
    let (mut at, mut of) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    while let Some(byte) = name.get(at) {
        match pattern.get(of) {
            Some(b'%' | b'*') => {
                of += 1;
                retry = Some((at, of));
            }
            Some(wanted) if wanted == byte => {
                at += 1;
                of += 1;
            }
            _ => {
                let Some((tried, behind)) = retry else { return false };
                retry = Some((tried + 1, behind));
                at = tried + 1;
                of = behind;
            }
        }
    }
    pattern.get(of..).unwrap_or_default().iter().all(|byte| matches!(byte, b'%' | b'*'))
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn a_pattern_stands_for_names() {
        for (pattern, name, wanted) in [
            ("orders", "orders", true),
            ("orders", "orders_1", false),
            ("order%", "orders_1", true),
            ("*_log", "audit_log", true),
            ("*_log", "audit_log_old", false),
            ("%a%b%", "xxaxxabx", true),
            ("a*b*c", "abbbc", true),
            ("a*b*c", "abbb", false),
            ("*", "", true),
            ("", "", true),
            ("", "x", false),
        ] {
            assert_eq!(matches(pattern, name), wanted, "{pattern} {name}");
        }
    }
}
