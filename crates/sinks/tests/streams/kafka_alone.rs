//! What the acceptance suite does not ask of Kafka: who we are, topics that are missing, a broker
//! that is killed, neighbours among the positions.

use std::sync::Arc;
use std::time::Duration;

use flowglass_connect::Fault;
use flowglass_connect::stream::{Delivery, StreamSink, StreamSinkConnector};
use flowglass_model::ErrorClass;
use flowglass_sinks::kafka::Connector;
use flowglass_testkit::stream_sinks::{Progress, feed, pump};
use flowglass_testkit::{KAFKA_PASSWORD, KAFKA_USER, Kafka, KafkaSettings};
use rdkafka::ClientConfig;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use serde_json::{Value, json};

use super::kafka::broker;
use super::{around, fresh};

fn sink(stream: &str, config: Value) -> Result<Arc<dyn StreamSink>, Fault> {
    Connector.build(stream, config, &around())
}

/// Delivers batches `from..until` of a stream that has come that far.
async fn deliver(
    sink: &Arc<dyn StreamSink>,
    (from, until): (u64, u64),
    prefix: &str,
) -> Result<(), Fault> {
    let mut writer = sink.open().await?;
    writer.committed().await?;
    let mut progress = Progress { acknowledged: from, handed: from };
    pump(sink, &mut writer, &mut progress, (until, prefix)).await
}

fn count(broker: &Kafka, prefix: &str) -> usize {
    (0..3).map(|it| broker.records(&format!("{prefix}t{it}")).len()).sum()
}

fn expected(batches: u64) -> usize {
    (0..batches).map(|it| feed(it, "").expected.len()).sum()
}

#[tokio::test]
async fn a_name_and_a_password_are_asked_for() {
    let brokers = broker().asking_brokers();
    let config = |mechanism: &str, password: &str| {
        json!({
            "id": "a", "brokers": brokers, "timeout_seconds": 8,
            "sasl": { "mechanism": mechanism, "user": KAFKA_USER, "password": password },
        })
    };
    for mechanism in ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] {
        let stream = fresh("sasl");
        let right = sink(&stream, config(mechanism, KAFKA_PASSWORD)).unwrap();
        deliver(&right, (0, 3), &stream).await.unwrap();
        assert_eq!(count(broker(), &stream), expected(3));
        let wrong = sink(&stream, config(mechanism, "s3cret-and-wrong")).unwrap();
        let fault = wrong.open().await.err().unwrap();
        assert_eq!(fault.class(), ErrorClass::Auth, "{mechanism}: {}", fault.chain());
        assert!(!fault.chain().contains("s3cret"), "{}", fault.chain());
    }
    let nobody = sink("s", json!({ "id": "a", "brokers": brokers, "timeout_seconds": 3 })).unwrap();
    assert!(nobody.open().await.is_err());
}

#[tokio::test]
async fn tls_is_believed_by_its_certificate() {
    let config = |ca: Value| {
        json!({
            "id": "a", "brokers": broker().tls_brokers(), "timeout_seconds": 8,
            "tls": { "ca_file": ca },
        })
    };
    let stream = fresh("tls");
    let trusting = sink(&stream, config(json!(broker().root_certificate()))).unwrap();
    deliver(&trusting, (0, 3), &stream).await.unwrap();
    assert_eq!(count(broker(), &stream), expected(3));
    let fault = sink(&stream, config(Value::Null)).unwrap().open().await.err().unwrap();
    assert_eq!(fault.class(), ErrorClass::Auth, "{}", fault.chain());
}

#[tokio::test]
async fn a_topic_is_made_as_it_was_asked_for() {
    let (stream, brokers) = (fresh("made"), broker().brokers());
    let made = json!({
        "id": "a", "brokers": brokers,
        "create_topics": { "partitions": 1, "config": { "cleanup.policy": "compact" } },
    });
    let made = sink(&stream, made).unwrap();
    deliver(&made, (0, 3), &stream).await.unwrap();
    deliver(&made, (3, 6), &stream).await.unwrap();
    assert_eq!(count(broker(), &stream), expected(6));
    // A compacted topic takes no record without a key: the rows without one are named.
    let mut fed = feed(6, &stream);
    let mut messages = flowglass_connect::stream::Messages::default();
    messages.buffer.clone_from(&fed.messages.buffer);
    for message in fed.messages.items() {
        let name = fed.messages.destination_of(message);
        let destination = messages.destination(&Arc::from(name));
        let key = message.key.filter(|_| message.change != 2);
        let message = flowglass_connect::stream::Message { destination, key, ..*message };
        messages.push(message);
    }
    fed.messages = messages;
    let mut said = None;
    let mut messages = Some(fed.messages);
    for _writer in 0..4 {
        let mut writer = made.open().await.unwrap();
        let taken = messages.take().unwrap();
        let again = copy_of(&taken);
        messages = Some(again);
        let delivery = Delivery { number: 1, batch: Arc::clone(&fed.batch), messages: Some(taken) };
        writer.send(delivery).await.unwrap();
        if let Ok(acknowledged) = writer.acknowledged().await {
            said = Some(acknowledged);
            break;
        }
    }
    let said = said.unwrap();
    let named: Vec<usize> = said.refused.iter().map(|it| it.change).collect();
    assert_eq!(named, [2]);
    assert_eq!(said.refused[0].fault.class(), ErrorClass::Malformed);
}

