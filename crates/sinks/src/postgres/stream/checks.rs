//! Which values a column of ours would round without a word.
//!
//! Postgres rounds a number to the scale of its column and a time to its digits. Where the column
//! keeps fewer of them than the source's, each value is looked at before it is sent.

use flowglass_clients::postgres::{ColumnType, Form};
use flowglass_connect::stream::Kind;

/// Digits of a second that a type without a modifier keeps.
const SECOND_DIGITS: u8 = 6;

/// What a text must be like to be kept exactly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Check {
    /// The server refuses what it does not keep.
    Nothing,
    /// No more digits behind the point than these, zeros at the end aside.
    Scale(usize),
    /// No more digits of the second than these, zeros at the end aside.
    SecondDigits(usize),
}

impl Check {
    /// What has to be looked at in values of `kind` for a column of type `ty`.
    pub(super) fn of(kind: &Kind, ty: &ColumnType) -> Self {
        match (kind, &ty.form) {
            (Kind::Decimal(declared), Form::Decimal { scale, .. }) => {
                let kept = usize::from(scale.unsigned_abs());
                match declared {
                    Some((_, scale)) if usize::try_from(*scale).is_ok_and(|it| it <= kept) => {
                        Self::Nothing
                    }
                    _ => Self::Scale(kept),
                }
            }
            (Kind::Time(digits), Form::Time) | (Kind::Timestamp(digits), Form::Timestamp) => {
                let kept = u8::try_from(ty.typmod).unwrap_or(SECOND_DIGITS);
                if *digits <= kept { Self::Nothing } else { Self::SecondDigits(kept.into()) }
            }
            (Kind::TimestampTz, Form::Timestamptz) => match u8::try_from(ty.typmod) {
                Ok(kept) if kept < SECOND_DIGITS => Self::SecondDigits(kept.into()),
                _ => Self::Nothing,
            },
            _ => Self::Nothing,
        }
    }

    /// Whether the text would lose a digit.
    pub(super) fn loses(self, text: &[u8]) -> bool {
        match self {
            Self::Nothing => false,
            Self::Scale(kept) | Self::SecondDigits(kept) => fraction_digits(text) > kept,
        }
    }
}

/// How many digits follow the point, zeros at the end aside. A zone behind a time is no digit.
fn fraction_digits(text: &[u8]) -> usize {
    let Some(point) = text.iter().position(|byte| *byte == b'.') else { return 0 };
    let digits = text.iter().skip(point + 1).take_while(|byte| byte.is_ascii_digit());
    digits.enumerate().filter(|(_, digit)| **digit != b'0').last().map_or(0, |(at, _)| at + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ty(form: Form, typmod: i32) -> ColumnType {
        ColumnType {
            name: String::new(),
            base_name: String::new(),
            oid: 0,
            typmod,
            form,
            labels: None,
            portable: true,
        }
    }

    #[test]
    fn only_narrower_columns_are_checked() {
        let decimal = |declared, scale| {
            Check::of(&Kind::Decimal(declared), &ty(Form::Decimal { precision: 30, scale }, 0))
        };
        assert_eq!(decimal(Some((12, 2)), 2), Check::Nothing);
        assert_eq!(decimal(Some((12, 3)), 2), Check::Scale(2));
        assert_eq!(decimal(Some((12, -3)), 2), Check::Scale(2));
        assert_eq!(decimal(None, 2), Check::Scale(2));
        let time =
            |digits, typmod| Check::of(&Kind::Timestamp(digits), &ty(Form::Timestamp, typmod));
        assert_eq!(time(6, -1), Check::Nothing);
        assert_eq!(time(3, 3), Check::Nothing);
        assert_eq!(time(6, 3), Check::SecondDigits(3));
        assert_eq!(
            Check::of(&Kind::TimestampTz, &ty(Form::Timestamptz, 0)),
            Check::SecondDigits(0)
        );
    }

    #[test]
    fn zeros_at_the_end_are_no_loss() {
        for (text, digits) in [
            ("1", 0),
            ("1.500", 1),
            ("-0.05", 2),
            ("12:00:00.120000+02", 2),
            ("2024-01-01 12:00:00.000001+00", 6),
            ("2024-01-01 12:00:00.1+00 BC", 1),
            ("NaN", 0),
        ] {
            assert_eq!(fraction_digits(text.as_bytes()), digits, "{text}");
        }
        assert!(Check::Scale(2).loses(b"1.005") && !Check::Scale(2).loses(b"1.5000"));
    }
}
