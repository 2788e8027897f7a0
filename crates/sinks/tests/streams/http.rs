//! The acceptance suite over a webhook.

use std::sync::Arc;

use async_trait::async_trait;
use flowglass_connect::stream::{StreamSink, StreamSinkConnector};
use flowglass_sinks::http::Connector;
use flowglass_testkit::stream_sinks::{Delivered, Refusable, SinkUnderTest, Way};
use flowglass_testkit::{Proxy, stream_sink_suite};
use serde_json::json;
use serde_json::value::RawValue;

use super::around;
use super::receiver::{Got, Receiver};

/// What the receiver calls too much.
const BODY_BYTES_MAX: usize = 8_000;

struct Under {
    receiver: Receiver,
    proxy: Proxy,
}

impl Under {
    fn new() -> Self {
        let receiver = Receiver::start(|got: &Got, _| {
            let status = match got.body.len() {
                _ if got.path.starts_with("/bad") => 422,
                BODY_BYTES_MAX.. => 413,
                _ => 204,
            };
            (status, None)
        });
        let proxy = Proxy::before(receiver.port());
        Self { receiver, proxy }
    }
}

#[derive(serde::Deserialize)]
struct Item<'a> {
    id: String,
    #[serde(borrow)]
    key: &'a RawValue,
    #[serde(borrow)]
    value: &'a RawValue,
}

#[async_trait]
impl SinkUnderTest for Under {
    fn sink(&self, way: Way) -> Arc<dyn StreamSink> {
        let (port, timeout) = match way {
            Way::Direct => (self.receiver.port(), 30),
            Way::Proxied => (self.proxy.port(), 2),
        };
        let url = format!("http://127.0.0.1:{port}/{{table}}");
        let config = json!({
            "id": "a", "url": url, "secret": "s3cret", "timeout_seconds": timeout,
            "request_events_max": 7,
        });
        Connector.build("s", config, &around()).unwrap()
    }

    fn prefix(&self) -> String {
        "by/".to_owned()
    }

    async fn delivered(&self) -> Vec<Delivered> {
        let mut found = Vec::new();
        for got in self.receiver.got() {
            assert!(got.is_signed(b"s3cret"));
            assert_eq!(got.header("idempotency-key"), got.header("webhook-id"));
            if got.status != 204 {
                continue;
            }
            let items: Vec<Item<'_>> = serde_json::from_slice(&got.body).unwrap();
            assert!(items.len() <= 7);
            let bytes =
                |raw: &RawValue| (raw.get() != "null").then(|| raw.get().as_bytes().to_vec());
            found.extend(items.into_iter().map(|item| Delivered {
                destination: got.path.trim_start_matches('/').to_owned(),
                key: bytes(item.key),
                body: bytes(item.value),
                id: item.id,
            }));
        }
        found
    }

    fn proxy(&self) -> &Proxy {
        &self.proxy
    }

    async fn refusable(&self) -> Vec<Refusable> {
        vec![Refusable::Destination("bad/path".to_owned()), Refusable::Body(BODY_BYTES_MAX)]
    }
}

stream_sink_suite!(async { Under::new() });
