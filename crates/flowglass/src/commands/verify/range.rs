//! Which part of a stream's history is looked at.

use std::str::FromStr;

use flowglass_connect::stream::Position;

/// A part of the history, as a person asks for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Range {
    /// All of it.
    All,
    /// So many of the newest windows between two kept checkpoints.
    Last(usize),
    /// From behind the one commit up to and with the other, widened to the windows that hold them.
    Between(Option<u64>, Option<u64>),
}

impl Range {
    /// Whether a window from behind `after` up to `to` belongs to it, where `newer` windows follow.
    pub(super) fn holds(self, (after, to): (Option<u64>, u64), newer: usize) -> bool {
        match self {
            Self::All => true,
            Self::Last(count) => newer < count,
            Self::Between(from, until) => {
                from.is_none_or(|from| to > from)
                    && until.is_none_or(|until| after.is_none_or(|after| after < until))
            }
        }
    }
}

impl FromStr for Range {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bad = || {
            format!(
                "`{text}` is no range: write `all`, `last`, `last:10`, or `FROM..TO` of positions such \
                 as `0/16B3748..0/16B9F00`, either of which may be left out"
            )
        };
        let place = |text: &str| match text {
            "" => Ok(None),
            text => text.parse::<Position>().map(|it| Some(it.commit)).map_err(|_| bad()),
        };
        match text.split_once("..") {
            Some((from, to)) => {
                let (from, to) = (place(from)?, place(to)?);
                let upside_down = from.zip(to).is_some_and(|(from, to)| from >= to);
                if upside_down { Err(bad()) } else { Ok(Self::Between(from, to)) }
            }
            None if text == "all" => Ok(Self::All),
            None if text == "last" => Ok(Self::Last(1)),
            None => {
                let count = text.strip_prefix("last:").and_then(|it| it.parse().ok());
                count.filter(|it| *it > 0).map(Self::Last).ok_or_else(bad)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_and_hold_the_windows_that_they_touch() {
        assert_eq!("all".parse(), Ok(Range::All));
        assert_eq!("last".parse(), Ok(Range::Last(1)));
        assert_eq!("last:3".parse(), Ok(Range::Last(3)));
        assert_eq!("0/10..0/20".parse(), Ok(Range::Between(Some(16), Some(32))));
        assert_eq!("..0/20".parse(), Ok(Range::Between(None, Some(32))));
        for text in ["", "everything", "last:0", "last:x", "0/20..0/10", "1..2", "0/1"] {
            assert!(text.parse::<Range>().is_err(), "{text}");
        }
        let between = Range::Between(Some(16), Some(32));
        let held = [(None, 16), (None, 17), (Some(16), 20), (Some(31), 40), (Some(32), 40)];
        let held = held.map(|window| between.holds(window, 0));
        assert_eq!(held, [false, true, true, true, false]);
        assert!(Range::Last(2).holds((None, 1), 1) && !Range::Last(2).holds((None, 1), 2));
    }
}
