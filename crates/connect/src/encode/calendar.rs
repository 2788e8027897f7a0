//! Dates and times of day as Postgres writes them, read into numbers, and numbers written as ISO 8601.
//!
//! Postgres counts by the proleptic Gregorian calendar, as ISO 8601 and Java do; the only difference
//! is the name of years before Christ: `4713-01-01 BC` is the year -4712.

use super::identity::write_number;

/// Days in one era of the calendar: 400 years.
const ERA_DAYS: i64 = 146_097;

/// Microseconds of a day.
pub(super) const DAY_MICROS: i64 = 86_400_000_000;

/// A date.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Date {
    pub year: i64,
    pub month: i64,
    pub day: i64,
}

impl Date {
    /// Reads `2024-02-29`; the year may have more digits.
    pub(super) fn parse(text: &[u8], before_christ: bool) -> Option<Self> {
        let at = text.iter().position(|byte| *byte == b'-')?;
        let (year, rest) = text.split_at(at);
        let [b'-', m1, m2, b'-', d1, d2] = *rest else { return None };
        let (year, month, day) = (number(year)?, number(&[m1, m2])?, number(&[d1, d2])?);
        let fine = year > 0 && (1..=12).contains(&month) && (1..=31).contains(&day);
        let year = if before_christ { 1 - year } else { year };
        fine.then_some(Self { year, month, day })
    }

    /// Days since 1970-01-01. Counts a year from March, so that the leap day is its last.
    pub(super) const fn days(self) -> i64 {
        let year = if self.month <= 2 { self.year - 1 } else { self.year };
        let era = year.div_euclid(400);
        let month = if self.month > 2 { self.month - 3 } else { self.month + 9 };
        let year_of_era = year - era * 400;
        let day_of_year = (153 * month + 2) / 5 + self.day - 1;
        era * ERA_DAYS + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year
            - 719_468
    }

    /// The date that many days after 1970-01-01.
    pub(super) const fn of_days(days: i64) -> Self {
        let days = days + 719_468;
        let era = days.div_euclid(ERA_DAYS);
        let day_of_era = days.rem_euclid(ERA_DAYS);
        let leaps = day_of_era / 1460 - day_of_era / 36_524 + day_of_era / 146_096;
        let year_of_era = (day_of_era - leaps) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * month + 2) / 5 + 1;
        let month = if month < 10 { month + 3 } else { month - 9 };
        let year = year_of_era + era * 400;
        Self { year: if month <= 2 { year + 1 } else { year }, month, day }
    }
}

/// Reads `23:59:59.123456` into microseconds; `24:00:00` is the end of the day.
pub(super) fn parse_clock(text: &[u8]) -> Option<i64> {
    let (clock, fraction) = match text.split_at_checked(8)? {
        (clock, []) => (clock, 0),
        (clock, [b'.', fraction @ ..]) => (clock, parse_fraction(fraction)?),
        _ => return None,
    };
    let [h1, h2, b':', m1, m2, b':', s1, s2] = *clock else { return None };
    let (hours, minutes) = (number(&[h1, h2])?, number(&[m1, m2])?);
    let seconds = (hours * 60 + minutes) * 60 + number(&[s1, s2])?;
    (minutes < 60).then_some(seconds * 1_000_000 + fraction)
}

/// Microseconds of up to six fractional digits.
pub(super) fn parse_fraction(digits: &[u8]) -> Option<i64> {
    let missing = 6_u32.checked_sub(u32::try_from(digits.len()).ok()?)?;
    Some(number(digits)? * 10_i64.pow(missing))
}

/// Seconds of `+02`, `-03:30` or `+00:53:28`.
pub(super) fn parse_zone(text: &[u8]) -> Option<i64> {
    let (sign, digits) = match text.split_first()? {
        (b'+', digits) => (1, digits),
        (b'-', digits) => (-1, digits),
        _ => return None,
    };
    let seconds = match *digits {
        [h1, h2] => number(&[h1, h2])? * 3600,
        [h1, h2, b':', m1, m2] => number(&[h1, h2])? * 3600 + number(&[m1, m2])? * 60,
        [h1, h2, b':', m1, m2, b':', s1, s2] => {
            number(&[h1, h2])? * 3600 + number(&[m1, m2])? * 60 + number(&[s1, s2])?
        }
        _ => return None,
    };
    Some(sign * seconds)
}

/// A whole number of at most 10 digits.
pub(super) fn number(digits: &[u8]) -> Option<i64> {
    if digits.is_empty() || digits.len() > 10 {
        return None;
    }
    digits.iter().try_fold(0, |sum, digit| {
        digit.is_ascii_digit().then(|| sum * 10 + i64::from(digit - b'0'))
    })
}

