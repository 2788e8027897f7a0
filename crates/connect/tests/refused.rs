//! A row that cannot be written leaves nothing behind, names its column and says no value.

use std::num::NonZeroU32;

use flowglass_connect::encode::Envelope;
use flowglass_connect::stream::{Kind, Messages, Position, StreamBatch};
use flowglass_model::{ErrorClass, Policy};

use crate::support::V::{self, Bin, Null, Raw, T};
use crate::support::{Feed, encode, encoder, orders, settings, show, value};

const ENVELOPES: [Envelope; 3] = [Envelope::Native, Envelope::Debezium, Envelope::CloudEvents];

#[test]
fn one_bad_row_takes_nothing_but_itself() {
    let good = |id| [T(id), T("Ann"), T("1.00"), T("{}")];
    let bad: [[V<'_>; 4]; 3] = [
        [T("2"), Raw(b"SECRET\xff"), T("1.00"), T("{}")],
        [T("SECRET"), T("x"), T("1.00"), T("{}")],
        [T("2"), T("x"), T("SECRET"), Raw(b"\xc3SECRET")],
    ];
    for envelope in ENVELOPES {
        let alone = Feed::of(&orders()).insert(&good("1")).insert(&good("3")).batch();
        let (wanted, _) = encode(settings(envelope), &alone);
        for row in &bad {
            let batch =
                Feed::of(&orders()).insert(&good("1")).insert(row).insert(&good("3")).batch();
            let (messages, refused) = encode(settings(envelope), &batch);
            assert_eq!(refused.len(), 1);
            assert_eq!(refused[0].change, 1);
            assert_eq!(messages.len(), wanted.len());
            let changes: Vec<_> = messages.items().iter().map(|it| it.change).collect();
            assert_eq!(changes, [0, 2]);
            let text = String::from_utf8(messages.buffer.clone()).unwrap();
            assert!(!text.contains("SECRET"));
            // Nothing lies between or behind the bytes of the messages.
            let used: usize = messages
                .items()
                .iter()
                .flat_map(|it| [it.key, it.body])
                .flatten()
                .map(|span| messages.bytes(span).len())
                .sum();
            assert_eq!(used, messages.buffer.len());
            show(&messages, &batch);
        }
    }
}

#[test]
fn a_refusal_names_column_and_class_and_no_value() {
    let row = |kind, cell| {
        let native = settings(Envelope::Native);
        value(native, kind, "", cell).unwrap_err()
    };
    let array = |element: Kind| Kind::Array(Box::new(element));
    let of = "column `v` of public.orders";
    for (kind, cell, wanted) in [
        (Kind::Text, Raw(b"SECRET\xfe"), "is not valid UTF-8"),
        (Kind::Bool, T("SECRET"), "holds neither `t` nor `f`"),
        (Kind::Int32, T("SECRET"), "does not hold a whole number"),
        (Kind::Float64, T("SECRET"), "does not hold a number"),
        (Kind::Bytes, T("SECRET"), "does not hold bytes as `\\x` and hexadecimal digits"),
        (Kind::Json, T("{SECRET}"), "does not hold a JSON document"),
        (array(Kind::Int32), T("{SECRET}"), "does not hold a whole number"),
        (array(Kind::Text), T("SECRET"), "does not hold an array as Postgres writes it"),
        (
            Kind::Text,
            Bin(b"SECRET"),
            "came in the source's binary form, which has no text to encode",
        ),
    ] {
        assert_eq!(row(kind, cell), format!("malformed: {of} {wanted}"));
    }
}

#[test]
fn a_message_over_the_limit_is_refused() {
    let row = [T("1"), T("123456"), Null, Null];
    let batch = Feed::of(&orders()).insert(&row).batch();
    for envelope in ENVELOPES {
        let (messages, _) = encode(settings(envelope), &batch);
        let bytes = u32::try_from(messages.buffer.len()).unwrap();
        let mut limited = settings(envelope);
        limited.message_bytes_max = NonZeroU32::new(bytes);
        assert!(encode(limited.clone(), &batch).1.is_empty(), "exactly as large as allowed");
        limited.message_bytes_max = NonZeroU32::new(bytes - 1);
        let (messages, refused) = encode(limited, &batch);
        assert!(messages.is_empty() && messages.buffer.is_empty());
        assert_eq!(refused[0].fault.class(), ErrorClass::TooLarge);
    }
}

#[test]
fn every_refusal_is_set_aside() {
    let batch = Feed::of(&orders())
        .insert(&[T("x"), Null, Null, Null])
        .insert(&[T("1"), Null, T("NaN"), Null])
        .batch();
    let mut messages = Messages::default();
    let refused = encoder(settings(Envelope::Debezium)).encode(&batch, &mut messages);
    assert_eq!(refused.len(), 2);
    assert!(refused.iter().all(|it| it.fault.class().policy() == Policy::SetAside));
    assert!(refused[1].fault.advice().contains("decimal_handling_mode"));
}

#[test]
fn a_message_names_its_change_among_all_that_the_batch_spans() {
    let row = |id| [T(id), Null, Null, Null];
    let first = Feed::of(&orders()).insert(&row("1")).insert(&row("2")).insert(&row("3")).batch();
    let second = Feed::of(&orders()).insert(&row("4")).insert(&row("x")).batch();
    let mut slices = [first.slices(), second.slices()].concat();
    slices[0].from = 1;
    slices[0].left_out = Some([true, false].into());
    let batch = StreamBatch::new(slices, Position::after(1));
    let (messages, refused) = encode(settings(Envelope::Native), &batch);
    let keys: Vec<_> = messages
        .items()
        .iter()
        .map(|it| {
            (it.change, String::from_utf8_lossy(messages.bytes(it.key.unwrap())).into_owned())
        })
        .collect();
    assert_eq!(keys, [(1, "{\"id\":3}".to_owned()), (2, "{\"id\":4}".to_owned())]);
    assert_eq!(refused[0].change, 3);
}
