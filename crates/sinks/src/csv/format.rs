//! CSV as this target writes it: RFC 4180 with LF, quotes only where they are needed, and null
//! told from an empty text by its quotes.

use std::fs::File;

use flowglass_connect::{Fault, SchemaChange, Strategy, WritePlan};
use flowglass_model::ErrorClass;

use super::config::Settings;
use super::record::{Cell, Dialect, Records, cells, count};
use crate::files::{Format, Look, RowTaker, TextColumn, columns_added, named_positions};

/// The format, fitted to a plan.
#[derive(Debug)]
pub(super) struct Csv {
    settings: Settings,
    /// The columns of the new file.
    names: Vec<String>,
    /// Which column of the batches each of them is.
    picks: Vec<Option<usize>>,
    /// Key columns, by their place in the new file.
    key: Vec<usize>,
    added: Vec<(String, String)>,
    /// Columns that old rows lack.
    missing: usize,
}

impl Format for Csv {
    type Config = Settings;

    fn fit(config: &Settings, plan: &WritePlan, old: Option<&File>) -> Result<Self, Fault> {
        let incoming: Vec<String> =
            plan.schema.fields().iter().map(|field| field.name().clone()).collect();
        if incoming.is_empty() {
            return Err(Fault::new(
                ErrorClass::Unsupported,
                "csv cannot hold rows without columns",
            ));
        }
        let settings = config.clone();
        let refresh = plan.strategy == Strategy::FullRefresh;
        let old_names = match old {
            // What is replaced need not be readable.
            Some(old) if refresh => old_names(old, &settings, &incoming).unwrap_or_default(),
            Some(old) => old_names(old, &settings, &incoming)?,
            None => Vec::new(),
        };
        let mut added = Vec::new();
        let names = if old_names.is_empty() {
            incoming.clone()
        } else {
            let have: Vec<&str> = old_names.iter().map(String::as_str).collect();
            let new = columns_added(&have, &plan.schema, plan.schema_change)?;
            added.extend(new.iter().map(|field| (field.name().clone(), "text".to_owned())));
            let ignore = plan.schema_change == SchemaChange::Ignore;
            if refresh {
                let kept = |name: &&String| !ignore || old_names.contains(name);
                incoming.iter().filter(kept).cloned().collect()
            } else {
                let new = new.iter().map(|field| field.name().clone());
                old_names.iter().cloned().chain(new).collect()
            }
        };
        let missing = if refresh || old_names.is_empty() { 0 } else { added.len() };
        let picks = names.iter().map(|name| incoming.iter().position(|it| it == name)).collect();
        let place = |name: &String| names.iter().position(|it| it == name).unwrap_or_default();
        if plan.strategy == Strategy::IncrementalMerge {
            named_positions(&plan.schema, &plan.key)?;
        }
        let key = plan.key.iter().map(place).collect();
        Ok(Self { settings, picks, key, added, missing, names })
    }

    fn added(&self) -> Vec<(String, String)> {
        self.added.clone()
    }

    fn header(&self, out: &mut Vec<u8>) -> Result<(), Fault> {
        if !self.settings.header {
            return Ok(());
        }
        for (at, name) in self.names.iter().enumerate() {
            if at > 0 {
                out.push(self.settings.dialect.delimiter);
            }
            self.cell(name, name.as_bytes(), out)?;
        }
        out.push(b'\n');
        Ok(())
    }

    fn line(&self, columns: &[TextColumn], row: usize, out: &mut Vec<u8>) -> Result<(), Fault> {
        let mut text = Vec::new();
        for (at, pick) in self.picks.iter().enumerate() {
            if at > 0 {
                out.push(self.settings.dialect.delimiter);
            }
            let column = pick.and_then(|pick| columns.get(pick));
            let Some(column) = column else {
                out.extend_from_slice(&self.settings.null);
                continue;
            };
            text.clear();
            match column.write(row, &mut text) {
                Look::Null => out.extend_from_slice(&self.settings.null),
                Look::Bare | Look::Text | Look::Json => self.cell(column.name(), &text, out)?,
            }
        }
        Ok(())
    }

    fn key(&self, columns: &[TextColumn], row: usize, out: &mut Vec<u8>) -> Result<(), Fault> {
        let mut text = Vec::new();
        for at in &self.key {
            let column = self.picks.get(*at).copied().flatten().and_then(|at| columns.get(at));
            let Some(column) = column else { continue };
            text.clear();
            if column.write(row, &mut text) == Look::Null {
                return Err(Fault::new(
                    ErrorClass::Constraint,
                    format!(
                        "the key column `{}` is null in a row, which a merge cannot match",
                        column.name()
                    ),
                ));
            }
            key_part(&text, out);
        }
        Ok(())
    }

