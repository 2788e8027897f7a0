//! Looks at JSON Lines files before reading: which files, which keys, of which types.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use arrow::datatypes::{Schema, SchemaRef};
use async_trait::async_trait;
use flowglass_connect::{BatchReader, BatchSource, Fault, ReadRequest, ThreadedReader};
use flowglass_model::{AssetRef, ErrorClass};

use super::config::Config;
use super::line::{Keys, read_line};
use super::read::{Layout, Reader, flawed, not_text, string_text};
use crate::files::{
    Chunks, ColumnType, CursorFilter, Found, Guess, Rule, SAMPLE_BYTES_MAX, SAMPLE_ROWS_MAX, Shape,
    chunk_bytes, cut_fault, expand, open_text, pick_columns, skip_mark,
};

const ENDINGS: &[&str] = &[
    ".jsonl",
    ".ndjson",
    ".json",
    ".jsonl.gz",
    ".ndjson.gz",
    ".json.gz",
    ".jsonl.zst",
    ".ndjson.zst",
    ".json.zst",
];

/// JSON Lines files as a source.
#[derive(Debug)]
pub(super) struct Source {
    config: Arc<Config>,
    base: PathBuf,
}

impl Source {
    pub(super) fn new(config: Config, base: PathBuf) -> Self {
        Self { config: Arc::new(config), base }
    }
}

#[async_trait]
impl BatchSource for Source {
    fn asset(&self) -> AssetRef {
        AssetRef::file(&self.config.path)
    }

    async fn open(&self, request: ReadRequest) -> Result<Box<dyn BatchReader>, Fault> {
        let (config, base) = (Arc::clone(&self.config), self.base.clone());
        let look = move || plan(&config, &base, &request);
        let (schema, reader, bytes) =
            tokio::task::spawn_blocking(look).await.map_err(|error| {
                Fault::new(ErrorClass::Internal, "looking at the jsonl files").because(error)
            })??;
        Ok(Box::new(ThreadedReader::start("jsonl-read", schema, bytes, reader)?))
    }
}

type Planned = (SchemaRef, Reader, Arc<AtomicU64>);

fn plan(config: &Config, base: &Path, request: &ReadRequest) -> Result<Planned, Fault> {
    let files = expand(base, &config.path, ENDINGS)?;
    let mut sample = Sample::default();
    for file in &files {
        if sample.rows < SAMPLE_ROWS_MAX && sample.bytes < SAMPLE_BYTES_MAX {
            sample.take(file)?;
        }
    }
    for declared in config.columns.keys() {
        if sample.keys.place(declared).is_none() {
            sample.keys.add(declared);
            sample.guesses.push(Guess::default());
        }
    }
    if sample.keys.names.is_empty() {
        return Err(Fault::new(
            ErrorClass::Malformed,
            format!("`{}` is empty: its columns are not known", config.path),
        )
        .hint("Give the columns and their types under `columns`."));
    }
    let rule = |(name, guess): (&String, &Guess)| match config.columns.get(name) {
        Some(kind) => Rule { kind: *kind, strict: false },
        None => Rule { kind: guess.json_kind(), strict: true },
    };
    let rules: Vec<Rule> = sample.keys.names.iter().zip(&sample.guesses).map(rule).collect();
    let names = &sample.keys.names;
    let picked = pick_columns(names, request.columns.as_deref(), &config.path)?;
    let field = |at: &usize| Some(rules.get(*at)?.kind.field(names.get(*at)?));
    let schema = Arc::new(Schema::new(picked.iter().filter_map(field).collect::<Vec<_>>()));
    let mut filter = None;
    if let Some(bound) = &request.from_cursor {
        let at = pick_columns(names, Some(std::slice::from_ref(&bound.column)), &config.path)?;
        let at = at.first().copied().unwrap_or_default();
        let kind = rules.get(at).map_or(ColumnType::Text, |rule| rule.kind);
        filter = CursorFilter::new(bound, &kind.arrow())?.map(|filter| (at, filter));
    }
    let chunk_bytes = chunk_bytes(sample.bytes, sample.rows, request);
    let layout = Layout {
        keys: sample.keys,
        unknown_keys: config.unknown_keys,
        rules,
        picked,
        schema: SchemaRef::clone(&schema),
        filter,
        rows_max: request.batch_rows_max.max(1),
    };
    let bytes = Arc::new(AtomicU64::new(0));
    let reader = Reader::new(layout, files, chunk_bytes, Arc::clone(&bytes))?;
    Ok((schema, reader, bytes))
}

/// What the first lines have.
#[derive(Debug, Default)]
struct Sample {
    keys: Keys,
    guesses: Vec<Guess>,
    rows: usize,
    bytes: usize,
}

impl Sample {
    fn take(&mut self, file: &Found) -> Result<(), Fault> {
        let stream = open_text(file, &Arc::new(AtomicU64::new(0)))?;
        let mut chunks = Chunks::new(stream, None, 1 << 20);
        let mut first = true;
        loop {
            let chunk = chunks.next().map_err(|uncut| cut_fault(&file.name, uncut))?;
            let Some(mut chunk) = chunk else { return Ok(()) };
            if std::mem::take(&mut first) {
                skip_mark(&file.name, &mut chunk.bytes)?;
            }
            let text = std::str::from_utf8(&chunk.bytes)
                .map_err(|error| not_text(&file.name, &chunk, error.valid_up_to()))?;
            for (at, line) in text.lines().enumerate() {
                if self.rows >= SAMPLE_ROWS_MAX || self.bytes >= SAMPLE_BYTES_MAX {
                    return Ok(());
                }
                if line.trim_ascii().is_empty() {
                    continue;
                }
                self.rows += 1;
                self.bytes += line.len() + 1;
                let (keys, guesses) = (&mut self.keys, &mut self.guesses);
                let read = read_line(line, &mut |key, value| {
                    let at = keys.place(key).unwrap_or_else(|| {
                        guesses.push(Guess::default());
                        keys.add(key)
                    });
                    if let (Some(guess), Some(shape)) = (guesses.get_mut(at), shape(value)) {
                        guess.see(shape);
                    }
                    Ok(())
                });
                read.map_err(|flaw| flawed(&file.name, chunk.first_line + at as u64, &flaw))?;
            }
        }
    }
}

/// What a JSON value looks like; `None` is null.
fn shape(value: &str) -> Option<Shape> {
    Some(match value.as_bytes().first()? {
        b'n' => return None,
        b't' | b'f' => Shape::Boolean,
        b'{' | b'[' => Shape::Nested,
        b'"' => {
            let mut scratch = Vec::new();
            Shape::of_moment(string_text(value, &mut scratch))
        }
        // A number that no column type holds exactly stays JSON.
        _ => Shape::of_number(value.as_bytes()).unwrap_or(Shape::Nested),
    })
}
