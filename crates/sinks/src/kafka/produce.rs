//! From the messages of a delivery to records in librdkafka's queue.

use std::time::Duration;

use flowglass_connect::Fault;
use flowglass_connect::encode::{Envelope, key_change_header};
use flowglass_connect::stream::{Delivery, Message, Refused};
use flowglass_model::ErrorClass;
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};

use super::config::Settings;
use super::errors::fault;
use super::suspects::{Suspects, refusal};
use super::topics::{Topics, is_name};
use super::tracker::{Failure, Tag, Tracker};
use crate::messages::{is_refused, refuse, write_id};

/// The header that names the message for ever.
pub(super) const ID: &str = "id";

/// Between two looks at a queue that is full.
const WHILE_FULL: Duration = Duration::from_millis(1);

/// Hands records over.
pub(super) struct Producing<'a> {
    pub(super) producer: &'a BaseProducer<Tracker>,
    pub(super) settings: &'a Settings,
    pub(super) suspects: &'a Suspects,
    pub(super) topics: &'a mut Topics,
    pub(super) id: &'a mut Vec<u8>,
}

/// What became of a delivery's messages.
#[derive(Debug, Default)]
pub(super) struct Produced {
    /// Rows that are not even sent.
    pub(super) refused: Vec<Refused>,
    /// Bytes of keys and bodies.
    pub(super) bytes: u64,
}

impl Producing<'_> {
    /// Hands all messages of a delivery over. Waits while the queue is full.
    ///
    /// # Errors
    /// What makes the writer useless.
    pub(super) fn delivery(&mut self, delivery: &Delivery) -> Result<Produced, Fault> {
        let mut produced = Produced::default();
        let Some(messages) = &delivery.messages else { return Ok(produced) };
        for name in messages.destinations().iter().filter(|name| is_name(name)) {
            self.topics.see_to(name, self.settings)?;
        }
        let fine: Vec<bool> = messages.destinations().iter().map(|name| is_name(name)).collect();
        produced.refused = refuse(messages, |message| {
            if !fine.get(message.destination as usize).copied().unwrap_or(false) {
                let what = "the row's topic has a name that Kafka refuses";
                return Some(Fault::new(ErrorClass::Malformed, what));
            }
            let spans = [message.key, message.body].into_iter().flatten();
            let bytes: usize = spans.map(|span| messages.bytes(span).len()).sum();
            produced.bytes += bytes as u64;
            if bytes > self.settings.message_bytes_max {
                return Some(refusal(Code::MessageSizeTooLarge));
            }
            self.struck(delivery, message)
        });
        for (index, message) in messages.items().iter().enumerate() {
            if !is_refused(&produced.refused, message) {
                self.message(delivery, index, message)?;
            }
        }
        Ok(produced)
    }

    /// Why the message is left out, when an earlier writer found out that the broker refuses it.
    fn struck(&mut self, delivery: &Delivery, message: &Message) -> Option<Fault> {
        if !self.suspects.any_struck() {
            return None;
        }
        write_id(self.id, delivery, message).ok()?;
        self.suspects.struck(self.id)
    }

    fn message(
        &mut self,
        delivery: &Delivery,
        index: usize,
        message: &Message,
    ) -> Result<(), Fault> {
        let Some(messages) = &delivery.messages else { return Ok(()) };
        write_id(self.id, delivery, message)?;
        let tag = Tag { number: delivery.number, message: u32::try_from(index).ok() };
        let header = Header { key: ID, value: Some(self.id.as_slice()) };
        let mut headers = OwnedHeaders::new_with_capacity(1).insert(header);
        if self.settings.config.form.envelope == Envelope::Debezium
            && let Some((key, value)) = key_change_header(messages, index)
        {
            headers = headers.insert(Header { key, value: Some(value) });
        }
        for (key, value) in messages.headers_of(index) {
            headers = headers.insert(Header { key, value: Some(value) });
        }
        let mut record = BaseRecord::with_opaque_to(messages.destination_of(message), tag.packed())
            .headers(headers);
        record.key = message.key.map(|span| messages.bytes(span));
        record.payload = message.body.map(|span| messages.bytes(span));
        self.producer.context().handed(tag);
        loop {
            let (error, back) = match self.producer.send(record) {
                Ok(()) => return Ok(()),
                Err(refused) => refused,
            };
            match error {
                KafkaError::MessageProduction(Code::QueueFull) => {
                    // Each message in the queue has a time limit, so that this ends.
                    self.producer.poll(WHILE_FULL);
                    record = back;
                }
                error => return Err(fault("handing a record to librdkafka", error)),
            }
        }
    }
}

/// The change and the idempotency key of the message that failed.
pub(super) fn culprit(delivery: &Delivery, failure: &Failure) -> Option<(usize, Vec<u8>)> {
    let messages = delivery.messages.as_ref()?;
    let message = messages.items().get(failure.tag.message? as usize)?;
    let mut id = Vec::new();
    write_id(&mut id, delivery, message).ok()?;
    Some((message.change as usize, id))
}