    fn old_rows(&self, old: &File, take: &mut RowTaker<'_>) -> Result<(), Fault> {
        let failed = |error| Fault::io("reading the old rows of the csv file", error);
        let dialect = self.settings.dialect;
        let mut records = Records::new(old, dialect).map_err(failed)?;
        let (mut record, mut key) = (Vec::new(), Vec::new());
        let old_columns = self.names.len() - self.missing;
        let mut at = 0u64;
        while records.next(&mut record).map_err(failed)? {
            at += 1;
            if (at == 1 && self.settings.header) || (record.is_empty() && old_columns > 1) {
                continue;
            }
            key.clear();
            if !self.key.is_empty() {
                let cells = cells(dialect, &record);
                if cells.len() != old_columns {
                    return Err(Fault::new(
                        ErrorClass::Malformed,
                        format!(
                            "record {at} of the csv file that is there has {} fields and not \
                             {old_columns}",
                            cells.len()
                        ),
                    )
                    .hint("Correct the file, or load it once with `full_refresh`."));
                }
                for place in &self.key {
                    key_part(cells.get(*place).map_or(&[], |cell| &cell.text), &mut key);
                }
            }
            for _column in 0..self.missing {
                record.push(dialect.delimiter);
                record.extend_from_slice(&self.settings.null);
            }
            take(&key, &record)?;
        }
        Ok(())
    }

    fn keeps_old_bytes(&self) -> bool {
        self.missing == 0
    }

    fn same(&self, old: &[u8], new: &[u8]) -> bool {
        let null = |cell: &Cell| !cell.quoted && cell.text == self.settings.null;
        let dialect = self.settings.dialect;
        let equal = |(old, new): (&Cell, &Cell)| old.text == new.text && null(old) == null(new);
        old == new || {
            let (old, new) = (cells(dialect, old), cells(dialect, new));
            old.len() == new.len() && old.iter().zip(&new).all(equal)
        }
    }

    fn count(&self, file: File) -> std::io::Result<u64> {
        let records = count(file, self.settings.dialect, self.names.len())?;
        Ok(records.saturating_sub(u64::from(self.settings.header)))
    }
}

impl Csv {
    fn cell(&self, name: &str, text: &[u8], out: &mut Vec<u8>) -> Result<(), Fault> {
        let Dialect { delimiter, quote } = self.settings.dialect;
        let plain = text != self.settings.null
            && memchr::memchr3(delimiter, b'\n', b'\r', text).is_none()
            && quote.is_none_or(|quote| memchr::memchr(quote, text).is_none());
        if memchr::memchr(0, text).is_some() {
            return Err(inexact(name, "holds a NUL byte, which csv cannot")
                .hint("Leave the column out, or write jsonl or parquet."));
        }
        let Some(quote) = quote.filter(|_quote| !plain) else {
            if !plain {
                return Err(inexact(name, "would need quotes, and `quote` is `none`")
                    .hint("Set `quote`, or a `delimiter` that no value holds."));
            }
            out.extend_from_slice(text);
            return Ok(());
        };
        out.push(quote);
        for byte in text {
            if *byte == quote {
                out.push(quote);
            }
            out.push(*byte);
        }
        out.push(quote);
        Ok(())
    }
}

fn inexact(name: &str, why: &str) -> Fault {
    Fault::new(ErrorClass::Inexact, format!("a value of column `{name}` {why}"))
}

/// Lengths keep `("a", "bc")` and `("ab", "c")` apart.
fn key_part(text: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&(text.len() as u64).to_le_bytes());
    out.extend_from_slice(text);
}

/// The columns of the file that is there. Without header there are only places, which take the
/// names of the rows.
fn old_names(old: &File, settings: &Settings, incoming: &[String]) -> Result<Vec<String>, Fault> {
    let failed = |error| Fault::io("reading the csv file that is there", error);
    let mut records = Records::new(old, settings.dialect).map_err(failed)?;
    let mut record = Vec::new();
    if !records.next(&mut record).map_err(failed)? {
        return Ok(Vec::new());
    }
    let cells = cells(settings.dialect, &record);
    if settings.header {
        let name = |cell: Cell| String::from_utf8_lossy(&cell.text).into_owned();
        return Ok(cells.into_iter().map(name).collect());
    }
    if cells.len() != incoming.len() {
        return Err(Fault::new(
            ErrorClass::Schema,
            format!(
                "the csv file has {} columns without names, and the rows have {}",
                cells.len(),
                incoming.len()
            ),
        ));
    }
    Ok(incoming.to_vec())
}
