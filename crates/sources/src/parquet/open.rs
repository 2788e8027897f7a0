//! Looks at the footers of Parquet files before reading.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use arrow::datatypes::{Schema, SchemaRef};
use async_trait::async_trait;
use flowglass_connect::{BatchReader, BatchSource, Fault, ReadRequest, ThreadedReader};
use flowglass_model::{AssetRef, ErrorClass};
use parquet::arrow::arrow_reader::statistics::StatisticsConverter;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use parquet::errors::ParquetError;
use parquet::file::metadata::PageIndexPolicy;

use super::Config;
use super::read::{Group, Layout, Reader};
use crate::files::{CursorFilter, Found, expand, pick_columns};

/// Parquet files as a source.
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
        let planned = tokio::task::spawn_blocking(look).await.map_err(|error| {
            Fault::new(ErrorClass::Internal, "looking at the parquet files").because(error)
        })??;
        let Planned { schema, reader, bytes, rows } = planned;
        let threaded = ThreadedReader::start("parquet-read", schema, bytes, reader)?;
        Ok(Box::new(threaded.expecting(rows)))
    }
}

struct Planned {
    schema: SchemaRef,
    reader: Reader,
    bytes: Arc<AtomicU64>,
    rows: Option<u64>,
}

fn plan(config: &Config, base: &Path, request: &ReadRequest) -> Result<Planned, Fault> {
    let files = expand(base, &config.path, &[".parquet"])?;
    let mut opened = Vec::with_capacity(files.len());
    for file in files {
        opened.push(footer(&file).map(|footer| (Arc::new(file), footer))?);
    }
    let Some((first, footer)) = opened.first() else {
        return Err(Fault::new(ErrorClass::NotFound, format!("no file matches `{}`", config.path)));
    };
    let whole = SchemaRef::clone(footer.schema());
    for (file, footer) in &opened {
        if footer.schema().fields() != whole.fields() {
            return Err(Fault::new(
                ErrorClass::Schema,
                format!("`{}` has other columns than `{}`", file.name, first.name),
            )
            .hint("Files that are read together need the same columns and types."));
        }
    }
    let names: Vec<String> = whole.fields().iter().map(|it| it.name().clone()).collect();
    let wanted = request.columns.as_deref().or(config.columns.as_deref());
    let picked = pick_columns(&names, wanted, &first.name)?;
    let fields: Vec<_> = picked.iter().filter_map(|at| whole.fields().get(*at).cloned()).collect();
    let schema = Arc::new(Schema::new(fields));
    let mut filter = None;
    if let Some(bound) = &request.from_cursor {
        let at = pick_columns(&names, Some(std::slice::from_ref(&bound.column)), &first.name)?;
        let at = at.first().copied().unwrap_or_default();
        let kind = whole.field(at).data_type();
        filter = CursorFilter::new(bound, kind)?.map(|filter| (at, filter));
    }
    let mut groups = Vec::new();
    let mut rows = 0u64;
    for (file, footer) in &opened {
        for at in 0..footer.metadata().num_row_groups() {
            if filter.as_ref().is_some_and(|(column, filter)| {
                lies_before(footer, at, names.get(*column).map_or("", String::as_str), filter)
            }) {
                continue;
            }
            let group = footer.metadata().row_group(at);
            rows += u64::try_from(group.num_rows()).unwrap_or_default();
            groups.push(Group { file: Arc::clone(file), footer: footer.clone(), at });
        }
    }
    let rows = filter.is_none().then_some(rows);
    let bytes = Arc::new(AtomicU64::new(0));
    let layout = Layout {
        picked,
        schema: SchemaRef::clone(&schema),
        filter,
        rows_max: request.batch_rows_max.max(1),
        bytes_max: request.batch_bytes_max.max(1),
    };
    let reader = Reader::new(layout, groups, Arc::clone(&bytes));
    Ok(Planned { schema, reader, bytes, rows })
}

fn footer(file: &Found) -> Result<ArrowReaderMetadata, Fault> {
    let open = File::open(&file.path)
        .map_err(|error| Fault::io(format!("opening `{}`", file.name), error))?;
    let options = ArrowReaderOptions::new().with_page_index_policy(PageIndexPolicy::Skip);
    ArrowReaderMetadata::load(&open, options).map_err(|error| broken(&file.name, error))
}

/// Whether the statistics of a row group say that it holds nothing past the cursor.
fn lies_before(footer: &ArrowReaderMetadata, at: usize, name: &str, filter: &CursorFilter) -> bool {
    let schema = footer.parquet_schema();
    let Ok(statistics) = StatisticsConverter::try_new(name, footer.schema(), schema) else {
        return false;
    };
    statistics
        .row_group_maxes([footer.metadata().row_group(at)])
        .is_ok_and(|max| filter.all_before(&max))
}

/// The complaint about a file that cannot be decoded.
pub(super) fn broken(file: &str, error: ParquetError) -> Fault {
    match error {
        ParquetError::External(cause) => match cause.downcast::<std::io::Error>() {
            Ok(io) => Fault::io(format!("reading `{file}`"), *io),
            Err(cause) => malformed(file).because(cause),
        },
        error => malformed(file).because(error),
    }
}

pub(super) fn malformed(file: &str) -> Fault {
    Fault::new(ErrorClass::Malformed, format!("`{file}` is broken or no parquet file"))
        .hint("Fetch or make the file again; a file that was cut off has lost its footer.")
}
