//! What is a webhook's alone: what is sent, and what follows from its answers.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use flowglass_connect::encode::{Encoder, EncoderSettings, Origin};
use flowglass_connect::stream::{
    Delivery, Messages, SinkWriter, StreamSink, StreamSinkConnector, Takes,
};
use flowglass_connect::{Fault, stream::Acknowledged};
use flowglass_model::ErrorClass;
use flowglass_sinks::http::Connector;
use flowglass_testkit::stream_sinks::{Progress, feed, pump};
use serde_json::{Value, json};

use super::around;
use super::receiver::{Got, Receiver};

fn sink(receiver: &Receiver, more: Value) -> Arc<dyn StreamSink> {
    let url = format!("http://127.0.0.1:{}/hook/s3cret-path?v=1", receiver.port());
    let mut config = json!({ "id": "a", "url": url });
    let Value::Object(more) = more else { panic!("no object") };
    config.as_object_mut().unwrap().extend(more);
    Connector.build("s", config, &around()).unwrap()
}

async fn deliver(sink: &Arc<dyn StreamSink>, batches: u64) -> Result<(), Fault> {
    let mut writer: Box<dyn SinkWriter> = sink.open().await?;
    pump(sink, &mut writer, &mut Progress::default(), (batches, "")).await
}

fn always(status: u16) -> Receiver {
    Receiver::start(move |_, _| (status, None))
}

#[tokio::test]
async fn a_request_says_who_sends_what() {
    let receiver = always(200);
    let more = json!({
        "secret": "whsec_MDEyMzQ1Njc4OWFiY2RlZg==", "body": "ndjson", "items": "value",
        "headers": { "Authorization": "Bearer t0ken" },
    });
    deliver(&sink(&receiver, more), 3).await.unwrap();
    let got = receiver.got();
    let mut bodies = Vec::new();
    for got in &got {
        assert!(got.is_signed(b"0123456789abcdef"));
        assert_eq!(got.header("authorization"), "Bearer t0ken");
        assert_eq!(got.header("content-type"), "application/x-ndjson");
        assert_eq!(got.header("host"), format!("127.0.0.1:{}", receiver.port()));
        bodies.extend(got.body.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec));
    }
    let expected: usize = (0..3).map(|number| feed(number, "").expected.len()).sum();
    assert_eq!(bodies.len(), expected);
    let ids: HashSet<&str> = got.iter().map(|got| got.header("webhook-id")).collect();
    assert_eq!(ids.len(), got.len(), "requests are told apart");
    let shown = format!("{:?} {:?}", sink(&receiver, json!({})).asset(), receiver.port());
    assert!(!shown.contains("s3cret"), "{shown}");
}

/// Events of CloudEvents name themselves, and a batch of them has a media type of its own.
#[tokio::test]
async fn events_go_as_a_batch_of_events() {
    let receiver = always(200);
    let sink = sink(&receiver, json!({ "envelope": "cloudevents" }));
    let Takes::Messages(settings) = sink.takes() else { panic!("it takes messages") };
    let settings = EncoderSettings { route: "x".to_owned(), ..settings };
    let origin = Origin { stream: "s".into(), version: "flowglass".into(), clock: around().clock };
    let mut encoder = Encoder::new(settings, origin).unwrap();
    let batch = feed(0, "").batch;
    let mut messages = Messages::default();
    assert!(encoder.encode(&batch, &mut messages).is_empty());
    let mut writer = sink.open().await.unwrap();
    writer.send(Delivery { number: 1, batch, messages: Some(messages) }).await.unwrap();
    writer.acknowledged().await.unwrap();
    let got = receiver.got();
    assert_eq!(got[0].header("content-type"), "application/cloudevents-batch+json; charset=utf-8");
    let events: Vec<Value> = serde_json::from_slice(&got[0].body).unwrap();
    assert!(events.iter().all(|it| it["specversion"] == "1.0" && it["id"].is_string()));
}

