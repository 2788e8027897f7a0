//! JSON Lines as this target writes it: one object a line, every column in it, null included.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Seek as _};

use flowglass_connect::{Fault, SchemaChange, Strategy, WritePlan};
use flowglass_model::ErrorClass;
use serde_json::value::RawValue;

use crate::files::{Format, RowTaker, TextColumn, columns_added, json_string, named_positions};

/// Lines of the old file that tell its columns.
const SAMPLE_LINES_MAX: usize = 1_000;

/// The format, fitted to a plan.
#[derive(Debug)]
pub(super) struct Jsonl {
    /// The columns of the batches that are written.
    picks: Vec<usize>,
    /// Key columns by name.
    key: Vec<String>,
    added: Vec<(String, String)>,
}

type Object<'a> = BTreeMap<String, &'a RawValue>;

impl Format for Jsonl {
    type Config = ();

    fn fit((): &(), plan: &WritePlan, old: Option<&File>) -> Result<Self, Fault> {
        let have = match old {
            // What is replaced need not be readable.
            Some(old) if plan.strategy == Strategy::FullRefresh => {
                old_keys(old).unwrap_or_default()
            }
            Some(old) => old_keys(old)?,
            None => Vec::new(),
        };
        let fields = plan.schema.fields();
        let mut added = Vec::new();
        let mut picks: Vec<usize> = (0..fields.len()).collect();
        if !have.is_empty() {
            let known: Vec<&str> = have.iter().map(String::as_str).collect();
            let new = columns_added(&known, &plan.schema, plan.schema_change)?;
            added.extend(new.iter().map(|field| (field.name().clone(), "json".to_owned())));
            if plan.schema_change == SchemaChange::Ignore {
                picks.retain(|at| fields.get(*at).is_some_and(|it| have.contains(it.name())));
            }
        }
        if plan.strategy == Strategy::IncrementalMerge {
            named_positions(&plan.schema, &plan.key)?;
        }
        Ok(Self { picks, key: plan.key.clone(), added })
    }

    fn added(&self) -> Vec<(String, String)> {
        self.added.clone()
    }

    fn header(&self, _out: &mut Vec<u8>) -> Result<(), Fault> {
        Ok(())
    }

    fn line(&self, columns: &[TextColumn], row: usize, out: &mut Vec<u8>) -> Result<(), Fault> {
        out.push(b'{');
        let columns = self.picks.iter().filter_map(|at| columns.get(*at));
        for (at, column) in columns.enumerate() {
            if at > 0 {
                out.push(b',');
            }
            json_string(column.name().as_bytes(), out);
            out.push(b':');
            column.write_json(row, out);
        }
        out.push(b'}');
        Ok(())
    }

    fn key(&self, columns: &[TextColumn], row: usize, out: &mut Vec<u8>) -> Result<(), Fault> {
        let mut text = Vec::new();
        for name in &self.key {
            let Some(column) = columns.iter().find(|it| it.name() == name) else { continue };
            text.clear();
            column.write_json(row, &mut text);
            if text == b"null" {
                return Err(Fault::new(
                    ErrorClass::Constraint,
                    format!("the key column `{name}` is null in a row, which a merge cannot match"),
                ));
            }
            key_part(&text, out);
        }
        Ok(())
    }

    fn old_rows(&self, old: &File, take: &mut RowTaker<'_>) -> Result<(), Fault> {
        let mut key = Vec::new();
        lines(old, &mut |at, line| {
            key.clear();
            if !self.key.is_empty() {
                let object: Object<'_> = serde_json::from_slice(line)
                    .map_err(|error| odd_line(at, "is no JSON object").because(place(&error)))?;
                for name in &self.key {
                    let Some(value) = object.get(name) else {
                        return Err(odd_line(at, &format!("lacks the key column `{name}`")));
                    };
                    key_part(value.get().as_bytes(), &mut key);
                }
            }
            take(&key, line).map(|()| true)
        })
    }

    fn keeps_old_bytes(&self) -> bool {
        true
    }

