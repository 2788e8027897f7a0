//! What type a column has, judged by a bounded sample of its values.
//!
//! The guess is narrow on purpose: a value that does not fit it later is refused with its place,
//! while a wide guess would quietly change numbers into text or lose their digits.

use super::kinds::ColumnType;
use super::{column, number, time};

/// Rows that are looked at before reading starts.
pub(crate) const SAMPLE_ROWS_MAX: usize = 20_000;

/// Bytes that are looked at before reading starts.
pub(crate) const SAMPLE_BYTES_MAX: usize = 16 << 20;

/// What one value looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    Boolean,
    /// Digits before and after the point.
    Number {
        whole: usize,
        fraction: usize,
    },
    /// A whole number that 64 bits hold.
    Integer {
        digits: usize,
    },
    /// With an exponent.
    Floating,
    Date,
    Timestamp {
        digits: u8,
        zoned: bool,
    },
    Text,
    /// A JSON object or array.
    Nested,
}

impl Shape {
    /// What an unquoted or quoted text looks like.
    pub(crate) fn of_text(text: &[u8]) -> Self {
        let Some(first) = text.first() else { return Self::Text };
        match first {
            b'0'..=b'9' | b'-' => {
                if let Some(shape) = Self::of_number(text) {
                    return shape;
                }
                Self::of_moment(text)
            }
            b't' | b'T' | b'f' | b'F' if column::boolean(text, true).is_some() => Self::Boolean,
            _ => Self::Text,
        }
    }

    /// What a JSON string or a text that is no number looks like.
    pub(crate) fn of_moment(text: &[u8]) -> Self {
        if time::date(text).is_some() {
            return Self::Date;
        }
        match time::timestamp(text) {
            Some(moment) => Self::Timestamp { digits: moment.digits, zoned: moment.zoned },
            None => Self::Text,
        }
    }

    /// What a number in canonical form looks like.
    pub(crate) fn of_number(text: &[u8]) -> Option<Self> {
        if number::integer(text, true).is_some() {
            return Some(Self::Integer { digits: text.len() });
        }
        if let Some(parts) = number::fixed(text, true) {
            let digits = |part: &[u8]| part.iter().all(u8::is_ascii_digit);
            if digits(parts.whole) && digits(parts.fraction) {
                let (whole, fraction) = (parts.whole.len(), parts.fraction.len());
                return Some(Self::Number { whole, fraction });
            }
        }
        let exponent = text.iter().any(|byte| matches!(byte, b'e' | b'E'));
        let text = std::str::from_utf8(text).ok()?;
        (exponent && number::double(text, true).is_some()).then_some(Self::Floating)
    }
}

/// What all values of a column looked like so far.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Guess {
    booleans: bool,
    integers: bool,
    fixed: bool,
    floating: bool,
    dates: bool,
    local: bool,
    zoned: bool,
    texts: bool,
    nested: bool,
    whole_digits: usize,
    fraction_digits: usize,
    second_digits: u8,
}

impl Guess {
    /// Takes one value into account.
    pub(crate) fn see(&mut self, shape: Shape) {
        match shape {
            Shape::Boolean => self.booleans = true,
            Shape::Integer { digits } => {
                self.integers = true;
                self.whole_digits = self.whole_digits.max(digits);
            }
            Shape::Number { whole, fraction } => {
                self.fixed = true;
                self.whole_digits = self.whole_digits.max(whole);
                self.fraction_digits = self.fraction_digits.max(fraction);
            }
            Shape::Floating => self.floating = true,
            Shape::Date => self.dates = true,
            Shape::Timestamp { digits, zoned } => {
                self.local |= !zoned;
                self.zoned |= zoned;
                self.second_digits = self.second_digits.max(digits);
            }
            Shape::Text => self.texts = true,
            Shape::Nested => self.nested = true,
        }
    }

    /// The type that holds all of them exactly; text where there is no narrower one.
    pub(crate) fn kind(&self) -> ColumnType {
        if self.texts || self.nested {
            return ColumnType::Text;
        }
        let numbers = self.integers || self.fixed || self.floating;
        let moments = self.local || self.zoned;
        match (self.booleans, numbers, self.dates, moments) {
            (true, false, false, false) => ColumnType::Boolean,
            (false, true, false, false) => self.number(),
            (false, false, true, false) => ColumnType::Date,
            (false, false, false, true) if self.local != self.zoned => ColumnType::Timestamp {
                digits: if self.second_digits > 6 { 9 } else { 6 },
                zoned: self.zoned,
            },
            _ => ColumnType::Text,
        }
    }

    fn number(&self) -> ColumnType {
        if self.floating {
            return ColumnType::Double;
        }
        if !self.fixed {
            return ColumnType::Integer { bits: 64, signed: true };
        }
        let digits = self.whole_digits + self.fraction_digits;
        // Room for larger values later; 18 digits are a 64-bit number in Parquet and elsewhere.
        let precision = match digits {
            0..=15 => 18,
            16..=38 => 38,
            _ => return ColumnType::Text,
        };
        match u8::try_from(self.fraction_digits) {
            Ok(scale) => ColumnType::Decimal { precision, scale },
            Err(_) => ColumnType::Text,
        }
    }

    /// The same for values of JSON, where a number, a text and a truth value are different
    /// things: a column of several kinds keeps them apart as JSON.
    pub(crate) fn json_kind(&self) -> ColumnType {
        let numbers = self.integers || self.fixed || self.floating;
        let strings = self.texts || self.dates || self.local || self.zoned;
        let kinds = [numbers, strings, self.booleans, self.nested];
        if self.nested || kinds.iter().filter(|seen| **seen).count() > 1 {
            return ColumnType::Json;
        }
        match self.kind() {
            // Numbers that nothing else holds: their JSON is exact.
            ColumnType::Text if numbers => ColumnType::Json,
            kind => kind,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guess(texts: &[&str]) -> ColumnType {
        let mut guess = Guess::default();
        texts.iter().for_each(|text| guess.see(Shape::of_text(text.as_bytes())));
        guess.kind()
    }

    #[test]
    fn the_sample_decides() {
        let decimal = |precision, scale| ColumnType::Decimal { precision, scale };
        let stamp = |digits, zoned| ColumnType::Timestamp { digits, zoned };
        for (texts, kind) in [
            (&["1", "-20"][..], ColumnType::Integer { bits: 64, signed: true }),
            (&["1", "007"], ColumnType::Text),
            (&["+1"], ColumnType::Text),
            (&["9223372036854775808"], decimal(38, 0)),
            (&["1.5", "20", "0.25"], decimal(18, 2)),
            (&["1.5", "2e3"], ColumnType::Double),
            (&["true", "False"], ColumnType::Boolean),
            (&["true", "1"], ColumnType::Text),
            (&["2024-01-31"], ColumnType::Date),
            (&["2024-02-31"], ColumnType::Text),
            (&["2024-01-31 10:00:00"], stamp(6, false)),
            (&["2024-01-31T10:00:00.123456789Z"], stamp(9, true)),
            (&["2024-01-31T10:00:00Z", "2024-01-31T10:00:00"], ColumnType::Text),
            (&["1-2"], ColumnType::Text),
            (&["NaN"], ColumnType::Text),
            (&[], ColumnType::Text),
        ] {
            assert_eq!(guess(texts), kind, "{texts:?}");
        }
    }
}
