//! Golden values of every type, in the native envelope and in Debezium's with each of its modes.
//!
//! The values for Debezium follow its page "Debezium connector for PostgreSQL", sections "Basic
//! types", "Temporal types", "TIMESTAMP type", "Decimal types", "HSTORE type" and "Network address
//! types"; where the page gives no example, the values of its connector's own tests.

use std::fmt::Write as _;

use flowglass_connect::encode::{
    BinaryMode, DebeziumSettings, DecimalMode, EncoderSettings, Envelope, HstoreMode, IntervalMode,
    TimeMode,
};
use flowglass_connect::stream::Kind;

use crate::support::V::{Bin, T};
use crate::support::{settings, value};

fn array(element: Kind) -> Kind {
    Kind::Array(Box::new(element))
}

/// Type as SQL writes it, what its text means, and texts of it.
fn samples() -> Vec<(&'static str, Kind, Vec<&'static str>)> {
    let mut all = plain();
    all.extend(temporal());
    all.extend(composed());
    all
}

fn plain() -> Vec<(&'static str, Kind, Vec<&'static str>)> {
    vec![
        ("boolean", Kind::Bool, vec!["t", "f"]),
        ("smallint", Kind::Int16, vec!["-32768"]),
        ("integer", Kind::Int32, vec!["2147483647"]),
        ("bigint", Kind::Int64, vec!["-9223372036854775808", "9007199254740993"]),
        ("bigint unsigned", Kind::UInt64, vec!["18446744073709551615"]),
        ("real", Kind::Float32, vec!["3.3", "1e-45", "NaN", "Infinity"]),
        (
            "double precision",
            Kind::Float64,
            vec!["0.1", "1.7976931348623157e+308", "-Infinity", "-0"],
        ),
        (
            "numeric(12,2)",
            Kind::Decimal(Some((12, 2))),
            vec!["1234.50", "-0.01", "9999999999.99", "0.00", "NaN"],
        ),
        ("numeric(5,0)", Kind::Decimal(Some((5, 0))), vec!["10"]),
        ("numeric(3,-2)", Kind::Decimal(Some((3, -2))), vec!["12300"]),
        (
            "numeric",
            Kind::Decimal(None),
            vec![
                "10.1111",
                "22",
                "-1.500",
                "0.0000000001",
                "123456789012345678901234567890123456789012345678901234567890.000000000000000001",
                "NaN",
                "Infinity",
                "-Infinity",
            ],
        ),
        ("money", Kind::Money, vec!["$1,234.11", "-$0.05"]),
        ("text", Kind::Text, vec!["", "žš 😀 \"q\" \\ \t\u{1}", "a/b <c>"]),
        ("mood", Kind::Enum, vec!["so-so"]),
        ("bytea", Kind::Bytes, vec!["\\x", "\\x010203", "\\xfbff"]),
        ("bit(1)", Kind::Bits(1), vec!["1"]),
        ("bit(7)", Kind::Bits(7), vec!["1000000"]),
        ("bit varying(1)", Kind::Bits(0), vec!["0"]),
        ("bit varying(64)", Kind::Bits(0), vec!["000000110000001000000001"]),
        (
            "json",
            Kind::Json,
            vec!["{\"b\": 1,\n \"a\": 1.10, \"a\": \"\\u0000\"}", "12345678901234567890.10"],
        ),
        ("jsonb", Kind::Json, vec!["{\"bar\": \"baz\"}", "null"]),
        ("uuid", Kind::Uuid, vec!["a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"]),
        ("inet", Kind::Other, vec!["192.168.2.0/12"]),
        ("int4range", Kind::Other, vec!["[1000,6000)", "empty"]),
        ("address", Kind::Other, vec!["(\"Main St, 1\",,\"a \"\"b\"\"\")"]),
        ("xml", Kind::Other, vec!["<foo>bar</foo>"]),
    ]
}

fn temporal() -> Vec<(&'static str, Kind, Vec<&'static str>)> {
    vec![
        ("date", Kind::Date, vec!["2016-11-04", "0044-03-15 BC", "infinity", "-infinity"]),
        ("time without time zone", Kind::Time(6), vec!["13:51:30", "24:00:00"]),
        ("time(3) without time zone", Kind::Time(3), vec!["13:51:30.123"]),
        ("time with time zone", Kind::TimeTz, vec!["13:51:30.123789+02", "24:00:00+00"]),
        (
            "timestamp without time zone",
            Kind::Timestamp(6),
            vec![
                "2018-06-20 15:13:16.945104",
                "1936-10-25 22:10:12.608",
                "21016-11-04 13:51:30.123456",
                "4714-12-31 23:59:59.999999 BC",
                "infinity",
                "-infinity",
            ],
        ),
        (
            "timestamp(3) without time zone",
            Kind::Timestamp(3),
            vec!["2016-11-04 13:51:30.123", "infinity"],
        ),
        (
            "timestamp with time zone",
            Kind::TimestampTz,
            vec![
                "2016-11-04 11:51:30.123456+00",
                "2016-11-04 11:51:30+00",
                "21016-11-04 06:51:30.123456+00",
                "4714-12-31 23:59:59.999999+00 BC",
                "infinity",
                "-infinity",
            ],
        ),
        ("timestamp(3) with time zone", Kind::TimestampTz, vec!["2016-11-04 11:51:30.1+00"]),
        (
            "interval",
            Kind::Interval,
            vec!["1 year 2 mons 3 days 04:05:06.78", "-1 days +02:03:00", "00:00:00"],
        ),
    ]
}

