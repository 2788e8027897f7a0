//! Dates, times and timestamps from text: ISO 8601 as RFC 3339 narrows it, plus the blank in
//! place of `T` that databases write. The calendar is proleptic Gregorian, years 0000 to 9999.

/// A wall-clock reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Moment {
    /// Seconds since 1970-01-01T00:00:00, by the zone when there is one, else by the wall clock.
    pub(crate) seconds: i64,
    /// Nanoseconds within the second.
    pub(crate) nanos: u32,
    /// Digits after the point.
    pub(crate) digits: u8,
    /// Whether a zone was given; the seconds are UTC then.
    pub(crate) zoned: bool,
}

impl Moment {
    /// As a count of `10^-digits` seconds; `None` when digits would be lost or it overflows.
    pub(crate) fn count(self, digits: u32) -> Option<i64> {
        let step = 10u32.pow(9u32.checked_sub(digits)?);
        if !self.nanos.is_multiple_of(step) {
            return None;
        }
        let whole = self.seconds.checked_mul(10i64.pow(digits));
        match whole {
            Some(whole) => whole.checked_add(i64::from(self.nanos / step)),
            // Before 1677 the whole part alone can leave the range that the sum is within.
            None => {
                let sum = i128::from(self.seconds) * 10i128.pow(digits);
                i64::try_from(sum + i128::from(self.nanos / step)).ok()
            }
        }
    }

    /// The same, rounded up: for lower bounds.
    pub(crate) fn count_up(self, digits: u32) -> i128 {
        let step = 10u32.pow(9u32.saturating_sub(digits));
        i128::from(self.seconds) * 10i128.pow(digits) + i128::from(self.nanos.div_ceil(step))
    }
}

/// `YYYY-MM-DD` as days since 1970-01-01.
#[inline]
pub(crate) fn date(text: &[u8]) -> Option<i32> {
    let text: &[u8; 10] = text.try_into().ok()?;
    let [y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2] = *text else { return None };
    let year = two(y1, y2)? * 100 + two(y3, y4)?;
    let (month, day) = (two(m1, m2)?, two(d1, d2)?);
    if !(1..=12).contains(&month) || day < 1 || day > days_in(year, month) {
        return None;
    }
    Some(days_from_civil(year, month, day))
}

/// `HH:MM[:SS[.fffffffff]]` as seconds of the day, nanoseconds, and digits after the point.
#[inline]
pub(crate) fn time_of_day(text: &[u8]) -> Option<(u32, u32, u8)> {
    let (clock, fraction) = match text.get(8) {
        None => (text, &[][..]),
        Some(b'.' | b',') => (text.get(..8)?, text.get(9..).filter(|it| !it.is_empty())?),
        Some(_) => return None,
    };
    let (hour, minute, second) = match *clock {
        [h1, h2, b':', m1, m2] => (two(h1, h2)?, two(m1, m2)?, 0),
        [h1, h2, b':', m1, m2, b':', s1, s2] => (two(h1, h2)?, two(m1, m2)?, two(s1, s2)?),
        _ => return None,
    };
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let (nanos, digits) = fraction_nanos(fraction)?;
    Some((u32::try_from(hour * 3600 + minute * 60 + second).ok()?, nanos, digits))
}

/// At most nine digits count; zeros beyond them lose nothing.
#[inline]
fn fraction_nanos(fraction: &[u8]) -> Option<(u32, u8)> {
    let kept = fraction.len().min(9);
    let (kept, beyond) = fraction.split_at(kept);
    if beyond.iter().any(|byte| *byte != b'0') {
        return None;
    }
    let mut nanos = 0u32;
    for byte in kept {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        nanos = nanos * 10 + u32::from(digit);
    }
    let digits = u8::try_from(kept.len()).ok()?;
    Some((nanos * 10u32.pow(9 - u32::from(digits)), digits))
}

