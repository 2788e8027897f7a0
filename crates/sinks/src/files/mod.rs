//! What the file targets share: writing aside and renaming, keeping cursor and token with the
//! data, fitting batches to the columns that are there, merging by key within bounded memory,
//! and the exact text of every Arrow type. Private to this crate.

mod aside;
#[cfg(any(feature = "csv", feature = "jsonl"))]
mod civil;
mod conform;
mod merge;
#[cfg(any(feature = "csv", feature = "jsonl"))]
mod sidecar;
mod state;
#[cfg(any(feature = "csv", feature = "jsonl"))]
mod text;
#[cfg(any(feature = "csv", feature = "jsonl"))]
mod text_file;

pub(crate) use aside::Aside;
pub(crate) use conform::{Fit, columns_added, named_positions};
pub(crate) use merge::{Merged, RowTaker, Spill};
pub(crate) use state::KeptStates;
#[cfg(any(feature = "csv", feature = "jsonl"))]
pub(crate) use text::{BinaryText, Look, TextColumn, json_string};
#[cfg(any(feature = "csv", feature = "jsonl"))]
pub(crate) use text_file::{Format, TextTarget};

use flowglass_connect::{Batch, Fault};
use flowglass_model::ErrorClass;
use serde::de::DeserializeOwned;

/// Reads a connector's configuration; what does not fit is a fault of class `config`.
pub(crate) fn configure<C: DeserializeOwned>(
    kind: &str,
    config: serde_json::Value,
) -> Result<C, Fault> {
    serde_json::from_value(config).map_err(|error| {
        Fault::new(ErrorClass::Config, format!("reading the configuration of a `{kind}` target"))
            .because(error)
    })
}

/// The rows of a batch in Arrow's layout, which is the only one that files take.
pub(crate) fn arrow_rows(batch: Batch) -> Result<arrow::array::RecordBatch, Fault> {
    match batch {
        Batch::Arrow(rows) => Ok(rows),
        Batch::Raw(_) => {
            Err(Fault::new(ErrorClass::Internal, "a file target was handed rows in a raw encoding"))
        }
    }
}

/// Runs blocking work off the engine's threads.
pub(crate) async fn blocking<T: Send + 'static>(
    doing: &'static str,
    work: impl FnOnce() -> Result<T, Fault> + Send + 'static,
) -> Result<T, Fault> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| Fault::new(ErrorClass::Internal, doing).because(error))?
}