fn composed() -> Vec<(&'static str, Kind, Vec<&'static str>)> {
    vec![
        ("integer[]", array(Kind::Int32), vec!["{1,2,NULL}", "{}", "{{1,2},{3,4}}", "[0:1]={7,8}"]),
        ("text[]", array(Kind::Text), vec!["{one,\"two \\\"2\\\"\",NULL,\"NULL\",\"\"}"]),
        ("boolean[]", array(Kind::Bool), vec!["{t,f}"]),
        ("numeric(6,2)[]", array(Kind::Decimal(Some((6, 2)))), vec!["{1.10,NULL}"]),
        ("bytea[]", array(Kind::Bytes), vec!["{\"\\\\x000102\",\"\\\\x\"}"]),
        ("jsonb[]", array(Kind::Json), vec!["{\"{\\\"a\\\": [1, \\\"}\\\"]}\",null,NULL}"]),
        ("date[]", array(Kind::Date), vec!["{2016-11-04,2016-11-05}"]),
        (
            "timestamp(3) without time zone[]",
            array(Kind::Timestamp(3)),
            vec!["{\"2016-11-04 13:51:30.1\"}"],
        ),
        (
            "timestamp with time zone[]",
            array(Kind::TimestampTz),
            vec!["{\"2016-11-04 11:51:30+00\"}"],
        ),
        ("box[]", array(Kind::Other), vec!["{(1,1),(0,0);(3,3),(2,2)}"]),
        ("hstore", Kind::Hstore, vec!["", "\"key1\"=>\"val1\", \"key 2\"=>NULL"]),
        ("hstore[]", array(Kind::Hstore), vec!["{\"\\\"key4\\\"=>\\\"val4\\\"\"}"]),
    ]
}

fn table(settings: &EncoderSettings, of: impl Fn(&Kind) -> bool) -> String {
    let mut out = String::new();
    for (native, kind, texts) in samples() {
        if !of(&kind) {
            continue;
        }
        for text in texts {
            let shown = match value(settings.clone(), kind.clone(), native, T(text)) {
                Ok(json) => json,
                Err(refusal) => format!("refused, {refusal}"),
            };
            writeln!(out, "{native} | {} | {shown}", text.escape_debug()).unwrap();
        }
    }
    out
}

fn debezium(change: impl FnOnce(&mut DebeziumSettings)) -> EncoderSettings {
    let mut modes = DebeziumSettings::default();
    change(&mut modes);
    EncoderSettings { debezium: Some(modes), ..settings(Envelope::Debezium) }
}

/// Whether the kind, or that of an array's elements, is one of these.
fn within(kind: &Kind, one_of: fn(&Kind) -> bool) -> bool {
    match kind {
        Kind::Array(element) => one_of(element),
        kind => one_of(kind),
    }
}

#[test]
fn every_type_in_the_native_envelope() {
    insta::assert_snapshot!(table(&settings(Envelope::Native), |_| true));
}

#[test]
fn every_type_in_debeziums_envelope() {
    insta::assert_snapshot!(table(&settings(Envelope::Debezium), |_| true));
}

#[test]
fn decimals_in_the_other_modes() {
    let decimals = |kind: &Kind| within(kind, |it| matches!(it, Kind::Decimal(_) | Kind::Money));
    for (name, mode) in [("string", DecimalMode::String), ("double", DecimalMode::Double)] {
        let settings = debezium(|modes| modes.decimal_handling_mode = mode);
        insta::assert_snapshot!(format!("decimals_as_{name}"), table(&settings, decimals));
    }
}

#[test]
fn times_in_the_other_modes() {
    let times = |kind: &Kind| {
        within(kind, |it| matches!(it, Kind::Date | Kind::Time(_) | Kind::Timestamp(_)))
    };
    for (name, mode) in [
        ("connect", TimeMode::Connect),
        ("adaptive_time_microseconds", TimeMode::AdaptiveTimeMicroseconds),
    ] {
        let settings = debezium(|modes| modes.time_precision_mode = mode);
        insta::assert_snapshot!(format!("times_as_{name}"), table(&settings, times));
    }
}

#[test]
fn the_remaining_modes() {
    let settings = debezium(|modes| {
        modes.interval_handling_mode = IntervalMode::String;
        modes.hstore_handling_mode = HstoreMode::Map;
        modes.binary_handling_mode = BinaryMode::Base64UrlSafe;
    });
    let kinds =
        |kind: &Kind| within(kind, |it| matches!(it, Kind::Interval | Kind::Hstore | Kind::Bytes));
    insta::assert_snapshot!(table(&settings, kinds));
}

#[test]
fn bytes_in_binary_form_are_the_same_bytes() {
    for envelope in [Envelope::Native, Envelope::Debezium] {
        let text = value(settings(envelope), Kind::Bytes, "bytea", T("\\x00ff10"));
        let binary = value(settings(envelope), Kind::Bytes, "bytea", Bin(&[0, 0xff, 0x10]));
        assert_eq!(text, binary);
        assert_eq!(text.unwrap(), "\"AP8Q\"");
    }
}
