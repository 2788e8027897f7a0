//! Offline evidence: run reports to checksummed metric files, and proof that they are untouched.
//!
//! [`export()`] reads reports and writes the five files of an export, [`index_folder`] lists any folder
//! of evidence, [`verify_folder`] holds a folder against its indexes. Each is one call with everything
//! it depends on passed in, the time included, so that the same call gives the same bytes.
//!
//! The pure part lies between [`crate::report`], which reads, and the renderers: points are grouped,
//! named, labelled and redacted once, then written in two formats and two reports.

mod digest;
mod export;
mod folder;
mod index;
mod input;
mod labels;
mod markdown;
mod names;
mod otlp;
mod pairs;
mod points;
mod prometheus;
mod redact;
mod summary;
mod verify;
mod write;

pub use export::{Exported, Request, export};
pub use folder::{
    ARTIFACT_INDEX, ARTIFACT_INDEX_MARKDOWN, ARTIFACT_INDEX_SCHEMA, FOLDER_FILES_MAX, FolderIndex,
    IndexedFile, index_folder,
};
pub use index::{Artifact, METRICS_INDEX, METRICS_INDEX_SCHEMA, digest_of};
pub(crate) use input::each;
pub use input::{FOLDER_REPORTS_MAX, Input, InputRecord, read_bounded};
pub use labels::{LABEL_VALUE_BYTES_MAX, RunLabel};
pub use markdown::escape as escape_markdown;
pub use names::NAME_BYTES_MAX;
pub use otlp::SCOPE_NAME;
pub use pairs::{BadPair, BadTime, parse_metric, parse_pair, parse_time};
pub use points::SERIES_USUAL_MAX;
pub use redact::{MARK, is_secret_name, redact, redact_named};
pub use summary::{
    BLOCKED_JSON_FILE, BLOCKED_MARKDOWN_FILE, JSON_FILE, MARKDOWN_FILE, MARKDOWN_ROWS_MAX,
    OPENTELEMETRY_FILE, PROMETHEUS_FILE, RUNTIME_METRICS_SCHEMA, Summary,
};
pub use verify::{CheckedIndex, VERIFY_SCHEMA, Verified, verify_folder};
pub use write::{WriteError, write_all};
