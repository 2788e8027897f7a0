//! The acceptance suite over Apache Kafka, at least once and exactly once.

use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use flowglass_connect::stream::{StreamSink, StreamSinkConnector};
use flowglass_sinks::kafka::Connector;
use flowglass_testkit::stream_sinks::{Delivered, Refusable, SinkUnderTest, Way};
use flowglass_testkit::{Kafka, KafkaSettings, Proxy};
use serde_json::json;

use super::{around, fresh};

/// One broker for all: it takes requests of half a megabyte, which is less than the producer sends,
/// so that rows are refused by the broker as well as before it.
pub(super) fn broker() -> &'static Kafka {
    static SHARED: OnceLock<Kafka> = OnceLock::new();
    SHARED.get_or_init(|| Kafka::start(KafkaSettings::default().set("message.max.bytes", "500000")))
}

/// The faults of a network are those of the whole broker, so that these checks go one by one.
static NETWORK: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

struct Under {
    broker: &'static Kafka,
    stream: String,
    exactly_once: bool,
    _alone: tokio::sync::MutexGuard<'static, ()>,
}

impl Under {
    async fn new(exactly_once: bool) -> Self {
        let alone = NETWORK.lock().await;
        // Starting it takes seconds, which must not be taken from the runtime.
        let broker = tokio::task::spawn_blocking(broker).await.unwrap();
        Self { broker, stream: fresh("orders"), exactly_once, _alone: alone }
    }
}

#[async_trait]
impl SinkUnderTest for Under {
    fn sink(&self, way: Way) -> Arc<dyn StreamSink> {
        let (brokers, timeout) = match way {
            Way::Direct => (self.broker.brokers(), 30),
            Way::Proxied => (self.broker.proxied_brokers(), 4),
        };
        let config = json!({
            "id": "main", "brokers": brokers, "exactly_once": self.exactly_once,
            "timeout_seconds": timeout, "compression": "none",
        });
        Connector.build(&self.stream, config, &around()).unwrap()
    }

    fn prefix(&self) -> String {
        format!("{}.", self.stream)
    }

    async fn delivered(&self) -> Vec<Delivered> {
        (0..3).flat_map(|it| self.broker.records(&format!("{}t{it}", self.prefix()))).collect()
    }

    fn proxy(&self) -> &Proxy {
        self.broker.proxy()
    }

    async fn refusable(&self) -> Vec<Refusable> {
        vec![
            // More than the producer sends, and more than the broker takes.
            Refusable::Body(2_000_000),
            Refusable::Body(600_000),
            Refusable::Destination("not a topic".to_owned()),
        ]
    }
}

mod at_least_once {
    use super::Under;

    flowglass_testkit::stream_sink_suite!(Under::new(false));
}

mod exactly_once {
    use super::Under;

    flowglass_testkit::stream_sink_suite!(Under::new(true));
}
