//! Reading topics again, as a reader of committed records sees them, from their beginning to where they
//! end when reading begins.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use flowglass_connect::stream::{
    HeldMessage, HeldMessages, HeldPages, PAGE_MESSAGES_MAX, PageSender, message_hash,
};
use flowglass_connect::{Fault, Tasks};
use flowglass_model::ErrorClass;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::message::{BorrowedMessage, Headers, Message};
use rdkafka::metadata::MetadataPartition;
use rdkafka::{Offset, TopicPartitionList};

use super::config::Settings;
use super::errors::{class_of, fault};
use super::position;
use super::produce::ID;
use super::sink::Timer;
use crate::messages::{ask, start_thread};

/// How long librdkafka is listened to at once.
const LISTEN: Duration = Duration::from_millis(100);

/// The topics of a sink.
#[derive(Debug)]
pub(super) struct HeldTopics {
    pub(super) settings: Arc<Settings>,
    pub(super) timer: Timer,
}

#[async_trait]
impl HeldMessages for HeldTopics {
    async fn read(&self, destination: &str) -> Result<HeldPages, Fault> {
        let (settings, timer) = (Arc::clone(&self.settings), self.timer.clone());
        let topic = destination.to_owned();
        let mut started = Ok(());
        let pages = HeldPages::new(|send| {
            started = start_thread("kafka reader", move || {
                let failed = Reading { settings: &settings, timer, topic: &topic }.fill(&send);
                // Whoever no longer reads has what it wanted.
                failed.map_or_else(|fault| drop(send.blocking_send(Err(fault))), drop);
            });
            Tasks::new()
        });
        started.map(|()| pages)
    }

    async fn forgets(&self, destination: &str) -> Result<Option<String>, Fault> {
        let (settings, topic) = (Arc::clone(&self.settings), destination.to_owned());
        ask("kafka reader", move || {
            let consumer = position::open(&settings, "read_committed")?;
            let mut first = 0;
            for partition in partitions(&consumer, &topic, &settings)? {
                let (low, _) = consumer
                    .fetch_watermarks(&topic, partition, settings.timeout)
                    .map_err(|error| fault(format!("asking for the end of `{topic}`"), error))?;
                first = first.max(low);
            }
            let said = "the topic's retention has removed its oldest records";
            Ok((first > 0).then(|| said.to_owned()))
        })
        .await
    }
}

fn partitions(
    consumer: &BaseConsumer,
    topic: &str,
    settings: &Settings,
) -> Result<Vec<i32>, Fault> {
    let metadata = consumer
        .fetch_metadata(Some(topic), settings.timeout)
        .map_err(|error| fault(format!("asking for the topic `{topic}`"), error))?;
    let found = metadata.topics().iter().filter(|it| it.name() == topic && it.error().is_none());
    Ok(found.flat_map(|it| it.partitions().iter().map(MetadataPartition::id)).collect())
}

struct Reading<'a> {
    settings: &'a Settings,
    timer: Timer,
    topic: &'a str,
}

impl Reading<'_> {
    fn fill(&self, send: &PageSender) -> Result<(), Fault> {
        let doing = || format!("reading the topic `{}` again", self.topic);
        let consumer = position::open(self.settings, "read_committed")?;
        let mut list = TopicPartitionList::new();
        let mut open = BTreeSet::new();
        for partition in partitions(&consumer, self.topic, self.settings)? {
            list.add_partition_offset(self.topic, partition, Offset::Beginning)
                .map_err(|error| fault(doing(), error))?;
            open.insert(partition);
        }
        consumer.assign(&list).map_err(|error| fault(doing(), error))?;
        let mut page = Vec::with_capacity(PAGE_MESSAGES_MAX);
        let mut deadline = self.timer.after(self.settings.timeout);
        while !open.is_empty() {
            match consumer.poll(LISTEN) {
                Some(Ok(record)) => page.push(held(&record)),
                // It comes again when more was written meanwhile, which is not waited for.
                Some(Err(KafkaError::PartitionEOF(partition))) => {
                    open.remove(&partition);
                }
                Some(Err(error)) => {
                    // The group is a name only; that it is not ours to read does not matter.
                    let code = error.rdkafka_error_code().unwrap_or(Code::Unknown);
                    let passes = code == Code::GroupAuthorizationFailed
                        || class_of(code) == ErrorClass::Unreachable;
                    if !passes || self.timer.is_past(deadline) {
                        return Err(fault(doing(), error));
                    }
                    continue;
                }
                None if self.timer.is_past(deadline) => {
                    return Err(Fault::new(ErrorClass::Timeout, doing()));
                }
                None => continue,
            }
            deadline = self.timer.after(self.settings.timeout);
            if page.len() >= PAGE_MESSAGES_MAX
                && send.blocking_send(Ok(std::mem::take(&mut page))).is_err()
            {
                return Ok(());
            }
        }
        send.blocking_send(Ok(page)).unwrap_or_default();
        Ok(())
    }
}

fn held(record: &BorrowedMessage<'_>) -> HeldMessage {
    let id = record
        .headers()
        .and_then(|headers| headers.iter().find(|it| it.key == ID).and_then(|it| it.value));
    let known = id.and_then(|it| std::str::from_utf8(it).ok()).and_then(|it| it.parse().ok());
    let hash = message_hash(id.unwrap_or_default(), record.key(), record.payload());
    HeldMessage { id: known, hash }
}
