//! Dates and times: counted from 1970 without a zone, and as ISO text in UTC with one.
//!
//! Debezium's page, sections "Temporal types" and "TIMESTAMP type".

use crate::encode::calendar::{
    DAY_MICROS, Date, parse_clock, parse_zone, write_clock, write_date, write_fraction,
};
use crate::encode::identity::write_number;
use crate::encode::refusal::Trouble;
use crate::encode::temporal::{split_at_space, split_zone};

/// What Debezium writes for an infinite timestamp, in microseconds: the numbers of the JDBC driver.
const INFINITY_MICROS: i64 = 9_223_372_036_825_200_000;
const MINUS_INFINITY_MICROS: i64 = -9_223_372_036_832_400_000;

/// What it writes for an infinite date: the days of its `POSITIVE_INFINITY_LOCAL_DATE`,
/// `-5877611-06-21`, and of its negative counterpart a day later.
const INFINITY_DAY: i64 = Date { year: -5_877_611, month: 6, day: 21 }.days();
const MINUS_INFINITY_DAY: i64 = Date { year: -5_877_611, month: 6, day: 22 }.days();

const MALFORMED: Trouble = Trouble::malformed("does not hold a date or time as Postgres writes it");

/// How a date or time is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::encode) enum EpochForm {
    /// Days since 1970.
    Day,
    /// Time since midnight.
    TimeOfDay {
        /// In microseconds, else in milliseconds.
        micros: bool,
    },
    /// Time since 1970.
    Timestamp {
        /// In microseconds, else in milliseconds.
        micros: bool,
    },
    /// ISO text in UTC.
    ZonedTimestamp {
        /// Fractional digits; with 0 as many as the value has.
        digits: u8,
    },
    /// ISO text in UTC without a date.
    ZonedTime,
}

impl EpochForm {
    /// Writes a date or time as a JSON value.
    pub(in crate::encode) fn write(self, text: &[u8], out: &mut Vec<u8>) -> Result<(), Trouble> {
        let infinite = match text {
            b"infinity" => Some(true),
            b"-infinity" => Some(false),
            _ => None,
        };
        match self {
            Self::ZonedTimestamp { digits } => {
                if infinite.is_some() {
                    out.push(b'"');
                    out.extend_from_slice(text);
                    out.push(b'"');
                    return Ok(());
                }
                return write_zoned_timestamp(text, digits, out).ok_or(MALFORMED);
            }
            Self::ZonedTime => return write_zoned_time(text, out).ok_or(MALFORMED),
            Self::Day | Self::TimeOfDay { .. } | Self::Timestamp { .. } => {}
        }
        let number = match (self, infinite) {
            (Self::Day, Some(true)) => INFINITY_DAY,
            (Self::Day, Some(false)) => MINUS_INFINITY_DAY,
            (Self::Day, None) => {
                let (date, before_christ) = era(text);
                Date::parse(date, before_christ).ok_or(MALFORMED)?.days()
            }
            (Self::Timestamp { micros }, Some(positive)) => {
                scaled(if positive { INFINITY_MICROS } else { MINUS_INFINITY_MICROS }, micros)
            }
            (Self::Timestamp { micros }, None) => scaled(timestamp_micros(text)?, micros),
            (Self::TimeOfDay { micros }, _) => scaled(parse_clock(text).ok_or(MALFORMED)?, micros),
            (Self::ZonedTimestamp { .. } | Self::ZonedTime, _) => return Err(MALFORMED),
        };
        write_number(number, out);
        Ok(())
    }
}

const fn scaled(value_micros: i64, micros: bool) -> i64 {
    if micros { value_micros } else { value_micros.div_euclid(1000) }
}

/// The text without ` BC`, and whether it had it.
fn era(text: &[u8]) -> (&[u8], bool) {
    match text.strip_suffix(b" BC") {
        Some(text) => (text, true),
        None => (text, false),
    }
}

fn timestamp_micros(text: &[u8]) -> Result<i64, Trouble> {
    let (text, before_christ) = era(text);
    let (date, clock) = split_at_space(text).ok_or(MALFORMED)?;
    let days = Date::parse(date, before_christ).ok_or(MALFORMED)?.days();
    let clock = parse_clock(clock).ok_or(MALFORMED)?;
    days.checked_mul(DAY_MICROS).and_then(|micros| micros.checked_add(clock)).ok_or(
        Trouble::inexact(
            "lies past the last microsecond that 64 bits can count",
            "Use the envelope `native`, which writes it as text.",
        ),
    )
}

