//! What holds for any value at all: a message parses, says exactly what the cell says, and a cell
//! that is not what its type promises is refused without a trace.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use flowglass_connect::encode::{DebeziumSettings, DecimalMode, EncoderSettings, Envelope};
use flowglass_connect::stream::{Kind, Messages};
use proptest::prelude::*;
use serde_json::value::RawValue;

use crate::support::V::{Raw, T};
use crate::support::{Feed, column, encode, encoder, relation, settings, value};

const ENVELOPES: [Envelope; 3] = [Envelope::Native, Envelope::Debezium, Envelope::CloudEvents];

fn any_kind() -> impl Strategy<Value = Kind> {
    let simple = prop_oneof![
        Just(Kind::Bool),
        Just(Kind::Int16),
        Just(Kind::Int64),
        Just(Kind::UInt64),
        Just(Kind::Float64),
        Just(Kind::Decimal(None)),
        Just(Kind::Decimal(Some((10, 2)))),
        Just(Kind::Decimal(Some((3, -2)))),
        Just(Kind::Money),
        Just(Kind::Text),
        Just(Kind::Enum),
        Just(Kind::Bytes),
        Just(Kind::Bits(1)),
        Just(Kind::Bits(9)),
        Just(Kind::Bits(0)),
        Just(Kind::Json),
        Just(Kind::Uuid),
        Just(Kind::Date),
        Just(Kind::Time(3)),
        Just(Kind::TimeTz),
        Just(Kind::Timestamp(6)),
        Just(Kind::TimestampTz),
        Just(Kind::Interval),
        Just(Kind::Hstore),
        Just(Kind::Other),
    ];
    (simple, any::<bool>()).prop_map(
        |(kind, is_array)| {
            if is_array { Kind::Array(Box::new(kind)) } else { kind }
        },
    )
}

