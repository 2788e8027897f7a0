//! Which tables a stream takes: names with wildcards.
//!
//! `%` and `*` stand for any run of characters and `?` for one. An underscore is an underscore:
//! SQL's `LIKE` would take it for any character, and table names are full of them.

use flowglass_clients::postgres::TableName;
use flowglass_connect::Fault;
use flowglass_model::ErrorClass;

/// One entry of `tables`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pattern {
    name: TableName,
}

impl Pattern {
    /// Reads `schema.table` with wildcards in either part; without a schema it is `public`.
    pub(super) fn parse(text: &str) -> Result<Self, Fault> {
        TableName::parse(text).map(|name| Self { name })
    }

    /// Whether a table is meant.
    pub(super) fn matches(&self, schema: &str, table: &str) -> bool {
        fits(&self.name.schema, schema) && fits(&self.name.table, table)
    }
}

impl std::fmt::Display for Pattern {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.name.fmt(f)
    }
}

/// All entries of `tables`.
#[derive(Debug, Clone)]
pub(super) struct Patterns(Vec<Pattern>);

impl Patterns {
    pub(super) fn parse(texts: &[String]) -> Result<Self, Fault> {
        if texts.is_empty() {
            return Err(Fault::new(ErrorClass::Config, "a postgres stream needs `tables`")
                .hint("Name them, as in `tables: [public.orders, \"public.order_%\"]`."));
        }
        texts.iter().map(|text| Pattern::parse(text)).collect::<Result<_, _>>().map(Self)
    }

    /// Whether one of them means this table.
    pub(super) fn matches(&self, schema: &str, table: &str) -> bool {
        self.0.iter().any(|pattern| pattern.matches(schema, table))
    }

    /// The fault of a pattern that means no table, naming the nearest one there is.
    pub(super) fn unmatched(&self, tables: &[(&str, &str)]) -> Result<(), Fault> {
        let lonely = self
            .0
            .iter()
            .find(|pattern| !tables.iter().any(|(schema, table)| pattern.matches(schema, table)));
        let Some(pattern) = lonely else { return Ok(()) };
        let wanted = pattern.to_string();
        let nearest = tables
            .iter()
            .map(|(schema, table)| format!("{schema}.{table}"))
            .map(|name| (strsim::jaro_winkler(&name, &wanted), name))
            .filter(|(likeness, _)| *likeness > 0.7)
            .max_by(|one, two| one.0.total_cmp(&two.0));
        let fault = Fault::new(
            ErrorClass::NotFound,
            format!("no table of the database is meant by `{wanted}`"),
        );
        Err(match nearest {
            Some((_, name)) => fault.hint(format!("Did you mean `{name}`?")),
            None => fault.hint(
                "Tables are named `schema.table`; `%` or `*` stands for any run of characters, \
                 `?` for one.",
            ),
        })
    }
}

/// Whether `text` fits `pattern`. Goes back to the last wildcard only, so that no pattern takes more
/// than the product of both lengths.
fn fits(pattern: &str, text: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let text: Vec<char> = text.chars().collect();
    let (mut at, mut seen) = (0, 0);
    let mut back: Option<(usize, usize)> = None;
    while let Some(character) = text.get(seen) {
        match pattern.get(at) {
            Some('%' | '*') => {
                back = Some((at, seen));
                at += 1;
            }
            Some(wanted) if *wanted == '?' || wanted == character => {
                at += 1;
                seen += 1;
            }
            _ => {
                let Some((wildcard, from)) = back else { return false };
                back = Some((wildcard, from + 1));
                at = wildcard + 1;
                seen = from + 1;
            }
        }
    }
    pattern.iter().skip(at).all(|rest| matches!(rest, '%' | '*'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_and_plain_underscores() {
        for (pattern, table, fit) in [
            ("orders", "orders", true),
            ("order_%", "order_items", true),
            ("order_%", "orders", false),
            ("order_%", "orderXitems", false),
            ("%_log", "a_log_log", true),
            ("*", "anything", true),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("", "a", false),
            ("a%b*c", "axxbxxc", true),
            ("a%b*c", "axxbxx", false),
        ] {
            assert_eq!(fits(pattern, table), fit, "{pattern} {table}");
        }
    }

    #[test]
    fn an_unknown_table_is_answered_with_the_nearest() {
        let patterns = Patterns::parse(&["public.ordres".into()]).unwrap();
        let fault = patterns.unmatched(&[("public", "orders"), ("shop", "items")]).unwrap_err();
        assert_eq!(fault.class(), ErrorClass::NotFound);
        assert_eq!(fault.advice(), "Did you mean `public.orders`?");
        let patterns = Patterns::parse(&["order%".into(), "\"Odd\".x".into()]).unwrap();
        assert!(patterns.unmatched(&[("public", "orders"), ("Odd", "x")]).is_ok());
        assert!(Patterns::parse(&[]).is_err());
    }
}
