//! Positions of streams that write exactly once: records of a compacted topic, written in the same
//! transaction as the rows, read back when a writer opens.
//!
//! Reading must end at the true end, and soon. A reader of committed records sees nothing behind the
//! first transaction that is open, which may be that of another stream: so it waits until the last
//! stable offset has reached the end of the log as it was, unless nothing of ours is behind it, which
//! a reader of all records can tell. The newest record of a key is nearly
//! always among the last ones: so it looks there first, and further back only when it has to.

use std::time::Duration;

use flowglass_connect::Fault;
use flowglass_connect::stream::Position;
use flowglass_model::ErrorClass;
use rdkafka::admin::{NewTopic, TopicReplication};
use rdkafka::config::FromClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::message::Message;
use rdkafka::{Offset, TopicPartitionList};

use super::client;
use super::config::Settings;
use super::errors::{class_of, fault};
use super::sink::Timer;
use super::topics;

/// All positions are in one partition: a topic may be given more, and then a key must not move.
pub(super) const PARTITION: i32 = 0;

/// Offsets that are looked through first.
const WINDOW: i64 = 256;

const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(10);

/// How the topic is made. Segments are short because only closed ones are compacted.
pub(super) fn topic(settings: &Settings) -> NewTopic<'_> {
    NewTopic::new(&settings.config.positions_topic, 1, TopicReplication::Fixed(-1))
        .set("cleanup.policy", "compact")
        .set("segment.bytes", "16777216")
        .set("min.cleanable.dirty.ratio", "0.1")
}

/// Makes the topic if it is missing. Blocks.
///
/// # Errors
/// What the broker says against it.
pub(super) fn see_to_topic(settings: &Settings) -> Result<(), Fault> {
    if exists(settings)? { Ok(()) } else { topics::create(&topic(settings), settings, false) }
}

/// Whether the topic is there. Blocks.
///
/// # Errors
/// When the brokers do not answer.
pub(super) fn exists(settings: &Settings) -> Result<bool, Fault> {
    let consumer = open(settings, "read_committed")?;
    topic_exists(&consumer, &settings.config.positions_topic, settings)
}

/// Whether a topic is there; asking does not make it. Blocks.
///
/// # Errors
/// When the brokers do not answer.
pub(super) fn topic_exists(
    consumer: &BaseConsumer,
    name: &str,
    settings: &Settings,
) -> Result<bool, Fault> {
    let asking = format!("asking for the topic `{name}`");
    let metadata = consumer
        .fetch_metadata(Some(name), settings.timeout)
        .map_err(|error| fault(asking, error))?;
    Ok(metadata.topics().iter().any(|it| it.name() == name && it.error().is_none()))
}

/// A consumer that is asked and assigned by hand.
///
/// # Errors
/// `config`.
pub(super) fn open(settings: &Settings, isolation: &str) -> Result<BaseConsumer, Fault> {
    BaseConsumer::from_config(&client::consumer(settings, isolation))
        .map_err(|error| fault("setting up a Kafka consumer", error))
}

/// The newest committed position of this stream and sink. Blocks.
///
/// # Errors
/// When it cannot be known for sure.
pub(super) fn read(settings: &Settings, timer: &Timer) -> Result<Option<Position>, Fault> {
    // A neighbour's transaction is given up by the broker after twice the timeout.
    let deadline = timer.after(settings.timeout * 3);
    let all = open(settings, "read_uncommitted")?;
    let committed = open(settings, "read_committed")?;
    let end = watermarks(&all, settings, timer)?.1;
    let among_all = Looking { consumer: &all, settings, timer, deadline };
    let among_committed = Looking { consumer: &committed, ..among_all };
    let mut stable = among_committed.wait_for(end, &among_all)?;
    let (low, mut window) = (watermarks(&committed, settings, timer)?.0, WINDOW);
    while stable > low {
        let from = (stable - window).max(low);
        if let Some(json) = among_committed.through(from, stable)? {
            return among_committed.position_from(&json).map(Some);
        }
        stable = from;
        window *= 8;
    }
    Ok(None)
}

