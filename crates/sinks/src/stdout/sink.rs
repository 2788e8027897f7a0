//! The sink: one line a message, flushed with each batch.

use std::fmt;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use flowglass_connect::encode::EncoderSettings;
use flowglass_connect::stream::{
    Acknowledged, Delivery, Guarantee, Precondition, Reread, SinkWriter, StreamSink,
    StreamSinkConnector, Takes,
};
use flowglass_connect::{Fault, Surroundings};
use flowglass_model::{AssetRef, ErrorClass};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::messages::{Ends, ThreadedSink};
use crate::settings;

const BATCHES_IN_FLIGHT_MAX: usize = 2;

/// Writes the body of each message as a line to standard output; `null` for one without a body.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Names the sink in metrics.
    #[serde(default = "default_id")]
    pub id: String,
    /// Whether the source waits for this sink. Read by the engine.
    #[serde(default = "settings::required")]
    pub required: bool,
    /// The form of messages.
    #[serde(flatten)]
    pub form: EncoderSettings,
}

fn default_id() -> String {
    "stdout".to_owned()
}

type Lines = Arc<Mutex<Box<dyn Write + Send>>>;

/// Makes sinks that write lines.
#[derive(Clone)]
pub struct Connector {
    lines: Lines,
}

impl Connector {
    /// All sinks of this connector write to `lines`, whole batches at a time.
    #[must_use]
    pub fn new(lines: Box<dyn Write + Send>) -> Self {
        Self { lines: Arc::new(Mutex::new(lines)) }
    }
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Connector")
    }
}

impl StreamSinkConnector for Connector {
    fn kind(&self) -> &'static str {
        "stdout"
    }

    fn schema(&self) -> serde_json::Value {
        schemars::schema_for!(Config).to_value()
    }

    fn build(
        &self,
        _stream: &str,
        config: serde_json::Value,
        _around: &Surroundings,
    ) -> Result<Arc<dyn StreamSink>, Fault> {
        let Config { id, mut form, .. } = settings::read("stdout", config)?;
        "{schema}.{table}".clone_into(&mut form.route);
        Ok(Arc::new(Sink { id, form, lines: Arc::clone(&self.lines) }))
    }
}

struct Sink {
    id: String,
    form: EncoderSettings,
    lines: Lines,
}

#[async_trait]
impl StreamSink for Sink {
    fn id(&self) -> &str {
        &self.id
    }

    fn asset(&self) -> AssetRef {
        AssetRef::file("stdout")
    }

    fn takes(&self) -> Takes {
        Takes::Messages(self.form.clone())
    }

    fn guarantee(&self) -> Guarantee {
        Guarantee::AtLeastOnce
    }

    fn in_flight_batches_max(&self) -> usize {
        BATCHES_IN_FLIGHT_MAX
    }

    fn reread(&self) -> Reread {
        Reread::Nothing("what was printed is in nobody's keeping")
    }

    async fn examine(&self) -> Result<Vec<Precondition>, Fault> {
        Ok(Vec::new())
    }

    async fn open(&self) -> Result<Box<dyn SinkWriter>, Fault> {
        let lines = Arc::clone(&self.lines);
        let open = move || Ok((lines, None));
        Ok(Box::new(ThreadedSink::open("stdout sink", BATCHES_IN_FLIGHT_MAX, open, work).await?))
    }
}

#[expect(clippy::needless_pass_by_value, reason = "the thread owns its ends")]
fn work(lines: Lines, ends: Ends) {
    let mut buffer = Vec::new();
    for delivery in &ends.orders {
        fill(&mut buffer, &delivery);
        let said = print(lock(&lines), &buffer).map_err(fault).map(|()| Acknowledged {
            number: delivery.number,
            bytes: buffer.len() as u64,
            ..Acknowledged::default()
        });
        let failed = said.is_err();
        if ends.say.blocking_send(said).is_err() || failed {
            return;
        }
    }
}

fn fill(buffer: &mut Vec<u8>, delivery: &Delivery) {
    buffer.clear();
    let Some(messages) = &delivery.messages else { return };
    for message in messages.items() {
        buffer.extend_from_slice(message.body.map_or(b"null", |span| messages.bytes(span)));
        buffer.push(b'\n');
    }
}

fn print(mut lines: MutexGuard<'_, Box<dyn Write + Send>>, buffer: &[u8]) -> io::Result<()> {
    lines.write_all(buffer)?;
    lines.flush()
}

/// A line that was cut by a panic elsewhere is no worse than what a reader of a pipe is used to.
fn lock(lines: &Lines) -> MutexGuard<'_, Box<dyn Write + Send>> {
    lines.lock().unwrap_or_else(PoisonError::into_inner)
}

fn fault(error: io::Error) -> Fault {
    if error.kind() == io::ErrorKind::BrokenPipe {
        let what = "nobody reads standard output any more";
        return Fault::new(ErrorClass::Cancelled, what);
    }
    Fault::io("writing to standard output", error)
}
