//! What has to be right before a stream can run into this Kafka. Blocks.

use std::sync::Arc;

use flowglass_connect::Fault;
use flowglass_connect::stream::Precondition;
use rdkafka::admin::{NewTopic, TopicReplication};

use super::config::Settings;
use super::position;
use super::sink::Timer;
use super::topics;
use super::worker::Worker;

/// Asks the brokers.
///
/// # Errors
/// When they cannot be reached or do not let us in.
pub(super) fn examine(settings: &Arc<Settings>, timer: Timer) -> Result<Vec<Precondition>, Fault> {
    drop(Worker::connect(Arc::clone(settings), Arc::default(), timer)?);
    let mut found = vec![Precondition {
        name: "kafka_brokers".to_owned(),
        fine: true,
        optional: false,
        found: settings.config.brokers.clone(),
        remedy: None,
    }];
    // A name with a row's own values in it is known when the row is there.
    let topic = &settings.config.topic;
    if !topic.contains('{') {
        let partitions =
            settings.config.create_topics.as_ref().map_or(-1, |it| it.partitions.into());
        let new = NewTopic::new(topic, partitions, TopicReplication::Fixed(-1));
        found.push(look_at("kafka_topic", topic, &new, settings)?);
    }
    if settings.config.exactly_once {
        let name = &settings.config.positions_topic;
        let new = position::topic(settings);
        found.push(look_at("kafka_positions_topic", name, &new, settings)?);
    }
    Ok(found)
}

fn look_at(
    what: &str,
    topic: &str,
    new: &NewTopic<'_>,
    settings: &Settings,
) -> Result<Precondition, Fault> {
    let consumer = position::open(settings, "read_committed")?;
    let there = position::topic_exists(&consumer, topic, settings)?;
    let refused = if there { None } else { topics::create(new, settings, true).err() };
    let found = match &refused {
        None if there => format!("`{topic}` is there"),
        None => format!("`{topic}` is missing and may be made"),
        Some(fault) => format!("`{topic}` is missing: {}", fault.chain()),
    };
    let remedy = refused.is_some().then(|| {
        format!(
            "kafka-topics.sh --bootstrap-server {} --create --topic {topic}",
            settings.config.brokers
        )
    });
    Ok(Precondition {
        name: what.to_owned(),
        fine: remedy.is_none(),
        optional: false,
        found,
        remedy,
    })
}
