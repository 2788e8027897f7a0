//! Writing records as somebody else would, by librdkafka's producer without anything of ours.

use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};

use crate::kafka::Kafka;
use crate::stream_sinks::Delivered;

const PATIENCE: Duration = Duration::from_secs(60);

impl Kafka {
    /// Writes a record with the header `id` to a partition of its topic, and waits until it is kept.
    ///
    /// # Panics
    /// When the broker does not take it.
    pub fn send(&self, partition: i32, told: &Delivered) {
        let producer: BaseProducer = ClientConfig::new()
            .set("bootstrap.servers", self.brokers())
            .create()
            .expect("cannot make a producer");
        let id = Header { key: "id", value: Some(told.id.as_bytes()) };
        let mut record = BaseRecord::<[u8], [u8]>::to(&told.destination)
            .partition(partition)
            .headers(OwnedHeaders::new().insert(id));
        record.key = told.key.as_deref();
        record.payload = told.body.as_deref();
        producer.send(record).map_err(|(error, _)| error).expect("cannot write a record");
        producer.flush(PATIENCE).expect("the test Kafka does not keep the record");
    }
}