fn copy_of(messages: &flowglass_connect::stream::Messages) -> flowglass_connect::stream::Messages {
    let mut copy = flowglass_connect::stream::Messages::default();
    copy.buffer.clone_from(&messages.buffer);
    for message in messages.items() {
        let destination = copy.destination(&Arc::from(messages.destination_of(message)));
        copy.push(flowglass_connect::stream::Message { destination, ..*message });
    }
    copy
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_topic_is_said_by_name_or_class() {
    let broker = tokio::task::spawn_blocking(|| {
        Kafka::start(KafkaSettings::default().set("auto.create.topics.enable", "false"))
    });
    let mut broker = broker.await.unwrap();
    let stream = fresh("missing");
    let config = json!({
        "id": "a", "brokers": broker.brokers(), "timeout_seconds": 5, "exactly_once": true,
        "kafka": { "topic.metadata.propagation.max.ms": 500 },
    });
    let without = sink(&stream, config.clone()).unwrap();
    let fault = deliver(&without, (0, 1), &stream).await.unwrap_err();
    assert_eq!(fault.class(), ErrorClass::NotFound, "{}", fault.chain());
    assert!(fault.advice().contains("create_topics"), "{}", fault.advice());

    // Killed and started again: what was committed is there, and where it stood.
    let mut with = config;
    with["create_topics"] = json!({ "partitions": 2 });
    with["timeout_seconds"] = json!(30);
    let with = sink(&stream, with).unwrap();
    deliver(&with, (0, 10), &stream).await.unwrap();
    broker.kill();
    let broker = tokio::task::spawn_blocking(move || {
        broker.restart();
        broker
    });
    let broker = broker.await.unwrap();
    let mut writer = with.open().await.unwrap();
    let kept = writer.committed().await.unwrap();
    assert_eq!(kept.as_ref(), Some(feed(9, "").batch.position()));
    let mut progress = Progress { acknowledged: 10, handed: 10 };
    pump(&with, &mut writer, &mut progress, (14, &stream)).await.unwrap();
    assert_eq!(count(&broker, &stream), expected(14));
}

/// Killed while batches are on their way, each time after another number of them.
#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_is_killed_again_and_again_loses_and_doubles_nothing() {
    const ROUNDS: u64 = 3;
    let start = || Kafka::start(KafkaSettings::default().set("num.partitions", "2"));
    let mut broker = tokio::task::spawn_blocking(start).await.unwrap();
    let stream = fresh("killed");
    let config = json!({ "id": "a", "brokers": broker.brokers(), "exactly_once": true });
    let sink = sink(&stream, config).unwrap();
    let mut progress = Progress::default();
    for round in 0..=ROUNDS {
        let mut writer = sink.open().await.unwrap();
        let kept = writer.committed().await.unwrap();
        // What was handed over and not acknowledged is there whole or not at all.
        let stands = (0..=progress.handed)
            .rev()
            .find(|it| {
                it.checked_sub(1).map(|last| feed(last, "").batch.position().clone()) == kept
            })
            .unwrap();
        assert!(stands >= progress.acknowledged, "{stands}: {progress:?}");
        progress.acknowledged = stands;
        let until = stands + 1 + round;
        pump(&sink, &mut writer, &mut progress, (until, &stream)).await.unwrap();
        if round == ROUNDS {
            break;
        }
        for ahead in 0..round % 5 {
            let fed = feed(until + ahead, &stream);
            let number = until + ahead - stands + 1;
            let messages = Some(fed.messages);
            writer.send(Delivery { number, batch: fed.batch, messages }).await.unwrap();
            progress.handed = until + ahead + 1;
        }
        broker.kill();
        drop(writer);
        let again = move || {
            broker.restart();
            broker
        };
        broker = tokio::task::spawn_blocking(again).await.unwrap();
    }
    assert_eq!(count(&broker, &stream), expected(progress.acknowledged));
}

