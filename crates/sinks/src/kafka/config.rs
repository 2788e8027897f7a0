//! What the manifest says about a Kafka sink.

use std::collections::BTreeMap;
use std::fmt;
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

use super::sink::Sink;
use super::trial::TrialTopics;
use crate::settings;

/// Writes messages to Kafka, at least once or exactly once.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Names the sink in metrics and its position.
    pub id: String,
    /// Brokers to begin with: `host:9092,other:9092`.
    pub brokers: String,
    /// The topic that a message goes to, with `{schema}`, `{table}`, `{op}` and `{col:NAME}`.
    #[serde(default = "default_topic")]
    pub topic: String,
    /// Whether rows and position are one transaction, so that readers of committed records see each
    /// row once.
    #[serde(default)]
    pub exactly_once: bool,
    /// The compacted topic that holds the positions of streams that write exactly once. It is made
    /// when it is missing.
    #[serde(default = "default_positions_topic")]
    pub positions_topic: String,
    /// How a topic is made that is missing. Without it the broker decides
    /// (`auto.create.topics.enable`).
    #[serde(default)]
    pub create_topics: Option<NewTopics>,
    /// `none`, `gzip`, `snappy`, `lz4` or `zstd`.
    #[serde(default)]
    pub compression: Compression,
    /// Who we are to the brokers.
    #[serde(default)]
    pub sasl: Option<Sasl>,
    /// Encrypts the connection.
    #[serde(default)]
    pub tls: Option<Tls>,
    /// After this many seconds without the brokers' word the writer is given up and made anew.
    #[serde(default = "default_timeout_seconds")]
    pub timeout_seconds: u64,
    /// Further properties of librdkafka, by their own names, such as `linger.ms`.
    #[serde(default)]
    pub kafka: BTreeMap<String, Property>,
    /// Whether the source waits for this sink. Read by the engine.
    #[serde(default = "settings::required")]
    pub required: bool,
    /// The form of messages.
    #[serde(flatten)]
    pub form: EncoderSettings,
}

/// How a topic is made.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewTopics {
    /// How many partitions.
    pub partitions: u16,
    /// How many copies; by default as many as the broker makes.
    #[serde(default)]
    pub replication_factor: Option<u16>,
    /// Properties of the topic, such as `cleanup.policy`.
    #[serde(default)]
    pub config: BTreeMap<String, String>,
}

/// How requests are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Compression {
    /// Not at all.
    None,
    /// Deflate.
    Gzip,
    /// Snappy.
    Snappy,
    /// LZ4: the least processor time for what it saves.
    #[default]
    Lz4,
    /// Zstandard: the smallest.
    Zstd,
}

/// A name and a password.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Sasl {
    /// How the password is shown to the broker.
    #[serde(default)]
    pub mechanism: Mechanism,
    /// The name.
    pub user: String,
    /// The password. Take it from the environment or a file.
    pub password: Secret,
}

/// How the password is shown to the broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
pub enum Mechanism {
    /// As it is; use TLS.
    #[serde(rename = "PLAIN")]
    Plain,
    /// As a proof, by SHA-256.
    #[serde(rename = "SCRAM-SHA-256")]
    ScramSha256,
    /// As a proof, by SHA-512.
    #[default]
    #[serde(rename = "SCRAM-SHA-512")]
    ScramSha512,
}

/// Whom to trust, and what to show.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// A PEM file of the authorities to trust; by default those of the system.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// A PEM file of our own certificate.
    #[serde(default)]
    pub certificate_file: Option<PathBuf>,
    /// A PEM file of its key.
    #[serde(default)]
    pub key_file: Option<PathBuf>,
    /// The password of that file.
    #[serde(default)]
    pub key_password: Option<Secret>,
}

/// The value of a property of librdkafka. It may be a secret: it is never shown.
#[derive(Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Property {
    /// True or false.
    Switch(bool),
    /// A whole number.
    Number(i64),
    /// A fraction.
    Fraction(f64),
    /// Text.
    Text(String),
}

