//! The acceptance suite over Redis.

use std::sync::Arc;

use async_trait::async_trait;
use flowglass_connect::stream::{StreamSink, StreamSinkConnector};
use flowglass_sinks::redis::Connector;
use flowglass_testkit::stream_sinks::{Delivered, Refusable, SinkUnderTest, Way};
use flowglass_testkit::{Proxy, Redis, stream_sink_suite};
use serde_json::json;

use super::{around, fresh};

struct Under {
    server: &'static Redis,
    proxy: Proxy,
    stream: String,
}

impl Under {
    fn new() -> Self {
        let server = Redis::shared();
        Self { server, proxy: Proxy::before(server.port()), stream: fresh("orders") }
    }
}

#[async_trait]
impl SinkUnderTest for Under {
    fn sink(&self, way: Way) -> Arc<dyn StreamSink> {
        let (port, timeout) = match way {
            Way::Direct => (self.server.port(), 30),
            Way::Proxied => (self.proxy.port(), 2),
        };
        let uri = format!("redis://127.0.0.1:{port}");
        let config = json!({ "id": "cache", "uri": uri, "timeout_seconds": timeout });
        Connector.build(&self.stream, config, &around()).unwrap()
    }

    fn prefix(&self) -> String {
        format!("{}.", self.stream)
    }

    async fn delivered(&self) -> Vec<Delivered> {
        (0..3).flat_map(|it| self.server.entries(&format!("{}t{it}", self.prefix()))).collect()
    }

    fn proxy(&self) -> &Proxy {
        &self.proxy
    }

    async fn refusable(&self) -> Vec<Refusable> {
        let name = format!("{}text", self.prefix());
        let () = redis::cmd("SET").arg(&name).arg("x").query(&mut self.server.client()).unwrap();
        vec![Refusable::Destination(name), Refusable::Destination(String::new())]
    }
}

stream_sink_suite!(async { Under::new() });