fn write_zoned_timestamp(text: &[u8], digits: u8, out: &mut Vec<u8>) -> Option<()> {
    let (text, before_christ) = era(text);
    let (date_text, time) = split_at_space(text)?;
    let (clock_text, zone) = split_zone(time)?;
    // Read whatever is written, so that nothing but a timestamp passes.
    let date = Date::parse(date_text, before_christ)?;
    let clock = parse_clock(clock_text)?;
    out.push(b'"');
    if zone == b"+00" && !before_christ && date_text.len() == 10 {
        out.extend_from_slice(date_text);
        out.push(b'T');
        out.extend_from_slice(clock_text.get(..8)?);
        write_fraction(clock_text.get(9..).unwrap_or_default(), digits, out);
    } else {
        let micros = i128::from(date.days()) * i128::from(DAY_MICROS)
            + i128::from(clock - parse_zone(zone)? * 1_000_000);
        let days = i64::try_from(micros.div_euclid(DAY_MICROS.into())).ok()?;
        let micros = i64::try_from(micros.rem_euclid(DAY_MICROS.into())).ok()?;
        write_date(Date::of_days(days), out);
        out.push(b'T');
        write_clock(micros, digits, out);
    }
    out.extend_from_slice(b"Z\"");
    Some(())
}

fn write_zoned_time(text: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let (clock, zone) = split_zone(text)?;
    let micros = parse_clock(clock)? - parse_zone(zone)? * 1_000_000;
    // Only in UTC is the end of the day another time than its beginning.
    let micros = if micros == DAY_MICROS { micros } else { micros.rem_euclid(DAY_MICROS) };
    out.push(b'"');
    write_clock(micros, 0, out);
    out.extend_from_slice(b"Z\"");
    Some(())
}

#[cfg(test)]
mod tests {
    use super::EpochForm;

    fn written(form: EpochForm, text: &str) -> Option<String> {
        let mut out = Vec::new();
        form.write(text.as_bytes(), &mut out).ok()?;
        Some(String::from_utf8(out).unwrap())
    }

    /// Debezium's page, "Temporal types" and "TIMESTAMP type"; the odd values from the test
    /// `schemaAndValuesForDateTimeTypes` of its connector.
    #[test]
    fn times_without_a_zone_are_counted() {
        let micros = EpochForm::Timestamp { micros: true };
        let millis = EpochForm::Timestamp { micros: false };
        for (form, text, wanted) in [
            (EpochForm::Day, "2016-11-04", "17109"),
            (EpochForm::Day, "infinity", "-2147472692"),
            (EpochForm::Day, "-infinity", "-2147472691"),
            (EpochForm::Day, "0044-03-15 BC", "-735160"),
            (micros, "2018-06-20 15:13:16.945104", "1529507596945104"),
            (micros, "1936-10-25 22:10:12.608", "-1047174587392000"),
            (micros, "infinity", "9223372036825200000"),
            (micros, "-infinity", "-9223372036832400000"),
            (millis, "2016-11-04 13:51:30.123", "1478267490123"),
            (millis, "1969-12-31 23:59:59.9995", "-1"),
            (millis, "infinity", "9223372036825200"),
            (EpochForm::TimeOfDay { micros: true }, "24:00:00", "86400000000"),
            (EpochForm::TimeOfDay { micros: false }, "13:51:30.123", "49890123"),
        ] {
            assert_eq!(written(form, text).unwrap(), wanted, "{text}");
        }
        assert_eq!(written(micros, "294276-12-31 23:59:59.999999"), None);
    }

    /// The same sources: `ZonedTimestamp` and `ZonedTime` are text in UTC.
    #[test]
    fn times_with_a_zone_are_text_in_utc() {
        let six = EpochForm::ZonedTimestamp { digits: 6 };
        for (form, text, wanted) in [
            (six, "2016-11-04 11:51:30.123456+00", "2016-11-04T11:51:30.123456Z"),
            (six, "2016-11-04 11:51:30+00", "2016-11-04T11:51:30.000000Z"),
            (six, "2016-11-04 13:51:30.123456+02", "2016-11-04T11:51:30.123456Z"),
            (six, "2017-01-01 00:30:00+01", "2016-12-31T23:30:00.000000Z"),
            (six, "21016-11-04 06:51:30.123456+00", "+21016-11-04T06:51:30.123456Z"),
            (six, "294247-01-01 23:59:59.999999+00", "+294247-01-01T23:59:59.999999Z"),
            (six, "4714-12-31 23:59:59.999999+00 BC", "-4713-12-31T23:59:59.999999Z"),
            (six, "0001-01-01 00:00:00+00 BC", "0000-01-01T00:00:00.000000Z"),
            (six, "infinity", "infinity"),
            (six, "-infinity", "-infinity"),
            (
                EpochForm::ZonedTimestamp { digits: 3 },
                "2016-11-04 11:51:30.1+00",
                "2016-11-04T11:51:30.100Z",
            ),
            (
                EpochForm::ZonedTimestamp { digits: 0 },
                "2016-11-04 11:51:30+00",
                "2016-11-04T11:51:30Z",
            ),
            (EpochForm::ZonedTime, "13:51:30.123789+02", "11:51:30.123789Z"),
            (EpochForm::ZonedTime, "01:00:00+02", "23:00:00Z"),
            (EpochForm::ZonedTime, "24:00:00+00", "24:00:00Z"),
        ] {
            assert_eq!(written(form, text).unwrap(), format!("\"{wanted}\""), "{text}");
        }
        for text in ["", "2016-11-04", "2016-11-04 11:51:30", "2016-13-04 11:51:30+00", "x\"y z+00"]
        {
            assert_eq!(written(six, text), None, "{text}");
        }
    }
}
