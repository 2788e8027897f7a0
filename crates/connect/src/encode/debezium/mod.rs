//! Values and envelope as Debezium's Postgres connector writes them with schemas off.
//!
//! The source for each rule is Debezium's own page on the connector ("Data change events", "Data type
//! mappings") and, where the page is silent, what its `PostgresValueConverter` and the tests beside
//! it do. The tests here name the section that each expected value comes from. What differs on
//! purpose is listed on the guide's page `streams/envelopes.md`.

mod bits;
mod decimal;
mod envelope;
mod epoch;
mod hstore;
mod interval;

pub(super) use bits::BitsForm;
pub(super) use decimal::DecimalForm;
pub(super) use envelope::{DebeziumEnvelope, Event, Frame};
pub(super) use epoch::EpochForm;
pub(super) use hstore::HstoreForm;
pub(super) use interval::IntervalForm;

use super::form::Form;
use super::identity::write_number;
use super::json::{self, Alphabet};
use super::settings::{BinaryMode, DebeziumSettings, HstoreMode, IntervalMode, TimeMode};
use crate::stream::{Column, Kind};

/// How a column is written.
pub(super) fn form(column: &Column, settings: &DebeziumSettings) -> Form {
    let native = column.native.as_str();
    Form::of_kind(&column.kind, native, &|kind| simple_form(kind, native, settings))
}

fn simple_form(kind: &Kind, native: &str, settings: &DebeziumSettings) -> Form {
    let decimals = settings.decimal_handling_mode;
    let times = settings.time_precision_mode;
    match kind {
        Kind::Bool => Form::Bool,
        Kind::Int16 | Kind::Int32 | Kind::Int64 | Kind::UInt64 => Form::Integer,
        Kind::Float32 | Kind::Float64 => Form::Float,
        Kind::Decimal(declared) => {
            Form::Decimal(DecimalForm::numeric(declared.map(|(_, scale)| scale), decimals))
        }
        Kind::Money => Form::Decimal(DecimalForm::Money(decimals)),
        Kind::Bytes => Form::Bytes(settings.binary_handling_mode),
        Kind::Bits(1) => Form::Bits(BitsForm::Flag),
        Kind::Bits(0) if native.starts_with("bit varying(1)") => Form::Bits(BitsForm::Flag),
        Kind::Bits(0) => Form::Bits(BitsForm::Varying),
        Kind::Bits(_) => Form::Bits(BitsForm::Fixed),
        Kind::Date => Form::Epoch(EpochForm::Day),
        Kind::Time(digits) => {
            let micros = match times {
                TimeMode::Adaptive => *digits > 3,
                TimeMode::AdaptiveTimeMicroseconds => true,
                TimeMode::Connect => false,
            };
            Form::Epoch(EpochForm::TimeOfDay { micros })
        }
        Kind::TimeTz => Form::Epoch(EpochForm::ZonedTime),
        Kind::Timestamp(digits) => {
            let micros = *digits > 3 && times != TimeMode::Connect;
            Form::Epoch(EpochForm::Timestamp { micros })
        }
        Kind::TimestampTz => {
            Form::Epoch(EpochForm::ZonedTimestamp { digits: declared_digits(native) })
        }
        Kind::Interval => Form::Interval(match settings.interval_handling_mode {
            IntervalMode::Numeric => IntervalForm::Micros,
            IntervalMode::String => IntervalForm::Iso,
        }),
        Kind::Hstore => Form::Hstore(match settings.hstore_handling_mode {
            HstoreMode::Json => HstoreForm::Text,
            HstoreMode::Map => HstoreForm::Object,
        }),
        // A JSON document is text to Debezium; what it does not know is text to us.
        Kind::Json | Kind::Text | Kind::Enum | Kind::Uuid | Kind::Array(_) | Kind::Other => {
            Form::Text
        }
    }
}

/// The fractional digits that `timestamp(3) with time zone` declares; 6 when it declares none.
fn declared_digits(native: &str) -> u8 {
    let declared = native.split_once('(').and_then(|(_, rest)| rest.split_once(')'));
    declared
        .and_then(|(digits, _)| digits.trim().parse().ok())
        .filter(|digits| *digits <= 6)
        .unwrap_or(6)
}

/// What stands for a value of the column that did not change and was not sent: Debezium's
/// placeholder, in a form that the column's type allows.
pub(super) fn placeholder(column: &Column, settings: &DebeziumSettings) -> Vec<u8> {
    let word = settings.unavailable_value_placeholder.as_bytes();
    let mut out = Vec::new();
    match &column.kind {
        Kind::Bytes if settings.binary_handling_mode == BinaryMode::Bytes => {
            out.push(b'"');
            json::write_base64(word, Alphabet::Standard, &mut out);
            out.push(b'"');
        }
        Kind::Array(element) => match **element {
            Kind::Int32 | Kind::Int64 | Kind::Date => {
                for byte in word {
                    out.push(if out.is_empty() { b'[' } else { b',' });
                    write_number(*byte, &mut out);
                }
                out.push(b']');
            }
            _ => {
                out.push(b'[');
                write_word(word, &mut out);
                out.push(b']');
            }
        },
        Kind::Hstore => {
            let mut object = vec![b'{'];
            write_word(word, &mut object);
            object.push(b':');
            write_word(word, &mut object);
            object.push(b'}');
            match settings.hstore_handling_mode {
                HstoreMode::Json => write_word(&object, &mut out),
                HstoreMode::Map => out = object,
            }
        }
        _ => write_word(word, &mut out),
    }
    out
}

fn write_word(word: &[u8], out: &mut Vec<u8>) {
    // The settings hold text, which is UTF-8.
    json::write_string(word, out).unwrap_or_default();
}

/// Writes bytes as lower-case hexadecimal digits.
pub(super) fn write_hex(bytes: &[u8], out: &mut Vec<u8>) {
    for byte in bytes {
        for digit in [byte >> 4, byte & 0xf] {
            out.push(if digit < 10 { b'0' + digit } else { b'a' + digit - 10 });
        }
    }
}
