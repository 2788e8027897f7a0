//! What the manifest says about a file that is followed.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use flowglass_connect::stream::{StreamSource, StreamSourceConnector};
use flowglass_connect::{Fault, Surroundings};
use flowglass_model::ErrorClass;
use schemars::JsonSchema;
use serde::Deserialize;

use super::read::Source;
use crate::units::{Size, Span};

/// The longest that a line may be allowed to be.
const LINE_BYTES_MAX: u64 = 64 << 20;

/// Follows a JSON Lines file: every line that is written to it becomes a row.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Names the source in metrics.
    #[serde(default = "id")]
    pub id: String,
    /// The file, relative to the manifest. It need not be there yet.
    pub path: PathBuf,
    /// What the rows' table is called; by default the file's name up to its first dot.
    pub table: Option<String>,
    /// What the rows' schema is called.
    #[serde(default = "schema_name")]
    pub schema: String,
    /// The keys that name a row, for sinks that ask for one.
    #[serde(default)]
    pub key: Vec<String>,
    /// Whether the lines that are there already are read when the stream begins without a position.
    #[serde(default = "yes")]
    pub from_beginning: bool,
    /// The longest line that is read.
    #[serde(default = "max_line")]
    pub max_line: Size,
    /// What happens at a line that is no JSON object, or is too long.
    #[serde(default)]
    pub bad_lines: BadLines,
    /// How often the file is looked at.
    #[serde(default = "poll")]
    pub poll: Span,
    /// How long a file that was renamed may still be written to, before the next one is read.
    #[serde(default = "rotate_wait")]
    pub rotate_wait: Span,
}

/// What happens at a line that is no JSON object, or is too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum BadLines {
    /// The stream stops there, and says which line it is.
    #[default]
    Fail,
    /// It becomes a row of a table of its own, named like the other with `_bad` behind it.
    Keep,
}

fn id() -> String {
    "file".to_owned()
}

fn schema_name() -> String {
    "file".to_owned()
}

const fn yes() -> bool {
    true
}

const fn max_line() -> Size {
    Size::new(1 << 20)
}

const fn poll() -> Span {
    Span::millis(100)
}

const fn rotate_wait() -> Span {
    Span::seconds(2)
}

/// What following needs to know.
#[derive(Debug, Clone)]
pub(super) struct Settings {
    pub(super) id: String,
    pub(super) path: PathBuf,
    pub(super) schema: String,
    pub(super) table: String,
    pub(super) key: Vec<String>,
    pub(super) from_beginning: bool,
    pub(super) line_bytes_max: usize,
    pub(super) bad_lines: BadLines,
    pub(super) poll: Duration,
    pub(super) rotate_wait: Duration,
}

impl Settings {
    pub(super) fn new(config: Config, around: &Surroundings) -> Result<Self, Fault> {
        let wrong = |said: String| Fault::new(ErrorClass::Config, said);
        let path = around.base_dir.join(&config.path);
        let name = path.file_name().and_then(|it| it.to_str()).unwrap_or_default();
        let stem = name.split('.').find(|it| !it.is_empty()).unwrap_or_default();
        let table = config.table.unwrap_or_else(|| stem.to_owned());
        if table.is_empty() {
            return Err(wrong(format!("`{}` does not name a file", config.path.display())));
        }
        let line_bytes_max = config.max_line.bytes();
        if !(1..=LINE_BYTES_MAX).contains(&line_bytes_max) {
            return Err(wrong(format!("`max_line` is from 1B to {}MiB", LINE_BYTES_MAX >> 20)));
        }
        if config.poll.duration().is_zero() {
            return Err(wrong("`poll` is at least 1ms".to_owned()));
        }
        Ok(Self {
            id: config.id,
            path,
            schema: config.schema,
            table,
            key: config.key,
            from_beginning: config.from_beginning,
            line_bytes_max: usize::try_from(line_bytes_max).unwrap_or(usize::MAX),
            bad_lines: config.bad_lines,
            poll: config.poll.duration(),
            rotate_wait: config.rotate_wait.duration(),
        })
    }
}

/// The connector for files that are followed.
#[derive(Debug, Clone, Copy, Default)]
pub struct Connector;

impl StreamSourceConnector for Connector {
    fn kind(&self) -> &'static str {
        "file"
    }

    fn schema(&self) -> serde_json::Value {
        schemars::schema_for!(Config).to_value()
    }

    fn build(
        &self,
        config: serde_json::Value,
        around: &Surroundings,
    ) -> Result<Arc<dyn StreamSource>, Fault> {
        let config: Config = serde_json::from_value(config)
            .map_err(|cause| Fault::new(ErrorClass::Config, "source `file`").because(cause))?;
        Ok(Arc::new(Source::new(Settings::new(config, around)?)))
    }
}
