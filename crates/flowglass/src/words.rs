//! Times, durations, numbers and states as people read them.

use std::io::IsTerminal;

use clap::builder::styling::AnsiColor;
use flowglass_model::{Counts, Reason, State};
use jiff::{SignedDuration, Span, SpanRelativeTo, Timestamp, Unit};

/// Whether colour helps: on a terminal, unless `NO_COLOR` (<https://no-color.org>) is set.
pub(crate) fn colour() -> bool {
    let refused = std::env::var_os("NO_COLOR").is_some_and(|it| !it.is_empty());
    std::io::stdout().is_terminal() && !refused
}

/// A state in the colour that it has everywhere.
pub(crate) fn state(state: Option<State>, colour: bool) -> String {
    state.map_or_else(|| "-".to_owned(), |it| painted(it.name(), it, colour))
}

/// A word in the colour of a state.
pub(crate) fn painted(word: &str, state: State, colour: bool) -> String {
    let paint = match state {
        State::Complete => AnsiColor::Green,
        State::Failed => AnsiColor::Red,
        State::Running => AnsiColor::Cyan,
        State::Queued | State::Waiting => AnsiColor::Yellow,
        State::Skipped => AnsiColor::BrightBlack,
    };
    if !colour {
        return word.to_owned();
    }
    let style = paint.on_default();
    format!("{style}{word}{style:#}")
}

/// A reason, unless it says nothing beyond the state.
pub(crate) fn reason(reason: Option<Reason>) -> String {
    reason.map_or_else(|| "-".to_owned(), |it| it.to_string())
}

/// An instant in UTC to the second.
pub(crate) fn instant(time: Option<Timestamp>) -> String {
    time.map_or_else(|| "-".to_owned(), |it| it.strftime("%Y-%m-%d %H:%M:%SZ").to_string())
}

/// How long ago, in one unit.
pub(crate) fn ago(time: Option<Timestamp>, now: Timestamp) -> String {
    let Some(time) = time else { return "-".to_owned() };
    let seconds = now.duration_since(time).as_secs();
    match seconds {
        // Clocks of two machines differ, and a run may come from another one.
        ..0 => "in the future".to_owned(),
        0..60 => format!("{seconds} s ago"),
        60..3600 => format!("{} min ago", seconds / 60),
        3600..172_800 => format!("{} h ago", seconds / 3600),
        _ => format!("{} d ago", seconds / 86_400),
    }
}

/// A duration with three digits that matter.
pub(crate) fn duration(seconds: Option<f64>) -> String {
    let Some(seconds) = seconds else { return "-".to_owned() };
    match seconds {
        s if s < 0.000_999_5 => format!("{:.0} µs", s * 1e6),
        s if s < 0.999_5 => format!("{:.0} ms", s * 1e3),
        s if s < 9.995 => format!("{s:.2} s"),
        s if s < 59.95 => format!("{s:.1} s"),
        s => {
            let whole = SignedDuration::try_from_secs_f64(s.round()).unwrap_or_default().as_secs();
            let (hours, minutes, seconds) = (whole / 3600, whole / 60 % 60, whole % 60);
            if hours > 0 {
                format!("{hours} h {minutes:02} min")
            } else {
                format!("{minutes} min {seconds:02} s")
            }
        }
    }
}

/// A whole number with its thousands apart.
pub(crate) fn number(value: Option<u64>) -> String {
    let Some(value) = value else { return "-".to_owned() };
    let digits = value.to_string();
    let mut said = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            said.push(',');
        }
        said.push(digit);
    }
    said
}

/// A rate in three digits: `950`, `12.3k`, `4.56M`.
pub(crate) fn compact(value: f64) -> String {
    match value {
        v if v < 999.5 => format!("{v:.0}"),
        v if v < 99_950.0 => format!("{:.1}k", v / 1e3),
        v if v < 999_500.0 => format!("{:.0}k", v / 1e3),
        v if v < 99_950_000.0 => format!("{:.2}M", v / 1e6),
        v => format!("{:.0}M", v / 1e6),
    }
}

