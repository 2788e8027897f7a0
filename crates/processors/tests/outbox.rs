//! `outbox`: one message for each row, as Debezium's outbox event router sends it.

use std::fmt::Write as _;
use std::sync::Arc;

use flowglass_connect::SystemClock;
use flowglass_connect::encode::{Encoder, EncoderSettings, Envelope, Origin, idempotency_key};
use flowglass_connect::stream::{Identity, Kind, Messages, Relation, StreamBatch};
use flowglass_model::ErrorClass;
use flowglass_processors::outbox::Connector;
use serde_json::json;

use crate::support::{
    Rows, V, going_on, heads, open, order, orders, process, refused, run, t, table,
};

fn outbox(payload: Kind) -> Arc<Relation> {
    table(
        "outbox",
        &[
            ("id", Kind::Uuid),
            ("aggregatetype", Kind::Text),
            ("aggregateid", Kind::Text),
            ("type", Kind::Text),
            ("payload", payload),
            ("created_at", Kind::TimestampTz),
        ],
        &[0],
    )
}

const ID: &str = "c1791ab1-74ae-4db7-8a4c-0f8d5e6a0001";

fn event(payload: V) -> Vec<V> {
    vec![t(ID), t("order"), t("42"), t("OrderCreated"), payload, t("2024-02-29 12:00:00+00")]
}

/// Each message as: idempotency key, destination, key, headers, body.
fn encoded(batch: &StreamBatch, envelope: Envelope) -> String {
    let settings = EncoderSettings {
        envelope,
        route: "cdc.{schema}.{table}".to_owned(),
        ..EncoderSettings::default()
    };
    let origin =
        Origin { stream: "shop".into(), version: "0".into(), clock: Arc::new(SystemClock::new()) };
    let mut messages = Messages::default();
    let refused = Encoder::new(settings, origin).unwrap().encode(batch, &mut messages);
    assert!(refused.is_empty(), "{refused:?}");
    let mut out = String::new();
    let text = |span| String::from_utf8_lossy(messages.bytes(span)).into_owned();
    for (index, message) in messages.items().iter().enumerate() {
        let mut id = Vec::new();
        idempotency_key(&batch.change(message.change as usize).unwrap(), message.part, &mut id);
        let key = message.key.map_or("none".to_owned(), text);
        writeln!(out, "{} -> {}", String::from_utf8_lossy(&id), messages.destination_of(message))
            .unwrap();
        writeln!(out, "  key {key}").unwrap();
        for (name, value) in messages.headers_of(index) {
            writeln!(out, "  {name}: {}", String::from_utf8_lossy(value)).unwrap();
        }
        writeln!(out, "  body {}", message.body.map_or("none".to_owned(), text)).unwrap();
    }
    out
}

#[test]
fn a_row_is_sent_as_it_is_in_every_envelope() {
    let batch = Rows::of(&outbox(Kind::Json))
        .insert(&event(t(r#"{"total": 12345678901234567890.10, "lines": [1]}"#)))
        .insert(&event(V::Null))
        .batch();
    let wanted = heads(&batch);
    let done = process(&Connector, json!({ "table": "public.outbox" }), batch).unwrap();
    assert_eq!(heads(&done), wanted);
    for envelope in [Envelope::Native, Envelope::Debezium, Envelope::CloudEvents] {
        assert_eq!(
            encoded(&done, envelope),
            format!(
                "0/16B3748/0 -> outbox.event.order\n  key 42\n  id: {ID}\n  eventType: OrderCreated\n  \
                 body {{\"total\": 12345678901234567890.10, \"lines\": [1]}}\n\
                 0/16B3749/0 -> outbox.event.order\n  key 42\n  id: {ID}\n  eventType: OrderCreated\n  \
                 body none\n"
            )
        );
    }
}

#[test]
fn only_inserts_are_messages_and_other_tables_pass() {
    let key = |relation: &Arc<Relation>| {
        let mut row = vec![V::Null; relation.columns.len()];
        row[0] = t(ID);
        row
    };
    let table = outbox(Kind::Text);
    let batch = Rows::of(&table)
        .insert(&event(t("plain text")))
        .update(None, &event(t("changed")))
        .delete(Identity::Key, &key(&table))
        .truncate()
        .then(&orders())
        .insert(&order(1, "paid"))
        .sliced(2);
    let mut work = open(&Connector, json!({ "table": "public.outbox" })).unwrap();
    let done = run(work.as_mut(), batch).unwrap();
    assert_eq!(going_on(&done), [0, 4]);
    assert!(refused(&done).is_empty());
    let remarks = work.remarks();
    assert!(remarks.len() == 1 && remarks[0].contains("leaves out updates"), "{remarks:?}");
    let text = encoded(&done, Envelope::Native);
    assert!(text.contains("body plain text\n"), "{text}");
    assert!(
        text.contains("-> cdc.public.orders\n") && text.contains("\"op\":\"insert\""),
        "{text}"
    );
}

#[test]
fn columns_and_route_may_have_other_names_and_bytes_are_bytes() {
    let relation = table(
        "events",
        &[
            ("event_id", Kind::Int64),
            ("topic", Kind::Enum),
            ("subject", Kind::Uuid),
            ("what", Kind::Text),
            ("data", Kind::Bytes),
        ],
        &[0],
    );
    let row = [t("7"), t("billing"), V::Null, V::Null, t("\\x68656C6c6f")];
    let bad = [t("8"), t("billing"), V::Null, V::Null, t("hello")];
    let nowhere = [t("9"), V::Null, V::Null, V::Null, V::Null];
    let batch = Rows::of(&relation).insert(&row).insert(&bad).insert(&nowhere).batch();
    let config = json!({
        "table": "public.events",
        "columns": { "id": "event_id", "key": "subject", "route": "topic", "type": "what", "payload": "data" },
        "route": "{route}.events",
    });
    let done = process(&Connector, config, batch).unwrap();
    assert_eq!(
        encoded(&done, Envelope::Debezium),
        "0/16B3748/0 -> billing.events\n  key none\n  id: 7\n  body hello\n"
    );
    let said = refused(&done);
    assert_eq!(said.iter().map(|it| it.0).collect::<Vec<_>>(), [1, 2]);
    assert!(said[0].1.contains("`data` does not hold bytes"), "{said:?}");
    assert!(said[1].1.contains("`topic` has no route"), "{said:?}");
}

#[test]
fn a_table_that_is_no_outbox_is_named() {
    let batch = Rows::of(&orders()).insert(&order(1, "paid")).batch();
    let fault = process(&Connector, json!({ "table": "public.orders" }), batch).unwrap_err();
    assert_eq!(fault.class(), ErrorClass::Schema);
    assert!(
        fault.to_string().contains("table public.orders has no column `aggregateid`"),
        "{fault}"
    );
    assert!(open(&Connector, json!({ "table": "orders" })).is_err());
    assert!(open(&Connector, json!({})).is_err());
}
