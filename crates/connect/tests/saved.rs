//! Changes that outlive their chunk: what comes back is what went in, to the byte, and what was kept
//! once is read for ever.

use std::sync::Arc;
use std::time::Duration;

use flowglass_connect::encode::{EncoderSettings, Envelope};
use flowglass_connect::stream::{
    Kind, Messages, Position, SavedChange, Slice, StreamBatch, chunk_of,
};
use flowglass_model::ErrorClass;
use proptest::prelude::*;

use crate::support::V::{self, Bin, Null, Raw, Same, T};
use crate::support::{Feed, column, encode, orders, relation, settings};

/// The batch, by way of the two texts.
fn again(batch: &StreamBatch) -> StreamBatch {
    let saved: Vec<SavedChange> = batch
        .changes()
        .map(|(_, change)| {
            let saved = SavedChange::of(&change);
            SavedChange::parse(&saved.shape_json(), &saved.event_json()).unwrap()
        })
        .collect();
    let chunk = Arc::new(chunk_of(&saved, Duration::ZERO));
    let slice = Slice::new(chunk, 0, saved.len());
    StreamBatch::new(vec![slice], Position::after(batch.position().commit))
}

fn bytes(settings: EncoderSettings, batch: &StreamBatch) -> (Vec<u8>, usize) {
    let (messages, refused): (Messages, _) = encode(settings, batch);
    (messages.buffer, refused.len())
}

#[test]
fn a_change_that_was_kept_makes_the_same_messages_byte_for_byte() {
    let table = orders();
    let feed = || {
        Feed::of(&table)
            .insert(&[T("1"), T("Ä\u{0}\"b"), T("12345678901234567890.10"), T("{\"a\": [1]}")])
            .insert(&[T("2"), Null, Null, Same])
            .insert(&[T("3"), Raw(b"\xff\xfe"), T("NaN"), Bin(b"\x00\x01")])
            .batch()
    };
    for envelope in [Envelope::Native, Envelope::Debezium, Envelope::CloudEvents] {
        let batch = feed();
        assert_eq!(
            bytes(settings(envelope), &again(&batch)),
            bytes(settings(envelope), &batch),
            "{envelope:?}"
        );
    }
}

/// Version 1 as it was written. Never altered: letters of that time are read for ever.
const SHAPE_V1: &str = r#"{"v":1,"id":16385,"database":"shop","schema":"public","table":"orders","columns":[{"name":"id","kind":"int64","native":"bigint","nullable":false},{"name":"amount","kind":{"decimal":[12,2]},"native":"numeric(12,2)","nullable":true},{"name":"at","kind":{"timestamp":6},"native":"timestamp","nullable":true},{"name":"tags","kind":{"array":"text"},"native":"text[]","nullable":true},{"name":"raw","kind":{"decimal":null},"native":"numeric","nullable":true}],"key":[0],"version":3}"#;
const EVENT_V1: &str = r#"{"v":1,"op":"update","identity":"key","transaction":771,"commit":24332104,"committed_at_micros":1767225600000000,"row":12,"place":24332000,"before":["7",null,null,null,null],"after":["8","1.50",{"unchanged":true},{"text_hex":"fffe"},{"binary_hex":"0001"}]}"#;

#[test]
fn a_letter_of_the_first_version_is_read() {
    let saved = SavedChange::parse(SHAPE_V1, EVENT_V1).unwrap();
    assert_eq!((saved.shape_json(), saved.event_json()), (SHAPE_V1.into(), EVENT_V1.into()));
    assert_eq!((saved.commit(), saved.row()), (24_332_104, 12));
    let chunk = chunk_of([&saved], Duration::ZERO);
    let change = chunk.change(0).unwrap();
    assert_eq!(change.relation().columns[1].kind, Kind::Decimal(Some((12, 2))));
    assert_eq!(change.relation().columns[4].kind, Kind::Decimal(None));
    let mut id = Vec::new();
    flowglass_connect::encode::idempotency_key(&change, 0, &mut id);
    assert_eq!(String::from_utf8(id).unwrap(), "0/1734748/12");
}

#[test]
fn what_is_no_letter_of_ours_is_refused_without_a_word_of_the_row() {
    let class = |shape: &str, event: &str| SavedChange::parse(shape, event).unwrap_err().class();
    assert_eq!(class("{", EVENT_V1), ErrorClass::Malformed);
    assert_eq!(class(SHAPE_V1, &EVENT_V1.replace("\"v\":1", "\"v\":2")), ErrorClass::Unsupported);
    assert_eq!(class(SHAPE_V1, &EVENT_V1.replace("[\"7\",", "[")), ErrorClass::Malformed);
    assert_eq!(class(&SHAPE_V1.replace("[0]", "[9]"), EVENT_V1), ErrorClass::Malformed);
    let planted = EVENT_V1.replace("\"row\":12", "\"row\":\"planted-value\"");
    let said = SavedChange::parse(SHAPE_V1, &planted).unwrap_err().chain();
    assert!(!said.contains("planted"), "{said}");
}

proptest! {
    #[test]
    fn any_cells_come_back(
        cells in proptest::collection::vec(
            prop_oneof![
                Just(None),
                Just(Some(None)),
                proptest::collection::vec(any::<u8>(), 0..20).prop_map(|it| Some(Some(it))),
                any::<String>().prop_map(|it| Some(Some(it.into_bytes()))),
            ],
            1..6,
        ),
    ) {
        let columns = (0..cells.len())
            .map(|at| column(&format!("c{at}"), Kind::Text, "text"))
            .collect();
        let table = relation(columns, vec![0]);
        let row: Vec<V<'_>> = cells
            .iter()
            .map(|it| match it {
                None => Null,
                Some(None) => Same,
                Some(Some(bytes)) => Raw(bytes),
            })
            .collect();
        let batch = Feed::of(&table).insert(&row).batch();
        let again = again(&batch);
        let (before, after) = (batch.change(0).unwrap(), again.change(0).unwrap());
        for at in 0..cells.len() {
            prop_assert_eq!(before.after().unwrap().datum(at), after.after().unwrap().datum(at));
        }
        prop_assert_eq!(before.head().row, after.head().row);
        prop_assert_eq!(before.transaction(), after.transaction());
    }
}
