//! Keys, routes and what names a message.

use flowglass_connect::encode::{Encoder, EncoderSettings, Envelope, KeyRule};
use flowglass_connect::stream::{Identity, Kind, Messages, Relation};
use flowglass_model::ErrorClass;

use crate::support::V::{Null, Same, T};
use crate::support::{Feed, column, encode, encoder, orders, origin, relation, settings};

fn keys(rule: KeyRule, envelope: Envelope, feed: Feed) -> Vec<String> {
    let mut with_rule = settings(envelope);
    with_rule.key = rule;
    let (messages, refused) = encode(with_rule, &feed.batch());
    assert!(refused.is_empty(), "{}", refused[0].fault);
    let text = |message: &flowglass_connect::stream::Message| match message.key {
        Some(span) => String::from_utf8(messages.bytes(span).to_vec()).unwrap(),
        None => "-".to_owned(),
    };
    messages.items().iter().map(text).collect()
}

#[test]
fn a_key_holds_the_columns_of_the_rule_in_its_order() {
    let row = [T("7"), T("a\"b"), T("1.00"), Null];
    let names =
        |names: &[&str]| KeyRule::Columns(names.iter().map(|it| (*it).to_owned()).collect());
    for (rule, native, debezium) in [
        (KeyRule::PrimaryKey, r#"{"id":7}"#, r#"{"id":7}"#),
        (KeyRule::None, "-", "-"),
        (
            names(&["customer", "id"]),
            r#"{"customer":"a\"b","id":7}"#,
            r#"{"customer":"a\"b","id":7}"#,
        ),
        (
            names(&["amount", "payload"]),
            r#"{"amount":"1.00","payload":null}"#,
            r#"{"amount":"ZA==","payload":null}"#,
        ),
    ] {
        let feed = || Feed::of(&orders()).insert(&row);
        assert_eq!(keys(rule.clone(), Envelope::Native, feed()), [native]);
        assert_eq!(keys(rule, Envelope::Debezium, feed()), [debezium]);
    }
}

#[test]
fn a_composite_key_keeps_the_order_of_the_key() {
    let columns = vec![
        column("a", Kind::Int32, "integer"),
        column("b", Kind::Uuid, "uuid"),
        column("c", Kind::Text, "text"),
    ];
    let table = relation(columns, vec![2, 0]);
    let row = [T("1"), T("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"), T("x")];
    let keys = keys(KeyRule::PrimaryKey, Envelope::Native, Feed::of(&table).insert(&row));
    assert_eq!(keys, [r#"{"c":"x","a":1}"#]);
}

#[test]
fn a_key_that_is_not_sent_comes_from_the_row_before() {
    let feed = Feed::of(&orders()).update_of(
        Identity::Full,
        &[T("7"), T("x"), Null, Null],
        &[Same, T("y"), Null, Null],
    );
    assert_eq!(keys(KeyRule::PrimaryKey, Envelope::Debezium, feed), [r#"{"id":7}"#]);
}

#[test]
fn a_key_that_nobody_knows_is_refused_with_the_way_out() {
    let mut by_customer = settings(Envelope::Native);
    by_customer.key = KeyRule::Columns(vec!["customer".to_owned()]);
    let batch = Feed::of(&orders())
        .delete(Identity::Key, &[T("7"), Null, Null, Null])
        .insert(&[T("8"), T("x"), Null, Null])
        .batch();
    let (messages, refused) = encode(by_customer, &batch);
    assert_eq!((messages.len(), refused.len(), refused[0].change), (1, 1, 0));
    assert_eq!(refused[0].fault.class(), ErrorClass::Constraint);
    assert!(refused[0].fault.advice().contains("REPLICA IDENTITY FULL"));
}

fn destinations(route: &str, feed: Feed) -> Vec<String> {
    let mut with_route = settings(Envelope::Native);
    with_route.route = route.to_owned();
    let (messages, refused) = encode(with_route, &feed.batch());
    let mut all: Vec<_> =
        messages.items().iter().map(|it| messages.destination_of(it).to_owned()).collect();
    all.extend(refused.iter().map(|it| format!("{}: {}", it.fault.class().name(), it.fault)));
    all
}

#[test]
fn a_route_is_rendered_for_each_row() {
    let row = |name| [T("7"), T(name), Null, Null];
    let feed = || Feed::of(&orders()).insert(&row("x")).update(&row("y")).insert(&row("x"));
    assert_eq!(destinations("all", feed()), ["all", "all", "all"]);
    assert_eq!(
        destinations("{schema}.{table}.{op}", feed()),
        ["public.orders.insert", "public.orders.update", "public.orders.insert"]
    );
    assert_eq!(
        destinations("by-{col:customer}/{{{op}}}", feed()),
        ["by-x/{insert}", "by-y/{update}", "by-x/{insert}"]
    );
}

#[test]
fn a_row_without_what_its_route_needs_is_refused() {
    let feed = Feed::of(&orders())
        .insert(&[T("1"), Null, Null, Null])
        .insert(&[T("1"), T(""), Null, Null])
        .update(&[T("1"), Same, Null, Null])
        .delete(Identity::Key, &[T("1"), Null, Null, Null])
        .truncate()
        .insert(&[T("1"), T("fine"), Null, Null]);
    assert_eq!(
        destinations("{col:customer}", feed),
        [
            "fine",
            "constraint: column `customer` of public.orders is null or not known, and the route needs it",
            "constraint: row of public.orders has an empty destination",
            "constraint: column `customer` of public.orders is not known for this row, and the key or the \
         route needs it",
            "constraint: column `customer` of public.orders is null or not known, and the route needs it",
            "constraint: row of public.orders has no columns to route by",
        ]
    );
    let feed = Feed::of(&orders()).insert(&[T("1"), T("x"), Null, Null]);
    assert_eq!(
        destinations("{table}{col:tenant}", feed),
        ["constraint: column `tenant` of the route is not a column of public.orders"]
    );
}

#[test]
fn settings_that_cannot_be_used_are_refused_at_once() {
    let base = || settings(Envelope::Native);
    let cases: [(EncoderSettings, &str); 4] = [
        (EncoderSettings { route: "{tble}".to_owned(), ..base() }, "`{tble}` is none of"),
        (EncoderSettings { key: KeyRule::Columns(vec![]), ..base() }, "the key has no columns"),
        (
            EncoderSettings { key: KeyRule::Columns(vec!["a".to_owned(); 2]), ..base() },
            "names the column `a` twice",
        ),
        (
            EncoderSettings {
                debezium: Some(flowglass_connect::encode::DebeziumSettings::default()),
                ..base()
            },
            "the envelope is another one",
        ),
    ];
    for (settings, what) in cases {
        let fault = Encoder::new(settings, origin()).unwrap_err();
        assert_eq!(fault.class(), ErrorClass::Config);
        assert!(fault.to_string().contains(what), "{fault}");
    }
}

#[test]
fn a_table_that_changes_its_shape_is_written_in_the_shape_of_each_row() {
    let old = orders();
    let mut new = Relation {
        id: old.id,
        database: "shop".into(),
        schema: "public".into(),
        table: "orders".into(),
        columns: old.columns.clone(),
        key: vec![0],
        version: 2,
    };
    new.columns.remove(1);
    new.columns[1].name = "total".to_owned();
    let new = std::sync::Arc::new(new);
    let row = [T("1"), T("1.00"), Null];
    let batch = Feed::of(&old)
        .insert(&[T("1"), T("x"), T("1.00"), Null])
        .turn_to(&new)
        .insert(&row)
        .turn_to(&old)
        .insert(&[T("1"), T("x"), T("1.00"), Null])
        .batch();
    let mut encoder = encoder(settings(Envelope::Native));
    let mut messages = Messages::default();
    assert!(encoder.encode(&batch, &mut messages).is_empty());
    let bodies: Vec<_> = messages
        .items()
        .iter()
        .map(|it| String::from_utf8(messages.bytes(it.body.unwrap()).to_vec()).unwrap())
        .map(|body| body.split_once("\"after\":").unwrap().1.to_owned())
        .collect();
    let before = r#"{"id":1,"customer":"x","amount":"1.00","payload":null}}"#;
    assert_eq!(bodies, [before, r#"{"id":1,"total":"1.00","payload":null}}"#, before]);
}

#[test]
fn settings_are_read_as_a_manifest_writes_them() {
    let text = serde_json::json!({
        "envelope": "debezium",
        "key": { "columns": ["a", "b"] },
        "tombstones": false,
        "message_bytes_max": 1_000_000,
        "debezium": {
            "decimal_handling_mode": "string",
            "time_precision_mode": "adaptive_time_microseconds",
            "binary_handling_mode": "base64-url-safe"
        }
    });
    let read: EncoderSettings = serde_json::from_value(text).unwrap();
    assert!(!read.has_tombstones());
    assert_eq!(read.key, KeyRule::Columns(vec!["a".to_owned(), "b".to_owned()]));
    let kept = serde_json::to_value(&read).unwrap();
    assert_eq!(serde_json::from_value::<EncoderSettings>(kept).unwrap(), read);
    let unknown =
        serde_json::json!({ "envelope": "debezium", "debezium": { "decimals": "string" } });
    assert!(serde_json::from_value::<EncoderSettings>(unknown).is_err());
}