impl Property {
    /// As librdkafka reads it.
    pub(super) fn text(&self) -> String {
        match self {
            Self::Switch(it) => it.to_string(),
            Self::Number(it) => it.to_string(),
            Self::Fraction(it) => it.to_string(),
            Self::Text(it) => it.clone(),
        }
    }
}

impl fmt::Debug for Property {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

fn default_topic() -> String {
    "{schema}.{table}".to_owned()
}

fn default_positions_topic() -> String {
    "__flowglass_positions".to_owned()
}

const fn default_timeout_seconds() -> u64 {
    30
}

/// Properties that the guarantees stand on.
const OURS: &[&str] = &[
    "acks",
    "bootstrap.servers",
    "enable.gapless.guarantee",
    "enable.idempotence",
    "isolation.level",
    "metadata.broker.list",
    "request.required.acks",
    "transactional.id",
];

/// librdkafka's default of `message.max.bytes`.
const MESSAGE_BYTES_MAX: usize = 1_000_000;

/// Makes Kafka sinks.
#[derive(Debug, Clone, Copy, Default)]
pub struct Connector;

impl StreamSinkConnector for Connector {
    fn kind(&self) -> &'static str {
        "kafka"
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
        let config: Config = settings::read("kafka", config)?;
        let clock = Arc::clone(&around.clock);
        Ok(Arc::new(Sink::new(Settings::new(stream, config, around)?, clock)))
    }

    fn trial(
        &self,
        name: &str,
        config: serde_json::Value,
        around: &Surroundings,
    ) -> Result<Option<Trial>, Fault> {
        let mut config: Config = settings::read("kafka", config)?;
        name.clone_into(&mut config.id);
        name.clone_into(&mut config.topic);
        config.positions_topic = format!("{name}-positions");
        let one = NewTopics { partitions: 1, replication_factor: None, config: BTreeMap::new() };
        config.create_topics.get_or_insert(one);
        let settings = Settings::new(name, config, around)?;
        let places = Arc::new(TrialTopics { settings: Arc::new(settings.clone()) });
        let clock = Arc::clone(&around.clock);
        Ok(Some(Trial { sink: Arc::new(Sink::new(settings, clock)), places }))
    }
}

/// A configuration that has been looked through.
#[derive(Debug, Clone)]
pub(super) struct Settings {
    /// What was configured; paths are whole.
    pub(super) config: Config,
    /// `stream/sink`: the key of the position.
    pub(super) owner: String,
    pub(super) timeout: Duration,
    /// Key and body together, by librdkafka's own limit.
    pub(super) message_bytes_max: usize,
}

impl Settings {
    fn new(stream: &str, mut config: Config, around: &Surroundings) -> Result<Self, Fault> {
        let refuse = |what: String| Err(Fault::new(ErrorClass::Config, what));
        for (name, text) in
            [("id", &config.id), ("brokers", &config.brokers), ("topic", &config.topic)]
        {
            if text.is_empty() {
                return refuse(format!("the kafka sink's `{name}` is empty"));
            }
        }
        if let Some(ours) = config.kafka.keys().find(|key| OURS.contains(&key.as_str())) {
            return refuse(format!("`kafka.{ours}` is set by the sink itself"));
        }
        if config.timeout_seconds == 0 {
            return refuse("`timeout_seconds` of a kafka sink must be 1 or more".to_owned());
        }
        if config.create_topics.as_ref().is_some_and(|it| it.partitions == 0) {
            return refuse("`create_topics.partitions` must be 1 or more".to_owned());
        }
        if let Some(tls) = &mut config.tls {
            let files = [&mut tls.ca_file, &mut tls.certificate_file, &mut tls.key_file];
            for path in files.into_iter().flatten() {
                *path = around.base_dir.join(&path);
            }
        }
        config.form.route.clone_from(&config.topic);
        let owner = format!("{stream}/{}", config.id);
        let timeout = Duration::from_secs(config.timeout_seconds);
        let limit = config.kafka.get("message.max.bytes").map(Property::text);
        let limit = limit.and_then(|text| text.parse().ok());
        let message_bytes_max = limit.unwrap_or(MESSAGE_BYTES_MAX);
        Ok(Self { config, owner, timeout, message_bytes_max })
    }
}
