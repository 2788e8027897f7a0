//! What the file sources share: finding and opening files, the declared and inferred column
//! types, exact parsing of text into Arrow columns, the cursor filter, and the ordered pool of
//! parsing threads. Private to this crate.

#[cfg(any(feature = "csv", feature = "jsonl"))]
mod chunk;
#[cfg(any(feature = "csv", feature = "jsonl"))]
mod column;
mod cursor;
#[cfg(any(feature = "csv", feature = "jsonl"))]
mod guess;
mod input;
mod kinds;
mod number;
mod paths;
mod pool;
mod time;

#[cfg(any(feature = "csv", feature = "jsonl"))]
pub(crate) use chunk::{Chunk, Chunks, chunk_bytes, cut_fault, pieces, skip_mark, unfit};
#[cfg(any(feature = "csv", feature = "jsonl"))]
pub(crate) use column::{Cells, Rule, build_column};
pub(crate) use cursor::CursorFilter;
#[cfg(any(feature = "csv", feature = "jsonl"))]
pub(crate) use guess::{Guess, SAMPLE_BYTES_MAX, SAMPLE_ROWS_MAX, Shape};
#[cfg(any(feature = "csv", feature = "jsonl"))]
pub(crate) use input::open_text;
pub(crate) use input::pick_columns;
#[cfg(any(feature = "csv", feature = "jsonl"))]
pub(crate) use kinds::ColumnType;
pub(crate) use paths::{Found, expand};
#[cfg(any(feature = "csv", feature = "jsonl"))]
pub(crate) use pool::OrderedPool;
#[cfg(feature = "parquet")]
pub(crate) use pool::workers_max;

use flowglass_connect::Fault;
use flowglass_model::ErrorClass;
use serde::de::DeserializeOwned;

/// Reads a connector's configuration; what does not fit is a fault of class `config`.
pub(crate) fn configure<C: DeserializeOwned>(
    kind: &str,
    config: serde_json::Value,
) -> Result<C, Fault> {
    serde_json::from_value(config).map_err(|error| {
        Fault::new(ErrorClass::Config, format!("reading the configuration of a `{kind}` source"))
            .because(error)
    })
}
