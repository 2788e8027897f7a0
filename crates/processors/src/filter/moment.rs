//! Dates and times as their text has them, as one number each, so that they compare by time and not by
//! letters: a year before Christ, one of five digits, and a time in another zone come out right.
//!
//! Counts are in nanoseconds, in 128 bits: enough for every date that Postgres has.

/// A point in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Moment {
    /// Nanoseconds since 1970, in UTC or on the wall clock; the ends of the range for infinity.
    pub(super) nanos: i128,
    /// Whether the text has a time of day.
    pub(super) has_time: bool,
    /// Whether the text has a zone.
    pub(super) has_zone: bool,
}

const SECOND: i128 = 1_000_000_000;
const DAY: i128 = 86_400 * SECOND;

/// Reads `2024-02-29`, `2024-02-29 23:59:59.123456+02` (also with a `T`, and `Z`), `0044-03-15 BC`,
/// `infinity` and `-infinity`; `None` for anything else.
pub(super) fn moment(text: &[u8]) -> Option<Moment> {
    match text {
        b"infinity" => return Some(Moment { nanos: i128::MAX, has_time: false, has_zone: false }),
        b"-infinity" => return Some(Moment { nanos: i128::MIN, has_time: false, has_zone: false }),
        _ => {}
    }
    let (text, before_christ) = match text.strip_suffix(b" BC") {
        Some(text) => (text, true),
        None => (text, false),
    };
    let mut reader = Reader { rest: text };
    let (year, digits) = reader.number()?;
    if digits < 4 {
        return None;
    }
    // There is no year 0: the year before 1 is 1 BC.
    let year = if before_christ { 1 - year } else { year };
    reader.skip(b"-")?;
    let month = reader.two_digits()?;
    reader.skip(b"-")?;
    let day = reader.two_digits()?;
    let days = days_since_1970(year, month, day)?;
    let mut nanos = i128::from(days) * DAY;
    if reader.rest.is_empty() {
        return Some(Moment { nanos, has_time: false, has_zone: false });
    }
    reader.skip(b" ").or_else(|| reader.skip(b"T"))?;
    nanos += reader.time_of_day()?;
    let offset = reader.zone()?;
    nanos -= i128::from(offset.unwrap_or_default()) * SECOND;
    Some(Moment { nanos, has_time: true, has_zone: offset.is_some() })
}

/// Reads `23:59:59.123456` as nanoseconds since midnight; also the `24:00:00` of Postgres, and the
/// hours past a day and below nothing that MySQL has.
pub(super) fn time_of_day(text: &[u8]) -> Option<i128> {
    let (text, negative) = match text.strip_prefix(b"-") {
        Some(text) => (text, true),
        None => (text, false),
    };
    let mut reader = Reader { rest: text };
    let nanos = reader.time_of_day()?;
    reader.rest.is_empty().then_some(if negative { -nanos } else { nanos })
}

