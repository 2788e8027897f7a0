//! The sink: opens writers and knows where the position is.

use async_trait::async_trait;
use flowglass_connect::Fault;
use flowglass_connect::stream::{
    Guarantee, Keeps, Position, Precondition, Reread, SinkWriter, StreamSink, Takes,
};
use flowglass_model::{AssetRef, ErrorClass};

use super::config::Settings;
use super::connection::{Connection, Told};
use super::examine;
use super::reread::Streams;
use super::writer::{BATCHES_IN_FLIGHT_MAX, Writer};

/// The field of the position's hash that names its writer.
pub(super) const OWNER: &[u8] = b"owner";
/// The field that holds the position as JSON.
pub(super) const POSITION: &[u8] = b"position";

/// A Redis sink.
#[derive(Debug)]
pub(super) struct Sink {
    settings: std::sync::Arc<Settings>,
}

impl Sink {
    pub(super) fn new(settings: Settings) -> Self {
        Self { settings: std::sync::Arc::new(settings) }
    }
}

#[async_trait]
impl StreamSink for Sink {
    fn id(&self) -> &str {
        &self.settings.id
    }

    fn asset(&self) -> AssetRef {
        let name = format!("{}{}", self.settings.prefix, self.settings.form.route);
        AssetRef::new(self.settings.address.namespace(), name)
    }

    fn takes(&self) -> Takes {
        Takes::Messages(self.settings.form.clone())
    }

    fn guarantee(&self) -> Guarantee {
        Guarantee::ExactlyOnce
    }

    fn in_flight_batches_max(&self) -> usize {
        BATCHES_IN_FLIGHT_MAX
    }

    fn reread(&self) -> Reread {
        let streams = Streams { settings: std::sync::Arc::clone(&self.settings) };
        Reread::Messages(Keeps::Whole, std::sync::Arc::new(streams))
    }

    async fn examine(&self) -> Result<Vec<Precondition>, Fault> {
        examine::examine(&self.settings).await
    }

    async fn open(&self) -> Result<Box<dyn SinkWriter>, Fault> {
        let key = &self.settings.position_key;
        let mut connection = Connection::holding(key, &self.settings).await?;
        let owner = uuid::Uuid::now_v7().simple().to_string();
        let key = key.as_bytes();
        // From here on nothing of an older writer arrives, so that the position that is asked for
        // next is the last word.
        let taken = connection.ask(&[b"HSET", key, OWNER, owner.as_bytes()]).await?;
        taken.map_err(|refusal| refusal.fault("taking over the position in Redis"))?;
        let kept = connection.ask(&[b"HGET", key, POSITION]).await?;
        let position = match kept.map_err(|it| it.fault("asking Redis for the position"))? {
            Told::Nothing => None,
            Told::Text(text) => Some(self.position_from(&text)?),
        };
        Ok(Box::new(Writer::start(
            std::sync::Arc::clone(&self.settings),
            connection,
            owner,
            position,
        )))
    }
}

impl Sink {
    fn position_from(&self, text: &str) -> Result<Position, Fault> {
        serde_json::from_str(text).map_err(|error| {
            let what = format!("the position in `{}` cannot be read", self.settings.position_key);
            Fault::new(ErrorClass::Conflict, what).because(error).hint(
                "Another program wrote it. Delete its field `position` only if the stream may \
                 start from its beginning.",
            )
        })
    }
}