/// Text of any kind, and text that comes close to what the types have.
fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[-0-9+:. ,{}\"\\\\tfNULBC=>eE$xa-f]{0,40}",
        "\\\\x[0-9a-f]{0,20}",
        "[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}(\\.[0-9]{1,6})?(\\+00)?( BC)?",
        "-?[0-9]{1,60}(\\.[0-9]{1,30})?",
        "\\{(\"[^\"\\\\]*\"|[a-z0-9]+)(,(\"[^\"\\\\]*\"|[a-z0-9]+))*\\}",
        "\"[a-z\\\\\"]*\"=>(NULL|\"[a-z]*\")",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn any_text_in_any_column_makes_a_whole_message_or_none(
        kind in any_kind(),
        text in any_text(),
        name in any::<String>(),
    ) {
        let table = relation(vec![column(&name, kind, "t")], vec![0]);
        let batch = Feed::of(&table).insert(&[T(&text)]).batch();
        for envelope in ENVELOPES {
            let (messages, refused) = encode(settings(envelope), &batch);
            if let Some(refused) = refused.first() {
                prop_assert!(messages.is_empty() && messages.buffer.is_empty());
                prop_assert_eq!(refused.fault.class().policy(), flowglass_model::Policy::SetAside);
                continue;
            }
            let [message] = messages.items() else { panic!() };
            for span in [message.key.unwrap(), message.body.unwrap()] {
                let bytes = messages.bytes(span);
                prop_assert!(!bytes.contains(&b'\n'), "one line");
                let whole: &RawValue = serde_json::from_slice(bytes).unwrap();
                prop_assert!(whole.get().starts_with('{'), "an object");
            }
        }
    }

    #[test]
    fn any_text_comes_back_from_a_text_column(text in any::<String>()) {
        for envelope in [Envelope::Native, Envelope::Debezium] {
            let written = value(settings(envelope), Kind::Text, "text", T(&text)).unwrap();
            prop_assert_eq!(&serde_json::from_str::<String>(&written).unwrap(), &text);
        }
    }

    #[test]
    fn what_is_not_utf8_is_refused_and_the_rest_stays(
        head in proptest::collection::vec(any::<u8>(), 0..40),
        tail in proptest::collection::vec(any::<u8>(), 0..40),
    ) {
        let mut bytes = head;
        bytes.push(0xff);
        bytes.extend(tail);
        let table = relation(vec![column("v", Kind::Text, "text")], Vec::new());
        let batch = Feed::of(&table).insert(&[T("a")]).insert(&[Raw(&bytes)]).insert(&[T("b")]).batch();
        for envelope in ENVELOPES {
            let (messages, refused) = encode(settings(envelope), &batch);
            prop_assert_eq!(refused.len(), 1);
            prop_assert_eq!(messages.len(), 2);
            let bytes: usize =
                messages.items().iter().map(|it| messages.bytes(it.body.unwrap()).len()).sum();
            prop_assert_eq!(bytes, messages.buffer.len());
        }
    }

    #[test]
    fn bytes_come_back_from_base64(bytes in proptest::collection::vec(any::<u8>(), 0..70)) {
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let written = value(settings(Envelope::Native), Kind::Bytes, "bytea", T(&format!("\\x{hex}")));
        let text: String = serde_json::from_str(&written.unwrap()).unwrap();
        prop_assert_eq!(BASE64_STANDARD.decode(text).unwrap(), bytes);
    }

    #[test]
    fn a_json_document_is_embedded_exactly_when_it_is_one(
        document in any_document(),
        cut in any::<prop::sample::Index>(),
        byte in any::<char>(),
    ) {
        let text = document.to_string();
        let native = || settings(Envelope::Native);
        prop_assert_eq!(value(native(), Kind::Json, "jsonb", T(&text)).unwrap(), text.clone());
        // The same with one character put in its middle.
        let at = cut.index(text.len() + 1);
        let at = (at..=text.len()).find(|at| text.is_char_boundary(*at)).unwrap();
        let (head, tail) = text.split_at(at);
        let broken = format!("{head}{byte}{tail}");
        let is_json = serde_json::from_str::<&RawValue>(&broken).is_ok();
        prop_assert_eq!(value(native(), Kind::Json, "jsonb", T(&broken)).is_ok(), is_json, "{}", broken);
    }

    #[test]
    fn an_array_is_what_was_put_into_it(array in any_array()) {
        let literal = array.literal();
        let text_array = Kind::Array(Box::new(Kind::Text));
        for envelope in [Envelope::Native, Envelope::Debezium] {
            let written = value(settings(envelope), text_array.clone(), "text[]", T(&literal)).unwrap();
            let read: serde_json::Value = serde_json::from_str(&written).unwrap();
            prop_assert_eq!(read, array.json(), "{}", literal);
        }
    }

    #[test]
    fn a_precise_decimal_is_the_unscaled_number(unscaled in any::<i128>(), zeros in 0_usize..60) {
        // Zeros in front change nothing but the way that the number is computed.
        let sign = if unscaled < 0 { "-" } else { "" };
        let digits = format!("{:0>3}", unscaled.unsigned_abs());
        let (whole, fraction) = digits.split_at(digits.len() - 2);
        let text = format!("{sign}{}{whole}.{fraction}", "0".repeat(zeros));
        let written = value(settings(Envelope::Debezium), Kind::Decimal(Some((40, 2))), "", T(&text));
        let base64: String = serde_json::from_str(&written.unwrap()).unwrap();
        let bytes = BASE64_STANDARD.decode(base64).unwrap();
        let mut padded = [if bytes[0] >= 0x80 { 0xff } else { 0 }; 16];
        prop_assert!(bytes.len() <= 16);
        padded[16 - bytes.len()..].copy_from_slice(&bytes);
        prop_assert_eq!(i128::from_be_bytes(padded), unscaled);
        if let [first, second, ..] = bytes[..] {
            let spare = (first == 0 && second < 0x80) || (first == 0xff && second >= 0x80);
            prop_assert!(!spare, "as few bytes as can be");
        }
    }

    #[test]
    fn a_decimal_as_text_keeps_every_digit(text in "-?[1-9][0-9]{0,200}(\\.[0-9]{1,100})?") {
        let as_text = EncoderSettings {
            debezium: Some(DebeziumSettings {
                decimal_handling_mode: DecimalMode::String,
                ..DebeziumSettings::default()
            }),
            ..settings(Envelope::Debezium)
        };
        for settings in [settings(Envelope::Native), as_text] {
            let written = value(settings, Kind::Decimal(None), "numeric", T(&text)).unwrap();
            prop_assert_eq!(written, format!("\"{text}\""));
        }
    }

    #[test]
    fn a_timestamp_is_the_same_moment(micros in -62_135_596_800_000_000_i64..253_402_300_799_000_000) {
        let moment = jiff::Timestamp::from_microsecond(micros).unwrap();
        let iso = moment.to_string();
        let text = iso.replace('T', " ").replace('Z', "+00");
        let written = |envelope, kind, native, text: &str| {
            value(settings(envelope), kind, native, T(text)).unwrap()
        };
        let zoned = "timestamp with time zone";
        for envelope in [Envelope::Native, Envelope::Debezium] {
            let text: String =
                serde_json::from_str(&written(envelope, Kind::TimestampTz, zoned, &text)).unwrap();
            prop_assert_eq!(text.parse::<jiff::Timestamp>().unwrap(), moment);
        }
        let local = text.trim_end_matches("+00");
        let counted = written(Envelope::Debezium, Kind::Timestamp(6), "timestamp", local);
        prop_assert_eq!(counted.parse::<i64>().unwrap(), micros);
        let (date, _) = local.split_once(' ').unwrap();
        let day = written(Envelope::Debezium, Kind::Date, "date", date);
        prop_assert_eq!(day.parse::<i64>().unwrap(), micros.div_euclid(86_400_000_000));
    }

    #[test]
    fn the_same_batch_gives_the_same_bytes_again(rows in proptest::collection::vec(any::<String>(), 1..20)) {
        let table = relation(vec![column("v", Kind::Text, "text")], vec![0]);
        let batch = rows.iter().fold(Feed::of(&table), |feed, row| feed.insert(&[T(row)])).batch();
        for envelope in ENVELOPES {
            let mut one = encoder(settings(envelope));
            let (mut first, mut second) = (Messages::default(), Messages::default());
            one.encode(&batch, &mut first);
            one.encode(&batch, &mut second);
            let (other, _) = encode(settings(envelope), &batch);
            prop_assert_eq!(&first.buffer, &second.buffer);
            prop_assert_eq!(&first.buffer, &other.buffer);
        }
    }
}

