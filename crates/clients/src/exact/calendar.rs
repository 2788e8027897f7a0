//! Dates and times between numbers and ISO 8601 text, in the proleptic Gregorian calendar.
//!
//! The day arithmetic is Howard Hinnant's `days_from_civil`
//! (<https://howardhinnant.github.io/date_algorithms.html>): integers only, right for every year
//! that a database can hold, which general calendar crates are not.

/// A calendar day. Year 0 is 1 BC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Civil {
    /// The year.
    pub year: i64,
    /// 1 to 12.
    pub month: u8,
    /// 1 to 31.
    pub day: u8,
}

/// A date with time as it was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// Seconds since 1970-01-01 00:00:00 on the written clock.
    pub seconds: i64,
    /// Nanoseconds into the second.
    pub nanos: u32,
    /// Seconds east of Greenwich, when a zone was written.
    pub offset: Option<i32>,
}

impl Moment {
    /// The count of units since 1970 in UTC (or on the local clock without a zone), `per_second`
    /// of them in a second. `None` when that would lose a digit or overflow.
    #[must_use]
    pub fn in_units(&self, per_second: i64) -> Option<i64> {
        let nanos_per_unit = 1_000_000_000 / per_second;
        let nanos = i64::from(self.nanos);
        if nanos % nanos_per_unit != 0 {
            return None;
        }
        let seconds = self.seconds.checked_sub(i64::from(self.offset.unwrap_or(0)))?;
        let whole =
            i128::from(seconds) * i128::from(per_second) + i128::from(nanos / nanos_per_unit);
        i64::try_from(whole).ok()
    }
}

