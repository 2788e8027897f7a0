//! Golden messages of the Debezium envelope. The source of each is named beside it: the page
//! "Debezium connector for PostgreSQL", section "Data change events" and those below it.

use flowglass_connect::encode::{BinaryMode, DebeziumSettings, Envelope, HstoreMode};
use flowglass_connect::stream::{Identity, Kind, Transaction};

use crate::support::V::{Null, Same, T};
use crate::support::{
    COMMITTED_AT_MICROS, Feed, column, encode, only_body, orders, relation, settings, shown,
};

/// "Change event values": create, update, delete, read and truncate, with the tombstone that
/// "Tombstone events" asks for after the delete. Under "delete events", `before` holds the key alone
/// when the replica identity is the default. The key of a truncate is null ("truncate events").
#[test]
fn each_operation() {
    let row = [T("1"), T("Ann"), T("12.50"), T("{\"a\": \"b\"}")];
    let batch = Feed::of(&orders())
        .insert(&row)
        .update(&[T("1"), T("Bob"), T("-0.01"), Null])
        .delete(Identity::Key, &[T("1"), Null, Null, Null])
        .truncate()
        .read(&row)
        .batch();
    insta::assert_snapshot!(shown(settings(Envelope::Debezium), &batch));
}

/// The fields of "create events" and of the schemas of Debezium 3.x (`AbstractSourceInfoStructMaker`,
/// `PostgresSourceInfoStructMaker`, `Envelope`), all of them and no other.
#[test]
fn the_envelope_has_debeziums_fields_and_no_other() {
    let batch = Feed::of(&orders()).insert(&[T("1"), Null, Null, Null]).batch();
    let (messages, _) = encode(settings(Envelope::Debezium), &batch);
    let body: serde_json::Value = serde_json::from_slice(only_body(&messages)).unwrap();
    let names = |value: &serde_json::Value| {
        let mut names: Vec<_> = value.as_object().unwrap().keys().cloned().collect();
        names.sort();
        names.join(" ")
    };
    assert_eq!(names(&body), "after before op source transaction ts_ms ts_ns ts_us");
    let source = &body["source"];
    assert_eq!(
        names(source),
        "connector db lsn name schema sequence snapshot table ts_ms ts_ns ts_us txId version xmin"
    );
    // Three clocks at one moment.
    assert_eq!(source["ts_us"].as_i64().unwrap(), COMMITTED_AT_MICROS);
    assert_eq!(source["ts_ms"].as_i64().unwrap(), COMMITTED_AT_MICROS / 1000);
    assert_eq!(source["ts_ns"].as_i64().unwrap(), COMMITTED_AT_MICROS * 1000);
    // "Stringified JSON array of additional offset information."
    let sequence: Vec<String> = serde_json::from_str(source["sequence"].as_str().unwrap()).unwrap();
    assert_eq!(sequence[1], source["lsn"].to_string());
    assert_eq!(source["snapshot"], "false", "a string since Debezium 1.x");
}

/// "Primary key updates": a delete with the header `__debezium.newkey`, a tombstone, a create with
/// `__debezium.oldkey`; whatever the replica identity.
#[test]
fn a_changed_key_is_a_delete_a_tombstone_and_a_create() {
    let new = [T("2"), T("Ann"), T("12.50"), T("{}")];
    let batch = Feed::of(&orders())
        .update_of(Identity::Key, &[T("1"), Null, Null, Null], &new)
        .update_of(Identity::Full, &[T("2"), T("Ann"), Null, Null], &[T("3"), T("Ann"), Null, Null])
        // The whole row before, and the same key: an update like any other.
        .update_of(Identity::Full, &[T("3"), T("Ann"), Null, Null], &[T("3"), T("Bob"), Null, Null])
        .batch();
    insta::assert_snapshot!(shown(settings(Envelope::Debezium), &batch));
}