/// A date and a time with `T`, `t` or a blank between, and perhaps a zone: `Z`, `+HH`, `+HHMM`
/// or `+HH:MM`.
#[inline]
pub(crate) fn timestamp(text: &[u8]) -> Option<Moment> {
    let days = date(text.get(..10)?)?;
    if !matches!(text.get(10)?, b'T' | b't' | b' ') {
        return None;
    }
    let rest = text.get(11..)?;
    let (clock, offset) = split_zone(rest)?;
    let (of_day, nanos, digits) = time_of_day(clock)?;
    let seconds = i64::from(days) * 86_400 + i64::from(of_day) - i64::from(offset.unwrap_or(0));
    Some(Moment { seconds, nanos, digits, zoned: offset.is_some() })
}

#[inline]
fn split_zone(text: &[u8]) -> Option<(&[u8], Option<i32>)> {
    if let Some((b'Z' | b'z', clock)) = text.split_last() {
        return Some((clock, Some(0)));
    }
    let from = text.len().saturating_sub(6);
    let tail = text.get(from..)?;
    let Some(at) = tail.iter().position(|byte| matches!(byte, b'+' | b'-')) else {
        return Some((text, None));
    };
    let (clock, zone) = text.split_at(from + at);
    let (hours, minutes) = match *zone {
        [_, h1, h2] => (two(h1, h2)?, 0),
        [_, h1, h2, m1, m2] | [_, h1, h2, b':', m1, m2] => (two(h1, h2)?, two(m1, m2)?),
        _ => return None,
    };
    // PostgreSQL writes zones up to 15:59.
    if hours > 15 || minutes > 59 {
        return None;
    }
    let seconds = hours * 3600 + minutes * 60;
    let clock = clock.strip_suffix(b" ").unwrap_or(clock);
    Some((clock, Some(if zone.first() == Some(&b'-') { -seconds } else { seconds })))
}

#[inline]
fn two(tens: u8, ones: u8) -> Option<i32> {
    let (tens, ones) = (tens.wrapping_sub(b'0'), ones.wrapping_sub(b'0'));
    (tens <= 9 && ones <= 9).then(|| i32::from(tens) * 10 + i32::from(ones))
}

fn days_in(year: i32, month: i32) -> i32 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 1970-01-01, counted from a March so that the leap day comes last. The method is
/// that of Howard Hinnant, <https://howardhinnant.github.io/date_algorithms.html>.
#[inline]
fn days_from_civil(year: i32, month: i32, day: i32) -> i32 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = of_era * 365 + of_era / 4 - of_era / 100 + of_year;
    era * 146_097 + day_of_era - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_match_the_calendar() {
        for (text, days) in [
            ("1970-01-01", 0),
            ("1969-12-31", -1),
            ("2000-02-29", 11_016),
            ("0000-01-01", -719_528),
            ("9999-12-31", 2_932_896),
        ] {
            assert_eq!(date(text.as_bytes()), Some(days), "{text}");
        }
        for text in
            ["2001-02-29", "1900-02-29", "2000-13-01", "2000-00-01", "2000-01-00", "2000-1-1"]
        {
            assert_eq!(date(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn timestamps_keep_digits_and_zone() {
        let moment = timestamp(b"2024-02-29T23:59:59.123456789+02:30").unwrap();
        assert_eq!(moment.seconds, 1_709_251_199 - 9_000);
        assert_eq!((moment.nanos, moment.digits, moment.zoned), (123_456_789, 9, true));
        assert_eq!(moment.count(6), None);
        assert!(!timestamp(b"1970-01-01 00:00").unwrap().zoned);
        assert_eq!(timestamp(b"1969-12-31 23:59:59.5Z").unwrap().count(3), Some(-500));
        assert_eq!(timestamp(b"1970-01-01 00:00:00 +00").unwrap().seconds, 0);
        for text in [
            "2024-01-01T24:00:00",
            "2024-01-01T23:60:00",
            "2024-01-01T23:59:60Z",
            "2024-01-01T10:00:00.",
            "2024-01-01T10:00:00+99",
            "2024-01-01",
            "2024-01-01T",
        ] {
            assert_eq!(timestamp(text.as_bytes()), None, "{text}");
        }
    }
}