#[tokio::test]
async fn positions_of_many_streams_do_not_hide_each_other() {
    let brokers = broker().brokers();
    let config = json!({
        "id": "a", "brokers": brokers, "exactly_once": true, "positions_topic": fresh("positions"),
    });
    let quiet = sink(&fresh("quiet"), config.clone()).unwrap();
    deliver(&quiet, (0, 2), "quiet").await.unwrap();
    let busy = sink(&fresh("busy"), config).unwrap();
    // More positions, and marks of transactions, than are looked through at first.
    for round in 0..10 {
        deliver(&busy, (round * 40, (round + 1) * 40), "busy").await.unwrap();
    }
    for (sink, last) in [(&quiet, 1), (&busy, 399)] {
        let mut writer = sink.open().await.unwrap();
        let kept = writer.committed().await.unwrap();
        assert_eq!(kept.as_ref(), Some(feed(last, "").batch.position()));
    }
}

#[tokio::test]
async fn a_neighbours_open_transaction_does_not_hide_our_position() {
    let positions = fresh("positions");
    let config = json!({
        "id": "a", "brokers": broker().brokers(), "exactly_once": true,
        "positions_topic": positions, "timeout_seconds": 60,
    });
    let quiet = sink(&fresh("quiet"), config).unwrap();
    deliver(&quiet, (0, 2), "quiet").await.unwrap();
    let neighbour: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", broker().brokers())
        .set("transactional.id", fresh("neighbour"))
        .create()
        .unwrap();
    let limit = Duration::from_secs(30);
    neighbour.init_transactions(limit).unwrap();
    neighbour.begin_transaction().unwrap();
    neighbour.send(BaseRecord::to(&positions).partition(0).key("other").payload("{}")).unwrap();
    neighbour.flush(limit).unwrap();
    // It stays open for a minute; nobody waits for that.
    let opened = tokio::time::timeout(Duration::from_secs(20), quiet.open()).await;
    let kept = opened.unwrap().unwrap().committed().await.unwrap();
    assert_eq!(kept.as_ref(), Some(feed(1, "").batch.position()));
    neighbour.abort_transaction(limit).unwrap();
}

#[tokio::test]
async fn the_same_key_goes_where_java_sends_it() {
    let stream = fresh("keys");
    let config = json!({ "id": "a", "brokers": broker().brokers() });
    deliver(&sink(&stream, config).unwrap(), (0, 30), &stream).await.unwrap();
    let mut used = std::collections::HashSet::new();
    for (partition, record) in broker().records_by_partition(&format!("{stream}t0")) {
        let hash = murmur2(&record.key.unwrap()) & 0x7fff_ffff;
        assert_eq!(u32::try_from(partition).unwrap(), hash % 3);
        used.insert(partition);
    }
    assert!(used.len() > 1, "several partitions: {used:?}");
}

/// As `org.apache.kafka.common.utils.Utils.murmur2` computes it.
fn murmur2(bytes: &[u8]) -> u32 {
    const M: u32 = 0x5bd1_e995;
    let mut hash = 0x9747_b28c ^ u32::try_from(bytes.len()).unwrap();
    let mut words = bytes.chunks_exact(4);
    for word in &mut words {
        let mut k = u32::from_le_bytes(word.try_into().unwrap()).wrapping_mul(M);
        k = (k ^ (k >> 24)).wrapping_mul(M);
        hash = hash.wrapping_mul(M) ^ k;
    }
    let rest = words.remainder();
    if !rest.is_empty() {
        for (at, byte) in rest.iter().enumerate() {
            hash ^= u32::from(*byte) << (8 * at);
        }
        hash = hash.wrapping_mul(M);
    }
    hash = (hash ^ (hash >> 13)).wrapping_mul(M);
    hash ^ (hash >> 15)
}

#[test]
fn the_hash_is_that_of_kafkas_own_tests() {
    for (text, hash) in [("21", -973_932_308), ("foobar", -790_332_482), ("abc", 479_470_107)] {
        assert_eq!(murmur2(text.as_bytes()).cast_signed(), hash);
    }
}

#[test]
fn what_cannot_be_used_is_refused_and_no_secret_shown() {
    for (config, said) in [
        (json!({ "id": "a" }), "missing field `brokers`"),
        (json!({ "id": "a", "brokers": "h", "topik": "x" }), "unknown field `topik`"),
        (json!({ "id": "a", "brokers": "h", "kafka": { "acks": 1 } }), "`kafka.acks`"),
        (json!({ "id": "a", "brokers": "" }), "`brokers` is empty"),
    ] {
        let fault = sink("s", config).err().unwrap();
        assert_eq!(fault.class(), ErrorClass::Config);
        assert!(fault.chain().contains(said), "{}", fault.chain());
    }
}

#[tokio::test]
async fn a_property_that_librdkafka_does_not_know_is_said_without_its_value() {
    let config = json!({ "id": "a", "brokers": "h", "kafka": { "no.such": "s3cret" } });
    let fault = sink("s", config).unwrap().open().await.err().unwrap();
    assert_eq!(fault.class(), ErrorClass::Config);
    assert!(fault.chain().contains("`no.such`"), "{}", fault.chain());
    assert!(!fault.chain().contains("s3cret"), "{}", fault.chain());
}