#[test]
fn without_tombstones_the_numbers_of_the_messages_stay() {
    let batch = Feed::of(&orders())
        .update_of(Identity::Key, &[T("1"), Null, Null, Null], &[T("2"), Null, Null, Null])
        .delete(Identity::Key, &[T("2"), Null, Null, Null])
        .batch();
    let mut without = settings(Envelope::Debezium);
    without.tombstones = Some(false);
    let (messages, _) = encode(without, &batch);
    let parts: Vec<_> = messages.items().iter().map(|it| (it.change, it.part)).collect();
    assert_eq!(parts, [(0, 0), (0, 2), (1, 0)]);
}

/// "Change event keys": without a key there is none, and then no tombstone either.
#[test]
fn a_table_without_a_key() {
    let table = relation(vec![column("a", Kind::Text, "text")], Vec::new());
    let batch = Feed::of(&table).insert(&[T("x")]).delete(Identity::Full, &[T("x")]).batch();
    insta::assert_snapshot!(shown(settings(Envelope::Debezium), &batch));
}

/// "Toasted values": the placeholder, in the form that the column's type allows
/// (`UnchangedToastedPlaceholder`); with `REPLICA IDENTITY FULL` the value itself.
#[test]
fn a_value_that_was_not_sent_has_the_placeholder() {
    let array = |element: Kind| Kind::Array(Box::new(element));
    let columns = vec![
        column("id", Kind::Int64, "bigint"),
        column("text", Kind::Text, "text"),
        column("json", Kind::Json, "jsonb"),
        column("bytes", Kind::Bytes, "bytea"),
        column("hstore", Kind::Hstore, "hstore"),
        column("texts", array(Kind::Text), "text[]"),
        column("ints", array(Kind::Int32), "integer[]"),
    ];
    let table = relation(columns, vec![0]);
    let after = [T("1"), Same, Same, Same, Same, Same, Same];
    let batch = Feed::of(&table).update(&after).batch();
    insta::assert_snapshot!("placeholders", shown(settings(Envelope::Debezium), &batch));

    let mut other_modes = settings(Envelope::Debezium);
    other_modes.debezium = Some(DebeziumSettings {
        unavailable_value_placeholder: "\"?\"".to_owned(),
        hstore_handling_mode: HstoreMode::Map,
        binary_handling_mode: BinaryMode::Hex,
        ..DebeziumSettings::default()
    });
    insta::assert_snapshot!("placeholders_of_other_modes", shown(other_modes, &batch));

    let before = [T("1"), T("x"), T("{}"), T("\\x00"), T(""), T("{}"), T("{1}")];
    let batch = Feed::of(&table).update_of(Identity::Full, &before, &after).batch();
    insta::assert_snapshot!(
        "values_of_the_row_before",
        shown(settings(Envelope::Debezium), &batch)
    );
}

/// "Transaction metadata", part "Change data event enrichment".
#[test]
fn the_order_in_the_transaction_where_it_is_asked_for() {
    let first = orders();
    let mut second = relation(vec![column("a", Kind::Text, "text")], Vec::new());
    std::sync::Arc::get_mut(&mut second).unwrap().id = 2;
    let row = [T("1"), Null, Null, Null];
    let batch = Feed::of(&first)
        .insert(&row)
        .turn_to(&second)
        .insert(&[T("x")])
        .turn_to(&first)
        .insert(&row)
        .commit(Transaction { id: 740, commit: 1, committed_at_micros: 0 })
        .insert(&row)
        .read(&row)
        .batch();
    let mut with_orders = settings(Envelope::Debezium);
    with_orders.debezium = Some(DebeziumSettings {
        provide_transaction_metadata: true,
        topic_prefix: Some("other name".to_owned()),
        ..DebeziumSettings::default()
    });
    insta::assert_snapshot!(shown(with_orders, &batch));
}

/// A snapshot may not know its transaction; then `txId` is null, as the schema allows.
#[test]
fn a_transaction_without_a_number() {
    let batch = Feed::of(&orders())
        .commit(Transaction { id: 0, commit: 16, committed_at_micros: -1 })
        .read(&[T("1"), Null, Null, Null])
        .batch();
    insta::assert_snapshot!(shown(settings(Envelope::Debezium), &batch));
}
