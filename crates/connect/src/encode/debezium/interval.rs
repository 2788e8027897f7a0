//! Intervals: an approximate number of microseconds, or ISO's text.
//!
//! Debezium's page, section "Basic types": a month is taken as 365.25 / 12 days.

use crate::encode::calendar::{number, parse_clock, parse_fraction};
use crate::encode::identity::write_number;
use crate::encode::refusal::Trouble;

/// 365.25 / 12 days of 86,400 seconds: a whole number, so that no fraction is lost.
const MONTH_MICROS: i128 = 2_629_800_000_000;
const DAY_MICROS: i128 = 86_400_000_000;

/// How an interval is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::encode) enum IntervalForm {
    /// Microseconds.
    Micros,
    /// `P1Y2M3DT4H5M6.78S`.
    Iso,
}

/// What an interval holds; Postgres keeps months, days and time apart, each with a sign.
#[derive(Debug, Default, Clone, Copy)]
struct Interval {
    years: i64,
    months: i64,
    days: i64,
    clock_micros: i64,
}

impl IntervalForm {
    /// Writes `1 year 2 mons 3 days 04:05:06.789`.
    pub(in crate::encode) fn write(self, text: &[u8], out: &mut Vec<u8>) -> Result<(), Trouble> {
        if matches!(text, b"infinity" | b"-infinity") {
            return Err(Trouble::inexact(
                "is an infinite interval, which Debezium has no form for",
                "Use the envelope `native`, which writes it as text.",
            ));
        }
        let read = Interval::parse(text);
        let it =
            read.ok_or(Trouble::malformed("does not hold an interval as Postgres writes it"))?;
        match self {
            Self::Micros => {
                let months = i128::from(it.years) * 12 + i128::from(it.months);
                let days = months * MONTH_MICROS + i128::from(it.days) * DAY_MICROS;
                let micros = days + i128::from(it.clock_micros);
                // Past its ends Java's cast from a double stays there, too.
                let micros = micros.clamp(i64::MIN.into(), i64::MAX.into());
                write_number(i64::try_from(micros).unwrap_or(i64::MAX), out);
            }
            Self::Iso => it.write_iso(out),
        }
        Ok(())
    }
}

impl Interval {
    fn parse(text: &[u8]) -> Option<Self> {
        let mut it = Self::default();
        let mut words = text.split(|byte| *byte == b' ');
        while let Some(word) = words.next() {
            let (sign, digits) = match word.split_first()? {
                (b'-', digits) => (-1, digits),
                (b'+', digits) => (1, digits),
                _ => (1, word),
            };
            if digits.contains(&b':') {
                it.clock_micros = sign * parse_long_clock(digits)?;
                // The time is the last part.
                return words.next().is_none().then_some(it);
            }
            let place = match words.next()? {
                b"year" | b"years" => &mut it.years,
                b"mon" | b"mons" => &mut it.months,
                b"day" | b"days" => &mut it.days,
                _ => return None,
            };
            *place = sign * number(digits)?;
        }
        Some(it)
    }

    fn write_iso(self, out: &mut Vec<u8>) {
        let part = |number: i64, unit: u8, out: &mut Vec<u8>| {
            write_number(number, out);
            out.push(unit);
        };
        out.extend_from_slice(b"\"P");
        part(self.years, b'Y', out);
        part(self.months, b'M', out);
        part(self.days, b'D', out);
        out.push(b'T');
        let seconds = self.clock_micros / 1_000_000;
        part(seconds / 3600, b'H', out);
        part(seconds / 60 % 60, b'M', out);
        // The sign is lost to the number when only a fraction is below zero.
        if self.clock_micros < 0 && seconds % 60 == 0 && self.clock_micros % 1_000_000 != 0 {
            out.push(b'-');
        }
        write_number(seconds % 60, out);
        let mut rest = (self.clock_micros % 1_000_000).unsigned_abs();
        if rest > 0 {
            out.push(b'.');
            let mut place = 100_000;
            while rest > 0 {
                write_number(rest / place, out);
                rest %= place;
                place /= 10;
            }
        }
        out.extend_from_slice(b"S\"");
    }
}

/// Like a time of day, but with as many hours as it takes.
fn parse_long_clock(text: &[u8]) -> Option<i64> {
    let at = text.iter().position(|byte| *byte == b':')?;
    if at == 2 {
        return parse_clock(text);
    }
    let (hours, rest) = text.split_at(at);
    let (clock, fraction) = match rest.split_at_checked(6)? {
        (clock, []) => (clock, 0),
        (clock, [b'.', digits @ ..]) => (clock, parse_fraction(digits)?),
        _ => return None,
    };
    let [b':', m1, m2, b':', s1, s2] = *clock else { return None };
    let minutes = number(hours)?.checked_mul(60)?.checked_add(number(&[m1, m2])?)?;
    let seconds = minutes.checked_mul(60)?.checked_add(number(&[s1, s2])?)?;
    seconds.checked_mul(1_000_000)?.checked_add(fraction)
}

#[cfg(test)]
mod tests {
    use super::IntervalForm;

    fn written(form: IntervalForm, text: &str) -> Option<String> {
        let mut out = Vec::new();
        form.write(text.as_bytes(), &mut out).ok()?;
        Some(String::from_utf8(out).unwrap())
    }

    /// Debezium's page, "Basic types", rows `INTERVAL [P]`; its example is the first case.
    #[test]
    fn both_forms() {
        for (text, micros, iso) in [
            ("1 year 2 mons 3 days 04:05:06.78", "37091106780000", "P1Y2M3DT4H5M6.78S"),
            ("00:00:00", "0", "P0Y0M0DT0H0M0S"),
            ("1 mon", "2629800000000", "P0Y1M0DT0H0M0S"),
            ("-1 days +02:03:00", "-79020000000", "P0Y0M-1DT2H3M0S"),
            ("-00:00:00.000001", "-1", "P0Y0M0DT0H0M-0.000001S"),
            ("100:00:00", "360000000000", "P0Y0M0DT100H0M0S"),
            ("-2 years -3 mons", "-71004600000000", "P-2Y-3M0DT0H0M0S"),
        ] {
            assert_eq!(written(IntervalForm::Micros, text).unwrap(), micros, "{text}");
            assert_eq!(written(IntervalForm::Iso, text).unwrap(), format!("\"{iso}\""), "{text}");
        }
        for text in ["", "1", "1 fortnight", "04:05", "04:05:06 1 day", "infinity", "x:00:00"] {
            assert_eq!(written(IntervalForm::Micros, text), None, "{text}");
        }
    }
}
