//! Looks at CSV files before reading: which files, which columns, of which types.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use arrow::datatypes::{Schema, SchemaRef};
use async_trait::async_trait;
use flowglass_connect::{BatchReader, BatchSource, Fault, ReadRequest, ThreadedReader};
use flowglass_model::{AssetRef, ErrorClass};

use super::config::Config;
use super::read::{Layout, Reader, broken, unquoted};
use super::scan::{self, Broken, Dialect, Flaw, Grid};
use crate::files::{
    Chunk, Chunks, ColumnType, CursorFilter, Found, Guess, Rule, SAMPLE_BYTES_MAX, SAMPLE_ROWS_MAX,
    Shape, chunk_bytes, cut_fault, expand, open_text, pick_columns, skip_mark,
};

const ENDINGS: &[&str] =
    &[".csv", ".tsv", ".txt", ".csv.gz", ".tsv.gz", ".txt.gz", ".csv.zst", ".tsv.zst", ".txt.zst"];

/// CSV files as a source.
#[derive(Debug)]
pub(super) struct Source {
    config: Arc<Config>,
    dialect: Dialect,
    base: PathBuf,
}

impl Source {
    pub(super) fn new(config: Config, base: PathBuf) -> Result<Self, Fault> {
        let dialect = config.dialect()?;
        Ok(Self { config: Arc::new(config), dialect, base })
    }
}

#[async_trait]
impl BatchSource for Source {
    fn asset(&self) -> AssetRef {
        AssetRef::file(&self.config.path)
    }

    async fn open(&self, request: ReadRequest) -> Result<Box<dyn BatchReader>, Fault> {
        let (config, dialect, base) = (Arc::clone(&self.config), self.dialect, self.base.clone());
        let look = move || plan(&config, dialect, &base, &request);
        let (schema, reader, bytes) =
            tokio::task::spawn_blocking(look).await.map_err(|error| {
                Fault::new(ErrorClass::Internal, "looking at the csv files").because(error)
            })??;
        Ok(Box::new(ThreadedReader::start("csv-read", schema, bytes, reader)?))
    }
}

type Planned = (SchemaRef, Reader, Arc<AtomicU64>);

fn plan(
    config: &Config,
    dialect: Dialect,
    base: &std::path::Path,
    request: &ReadRequest,
) -> Result<Planned, Fault> {
    let files = expand(base, &config.path, ENDINGS)?;
    let first = files.first().ok_or_else(|| {
        Fault::new(ErrorClass::NotFound, format!("no file matches `{}`", config.path))
    })?;
    let sample = Sample::take(first, config, dialect)?;
    let names = sample.names.clone();
    for file in files.iter().skip(1) {
        let other = Head::read(file, config, dialect)?;
        if other.names != names {
            return Err(differing(file, first));
        }
    }
    for declared in config.columns.keys() {
        if !names.contains(declared) {
            return Err(Fault::new(
                ErrorClass::Config,
                format!("`columns` declares `{declared}`, which `{}` does not have", first.name),
            )
            .hint(format!("Its columns are: {}.", names.join(", "))));
        }
    }
    let rules = sample.rules(config, dialect)?;
    let picked = pick_columns(&names, request.columns.as_deref(), &first.name)?;
    let field = |at: &usize| Some(rules.get(*at)?.kind.field(names.get(*at)?));
    let schema = Arc::new(Schema::new(picked.iter().filter_map(field).collect::<Vec<_>>()));
    let mut filter = None;
    if let Some(bound) = &request.from_cursor {
        let at = pick_columns(&names, Some(std::slice::from_ref(&bound.column)), &first.name)?;
        let at = at.first().copied().unwrap_or_default();
        let kind = rules.get(at).map_or(ColumnType::Text, |rule| rule.kind);
        filter = CursorFilter::new(bound, &kind.arrow())?.map(|filter| (at, filter));
    }
    let layout = Layout {
        dialect,
        nulls: config.null.iter().map(|text| text.clone().into_bytes()).collect(),
        names,
        rules,
        picked,
        schema: SchemaRef::clone(&schema),
        filter,
        rows_max: request.batch_rows_max.max(1),
    };
    let bytes = Arc::new(AtomicU64::new(0));
    let chunk_bytes = chunk_bytes(sample.chunk.bytes.len(), sample.grid.rows(), request);
    let reader = Reader::new(layout, files, config.header, chunk_bytes, Arc::clone(&bytes))?;
    Ok((schema, reader, bytes))
}