/// A size in binary units: `3.1 MiB`.
pub(crate) fn bytes(value: f64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut value = value;
    let mut unit = 0;
    // What would round to four digits is said in the next unit.
    while value >= 999.5 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    let name = UNITS.get(unit).copied().unwrap_or_default();
    if unit == 0 || value >= 99.95 {
        format!("{value:.0} {name}")
    } else {
        format!("{value:.1} {name}")
    }
}

/// Rows that came into targets; nothing when nobody counted.
pub(crate) fn rows_written(counts: &Counts) -> Option<u64> {
    match (counts.inserted, counts.updated) {
        (None, None) => None,
        (inserted, updated) => Some(inserted.unwrap_or(0) + updated.unwrap_or(0)),
    }
}

/// Text of others without anything that a terminal would obey: a log line must not be able to
/// repaint the screen or to hide a part of itself.
pub(crate) fn printable(text: &str) -> String {
    text.chars()
        .map(|it| match it {
            '\t' => '\t',
            // The pictures that Unicode has for control characters.
            '\0'..='\x1f' => char::from_u32(0x2400 + u32::from(it)).unwrap_or('?'),
            '\x7f' => '\u{2421}',
            '\u{80}'..='\u{9f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => '?',
            other => other,
        })
        .collect()
}

/// Reads `24h`, `7d`, `90 min`, `2026-11-21` or a full RFC 3339 instant.
///
/// # Errors
/// Says what can be written.
pub(crate) fn parse_since(text: &str, now: Timestamp) -> Result<Timestamp, String> {
    if let Ok(time) = text.parse::<Timestamp>() {
        return Ok(time);
    }
    if let Ok(day) = text.parse::<jiff::civil::Date>() {
        let start = day.to_zoned(jiff::tz::TimeZone::UTC);
        return start.map(|it| it.timestamp()).map_err(|error| error.to_string());
    }
    let seconds = text
        .parse::<Span>()
        .and_then(|it| it.total((Unit::Second, SpanRelativeTo::days_are_24_hours())));
    seconds
        .and_then(SignedDuration::try_from_secs_f64)
        .and_then(|it| now.checked_sub(it.abs()))
        .map_err(|_none| {
            format!("`{text}` is no time: write `24h`, `7d`, `2026-11-21` or an RFC 3339 instant")
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_keep_three_digits() {
        let said: Vec<_> = [0.000_012, 0.0321, 0.9999, 1.5, 42.42, 59.97, 3599.0, 7322.0]
            .map(|it| duration(Some(it)))
            .into();
        let expected = [
            "12 µs",
            "32 ms",
            "1.00 s",
            "1.50 s",
            "42.4 s",
            "1 min 00 s",
            "59 min 59 s",
            "2 h 02 min",
        ];
        assert_eq!(said, expected);
    }

    #[test]
    fn sizes_keep_three_digits() {
        let said = [0.0, 999.0, 1_000.0, 1_048_576.0, 123.0 * 1_048_576.0, 5e12].map(bytes);
        assert_eq!(said, ["0 B", "999 B", "1.0 KiB", "1.0 MiB", "123 MiB", "4.5 TiB"]);
    }

    #[test]
    fn numbers_are_grouped() {
        assert_eq!(number(Some(0)), "0");
        assert_eq!(number(Some(999)), "999");
        assert_eq!(number(Some(1_234_567)), "1,234,567");
    }

    #[test]
    fn a_line_cannot_command_the_terminal() {
        assert_eq!(printable("a\x1b[2Jb\r\x07\tc\u{9b}1m"), "a␛[2Jb␍␇\tc?1m");
    }

    #[test]
    fn since_takes_spans_days_and_instants() {
        let now: Timestamp = "2026-11-21T12:00:00Z".parse().unwrap();
        let read = |it| parse_since(it, now).map(|it| it.to_string());
        assert_eq!(read("24h").unwrap(), "2026-11-20T12:00:00Z");
        assert_eq!(read("7d").unwrap(), "2026-11-14T12:00:00Z");
        assert_eq!(read("2026-11-01").unwrap(), "2026-11-01T00:00:00Z");
        assert_eq!(read("2026-11-01T01:02:03+01:00").unwrap(), "2026-11-01T00:02:03Z");
        assert!(read("yesterday").unwrap_err().contains("24h"));
    }
}