/// Days from a date to 1970-01-01 in the Gregorian calendar, by counting 400-year cycles of 146,097
/// days from a year that begins in March.
fn days_since_1970(year: i64, month: i64, day: i64) -> Option<i64> {
    let leap = year.rem_euclid(4) == 0 && (year.rem_euclid(100) != 0 || year.rem_euclid(400) == 0);
    let last = match month {
        2 => 28 + i64::from(leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    if day < 1 || day > last {
        return None;
    }
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let (cycle, of_cycle) = (year.div_euclid(400), year.rem_euclid(400));
    // From March on, the months have 31, 30, 31, 30, 31 days over and over.
    let of_year = (153 * month + 2) / 5 + day - 1;
    let of_cycle = of_cycle * 365 + of_cycle / 4 - of_cycle / 100 + of_year;
    // The cycles begin on 0000-03-01, 719,468 days before 1970.
    Some(cycle * 146_097 + of_cycle - 719_468)
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl Reader<'_> {
    fn skip(&mut self, wanted: &[u8]) -> Option<()> {
        self.rest = self.rest.strip_prefix(wanted)?;
        Some(())
    }

    /// Digits and how many they were; no more than a date needs.
    fn number(&mut self) -> Option<(i64, usize)> {
        let digits = self.rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if digits == 0 || digits > 9 {
            return None;
        }
        let (number, rest) = self.rest.split_at_checked(digits)?;
        self.rest = rest;
        let value = number.iter().fold(0, |sum, byte| sum * 10 + i64::from(byte - b'0'));
        Some((value, digits))
    }

    fn two_digits(&mut self) -> Option<i64> {
        let (value, digits) = self.number()?;
        (digits == 2).then_some(value)
    }

    /// `23:59`, `23:59:59` or `23:59:59.123456789`.
    fn time_of_day(&mut self) -> Option<i128> {
        let (hours, _) = self.number()?;
        self.skip(b":")?;
        let minutes = self.two_digits()?;
        let seconds = if self.skip(b":").is_some() { self.two_digits()? } else { 0 };
        let mut nanos = 0;
        if self.skip(b".").is_some() {
            let (fraction, digits) = self.number()?;
            nanos = fraction * 10_i64.checked_pow(u32::try_from(9 - digits).ok()?)?;
        }
        if hours > 838 || minutes > 59 || seconds > 60 {
            return None;
        }
        let seconds = hours * 3600 + minutes * 60 + seconds;
        Some(i128::from(seconds) * SECOND + i128::from(nanos))
    }

    /// Nothing, `Z`, or `+02`, `+02:30`, `-00:44:30`: seconds east of UTC.
    #[expect(clippy::option_option, reason = "no zone is not the same as no text of one")]
    fn zone(&mut self) -> Option<Option<i64>> {
        if self.rest.is_empty() {
            return Some(None);
        }
        if self.rest == b"Z" {
            return Some(Some(0));
        }
        let sign = if self.skip(b"+").is_some() {
            1
        } else {
            self.skip(b"-")?;
            -1
        };
        let mut seconds = self.two_digits()? * 3600;
        for unit in [60, 1] {
            if self.skip(b":").is_some() {
                seconds += self.two_digits()? * unit;
            }
        }
        self.rest.is_empty().then_some(Some(sign * seconds))
    }
}

#[cfg(test)]
mod tests {
    use super::{moment, time_of_day};

    fn nanos(text: &str) -> i128 {
        moment(text.as_bytes()).unwrap_or_else(|| panic!("{text}")).nanos
    }

    #[test]
    fn moments_are_ordered_by_time() {
        let ordered = [
            "-infinity",
            "4713-01-01 00:00:00+00 BC",
            "0044-03-15 BC",
            "0001-12-31 BC",
            "0001-01-01",
            "1969-12-31 23:59:59.999999",
            "1970-01-01",
            "2024-02-29 01:30:00+02:30",
            "2024-02-28 23:59:59",
            "2024-02-29",
            "2024-02-29T00:00:00.000001Z",
            "2024-03-01",
            "9999-12-31 23:59:59",
            "10000-01-01",
            "294276-12-31 23:59:59.999999",
            "infinity",
        ];
        for pair in ordered.windows(2) {
            assert!(nanos(pair[0]) < nanos(pair[1]), "{pair:?}");
        }
        assert_eq!(nanos("2024-02-29 12:00:00+02"), nanos("2024-02-29 10:00:00Z"));
        assert_eq!(nanos("2000-01-01"), 946_684_800 * 1_000_000_000);
    }

    #[test]
    fn what_is_no_moment_is_none() {
        for text in [
            "",
            "2024",
            "2024-2-3",
            "2023-02-29",
            "2024-13-01",
            "2024-01-01x",
            "2024-01-01 1",
            "now",
        ] {
            assert!(moment(text.as_bytes()).is_none(), "{text}");
        }
        assert!(time_of_day(b"12:60:00").is_none() && time_of_day(b"12").is_none());
        assert!(time_of_day(b"23:59:59.9") < time_of_day(b"24:00:00"));
        assert!(time_of_day(b"-01:00:00") < time_of_day(b"00:00:00"));
    }
}