fn differing(file: &Found, first: &Found) -> Fault {
    Fault::new(
        ErrorClass::Schema,
        format!("`{}` has other columns than `{}`", file.name, first.name),
    )
    .hint("Files that are read together need the same columns in the same order.")
}

/// The beginning of a file.
struct Head {
    names: Vec<String>,
    chunk: Chunk,
    /// Where the rows start in the chunk.
    rows_from: usize,
}

impl Head {
    fn read(file: &Found, config: &Config, dialect: Dialect) -> Result<Self, Fault> {
        let mut chunk = first_chunk(file, dialect, 64 << 10)?;
        skip_mark(&file.name, &mut chunk.bytes)?;
        Self::of(file, config, dialect, chunk)
    }

    fn of(file: &Found, config: &Config, dialect: Dialect, chunk: Chunk) -> Result<Self, Fault> {
        let complain = |flaw| broken(&file.name, &[], &chunk, flaw);
        check_text(&chunk.bytes).map_err(complain)?;
        let record = scan::first_record(dialect, &chunk.bytes).map_err(complain)?;
        let Some((cells, next)) = record else {
            if config.header {
                return Err(Fault::new(
                    ErrorClass::Malformed,
                    format!("`{}` is empty: it has no header", file.name),
                )
                .hint("Write at least the header line, or set `header: false` and `names`."));
            }
            return Ok(Self { names: config.names.clone(), chunk, rows_from: 0 });
        };
        if !config.header {
            let names = match config.names.len() {
                0 => (1..=cells.len()).map(|at| format!("column{at}")).collect(),
                _ => config.names.clone(),
            };
            check_names(&file.name, &names)?;
            return Ok(Self { names, chunk, rows_from: 0 });
        }
        let mut names = Vec::with_capacity(cells.len());
        for (from, to) in cells {
            let cell = chunk.bytes.get(from..to).unwrap_or_default();
            let mut scratch = Vec::new();
            let name = unquoted(cell, dialect.quote, &mut scratch);
            names.push(String::from_utf8_lossy(name).into_owned());
        }
        check_names(&file.name, &names)?;
        Ok(Self { names, chunk, rows_from: next })
    }
}

/// The sample that types are judged by.
struct Sample {
    names: Vec<String>,
    chunk: Chunk,
    grid: Grid,
    rows_from: usize,
    file: String,
}

impl Sample {
    fn take(file: &Found, config: &Config, dialect: Dialect) -> Result<Self, Fault> {
        let mut chunk = first_chunk(file, dialect, SAMPLE_BYTES_MAX)?;
        skip_mark(&file.name, &mut chunk.bytes)?;
        let Head { names, mut chunk, rows_from } = Head::of(file, config, dialect, chunk)?;
        cut_rows(&mut chunk.bytes, rows_from, dialect);
        let mut grid = Grid::default();
        let rows = chunk.bytes.get(rows_from..).unwrap_or_default();
        // What is broken is told when it is read, with all that lies before it delivered or
        // refused first; the types are judged by what comes before.
        if let Err(flaw) = scan::scan(dialect, rows, names.len(), &mut grid) {
            let at = flaw.at + rows_from;
            return Err(broken(&file.name, &names, &chunk, Broken { at, ..flaw }));
        }
        Ok(Self { names, chunk, grid, rows_from, file: file.name.clone() })
    }

