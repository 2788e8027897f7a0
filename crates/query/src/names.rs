//! Names as people write them: found whatever their case, answered in the spelling of their source.
//!
//! DataFusion lower-cases names without quotes and compares exactly. Tables from CSV headers and
//! databases have columns such as `OrderID`, which nobody wants to quote. So tables are shown to
//! the planner with lower-case names, quoted names of the query are re-spelt to match before it is
//! parsed, and the spelling comes back on the result. Scoping stays the planner's work.

use std::collections::{BTreeSet, HashMap};

use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};

/// The spellings of one query's columns.
#[derive(Debug, Clone, Default)]
pub(crate) struct Names {
    /// Names that are shown as they are, because they would collide in lower case.
    kept: BTreeSet<String>,
    /// All column and table names in their own spelling.
    own: BTreeSet<String>,
}

impl Names {
    /// Learns the names of one table and its columns.
    pub(crate) fn learn<'a>(
        &mut self,
        table: &str,
        columns: impl Iterator<Item = &'a str> + Clone,
    ) {
        let mut seen: HashMap<String, u32> = HashMap::new();
        for column in columns.clone() {
            *seen.entry(column.to_ascii_lowercase()).or_default() += 1;
        }
        for column in columns {
            if seen.get(&column.to_ascii_lowercase()).is_some_and(|times| *times > 1) {
                self.kept.insert(column.to_owned());
            }
            self.own.insert(column.to_owned());
        }
        self.own.insert(table.to_owned());
    }

    /// The name that the planner sees.
    pub(crate) fn shown(&self, own: &str) -> String {
        if self.kept.contains(own) { own.to_owned() } else { own.to_ascii_lowercase() }
    }

    /// Spells quoted names of the query as the planner sees them.
    pub(crate) fn respell(&self, tokens: &mut [TokenWithSpan]) {
        for token in tokens {
            if let Token::Word(word) = &mut token.token
                && word.quote_style.is_some()
                && self.own.contains(&word.value)
            {
                word.value = self.shown(&word.value);
            }
        }
    }

    /// The names of the result: an alias as it was written, else a column as its source spells it,
    /// where there is one such spelling only.
    pub(crate) fn restore(&self, aliases: &[String], results: &[String]) -> Vec<String> {
        let aliases = spellings(aliases.iter());
        let own = spellings(self.own.iter());
        results
            .iter()
            .map(|name| {
                if self.kept.contains(name) {
                    return name.clone();
                }
                match aliases.get(name).or_else(|| own.get(name)) {
                    Some(Some(spelt)) => (*spelt).clone(),
                    Some(None) | None => name.clone(),
                }
            })
            .collect()
    }

    /// The known name that is most like `wanted`, in its own spelling.
    pub(crate) fn nearest<'a>(
        wanted: &str,
        known: impl Iterator<Item = &'a str>,
    ) -> Option<&'a str> {
        let lower = wanted.to_lowercase();
        known
            .map(|name| (strsim::damerau_levenshtein(&lower, &name.to_lowercase()), name))
            .filter(|(distance, name)| *distance <= (name.chars().count().max(3) / 3).max(1))
            .min_by_key(|(distance, _)| *distance)
            .map(|(_, name)| name)
    }

    /// How its sources spell a name that the planner speaks of.
    pub(crate) fn own_spelling<'a>(&'a self, shown: &'a str) -> &'a str {
        self.own.iter().find(|own| self.shown(own) == shown).map_or(shown, String::as_str)
    }
}

/// By lower-case name its only spelling, or `None` where there are several.
fn spellings<'a>(names: impl Iterator<Item = &'a String>) -> HashMap<String, Option<&'a String>> {
    let mut found: HashMap<String, Option<&'a String>> = HashMap::new();
    for name in names {
        found
            .entry(name.to_ascii_lowercase())
            .and_modify(|known| *known = known.filter(|spelt| *spelt == name))
            .or_insert(Some(name));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_result_gets_its_spelling_back() {
        let mut names = Names::default();
        names.learn("orders", ["OrderID", "day"].into_iter());
        let results = ["orderid", "total", "day", "n"].map(str::to_owned);
        let restored = names.restore(&["Total".to_owned()], &results);
        assert_eq!(restored, ["OrderID", "Total", "day", "n"]);
    }

    #[test]
    fn columns_that_collide_keep_their_case() {
        let mut names = Names::default();
        names.learn("t", ["ID", "id", "Name"].into_iter());
        assert_eq!(
            [names.shown("ID"), names.shown("id"), names.shown("Name")],
            ["ID", "id", "name"]
        );
    }

    #[test]
    fn the_nearest_name_is_near() {
        let known = ["order_id", "total", "day"];
        assert_eq!(Names::nearest("totl", known.into_iter()), Some("total"));
        assert_eq!(Names::nearest("ordr_ID", known.into_iter()), Some("order_id"));
        assert_eq!(Names::nearest("zebra", known.into_iter()), None);
    }
}
