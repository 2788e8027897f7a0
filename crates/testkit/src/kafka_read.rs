//! Reading topics back by librdkafka's consumer.

use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Headers, Message};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

use crate::kafka::Kafka;
use crate::stream_sinks::Delivered;
use crate::wait::now;

const PATIENCE: Duration = Duration::from_secs(60);

impl Kafka {
    /// All records of a topic, those of each partition in order, as a reader of committed records
    /// sees them; none when the topic is not there.
    ///
    /// # Panics
    /// When the broker does not answer.
    #[must_use]
    pub fn records(&self, topic: &str) -> Vec<Delivered> {
        self.records_by_partition(topic).into_iter().map(|(_, told)| told).collect()
    }

    /// The same, each with its partition.
    ///
    /// # Panics
    /// When the broker does not answer.
    #[must_use]
    pub fn records_by_partition(&self, topic: &str) -> Vec<(i32, Delivered)> {
        let mut found = Vec::new();
        self.each(topic, |record| found.push((record.partition(), told(record))));
        found.sort_by_key(|(partition, _)| *partition);
        found
    }

    /// How many records a reader of committed records finds.
    ///
    /// # Panics
    /// When the broker does not answer.
    #[must_use]
    pub fn count(&self, topic: &str) -> u64 {
        let mut count = 0;
        self.each(topic, |_record| count += 1);
        count
    }

    /// The names of all topics.
    ///
    /// # Panics
    /// When the broker does not answer.
    #[must_use]
    pub fn topics(&self) -> Vec<String> {
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", self.brokers())
            .create()
            .expect("cannot make a consumer");
        let metadata =
            consumer.fetch_metadata(None, PATIENCE).expect("the test Kafka does not answer");
        metadata.topics().iter().map(|it| it.name().to_owned()).collect()
    }

    fn each(&self, topic: &str, mut see: impl FnMut(&BorrowedMessage<'_>)) {
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", self.brokers())
            .set("group.id", "testkit")
            .set("enable.auto.commit", "false")
            .set("enable.partition.eof", "true")
            .set("auto.offset.reset", "earliest")
            .set("isolation.level", "read_committed")
            .set("fetch.wait.max.ms", "10")
            // Usually 64 MiB, which would be the floor of what a benchmark then measures.
            .set("queued.max.messages.kbytes", "2048")
            .create()
            .expect("cannot make a consumer");
        let metadata =
            consumer.fetch_metadata(Some(topic), PATIENCE).expect("the test Kafka does not answer");
        let mut list = TopicPartitionList::new();
        for found in metadata.topics().iter().filter(|it| it.name() == topic) {
            for partition in found.partitions() {
                list.add_partition_offset(topic, partition.id(), Offset::Beginning)
                    .expect("a partition of its own");
            }
        }
        let mut open = list.count();
        consumer.assign(&list).expect("cannot assign partitions");
        let start = now();
        while open > 0 {
            assert!(start.elapsed() < PATIENCE, "reading `{topic}` takes too long");
            match consumer.poll(Duration::from_millis(100)) {
                Some(Ok(record)) => see(&record),
                Some(Err(KafkaError::PartitionEOF(_))) => open -= 1,
                Some(Err(error)) => {
                    let code = error.rdkafka_error_code();
                    let missing = code == Some(RDKafkaErrorCode::UnknownTopicOrPartition);
                    assert!(missing, "reading `{topic}`: {error}");
                }
                None => {}
            }
        }
    }
}

fn told(record: &impl Message) -> Delivered {
    let id = record.headers().and_then(|headers| {
        headers.iter().find(|header| header.key == "id").and_then(|header| header.value)
    });
    Delivered {
        destination: record.topic().to_owned(),
        key: record.key().map(<[u8]>::to_vec),
        body: record.payload().map(<[u8]>::to_vec),
        id: String::from_utf8_lossy(id.unwrap_or_default()).into_owned(),
    }
}
