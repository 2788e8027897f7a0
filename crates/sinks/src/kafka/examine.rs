//! What has to be right before a stream can run into this Kafka. Blocks.

use std::sync::Arc;

use flowglass_connect::Fault;
use flowglass_connect::stream::Precondition;
use flowglass_model::ErrorClass;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::FromClientConfig;
use rdkafka::consumer::Consumer;
use rdkafka::producer::{BaseProducer, Producer};

use super::client;
use super::config::Settings;
use super::errors::fault;
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
    if topic.contains('{') {
        found.push(made_topics(settings)?);
    } else {
        let partitions =
            settings.config.create_topics.as_ref().map_or(-1, |it| it.partitions.into());
        let new = NewTopic::new(topic, partitions, TopicReplication::Fixed(-1));
        found.push(look_at("kafka_topic", topic, &new, settings)?);
    }
    if settings.config.exactly_once {
        let name = &settings.config.positions_topic;
        let new = position::topic(settings);
        found.push(look_at("kafka_positions_topic", name, &new, settings)?);
        found.push(transactions(settings)?);
    }
    Ok(found)
}

/// Whether topics whose names come from rows are made when a row needs them.
fn made_topics(settings: &Settings) -> Result<Precondition, Fault> {
    let name = "kafka_topics".to_owned();
    let route = &settings.config.topic;
    if settings.config.create_topics.is_some() {
        let found = format!("`{route}`, made by the stream when a row needs one");
        return Ok(Precondition { name, fine: true, optional: false, found, remedy: None });
    }
    let said = brokers_make_topics(settings)?;
    let found = match said {
        Some(true) => format!("`{route}`, made by the brokers when a row needs one"),
        Some(false) => {
            format!("`{route}`: neither the stream nor the brokers make what is missing")
        }
        None => format!("`{route}`: the brokers do not say whether they make what is missing"),
    };
    let remedy = (said != Some(true)).then(|| {
        "Make every topic before its first row, or set `create_topics` in the sink's settings."
            .to_owned()
    });
    Ok(Precondition { name, fine: remedy.is_none(), optional: true, found, remedy })
}

/// `auto.create.topics.enable`, as a broker says it; nothing when we may not ask.
fn brokers_make_topics(settings: &Settings) -> Result<Option<bool>, Fault> {
    let doing = "asking a Kafka broker for its settings";
    let consumer = position::open(settings, "read_committed")?;
    let metadata = consumer
        .fetch_metadata(None, settings.timeout)
        .map_err(|error| fault("asking for Kafka's brokers", error))?;
    let Some(broker) = metadata.brokers().first() else { return Ok(None) };
    let admin: AdminClient<DefaultClientContext> =
        AdminClient::from_config(&client::base(settings)).map_err(|error| fault(doing, error))?;
    let options = AdminOptions::new().request_timeout(Some(settings.timeout));
    let which = ResourceSpecifier::Broker(broker.id());
    let asked = admin.describe_configs([&which], &options);
    let said = futures::executor::block_on(asked).map_err(|error| fault(doing, error))?;
    // A broker that does not let us ask is no reason not to run.
    let Some(Ok(settings)) = said.into_iter().next() else { return Ok(None) };
    let mut entries = settings.entries.into_iter();
    let entry = entries.find(|it| it.name == "auto.create.topics.enable");
    Ok(entry.and_then(|it| it.value).map(|value| value == "true"))
}

/// Whether the sink may write in transactions. Tried under a name of its own: to try the sink's would
/// fence off a stream that runs.
fn transactions(settings: &Settings) -> Result<Precondition, Fault> {
    let id = client::transactional_id(settings);
    let tried = format!("{id}-doctor");
    let mut properties = client::producer(settings, false);
    properties.set("transactional.id", &tried);
    let doing = "trying a Kafka transaction";
    let producer: BaseProducer = properties.create().map_err(|error| fault(doing, error))?;
    let refused = producer.init_transactions(settings.timeout).err();
    let refused = refused.map(|error| fault(doing, error));
    let found = match &refused {
        None => format!("`{tried}` may be used, as a name like `{id}`"),
        Some(fault) => fault.chain(),
    };
    let remedy = refused.as_ref().map(|_| {
        format!(
            "kafka-acls.sh --bootstrap-server {} --add --allow-principal User:<user> --operation \
             Write --operation Describe --transactional-id {id} --resource-pattern-type prefixed",
            settings.config.brokers
        )
    });
    // A right on the one exact name cannot be tried, so that a refusal proves nothing.
    let optional = refused.is_some_and(|it| it.class() == ErrorClass::Permission);
    let name = "kafka_transactions".to_owned();
    Ok(Precondition { name, fine: remedy.is_none(), optional, found, remedy })
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
