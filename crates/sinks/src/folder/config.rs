//! What the manifest of a stream says about a folder of files.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use flowglass_connect::encode::EncoderSettings;
use flowglass_connect::stream::{StreamSink, StreamSinkConnector, Trial};
use flowglass_connect::{Fault, Surroundings};
use flowglass_model::ErrorClass;
use schemars::JsonSchema;
use serde::Deserialize;

use super::sink::Sink;
use super::trial::TrialFolder;
use crate::parquet::Packing;
use crate::rows::Template;
use crate::settings;

/// Writes messages as JSON lines, or rows as Parquet, to files of a folder, exactly once.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Names the sink in metrics, and its manifest in the folder.
    pub id: String,
    /// The folder; made when it is missing. Relative to the stream's own file.
    pub folder: PathBuf,
    /// The folder inside of it that a message goes to, with `{schema}`, `{table}`, `{op}` and
    /// `{col:NAME}`; `/` makes further folders. Of rows as Parquet only `{schema}` and `{table}`.
    #[serde(default = "default_path")]
    pub path: String,
    /// What the files hold.
    #[serde(default)]
    pub format: Format,
    /// What a line holds.
    #[serde(default)]
    pub line: Line,
    /// How Parquet's pages are compressed.
    #[serde(default)]
    pub compression: Packing,
    /// When a file is closed and the next one begun.
    #[serde(default)]
    pub roll: Roll,
    /// Whether the source waits for this sink. Read by the engine.
    #[serde(default = "settings::required")]
    pub required: bool,
    /// The form of messages; not of rows as Parquet.
    #[serde(flatten)]
    pub form: EncoderSettings,
}

/// What the files hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// A message a line.
    #[default]
    Jsonl,
    /// The rows of one table, in columns of their types.
    Parquet,
}

/// What a line holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Line {
    /// The body of the message; `null` for a tombstone.
    #[default]
    Value,
    /// An object of `id` (the idempotency key), `key` and `value`.
    Message,
}

/// When a file is closed: as soon as one of these is reached, at the end of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Roll {
    /// It holds so many bytes, before they are packed.
    pub bytes: u64,
    /// It holds so many lines or rows.
    pub rows: u64,
    /// It was begun so many seconds ago.
    pub age_seconds: u64,
}

impl Default for Roll {
    fn default() -> Self {
        Self { bytes: 128 << 20, rows: 1_000_000, age_seconds: 300 }
    }
}

fn default_path() -> String {
    "{schema}.{table}".to_owned()
}

/// Makes sinks of files.
#[derive(Debug, Clone, Copy, Default)]
pub struct Connector;

impl StreamSinkConnector for Connector {
    fn kind(&self) -> &'static str {
        "files"
    }

    fn schema(&self) -> serde_json::Value {
        schemars::schema_for!(Config).to_value()
    }

    fn build(
        &self,
        stream: &str,
        config: serde_json::Value,
        around: &Surroundings,
    ) -> Result<Arc<dyn StreamSink>, Fault> {
        let config: Config = settings::read("files", config)?;
        let clock = Arc::clone(&around.clock);
        Ok(Arc::new(Sink::new(Settings::new(stream, config, around)?, clock)))
    }

    fn trial(
        &self,
        name: &str,
        config: serde_json::Value,
        around: &Surroundings,
    ) -> Result<Option<Trial>, Fault> {
        let mut config: Config = settings::read("files", config)?;
        let places = TrialFolder::beside(&around.base_dir.join(&config.folder), name);
        name.clone_into(&mut config.id);
        config.folder.clone_from(&places.folder);
        let clock = Arc::clone(&around.clock);
        let sink = Arc::new(Sink::new(Settings::new(name, config, around)?, clock));
        Ok(Some(Trial { sink, places: Arc::new(places) }))
    }
}

/// What is written, and how.
#[derive(Debug)]
pub(super) enum Writes {
    Lines { line: Line, form: EncoderSettings },
    Rows { path: Template, packing: Packing },
}

/// A configuration that has been looked through.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) id: String,
    /// Whole.
    pub(super) folder: PathBuf,
    /// As they were written, for people.
    pub(super) shown: String,
    pub(super) path: String,
    /// Name of the manifest in the folder.
    pub(super) manifest: String,
    pub(super) roll: Roll,
    pub(super) age_max: Duration,
    pub(super) writes: Writes,
}

impl Settings {
    fn new(stream: &str, config: Config, around: &Surroundings) -> Result<Self, Fault> {
        let refuse = |what: &str| Err(Fault::new(ErrorClass::Config, what));
        let is_plain = |name: &str| !name.is_empty() && !name.contains(['/', '\\', '\0']);
        if !is_plain(&config.id) || !is_plain(stream) {
            return refuse("`id` names a file, so that it is not empty and holds no `/`");
        }
        if config.path.is_empty() {
            return refuse("the files sink's `path` is empty");
        }
        let roll = config.roll;
        if roll.bytes == 0 || roll.rows == 0 || roll.age_seconds == 0 {
            return refuse("each of `roll`'s limits must be 1 or more");
        }
        let writes = match config.format {
            Format::Jsonl => {
                let form = EncoderSettings { route: config.path.clone(), ..config.form };
                Writes::Lines { line: config.line, form }
            }
            Format::Parquet => {
                if config.line != Line::default() || config.form != EncoderSettings::default() {
                    return refuse(
                        "with `format: parquet` there are no messages: leave out `line`, \
                         `envelope`, `encoding`, `key`, `tombstones` and `message_bytes_max`",
                    );
                }
                let path = Template::parse(&config.path, 1)?;
                Writes::Rows { path, packing: config.compression }
            }
        };
        Ok(Self {
            // A name that no destination has: those are folders.
            manifest: format!("_flowglass.{stream}.{}.json", config.id),
            id: config.id,
            shown: config.folder.display().to_string(),
            path: config.path,
            folder: around.base_dir.join(config.folder),
            roll,
            age_max: Duration::from_secs(roll.age_seconds),
            writes,
        })
    }
}
