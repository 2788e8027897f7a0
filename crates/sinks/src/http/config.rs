//! What the manifest says about a webhook.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use flowglass_clients::Secret;
use flowglass_connect::encode::{EncoderSettings, Envelope};
use flowglass_connect::stream::{StreamSink, StreamSinkConnector};
use flowglass_connect::{Clock, Fault, Surroundings};
use flowglass_model::ErrorClass;
use hyper::header::{HeaderName, HeaderValue};
use schemars::JsonSchema;
use serde::Deserialize;

use super::address::Address;
use super::sign::Signer;
use super::sink::Sink;
use crate::settings;

/// Sends messages to a webhook, signed, at least once.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Names the sink in metrics and in the identifiers of its requests.
    pub id: String,
    /// Where messages are posted to: `https://host/path`. The path may hold `{schema}`, `{table}`,
    /// `{op}` and `{col:NAME}`. It is treated as a secret: only scheme, host and port are shown.
    pub url: Secret,
    /// What requests are signed with, as Standard Webhooks asks: `whsec_` and Base64, or any other
    /// text. Take it from the environment or a file.
    #[serde(default)]
    pub secret: Option<Secret>,
    /// Further headers, such as `authorization`. Their values are never shown.
    #[serde(default)]
    pub headers: BTreeMap<String, Secret>,
    /// How messages are put together.
    #[serde(default)]
    pub body: Body,
    /// What stands for a message in a body; `message` by default, and `value` where the envelope is
    /// `cloudevents`, which names each event itself.
    #[serde(default)]
    pub items: Option<Items>,
    /// The most messages of a request.
    #[serde(default = "default_events")]
    pub request_events_max: usize,
    /// The most bytes of a request, a single larger message excepted.
    #[serde(default = "default_bytes")]
    pub request_bytes_max: usize,
    /// For `https`: a PEM file of the authorities to trust; by default those of the web.
    #[serde(default)]
    pub tls_ca_file: Option<PathBuf>,
    /// After this many seconds without an answer a request is given up and sent again.
    #[serde(default = "default_timeout_seconds")]
    pub timeout_seconds: u64,
    /// Whether the source waits for this sink. Read by the engine.
    #[serde(default = "settings::required")]
    pub required: bool,
    /// The form of messages.
    #[serde(flatten)]
    pub form: EncoderSettings,
}

/// How messages are put together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Body {
    /// A JSON array.
    #[default]
    Array,
    /// A line each.
    Ndjson,
    /// One message a request.
    Single,
}

/// What stands for a message in a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Items {
    /// An object of `id` (the idempotency key), `key` and `value`.
    Message,
    /// The message itself; `null` for a tombstone.
    Value,
}

const fn default_events() -> usize {
    500
}

const fn default_bytes() -> usize {
    1 << 20
}

const fn default_timeout_seconds() -> u64 {
    30
}

/// Headers that the sink sets itself.
const OURS: &[&str] = &[
    "connection",
    "content-length",
    "content-type",
    "host",
    "idempotency-key",
    "transfer-encoding",
    "webhook-id",
    "webhook-signature",
    "webhook-timestamp",
];

/// Makes sinks of webhooks.
#[derive(Debug, Clone, Copy, Default)]
pub struct Connector;

impl StreamSinkConnector for Connector {
    fn kind(&self) -> &'static str {
        "http"
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
        let config: Config = settings::read("http", config)?;
        Ok(Arc::new(Sink::new(Settings::new(stream, config, around)?)))
    }
}

/// A configuration that has been looked through.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) id: String,
    /// `stream/sink`: whose requests they are.
    pub(super) owner: String,
    pub(super) address: Address,
    pub(super) signer: Option<Signer>,
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    pub(super) body: Body,
    pub(super) items: Items,
    pub(super) events_max: usize,
    pub(super) bytes_max: usize,
    pub(super) tls_ca_file: Option<PathBuf>,
    pub(super) timeout: Duration,
    pub(super) form: EncoderSettings,
    pub(super) clock: Arc<dyn Clock>,
}

impl Settings {
    fn new(stream: &str, config: Config, around: &Surroundings) -> Result<Self, Fault> {
        let refuse = |what: &str| Err(Fault::new(ErrorClass::Config, what));
        if config.id.is_empty() {
            return refuse("the http sink's `id` is empty");
        }
        if config.request_events_max == 0 || config.request_bytes_max == 0 {
            return refuse("the http sink's limits of a request must be 1 or more");
        }
        if config.timeout_seconds == 0 {
            return refuse("`timeout_seconds` of an http sink must be 1 or more");
        }
        let address = Address::parse(config.url.reveal())?;
        let is_events = config.form.envelope == Envelope::CloudEvents;
        let items = config.items.unwrap_or(if is_events { Items::Value } else { Items::Message });
        if is_events && items == Items::Message {
            return refuse("`items: message` cannot be with `envelope: cloudevents`");
        }
        let mut form = config.form;
        form.route.clone_from(&address.path);
        Ok(Self {
            owner: format!("{stream}/{}", config.id),
            id: config.id,
            address,
            signer: config.secret.map(|it| Signer::new(it.reveal())).transpose()?,
            headers: headers(&config.headers)?,
            body: config.body,
            items,
            events_max: if config.body == Body::Single { 1 } else { config.request_events_max },
            bytes_max: config.request_bytes_max,
            tls_ca_file: config.tls_ca_file.map(|it| around.base_dir.join(it)),
            timeout: Duration::from_secs(config.timeout_seconds),
            form,
            clock: Arc::clone(&around.clock),
        })
    }

    /// What the header `content-type` says.
    pub(super) fn content_type(&self) -> &'static str {
        let is_events = self.form.envelope == Envelope::CloudEvents;
        match (self.body, is_events) {
            (Body::Array, true) => "application/cloudevents-batch+json; charset=utf-8",
            (Body::Single, true) => "application/cloudevents+json; charset=utf-8",
            (Body::Array | Body::Single, false) => "application/json",
            (Body::Ndjson, _) => "application/x-ndjson",
        }
    }

    /// Whether the path depends on the row, so that a path that is not there may be the row's fault.
    pub(super) fn path_is_by_row(&self) -> bool {
        self.form.route.contains("{col:")
    }

    /// Whether rows of one key may go to different paths, so that rows must not be put together past
    /// others.
    pub(super) fn path_splits_keys(&self) -> bool {
        self.path_is_by_row() || self.form.route.contains("{op}")
    }
}

fn headers(given: &BTreeMap<String, Secret>) -> Result<Vec<(HeaderName, HeaderValue)>, Fault> {
    let header = |(name, value): (&String, &Secret)| {
        let refuse = |what: &str| {
            let said = format!("the http sink's header `{name}` {what}");
            Fault::new(ErrorClass::Config, said)
        };
        let lower = name.to_ascii_lowercase();
        if OURS.contains(&lower.as_str()) {
            return Err(refuse("is set by the sink itself"));
        }
        let name = HeaderName::from_bytes(lower.as_bytes()).map_err(|_| refuse("is no name"))?;
        let value = HeaderValue::from_str(value.reveal());
        let mut value = value.map_err(|_may_quote_it| refuse("has a value that cannot be sent"))?;
        value.set_sensitive(true);
        Ok((name, value))
    };
    given.iter().map(header).collect()
}