#[tokio::test]
async fn what_may_pass_is_tried_again_when_the_webhook_says_so() {
    // The third request fails twice, and asks for a second each time.
    let receiver = Receiver::start(|_, number| match number {
        2 => (429, Some("1".to_owned())),
        3 => (503, Some("1".to_owned())),
        _ => (200, None),
    });
    let sink = sink(&receiver, json!({ "request_events_max": 5 }));
    let fed = feed(3, "");
    let clock = around().clock;
    let began = clock.monotonic();
    let mut classes = Vec::new();
    let said: Acknowledged = loop {
        let mut writer = sink.open().await.unwrap();
        let mut messages = Messages::default();
        std::mem::swap(&mut messages, &mut feed(3, "").messages);
        let batch = Arc::clone(&fed.batch);
        writer.send(Delivery { number: 1, batch, messages: Some(messages) }).await.unwrap();
        match writer.acknowledged().await {
            Ok(said) => break said,
            Err(fault) => classes.push(fault.class()),
        }
    };
    assert!(said.refused.is_empty());
    assert_eq!(classes, [ErrorClass::Throttled, ErrorClass::Unreachable]);
    assert!(clock.monotonic() - began >= Duration::from_secs(2), "it did not wait");
    // What was answered was not sent again, and what was not came with the same name.
    let got = receiver.got();
    let names: Vec<&str> = got.iter().map(|got| got.header("webhook-id")).collect();
    assert_eq!((names[2], names[3]), (names[4], names[4]));
    let good: Vec<&str> =
        got.iter().filter(|got| got.status == 200).map(|got| got.header("webhook-id")).collect();
    let unique: HashSet<&&str> = good.iter().collect();
    assert_eq!(unique.len(), good.len());
}

#[tokio::test]
async fn what_cannot_pass_stops_the_stream_with_advice() {
    for (status, class) in [
        (301, ErrorClass::Config),
        (401, ErrorClass::Auth),
        (403, ErrorClass::Permission),
        (404, ErrorClass::NotFound),
        (415, ErrorClass::Config),
    ] {
        let receiver = always(status);
        let fault = deliver(&sink(&receiver, json!({})), 1).await.unwrap_err();
        assert_eq!(fault.class(), class, "{}", fault.chain());
        let said = format!("{} {}", fault.chain(), fault.advice());
        assert!(!said.contains("s3cret") && !said.contains("values may be here"), "{said}");
        assert_eq!(receiver.got().len(), 1);
    }
}

#[tokio::test]
async fn one_bad_row_is_found_among_many() {
    let receiver = Receiver::start(|got: &Got, _| {
        let bad = got.body.windows(7).any(|part| part == b"\"row\":5");
        (if bad { 400 } else { 200 }, None)
    });
    let sink = sink(&receiver, json!({ "items": "value" }));
    let fed = feed(3, "");
    let mut writer = sink.open().await.unwrap();
    let delivery = Delivery { number: 1, batch: fed.batch, messages: Some(fed.messages) };
    writer.send(delivery).await.unwrap();
    let said = writer.acknowledged().await.unwrap();
    let refused: Vec<usize> = said.refused.iter().map(|it| it.change).collect();
    assert_eq!(refused, [5]);
    assert_eq!(said.refused[0].fault.class(), ErrorClass::Malformed);
}

/// Each connection is closed after its first answer, without a word about it.
#[tokio::test]
async fn an_idle_connection_that_was_closed_is_made_anew() {
    let receiver = always(200);
    let proxy = flowglass_testkit::Proxy::before(receiver.port());
    let url = format!("http://127.0.0.1:{}/", proxy.port());
    let sink = Connector.build("s", json!({ "id": "a", "url": url }), &around()).unwrap();
    let mut writer = sink.open().await.unwrap();
    let mut progress = Progress::default();
    for until in 1..6 {
        pump(&sink, &mut writer, &mut progress, (until, "")).await.unwrap();
        proxy.cut();
    }
}

#[test]
fn what_cannot_be_used_is_refused() {
    let url = "http://h/s3cret";
    for (config, said) in [
        (json!({ "id": "a", "url": "h/s3cret" }), "has no scheme"),
        (json!({ "id": "a", "url": url, "secret": "whsec_s3cret!" }), "no Base64"),
        (json!({ "id": "a", "url": url, "headers": { "Host": "s3cret" } }), "set by the sink"),
        (json!({ "id": "a", "url": url, "headers": { "x": "s3cret\n" } }), "cannot be sent"),
        (json!({ "id": "a", "url": url, "request_events_max": 0 }), "1 or more"),
        (
            json!({ "id": "a", "url": url, "envelope": "cloudevents", "items": "message" }),
            "cannot be with",
        ),
        (json!({ "id": "a", "url": url, "method": "PUT" }), "unknown field `method`"),
    ] {
        let fault = Connector.build("s", config, &around()).err().unwrap();
        assert_eq!(fault.class(), ErrorClass::Config);
        assert!(fault.chain().contains(said), "{}", fault.chain());
        assert!(!fault.chain().contains("s3cret"), "{}", fault.chain());
    }
}
