//! Numbers and escapes, the same in both formats.

/// Writes a whole number.
pub(super) fn whole(out: &mut String, value: u64) {
    out.push_str(itoa::Buffer::new().format(value));
}

/// Writes whole nanoseconds as seconds, exactly and without trailing zeros.
pub(super) fn seconds(out: &mut String, nanos: u64) {
    const SECOND: u64 = 1_000_000_000;
    whole(out, nanos / SECOND);
    let mut fraction = nanos % SECOND;
    if fraction == 0 {
        return;
    }
    let mut digits = 9_usize;
    while fraction.is_multiple_of(10) {
        fraction /= 10;
        digits -= 1;
    }
    let mut buffer = itoa::Buffer::new();
    let text = buffer.format(fraction);
    out.push('.');
    out.extend(std::iter::repeat_n('0', digits - text.len()));
    out.push_str(text);
}

/// Writes a double: whole numbers as such, others with the fewest digits that read back as the same
/// double.
#[expect(clippy::cast_possible_truncation, reason = "only whole numbers below 2^53 are cast")]
pub(super) fn double(out: &mut String, value: f64) {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if value.is_nan() {
        out.push_str("NaN");
    } else if value.is_infinite() {
        out.push_str(if value > 0.0 { "+Inf" } else { "-Inf" });
    } else if value.fract() == 0.0 && value.abs() < EXACT {
        out.push_str(itoa::Buffer::new().format(value as i64));
    } else {
        out.push_str(ryu::Buffer::new().format_finite(value));
    }
}

/// Writes a label value between its quotes.
pub(super) fn label_value(out: &mut String, value: &str) {
    escape(out, value, true);
}

/// Writes a help text. Only OpenMetrics escapes quotes in it.
pub(super) fn help(out: &mut String, text: &str, openmetrics: bool) {
    escape(out, text, openmetrics);
}

fn escape(out: &mut String, text: &str, quotes: bool) {
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '"' if quotes => out.push_str("\\\""),
            _ => out.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(write: impl FnOnce(&mut String)) -> String {
        let mut out = String::new();
        write(&mut out);
        out
    }

    #[test]
    fn numbers_are_written_as_the_formats_want_them() {
        for (value, text) in [
            (0.0, "0"),
            (-0.0, "0"),
            (0.5, "0.5"),
            (-1.0, "-1"),
            (1e300, "1e300"),
            (f64::NAN, "NaN"),
            (f64::INFINITY, "+Inf"),
            (f64::NEG_INFINITY, "-Inf"),
        ] {
            assert_eq!(written(|out| double(out, value)), text);
        }
        for (nanos, text) in [
            (0, "0"),
            (1, "0.000000001"),
            (500_000, "0.0005"),
            (1_000_000_000, "1"),
            (2_500_000_000, "2.5"),
            (21_600_010_000_000, "21600.01"),
            (u64::MAX, "18446744073.709551615"),
        ] {
            assert_eq!(written(|out| seconds(out, nanos)), text);
        }
    }

    proptest! {
        #[test]
        fn a_double_reads_back(value in any::<f64>()) {
            let read: f64 = written(|out| double(out, value)).parse().unwrap();
            prop_assert!(read == value || (read.is_nan() && value.is_nan()));
        }

        #[test]
        fn nanoseconds_read_back(nanos in any::<u64>()) {
            let text = written(|out| seconds(out, nanos));
            let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
            let fraction: u64 = format!("{fraction:0<9}").parse().unwrap();
            prop_assert_eq!(whole.parse::<u64>().unwrap() * 1_000_000_000 + fraction, nanos);
        }
    }
}