    fn same(&self, old: &[u8], new: &[u8]) -> bool {
        let object = |line| serde_json::from_slice::<Object<'_>>(line).ok();
        old == new
            || match (object(old), object(new)) {
                (Some(old), Some(new)) => {
                    // A key that is not there and one that is null are the same column value.
                    let set = |value: &&RawValue| value.get() != "null";
                    let old = old.iter().filter(|(_key, value)| set(value));
                    let new = new.iter().filter(|(_key, value)| set(value));
                    old.map(canonical_pair).eq(new.map(canonical_pair))
                }
                _ => false,
            }
    }

    fn count(&self, file: File) -> std::io::Result<u64> {
        let mut rows = 0;
        let mut filled = false;
        let mut buffer = vec![0u8; 1 << 20];
        let mut file = file;
        loop {
            let got = file.read(&mut buffer)?;
            let text = buffer.get(..got).unwrap_or_default();
            if text.is_empty() {
                return Ok(rows + u64::from(filled));
            }
            let mut rest = text;
            while let Some(at) = memchr::memchr(b'\n', rest) {
                let (line, after) = rest.split_at(at + 1);
                rows += u64::from(filled || !line.trim_ascii().is_empty());
                filled = false;
                rest = after;
            }
            filled |= !rest.trim_ascii().is_empty();
        }
    }
}

fn canonical_pair<'a>((key, value): (&'a String, &'a &RawValue)) -> (&'a String, Vec<u8>) {
    (key, canonical(value.get().as_bytes()))
}

/// Strings may be escaped in more than one way; everything else is compared as it is written, so
/// that no digit is lost.
fn canonical(value: &[u8]) -> Vec<u8> {
    if value.first() == Some(&b'"')
        && memchr::memchr(b'\\', value).is_some()
        && let Ok(text) = serde_json::from_slice::<String>(value)
    {
        let mut out = Vec::new();
        json_string(text.as_bytes(), &mut out);
        return out;
    }
    value.to_vec()
}

/// Lengths keep `("a", "bc")` and `("ab", "c")` apart.
fn key_part(value: &[u8], out: &mut Vec<u8>) {
    let value = canonical(value);
    out.extend_from_slice(&(value.len() as u64).to_le_bytes());
    out.extend_from_slice(&value);
}

/// Takes a line with its number; `false` ends the reading.
type LineTaker<'a> = dyn FnMut(u64, &[u8]) -> Result<bool, Fault> + 'a;

/// Gives each line that is not blank with its number, until the taker says `false`.
fn lines(mut old: &File, take: &mut LineTaker<'_>) -> Result<(), Fault> {
    let failed = |error| Fault::io("reading the old lines of the jsonl file", error);
    old.rewind().map_err(failed)?;
    let mut input = BufReader::with_capacity(1 << 20, old);
    let mut line = Vec::new();
    for at in 1.. {
        line.clear();
        if input.read_until(b'\n', &mut line).map_err(failed)? == 0 {
            break;
        }
        let text = line.trim_ascii();
        if !text.is_empty() && !take(at, text)? {
            break;
        }
    }
    Ok(())
}

fn old_keys(old: &File) -> Result<Vec<String>, Fault> {
    let mut keys: Vec<String> = Vec::new();
    let mut seen = 0;
    lines(old, &mut |at, line| {
        let object: Object<'_> = serde_json::from_slice(line)
            .map_err(|error| odd_line(at, "is no JSON object").because(place(&error)))?;
        for key in object.into_keys() {
            if !keys.contains(&key) {
                keys.push(key);
            }
        }
        seen += 1;
        Ok(seen < SAMPLE_LINES_MAX)
    })?;
    Ok(keys)
}

/// Where in the line; the parser's own words could show a value.
fn place(error: &serde_json::Error) -> String {
    format!("it breaks at column {}", error.column())
}

fn odd_line(at: u64, what: &str) -> Fault {
    Fault::new(ErrorClass::Malformed, format!("line {at} of the jsonl file that is there {what}"))
        .hint("Correct the file, or load it once with `full_refresh`.")
}