    fn rules(&self, config: &Config, dialect: Dialect) -> Result<Vec<Rule>, Fault> {
        let rows = self.chunk.bytes.get(self.rows_from..).unwrap_or_default();
        let mut rules = Vec::with_capacity(self.names.len());
        for (at, name) in self.names.iter().enumerate() {
            if let Some(kind) = config.columns.get(name) {
                rules.push(Rule { kind: *kind, strict: false });
                continue;
            }
            let mut guess = Guess::default();
            let mut scratch = Vec::new();
            for row in 0..self.grid.rows() {
                let cell = self.grid.bounds(row, at).and_then(|(from, to)| rows.get(from..to));
                let cell = cell.unwrap_or_default();
                let quoted = dialect.quote.is_some() && cell.first() == dialect.quote.as_ref();
                if !quoted && config.null.iter().any(|null| null.as_bytes() == cell) {
                    continue;
                }
                guess.see(Shape::of_text(unquoted(cell, dialect.quote, &mut scratch)));
            }
            rules.push(Rule { kind: guess.kind(), strict: true });
        }
        if self.names.is_empty() {
            return Err(Fault::new(
                ErrorClass::Malformed,
                format!("`{}` is empty: its columns are not known", self.file),
            )
            .hint("Give the columns under `names`."));
        }
        Ok(rules)
    }
}

fn first_chunk(file: &Found, dialect: Dialect, bytes_max: usize) -> Result<Chunk, Fault> {
    let stream = open_text(file, &Arc::new(AtomicU64::new(0)))?;
    let chunk = Chunks::new(stream, dialect.quote, bytes_max).next();
    let chunk = chunk.map_err(|uncut| cut_fault(&file.name, uncut))?;
    Ok(chunk.unwrap_or(Chunk { bytes: Vec::new(), first_line: 1 }))
}

/// UTF-8 without NUL.
pub(super) fn check_text(bytes: &[u8]) -> Result<(), Broken> {
    let at = |at, what| Broken { at, column: usize::MAX, what };
    if let Err(error) = std::str::from_utf8(bytes) {
        return Err(at(error.valid_up_to(), Flaw::NotUtf8));
    }
    match memchr::memchr(0, bytes) {
        Some(nul) => Err(at(nul, Flaw::Nul)),
        None => Ok(()),
    }
}

/// Leaves at most the sample's rows; cutting between two records keeps it whole.
fn cut_rows(bytes: &mut Vec<u8>, rows_from: usize, dialect: Dialect) {
    let mut rows = 0;
    let mut even = true;
    let quote = dialect.quote.unwrap_or(b'\n');
    let text = bytes.get(rows_from..).unwrap_or_default();
    let end = memchr::memchr2_iter(b'\n', quote, text).find(|at| {
        if text.get(*at) != Some(&b'\n') {
            even = !even;
            return false;
        }
        rows += usize::from(even);
        rows == SAMPLE_ROWS_MAX
    });
    if let Some(end) = end {
        bytes.truncate(rows_from + end + 1);
    }
}

fn check_names(file: &str, names: &[String]) -> Result<(), Fault> {
    let wrong = |what: String, hint: &str| {
        Err(Fault::new(ErrorClass::Malformed, format!("`{file}` line 1: {what}")).hint(hint))
    };
    for (at, name) in names.iter().enumerate() {
        if name.trim().is_empty() {
            return wrong(
                format!("column {} has no name", at + 1),
                "Name every column in the header, or set `header: false` and `names`.",
            );
        }
        if name.contains(['\r', '\n']) {
            return wrong(
                format!("the name of column {} holds a line end", at + 1),
                "End lines with LF or CRLF; a lone CR ends none.",
            );
        }
        if names.iter().take(at).any(|it| it == name) {
            return wrong(
                format!("two columns are named `{name}`"),
                "Rename one of them, or set `header: false` and `names`.",
            );
        }
    }
    Ok(())
}
