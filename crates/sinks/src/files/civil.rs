//! Dates and times as text: ISO 8601 as RFC 3339 narrows it. A fraction is written with all the
//! digits of its unit, or left out when it is zero.

use std::io::Write as _;

const DAY_SECONDS: i64 = 86_400;

/// `YYYY-MM-DD` of a day counted from 1970-01-01. Years beyond four digits carry a sign.
pub(super) fn date(days: i64, out: &mut Vec<u8>) {
    let (year, month, day) = civil(days);
    let written = match year {
        0..=9999 => write!(out, "{year:04}-{month:02}-{day:02}"),
        _ => write!(out, "{year:+07}-{month:02}-{day:02}"),
    };
    // Writing to memory does not fail.
    written.unwrap_or_default();
}

/// `HH:MM:SS` with the fraction of a count of `10^-digits` seconds since midnight.
pub(super) fn time(count: i64, digits: u32, out: &mut Vec<u8>) {
    let unit = 10i64.pow(digits);
    let (seconds, fraction) = (count.div_euclid(unit), count.rem_euclid(unit));
    let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
    write!(out, "{hours:02}:{minutes:02}:{:02}", seconds % 60).unwrap_or_default();
    point(fraction, digits, out);
}

/// `YYYY-MM-DDTHH:MM:SS` with fraction, and `Z` when it is a point in time.
pub(super) fn timestamp(count: i64, digits: u32, zoned: bool, out: &mut Vec<u8>) {
    let unit = 10i64.pow(digits);
    let (seconds, fraction) = (count.div_euclid(unit), count.rem_euclid(unit));
    date(seconds.div_euclid(DAY_SECONDS), out);
    out.push(b'T');
    time(seconds.rem_euclid(DAY_SECONDS), 0, out);
    point(fraction, digits, out);
    if zoned {
        out.push(b'Z');
    }
}

/// ISO 8601's `PT…S`, sign first.
pub(super) fn duration(count: i128, digits: u32, out: &mut Vec<u8>) {
    let unit = 10i128.pow(digits);
    if count < 0 {
        out.push(b'-');
    }
    let count = count.abs();
    write!(out, "PT{}", count / unit).unwrap_or_default();
    point(i64::try_from(count % unit).unwrap_or_default(), digits, out);
    out.push(b'S');
}

fn point(fraction: i64, digits: u32, out: &mut Vec<u8>) {
    if fraction != 0 {
        let width = digits as usize;
        write!(out, ".{fraction:0width$}").unwrap_or_default();
    }
}

/// Year, month and day; the method is that of Howard Hinnant,
/// <https://howardhinnant.github.io/date_algorithms.html>.
fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let shifted_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (year + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(write: impl Fn(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn days_and_moments_read_as_the_calendar_says() {
        for (days, want) in [
            (0, "1970-01-01"),
            (-1, "1969-12-31"),
            (11_016, "2000-02-29"),
            (-719_528, "0000-01-01"),
            (2_932_897, "+010000-01-01"),
        ] {
            assert_eq!(text(|out| date(days, out)), want);
        }
        assert_eq!(text(|out| timestamp(-1, 3, true, out)), "1969-12-31T23:59:59.999Z");
        assert_eq!(text(|out| timestamp(1_000_000, 6, false, out)), "1970-01-01T00:00:01");
        assert_eq!(text(|out| duration(-1_500, 3, out)), "-PT1.500S");
        assert_eq!(text(|out| timestamp(i64::MIN, 9, true, out)), "1677-09-21T00:12:43.145224192Z");
    }
}