fn any_document() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<f64>().prop_map(Into::into),
        any::<String>().prop_map(Into::into),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Into::into),
            proptest::collection::hash_map(any::<String>(), inner, 0..6)
                .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
        ]
    })
}

/// An array as Postgres has it, and how Postgres would write it.
#[derive(Debug, Clone)]
enum Tree {
    Null,
    Text(String),
    List(Vec<Self>),
}

impl Tree {
    /// As `array_out` writes it: quotes where the text is empty, `NULL`, or has a special character.
    fn literal(&self) -> String {
        match self {
            Self::Null => "NULL".to_owned(),
            Self::Text(text) => {
                let special =
                    |it: char| matches!(it, '{' | '}' | '"' | '\\' | ',') || it.is_whitespace();
                if text.is_empty() || text.eq_ignore_ascii_case("null") || text.contains(special) {
                    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
                } else {
                    text.clone()
                }
            }
            Self::List(items) => {
                let items: Vec<_> = items.iter().map(Self::literal).collect();
                format!("{{{}}}", items.join(","))
            }
        }
    }

    fn json(&self) -> serde_json::Value {
        match self {
            Self::Null => serde_json::Value::Null,
            Self::Text(text) => text.clone().into(),
            Self::List(items) => items.iter().map(Self::json).collect(),
        }
    }
}

fn any_array() -> impl Strategy<Value = Tree> {
    let leaf = prop_oneof![
        Just(Tree::Null),
        any::<String>().prop_map(Tree::Text),
        "[a-zA-Z{}\", \\\\]{0,6}".prop_map(Tree::Text),
        Just(Tree::Text("null".to_owned())),
    ];
    let list =
        |inner: BoxedStrategy<Tree>| proptest::collection::vec(inner, 0..5).prop_map(Tree::List);
    let one = list(leaf.boxed()).boxed();
    prop_oneof![one.clone(), list(one.clone()), list(list(one).boxed())]
}