/// Writes `2024-02-29T23:59:59.123456Z` for a moment in microseconds since 1970; whether its year has
/// the four digits that RFC 3339 allows. Writes nothing when it has not.
pub(super) fn write_instant(micros: i64, out: &mut Vec<u8>) -> bool {
    let date = Date::of_days(micros.div_euclid(DAY_MICROS));
    let fine = (0..10_000).contains(&date.year);
    if fine {
        write_date(date, out);
        out.push(b'T');
        write_clock(micros.rem_euclid(DAY_MICROS), 6, out);
        out.push(b'Z');
    }
    fine
}

/// Four digits at least; a sign past them, as ISO asks.
pub(super) fn write_date(date: Date, out: &mut Vec<u8>) {
    match date.year {
        ..0 => out.push(b'-'),
        10_000.. => out.push(b'+'),
        _ => {}
    }
    let year = date.year.unsigned_abs();
    for place in [1000, 100, 10] {
        if year < place {
            out.push(b'0');
        }
    }
    write_number(year, out);
    out.push(b'-');
    write_two(date.month, out);
    out.push(b'-');
    write_two(date.day, out);
}

/// Writes `23:59:59.123456` with exactly `digits` fractional digits; with 0 as many as needed.
pub(super) fn write_clock(micros: i64, digits: u8, out: &mut Vec<u8>) {
    let seconds = micros / 1_000_000;
    write_two(seconds / 3600, out);
    out.push(b':');
    write_two(seconds / 60 % 60, out);
    out.push(b':');
    write_two(seconds % 60, out);
    let mut fraction = [b'0'; 6];
    let mut rest = micros % 1_000_000;
    for digit in fraction.iter_mut().rev() {
        *digit = digit_of(rest % 10);
        rest /= 10;
    }
    let used = fraction.iter().rposition(|digit| *digit != b'0').map_or(0, |last| last + 1);
    write_fraction(fraction.get(..used).unwrap_or_default(), digits, out);
}

/// Writes a point and exactly `digits` digits; with 0 as many as there are.
pub(super) fn write_fraction(fraction: &[u8], digits: u8, out: &mut Vec<u8>) {
    let width = if digits == 0 { fraction.len() } else { usize::from(digits) };
    if width > 0 {
        out.push(b'.');
        out.extend((0..width).map(|place| fraction.get(place).copied().unwrap_or(b'0')));
    }
}

fn write_two(number: i64, out: &mut Vec<u8>) {
    out.extend_from_slice(&[digit_of(number / 10), digit_of(number % 10)]);
}

fn digit_of(number: i64) -> u8 {
    // At most 9 by the arithmetic of its callers.
    b'0' + u8::try_from(number).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::{Date, parse_clock, parse_zone};

    fn days(text: &str, before_christ: bool) -> i64 {
        Date::parse(text.as_bytes(), before_christ).unwrap().days()
    }

    #[test]
    fn days_are_counted_from_1970() {
        assert_eq!(days("1970-01-01", false), 0);
        assert_eq!(days("1969-12-31", false), -1);
        assert_eq!(days("2000-02-29", false), 11_016);
        assert_eq!(days("2016-11-04", false), 17_109);
        assert_eq!(days("9999-12-31", false), 2_932_896);
        // Postgres: `select date '0001-01-01' - date '0001-12-31 BC'` is 1.
        assert_eq!(days("0001-01-01", false) - days("0001-12-31", true), 1);
        assert_eq!(days("4714-11-24", true), -2_440_588);
    }

    #[test]
    fn days_and_dates_are_inverse() {
        for day in (-2_500_000..3_000_000).step_by(37) {
            assert_eq!(Date::of_days(day).days(), day);
        }
    }

    #[test]
    fn clocks_and_zones() {
        assert_eq!(parse_clock(b"00:00:00"), Some(0));
        assert_eq!(parse_clock(b"13:51:30.123"), Some(49_890_123_000));
        assert_eq!(parse_clock(b"24:00:00"), Some(86_400_000_000));
        for text in
            ["", "1:00:00", "00:00", "00:60:00", "00:00:00.", "00:00:00.1234567", "ab:cd:ef"]
        {
            assert_eq!(parse_clock(text.as_bytes()), None, "{text}");
        }
        assert_eq!(parse_zone(b"-03:30"), Some(-12_600));
        assert_eq!(parse_zone(b"+00:53:28"), Some(3_208));
        assert_eq!(parse_zone(b"Z"), None);
    }
}
