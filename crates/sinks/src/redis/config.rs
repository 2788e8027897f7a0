//! What the manifest says about a Redis sink.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use flowglass_clients::Secret;
use flowglass_connect::encode::EncoderSettings;
use flowglass_connect::stream::{StreamSink, StreamSinkConnector, Trial};
use flowglass_connect::{Fault, Surroundings};
use flowglass_model::ErrorClass;
use schemars::JsonSchema;
use serde::Deserialize;

use super::address::Address;
use super::sink::Sink;
use super::trial::Keys;
use crate::settings;

/// Writes messages to Redis Streams, exactly once.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Names the sink in metrics and in the key of its position.
    pub id: String,
    /// Where Redis is: `redis://user:password@host:6379/0`, `rediss://…` for TLS, or
    /// `unix:///path/to/socket?db=0`. Of a cluster any node. Take it from the environment
    /// (`${REDIS_URI}`), so that no password stands in the manifest.
    pub uri: Secret,
    /// The stream that a message goes to, with `{schema}`, `{table}`, `{op}` and `{col:NAME}`.
    #[serde(default = "default_stream")]
    pub stream: String,
    /// About how many entries a stream may hold; older ones are removed (`MAXLEN ~`). Without it
    /// nothing is ever removed.
    #[serde(default)]
    pub maxlen: Option<u64>,
    /// On a cluster: a word that is put in braces before the name of every stream (`{word}:name`),
    /// so that all of them and the position are in one slot and can be written in one transaction.
    #[serde(default)]
    pub cluster_tag: Option<String>,
    /// For `rediss`: a PEM file of the authorities to trust; by default those of the web.
    #[serde(default)]
    pub tls_ca_file: Option<PathBuf>,
    /// After this many seconds without a sign of life the connection is given up and made anew.
    #[serde(default = "default_timeout_seconds")]
    pub timeout_seconds: u64,
    /// Whether the source waits for this sink. Read by the engine.
    #[serde(default = "settings::required")]
    pub required: bool,
    /// The form of messages.
    #[serde(flatten)]
    pub form: EncoderSettings,
}

fn default_stream() -> String {
    "{schema}.{table}".to_owned()
}

const fn default_timeout_seconds() -> u64 {
    30
}

/// Makes Redis sinks.
#[derive(Debug, Clone, Copy, Default)]
pub struct Connector;

impl StreamSinkConnector for Connector {
    fn kind(&self) -> &'static str {
        "redis"
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
        let config: Config = settings::read("redis", config)?;
        Ok(Arc::new(Sink::new(Settings::new(stream, config, around)?)))
    }

    fn trial(
        &self,
        name: &str,
        config: serde_json::Value,
        around: &Surroundings,
    ) -> Result<Option<Trial>, Fault> {
        let mut config: Config = settings::read("redis", config)?;
        name.clone_into(&mut config.id);
        config.stream = format!("flowglass:{name}");
        let settings = Settings::new(name, config, around)?;
        let places = Arc::new(Keys { settings: Arc::new(settings.clone()) });
        Ok(Some(Trial { sink: Arc::new(Sink::new(settings)), places }))
    }
}

/// A configuration that has been looked through.
#[derive(Debug, Clone)]
pub(super) struct Settings {
    pub(super) id: String,
    pub(super) address: Address,
    /// Before the name of each stream; empty, or `{tag}:`.
    pub(super) prefix: String,
    /// The hash that holds the position and the token of the writer.
    pub(super) position_key: String,
    pub(super) maxlen: Option<u64>,
    pub(super) tls_ca_file: Option<PathBuf>,
    pub(super) timeout: Duration,
    pub(super) form: EncoderSettings,
}

impl Settings {
    fn new(stream: &str, config: Config, around: &Surroundings) -> Result<Self, Fault> {
        let refuse = |what: &str| Fault::new(ErrorClass::Config, what);
        let address = Address::parse(config.uri.reveal())?;
        if config.id.is_empty() {
            return Err(refuse("the redis sink's `id` is empty"));
        }
        if config.stream.is_empty() {
            return Err(refuse("the redis sink's `stream` is empty"));
        }
        if config.maxlen == Some(0) {
            return Err(refuse("`maxlen: 0` would remove every entry at once")
                .hint("Leave `maxlen` out to keep all entries, or give the number to keep."));
        }
        if config.timeout_seconds == 0 {
            return Err(refuse("`timeout_seconds` of a redis sink must be 1 or more"));
        }
        let prefix = match config.cluster_tag.as_deref() {
            None => String::new(),
            Some("") => return Err(refuse("`cluster_tag` is empty")),
            Some(tag) if tag.contains(['{', '}']) => {
                return Err(refuse("`cluster_tag` is written without braces"));
            }
            Some(tag) => format!("{{{tag}}}:"),
        };
        let mut form = config.form;
        form.route = config.stream;
        Ok(Self {
            position_key: format!("{prefix}flowglass:{stream}:{}", config.id),
            id: config.id,
            address,
            prefix,
            maxlen: config.maxlen,
            tls_ca_file: config.tls_ca_file.map(|path| around.base_dir.join(path)),
            timeout: Duration::from_secs(config.timeout_seconds),
            form,
        })
    }
}
