//! Dates and times: Postgres' text brought into the form of ISO 8601, without reading its value.
//!
//! Only the separators change, so no digit can. Text of another shape (`infinity`, years before
//! Christ, which ISO counts differently) is written as it is.

use memchr::memchr;

use super::json::write_string;
use super::refusal::Trouble;

/// Writes `2024-02-29 23:59:59.123456` as `"2024-02-29T23:59:59.123456"`.
pub(super) fn write_timestamp(text: &[u8], out: &mut Vec<u8>) -> Result<(), Trouble> {
    match split_at_space(text) {
        Some((date, clock)) if is_date(date) && is_clock(clock) => {
            write_parts(&[date, b"T", clock], out);
            Ok(())
        }
        _ => write_string(text, out),
    }
}

/// Writes `2024-02-29 23:59:59.123456+00` as `"2024-02-29T23:59:59.123456Z"`.
pub(super) fn write_timestamp_tz(text: &[u8], out: &mut Vec<u8>) -> Result<(), Trouble> {
    if let Some((date, time)) = split_at_space(text)
        && let Some((clock, zone)) = split_zone(time)
        && is_date(date)
        && is_clock(clock)
        && let Some([zone, minutes]) = iso_zone(zone)
    {
        write_parts(&[date, b"T", clock, zone, minutes], out);
        return Ok(());
    }
    write_string(text, out)
}

/// Writes `23:59:59.123456+02` as `"23:59:59.123456+02:00"`.
pub(super) fn write_time_tz(text: &[u8], out: &mut Vec<u8>) -> Result<(), Trouble> {
    if let Some((clock, zone)) = split_zone(text)
        && is_clock(clock)
        && let Some([zone, minutes]) = iso_zone(zone)
    {
        write_parts(&[clock, zone, minutes], out);
        return Ok(());
    }
    write_string(text, out)
}

/// The parts before and behind the first space.
pub(super) fn split_at_space(text: &[u8]) -> Option<(&[u8], &[u8])> {
    // Ten bytes of date is what nearly every value has.
    let at = if text.get(10) == Some(&b' ') { 10 } else { memchr(b' ', text)? };
    let (before, after) = text.split_at_checked(at)?;
    Some((before, after.split_first()?.1))
}

/// The time of day and the offset of its zone, sign included.
pub(super) fn split_zone(time: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = time.iter().rposition(|byte| matches!(byte, b'+' | b'-'))?;
    time.split_at_checked(at)
}

fn write_parts(parts: &[&[u8]], out: &mut Vec<u8>) {
    out.push(b'"');
    for part in parts {
        out.extend_from_slice(part);
    }
    out.push(b'"');
}

/// The zone as ISO writes it, in two parts; `None` for an offset with seconds, which ISO has not.
fn iso_zone(zone: &[u8]) -> Option<[&[u8]; 2]> {
    match zone {
        b"+00" => Some([b"Z", b""]),
        [b'+' | b'-', hours @ ..] if is_two_digits(hours) => Some([zone, b":00"]),
        [b'+' | b'-', h1, h2, b':', minutes @ ..]
            if is_two_digits(&[*h1, *h2]) && is_two_digits(minutes) =>
        {
            Some([zone, b""])
        }
        _ => None,
    }
}

const fn is_two_digits(text: &[u8]) -> bool {
    matches!(text, [b'0'..=b'9', b'0'..=b'9'])
}

/// Whether only digits and dashes are there: enough to need no escape and to be no other word.
fn is_date(text: &[u8]) -> bool {
    text.len() >= 8 && text.iter().all(|byte| byte.is_ascii_digit() | (*byte == b'-'))
}

fn is_clock(text: &[u8]) -> bool {
    text.len() >= 5 && text.iter().all(|byte| byte.is_ascii_digit() | matches!(byte, b':' | b'.'))
}

#[cfg(test)]
mod tests {
    use super::{write_time_tz, write_timestamp, write_timestamp_tz};
    use crate::encode::refusal::Trouble;

    type Writer = fn(&[u8], &mut Vec<u8>) -> Result<(), Trouble>;

    fn check(writer: Writer, cases: &[(&str, &str)]) {
        for (text, wanted) in cases {
            let mut out = Vec::new();
            writer(text.as_bytes(), &mut out).unwrap();
            assert_eq!(String::from_utf8(out).unwrap(), format!("\"{wanted}\""));
        }
    }

    #[test]
    fn times_become_iso_without_touching_a_digit() {
        check(
            write_timestamp,
            &[
                ("2024-02-29 23:59:59.123456", "2024-02-29T23:59:59.123456"),
                ("2024-02-29 00:00:00", "2024-02-29T00:00:00"),
                ("294276-12-31 23:59:59.999999", "294276-12-31T23:59:59.999999"),
                ("infinity", "infinity"),
                ("-infinity", "-infinity"),
                ("4713-01-01 00:00:00 BC", "4713-01-01 00:00:00 BC"),
                ("what \"is\" this", "what \\\"is\\\" this"),
            ],
        );
        check(
            write_timestamp_tz,
            &[
                ("2024-02-29 23:59:59.123456+00", "2024-02-29T23:59:59.123456Z"),
                ("2024-02-29 23:59:59-08", "2024-02-29T23:59:59-08:00"),
                ("2024-02-29 23:59:59+05:30", "2024-02-29T23:59:59+05:30"),
                ("1800-01-01 00:00:00+00:53:28", "1800-01-01 00:00:00+00:53:28"),
                ("0044-03-15 12:00:00+00 BC", "0044-03-15 12:00:00+00 BC"),
                ("infinity", "infinity"),
            ],
        );
        check(
            write_time_tz,
            &[
                ("23:59:59.123456+02", "23:59:59.123456+02:00"),
                ("24:00:00+00", "24:00:00Z"),
                ("04:05:06-03:30", "04:05:06-03:30"),
                ("noon", "noon"),
            ],
        );
    }
}
