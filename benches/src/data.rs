//! The table that is copied: orders of a shop, about 150 bytes a row, the same at every run.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;

use anyhow::{Context, Result};

/// Columns and their types in the words of the CSV source, which Postgres understands too.
pub(crate) const COLUMNS: [(&str, &str); 9] = [
    ("order_id", "bigint"),
    ("customer_id", "integer"),
    ("quantity", "integer"),
    ("amount", "decimal(12,2)"),
    ("status", "text"),
    ("country", "text"),
    ("note", "text"),
    ("ordered_at", "timestamp"),
    ("updated_at", "timestamp"),
];

const STATES: [&str; 5] = ["paid", "shipped", "delivered", "cancelled", "returned"];
const COUNTRIES: [&str; 8] = ["DE", "FR", "US", "JP", "BR", "IN", "NO", "ZA"];
const WORDS: [&str; 16] = [
    "ring",
    "twice",
    "leave",
    "parcel",
    "behind",
    "green",
    "door",
    "before",
    "noon",
    "neighbour",
    "knows",
    "fragile",
    "glass",
    "upstairs",
    "please",
    "call",
];

/// Columns in the words of SQL: `order_id bigint, …`.
pub(crate) fn sql_columns() -> String {
    COLUMNS.map(|(name, kind)| format!("{name} {kind}")).join(", ")
}

/// Columns as a map in YAML.
pub(crate) fn yaml_columns() -> String {
    let pairs = COLUMNS.map(|(name, kind)| format!("{name}: \"{kind}\""));
    format!("{{ {} }}", pairs.join(", "))
}

/// Writes the table as CSV, with a header.
///
/// # Errors
/// When the file cannot be written.
pub(crate) fn write_csv(path: &Path, rows: u64) -> Result<()> {
    let failed = || format!("writing {}", path.display());
    let mut file = BufWriter::with_capacity(1 << 20, File::create(path).with_context(failed)?);
    let names = COLUMNS.map(|(name, _)| name).join(",");
    writeln!(file, "{names}").with_context(failed)?;
    let mut dice = Dice(0x9E37_79B9_7F4A_7C15);
    let mut line = String::new();
    for id in 1..=rows {
        line.clear();
        row(&mut line, id, &mut dice).context("making a row")?;
        file.write_all(line.as_bytes()).with_context(failed)?;
    }
    file.flush().with_context(failed)
}

fn row(line: &mut String, id: u64, dice: &mut Dice) -> std::fmt::Result {
    write!(line, "{},{},{},", 1_000_000_000 + id, dice.below(900_000), 1 + dice.below(20))?;
    write!(line, "{}.{:02},", dice.below(5_000), dice.below(100))?;
    write!(line, "{},{},", dice.one_of(&STATES), dice.one_of(&COUNTRIES))?;
    // One note in eight has a comma and therefore quotes.
    let quoted = dice.below(8) == 0;
    line.push_str(if quoted { "\"careful, " } else { "" });
    for at in 0..9 {
        line.push_str(if at > 0 { " " } else { "" });
        line.push_str(dice.one_of(&WORDS));
    }
    line.push_str(if quoted { "\"," } else { "," });
    let month = 1 + dice.below(11);
    moment(line, month, dice)?;
    line.push(',');
    moment(line, month + 1, dice)?;
    line.push('\n');
    Ok(())
}

fn moment(line: &mut String, month: u64, dice: &mut Dice) -> std::fmt::Result {
    let (day, hour) = (1 + dice.below(28), dice.below(24));
    let (minute, second, micro) = (dice.below(60), dice.below(60), dice.below(1_000_000));
    write!(line, "2026-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}.{micro:06}")
}

/// Marsaglia's xorshift: not random enough for anything but filling a table fast and alike.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) % bound
    }

    fn one_of<'a>(&mut self, words: &[&'a str]) -> &'a str {
        let at = usize::try_from(self.below(words.len() as u64)).unwrap_or(0);
        words.get(at).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_has_about_150_bytes_and_is_the_same_every_time() {
        let folder = tempfile::tempdir().unwrap();
        let texts = ["one.csv", "two.csv"].map(|name| {
            let path = folder.path().join(name);
            write_csv(&path, 1_000).unwrap();
            std::fs::read_to_string(path).unwrap()
        });
        assert_eq!(texts[0], texts[1]);
        assert_eq!(texts[0].lines().count(), 1_001);
        assert!((140..165).contains(&(texts[0].len() / 1_000)), "{}", texts[0].len());
    }
}
