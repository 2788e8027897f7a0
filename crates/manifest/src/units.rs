//! Durations such as `1h30m` and sizes such as `16MiB`, read exactly or refused.

use std::time::Duration;

/// The longest duration that a manifest may name: ten years of 365 days.
const DURATION_MAX: Duration = Duration::from_secs(10 * 365 * 86_400);

/// Milliseconds of each unit, the longest first: the order in which they may stand.
const DURATION_UNITS: [(&str, u64); 6] = [
    ("w", 7 * 86_400_000),
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
];

/// Bytes of each unit. `k` is 1,000 and `Ki` is 1,024, as in Kubernetes.
const SIZE_UNITS: [(&str, u64); 9] = [
    ("", 1),
    ("B", 1),
    ("kB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
];

/// The pattern of a duration, for the schema.
pub(crate) const DURATION_PATTERN: &str = "^([0-9]+(ms|s|m|h|d|w))+$";
/// The pattern of a size, for the schema.
pub(crate) const SIZE_PATTERN: &str = "^[0-9]+ ?(B|[kK]B|MB|GB|TB|KiB|MiB|GiB|TiB)?$";

/// Reads a duration: whole numbers with units `w`, `d`, `h`, `m`, `s`, `ms`, each at most once
/// and the longest first, ten years at most.
///
/// # Errors
/// What is wrong with it, as a lower-case fragment.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let mut rest = text;
    let mut millis: u64 = 0;
    let mut units = DURATION_UNITS.iter();
    if rest.is_empty() {
        return Err("it is empty".to_owned());
    }
    while !rest.is_empty() {
        let digits = rest.len() - rest.trim_start_matches(|it: char| it.is_ascii_digit()).len();
        let (number, after) = rest.split_at_checked(digits).unwrap_or((rest, ""));
        let letters =
            after.len() - after.trim_start_matches(|it: char| it.is_ascii_alphabetic()).len();
        let (unit, after) = after.split_at_checked(letters).unwrap_or((after, ""));
        if number.is_empty() || unit.is_empty() {
            return Err("each number needs a unit: w, d, h, m, s or ms".to_owned());
        }
        let Some((_, factor)) = units.find(|(name, _)| *name == unit) else {
            return Err(match DURATION_UNITS.iter().any(|(name, _)| *name == unit) {
                true => format!("`{unit}` stands twice or after a shorter unit"),
                false => format!("`{unit}` is no unit of time: use w, d, h, m, s or ms"),
            });
        };
        let value = number.parse::<u64>().ok().and_then(|it| it.checked_mul(*factor));
        millis = value
            .and_then(|it| it.checked_add(millis))
            .ok_or_else(|| "it is longer than ten years".to_owned())?;
        rest = after;
    }
    let duration = Duration::from_millis(millis);
    if duration > DURATION_MAX {
        return Err("it is longer than ten years".to_owned());
    }
    Ok(duration)
}

/// Reads a size in bytes: a whole number and `B`, `kB`, `MB`, `GB`, `KiB`, `MiB`, `GiB`, `TiB`,
/// or no unit at all.
///
/// # Errors
/// What is wrong with it, as a lower-case fragment.
pub fn parse_size(text: &str) -> Result<u64, String> {
    let digits = text.len() - text.trim_start_matches(|it: char| it.is_ascii_digit()).len();
    let (number, unit) = text.split_at_checked(digits).unwrap_or((text, ""));
    let unit = unit.strip_prefix(' ').unwrap_or(unit);
    let known =
        SIZE_UNITS.iter().find(|(name, _)| *name == unit || (unit == "KB" && *name == "kB"));
    let Some((_, factor)) = known else {
        return Err(format!("`{unit}` is no unit of size: use B, kB, MB, GB, KiB, MiB or GiB"));
    };
    if number.is_empty() {
        return Err("it has no number".to_owned());
    }
    let value = number.parse::<u64>().ok().and_then(|it| it.checked_mul(*factor));
    value.ok_or_else(|| "it is larger than 16 EiB".to_owned())
}

/// A duration as it would be written in a manifest.
pub(crate) fn duration_text(duration: Duration) -> String {
    let mut millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let mut text = String::new();
    for (unit, factor) in DURATION_UNITS.iter().filter(|(unit, _)| *unit != "w") {
        let whole = millis / factor;
        if whole > 0 {
            text.push_str(&format!("{whole}{unit}"));
            millis %= factor;
        }
    }
    if text.is_empty() { "0s".to_owned() } else { text }
}

/// A size as it would be written in a manifest: in the largest unit that keeps it whole.
pub(crate) fn size_text(bytes: u64) -> String {
    let fits = |factor: u64| bytes >= factor && bytes.is_multiple_of(factor);
    let unit = SIZE_UNITS.iter().rev().find(|(name, factor)| name.ends_with("iB") && fits(*factor));
    unit.map_or_else(|| format!("{bytes}B"), |(name, factor)| format!("{}{name}", bytes / factor))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{duration_text, parse_duration, parse_size, size_text};
    use std::time::Duration;

    #[test]
    fn durations_read_as_written() {
        for (text, seconds) in [("2s", 2), ("1m", 60), ("1h30m", 5400), ("7d", 604_800), ("0s", 0)]
        {
            assert_eq!(parse_duration(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        assert_eq!(parse_duration("250ms"), Ok(Duration::from_millis(250)));
        for text in [
            "",
            "5",
            "s",
            "1m1h",
            "2s2s",
            "1 h",
            "1.5h",
            "-1s",
            "1y",
            "11000w",
            "99999999999999999999s",
        ] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn sizes_read_as_written() {
        for (text, bytes) in
            [("16MiB", 16 << 20), ("1kB", 1000), ("1KB", 1000), ("512", 512), ("2 GiB", 2 << 30)]
        {
            assert_eq!(parse_size(text), Ok(bytes), "{text}");
        }
        for text in ["", "MiB", "16 mib", "1.5GB", "99999999999GiB"] {
            assert!(parse_size(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_duration_survives_its_own_text(millis in 0_u64..300_000_000_000) {
            let duration = Duration::from_millis(millis);
            prop_assert_eq!(parse_duration(&duration_text(duration)), Ok(duration));
        }

        #[test]
        fn a_size_survives_its_own_text(bytes in any::<u64>(), shift in 0_u32..64) {
            let bytes = bytes >> shift << (shift / 2);
            prop_assert_eq!(parse_size(&size_text(bytes)), Ok(bytes));
        }
    }
}
