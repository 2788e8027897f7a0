//! Golden messages of CloudEvents 1.0 in structured JSON mode, held against the specification's
//! required attributes ("CloudEvents - Version 1.0.2", section "Required Attributes").

use std::collections::BTreeSet;

use flowglass_connect::encode::{Encoder, Envelope};
use flowglass_connect::stream::{Identity, Messages};

use crate::support::V::{Null, T};
use crate::support::{Feed, encoder, orders, origin, settings, shown};

#[test]
fn each_operation() {
    let batch = Feed::of(&orders())
        .insert(&[T("1"), T("Ann"), T("12.50"), T("{}")])
        .update(&[T("1"), T("Bob"), T("12.50"), T("{}")])
        .delete(Identity::Key, &[T("1"), Null, Null, Null])
        .truncate()
        .read(&[T("1"), T("Ann"), T("12.50"), T("{}")])
        .batch();
    insta::assert_snapshot!(shown(settings(Envelope::CloudEvents), &batch));
}

#[test]
fn every_event_has_what_the_specification_requires() {
    let batch = Feed::of(&orders())
        .insert(&[T("1"), Null, Null, Null])
        .read(&[T("2"), Null, Null, Null])
        .truncate()
        .batch();
    let mut from = origin();
    from.stream = "orders & more/ž".into();
    let mut encoder = Encoder::new(settings(Envelope::CloudEvents), from).unwrap();
    let mut messages = Messages::default();
    assert!(encoder.encode(&batch, &mut messages).is_empty());
    assert_eq!(encoder.content_type(), "application/cloudevents+json");

    let mut ids = BTreeSet::new();
    for message in messages.items() {
        let body = messages.bytes(message.body.unwrap());
        let event: serde_json::Value = serde_json::from_slice(body).unwrap();
        assert_eq!(event["specversion"], "1.0");
        assert_eq!(event["source"], "/flowglass/orders%20%26%20more%2F%C5%BE");
        assert!(event["type"].as_str().unwrap().starts_with("flowglass.row."));
        assert_eq!(event["subject"], "public.orders");
        assert_eq!(event["datacontenttype"], "application/json");
        assert_eq!(event["id"], event["data"]["position"]);
        let time: jiff::Timestamp = event["time"].as_str().unwrap().parse().unwrap();
        assert_eq!(time.as_microsecond(), crate::support::COMMITTED_AT_MICROS);
        assert!(ids.insert(event["id"].as_str().unwrap().to_owned()), "an id twice");
    }
    assert_eq!(ids.len(), 3);
}

#[test]
fn the_other_envelopes_are_plain_json() {
    for envelope in [Envelope::Native, Envelope::Debezium] {
        assert_eq!(encoder(settings(envelope)).content_type(), "application/json");
    }
}