/// Days since 1970-01-01.
#[must_use]
pub fn days_of(date: Civil) -> i64 {
    let month = i64::from(date.month);
    let year = if month <= 2 { date.year - 1 } else { date.year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + i64::from(date.day) - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// The day that is `days` after 1970-01-01.
#[must_use]
pub fn civil_of(days: i64) -> Civil {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = u8::try_from(day_of_year - (153 * shifted + 2) / 5 + 1).unwrap_or_default();
    let month =
        u8::try_from(if shifted < 10 { shifted + 3 } else { shifted - 9 }).unwrap_or_default();
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    Civil { year, month, day }
}

/// Writes `YYYY-MM-DD`, with a sign and more digits outside of the years 0 to 9999.
pub fn write_date(days: i64, out: &mut Vec<u8>) {
    let Civil { year, month, day } = civil_of(days);
    if year < 0 {
        out.push(b'-');
    }
    let year = year.unsigned_abs();
    if year < 10_000 {
        write_padded(year, 4, out);
    } else {
        out.extend_from_slice(year.to_string().as_bytes());
    }
    out.push(b'-');
    write_padded(u64::from(month), 2, out);
    out.push(b'-');
    write_padded(u64::from(day), 2, out);
}

/// Writes `HH:MM:SS` and, when `digits` is not 0, a point and that many digits of the second.
pub fn write_time_of_day(seconds: i64, fraction: u64, digits: usize, out: &mut Vec<u8>) {
    let seconds = seconds.unsigned_abs();
    write_padded(seconds / 3600, 2, out);
    out.push(b':');
    write_padded(seconds / 60 % 60, 2, out);
    out.push(b':');
    write_padded(seconds % 60, 2, out);
    write_fraction(fraction, digits, out);
}

/// Writes a point and `digits` digits, or nothing when `digits` is 0.
pub fn write_fraction(fraction: u64, digits: usize, out: &mut Vec<u8>) {
    if digits > 0 {
        out.push(b'.');
        write_padded(fraction, digits, out);
    }
}

fn write_padded(value: u64, width: usize, out: &mut Vec<u8>) {
    let start = out.len();
    out.resize(start + width, b'0');
    let mut rest = value;
    for slot in out.iter_mut().skip(start).rev() {
        *slot = b'0' + u8::try_from(rest % 10).unwrap_or_default();
        rest /= 10;
    }
}

/// Reads `[-]YYYY-MM-DD`; days since 1970-01-01.
#[must_use]
pub fn parse_date(text: &[u8]) -> Option<i64> {
    let (days, rest) = take_date(text)?;
    rest.is_empty().then_some(days)
}

/// Reads `HH:MM[:SS[.fraction]]`: seconds of the day and nanoseconds into the second.
#[must_use]
pub fn parse_time(text: &[u8]) -> Option<(i64, u32)> {
    let (seconds, nanos, rest) = take_time(text)?;
    rest.is_empty().then_some((seconds, nanos))
}

/// Reads a date, and a time behind `T` or a blank, and a zone (`Z`, `+HH[:MM[:SS]]`) if there is
/// one. A date alone is its midnight.
#[must_use]
pub fn parse_moment(text: &[u8]) -> Option<Moment> {
    let (days, rest) = take_date(text)?;
    let midnight = days * 86_400;
    let Some((separator, rest)) = rest.split_first() else {
        return Some(Moment { seconds: midnight, nanos: 0, offset: None });
    };
    if !matches!(separator, b'T' | b't' | b' ') {
        return None;
    }
    let (seconds, nanos, rest) = take_time(rest)?;
    if seconds >= 86_400 {
        return None;
    }
    let offset = match rest.trim_ascii_start().split_first() {
        None => None,
        Some((b'Z' | b'z', [])) => Some(0),
        Some((sign @ (b'+' | b'-'), zone)) => {
            let east = take_zone(zone)?;
            Some(if *sign == b'-' { -east } else { east })
        }
        Some(_) => return None,
    };
    Some(Moment { seconds: midnight + seconds, nanos, offset })
}

fn take_date(text: &[u8]) -> Option<(i64, &[u8])> {
    let (negative, text) = match text.split_first()? {
        (b'-', rest) => (true, rest),
        (b'+', rest) => (false, rest),
        _ => (false, text),
    };
    let year_digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if !(4..=9).contains(&year_digits) {
        return None;
    }
    let (year, rest) = take_number(text, year_digits)?;
    let (month, rest) = take_number(rest.strip_prefix(b"-")?, 2)?;
    let (day, rest) = take_number(rest.strip_prefix(b"-")?, 2)?;
    let year = if negative { -year } else { year };
    let date = Civil { year, month: u8::try_from(month).ok()?, day: u8::try_from(day).ok()? };
    let days = days_of(date);
    // A day that does not exist (the 31st of April) comes back as another one.
    (civil_of(days) == date).then_some((days, rest))
}

fn take_time(text: &[u8]) -> Option<(i64, u32, &[u8])> {
    let (hour, rest) = take_number(text, 2)?;
    let (minute, rest) = take_number(rest.strip_prefix(b":")?, 2)?;
    let (second, rest) = match rest.strip_prefix(b":") {
        Some(rest) => take_number(rest, 2)?,
        None => (0, rest),
    };
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let (nanos, rest) = match rest.strip_prefix(b".") {
        Some(rest) => take_fraction(rest)?,
        None => (0, rest),
    };
    Some((hour * 3600 + minute * 60 + second, nanos, rest))
}

fn take_fraction(text: &[u8]) -> Option<(u32, &[u8])> {
    let count = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (digits, rest) = text.split_at_checked(count)?;
    if digits.is_empty() || digits.iter().skip(9).any(|digit| *digit != b'0') {
        return None;
    }
    let padded = digits.iter().copied().chain(std::iter::repeat(b'0')).take(9);
    Some((padded.fold(0, |sum, digit| sum * 10 + u32::from(digit - b'0')), rest))
}

fn take_zone(text: &[u8]) -> Option<i32> {
    let (hours, rest) = take_number(text, 2)?;
    let rest = rest.strip_prefix(b":").unwrap_or(rest);
    let (minutes, rest) = if rest.is_empty() { (0, rest) } else { take_number(rest, 2)? };
    let rest = rest.strip_prefix(b":").unwrap_or(rest);
    let (seconds, rest) = if rest.is_empty() { (0, rest) } else { take_number(rest, 2)? };
    if !rest.is_empty() || hours > 23 || minutes > 59 || seconds > 59 {
        return None;
    }
    i32::try_from(hours * 3600 + minutes * 60 + seconds).ok()
}

fn take_number(text: &[u8], width: usize) -> Option<(i64, &[u8])> {
    let (digits, rest) = text.split_at_checked(width)?;
    let value = digits.iter().try_fold(0i64, |sum, digit| {
        digit.is_ascii_digit().then(|| sum * 10 + i64::from(digit - b'0'))
    })?;
    Some((value, rest))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn known_moments() {
        let at = |text: &str| parse_moment(text.as_bytes());
        let utc = at("2024-02-29T12:00:00.000001Z").unwrap();
        assert_eq!(utc.in_units(1_000_000), Some(1_709_208_000_000_001));
        assert_eq!(utc.in_units(1_000), None);
        assert_eq!(at("2024-02-29 14:00:00+02:00").unwrap().in_units(1), Some(1_709_208_000));
        assert_eq!(at("1970-01-01").unwrap().in_units(1), Some(0));
        for wrong in ["2023-02-29", "2024-1-01", "2024-01-01X00:00", "2024-01-01 24:00:00", "today"]
        {
            assert_eq!(at(wrong), None, "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn any_day_reads_back(days in -2_000_000i64..200_000_000) {
            let mut text = Vec::new();
            write_date(days, &mut text);
            prop_assert_eq!(parse_date(&text), Some(days));
        }

        #[test]
        fn any_text_is_refused_or_read_but_never_panics(text in "[-+0-9TZ: .]{0,40}") {
            prop_assert!(parse_moment(text.as_bytes()).is_none_or(|it| it.nanos < 1_000_000_000));
        }
    }
}