/// First offset and end. A topic that was just made takes a moment to have them.
fn watermarks(
    consumer: &BaseConsumer,
    settings: &Settings,
    timer: &Timer,
) -> Result<(i64, i64), Fault> {
    let deadline = timer.after(settings.timeout);
    let topic = &settings.config.positions_topic;
    loop {
        match consumer.fetch_watermarks(topic, PARTITION, settings.timeout) {
            Ok(found) => return Ok(found),
            Err(error) => {
                let class = error.rdkafka_error_code().map(class_of);
                let passes = matches!(class, Some(ErrorClass::NotFound | ErrorClass::Unreachable));
                if !passes || timer.is_past(deadline) {
                    return Err(fault(format!("asking for the end of `{topic}`"), error));
                }
                std::thread::sleep(LOOK_AGAIN_AFTER);
            }
        }
    }
}

#[derive(Clone, Copy)]
struct Looking<'a> {
    consumer: &'a BaseConsumer,
    settings: &'a Settings,
    timer: &'a Timer,
    deadline: Duration,
}

impl Looking<'_> {
    /// Waits until committed records are seen up to `end`, or until nothing of ours is hidden; up to
    /// where they are seen then.
    fn wait_for(&self, end: i64, among_all: &Self) -> Result<i64, Fault> {
        let mut looked_at = None;
        loop {
            let (_, stable) = watermarks(self.consumer, self.settings, self.timer)?;
            if stable >= end {
                return Ok(stable);
            }
            if looked_at != Some(stable) {
                looked_at = Some(stable);
                if among_all.through(stable, end)?.is_none() {
                    return Ok(stable);
                }
            }
            if self.timer.is_past(self.deadline) {
                let topic = &self.settings.config.positions_topic;
                let what = format!("a transaction that is open hides our positions in `{topic}`");
                return Err(Fault::new(ErrorClass::Timeout, what).hint(
                    "Look for a producer that hangs: `kafka-transactions.sh find-hanging`.",
                ));
            }
            std::thread::sleep(LOOK_AGAIN_AFTER);
        }
    }

    /// The last position of ours from one offset up to another, as it is written.
    fn through(&self, from: i64, until: i64) -> Result<Option<Vec<u8>>, Fault> {
        let topic = &self.settings.config.positions_topic;
        let doing = || format!("reading positions from `{topic}`");
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(topic, PARTITION, Offset::Offset(from))
            .and_then(|()| self.consumer.assign(&list))
            .map_err(|error| fault(doing(), error))?;
        let mut found = None;
        loop {
            match self.consumer.poll(Duration::from_millis(100)) {
                Some(Ok(record)) if record.offset() >= until => break,
                Some(Ok(record)) if record.key() == Some(self.settings.owner.as_bytes()) => {
                    found = record.payload().map(<[u8]>::to_vec);
                }
                Some(Ok(_)) => {}
                Some(Err(KafkaError::PartitionEOF(_))) => break,
                Some(Err(error)) => {
                    // The group is a name only; that it is not ours to read does not matter.
                    let code = error.rdkafka_error_code().unwrap_or(Code::Unknown);
                    let passes = code == Code::GroupAuthorizationFailed
                        || class_of(code) == ErrorClass::Unreachable;
                    if !passes || self.timer.is_past(self.deadline) {
                        return Err(fault(doing(), error));
                    }
                }
                None if self.timer.is_past(self.deadline) => {
                    return Err(Fault::new(ErrorClass::Timeout, doing()));
                }
                None => {}
            }
        }
        Ok(found)
    }

    fn position_from(&self, json: &[u8]) -> Result<Position, Fault> {
        serde_json::from_slice(json).map_err(|error| {
            let Settings { config, owner, .. } = self.settings;
            let what =
                format!("the position of `{owner}` in `{}` cannot be read", config.positions_topic);
            Fault::new(ErrorClass::Conflict, what).because(error)
        })
    }
}
