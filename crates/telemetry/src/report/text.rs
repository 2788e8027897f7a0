//! Bytes of a report to text: byte order marks, UTF-16 and damaged UTF-8.
//!
//! PowerShell redirects as UTF-16, editors add byte order marks, and a torn log line can hold half a
//! character. None of that is a reason to lose a run's numbers, so everything decodes; what had to
//! be replaced is said with its place.

use std::borrow::Cow;

/// The text of a report.
pub(super) struct Decoded<'b> {
    /// The text without byte order mark.
    pub(super) text: Cow<'b, str>,
    /// The byte in `text` at which something was first replaced by U+FFFD.
    pub(super) replaced_at: Option<usize>,
}

/// Decodes UTF-8 and UTF-16 of both byte orders, with or without a byte order mark.
pub(super) fn decode(bytes: &[u8]) -> Decoded<'_> {
    match bytes {
        [0xEF, 0xBB, 0xBF, rest @ ..] => utf8(rest),
        [0xFF, 0xFE, rest @ ..] => utf16(rest, u16::from_le_bytes),
        [0xFE, 0xFF, rest @ ..] => utf16(rest, u16::from_be_bytes),
        // JSON begins with an ASCII character, so the zero byte tells the order.
        [first, 0, ..] if *first != 0 => utf16(bytes, u16::from_le_bytes),
        [0, second, ..] if *second != 0 => utf16(bytes, u16::from_be_bytes),
        _ => utf8(bytes),
    }
}

fn utf8(bytes: &[u8]) -> Decoded<'_> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Decoded { text: Cow::Borrowed(text), replaced_at: None },
        Err(error) => {
            Decoded { text: String::from_utf8_lossy(bytes), replaced_at: Some(error.valid_up_to()) }
        }
    }
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Decoded<'static> {
    let (pairs, rest) = bytes.as_chunks::<2>();
    let mut text = String::with_capacity(bytes.len() / 2);
    let mut replaced_at = None;
    for decoded in char::decode_utf16(pairs.iter().copied().map(unit)) {
        if decoded.is_err() && replaced_at.is_none() {
            replaced_at = Some(text.len());
        }
        text.push(decoded.unwrap_or(char::REPLACEMENT_CHARACTER));
    }
    if !rest.is_empty() {
        replaced_at = replaced_at.or(Some(text.len()));
        text.push(char::REPLACEMENT_CHARACTER);
    }
    Decoded { text: Cow::Owned(text), replaced_at }
}

#[cfg(test)]
mod tests {
    use super::decode;

    #[track_caller]
    fn check(bytes: &[u8], text: &str, replaced_at: Option<usize>) {
        let decoded = decode(bytes);
        assert_eq!((decoded.text.as_ref(), decoded.replaced_at), (text, replaced_at));
    }

    #[test]
    fn every_encoding_gives_the_same_text() {
        check(b"{}", "{}", None);
        check(b"\xEF\xBB\xBF{}", "{}", None);
        check(b"\xFF\xFE{\0}\0", "{}", None);
        check(b"\xFE\xFF\0{\0}", "{}", None);
        check(b"{\0}\0", "{}", None);
        check(b"\0{\0}", "{}", None);
        check(b"", "", None);
        check(b"\0", "\0", None);
    }

    #[test]
    fn damage_is_replaced_and_placed() {
        check(b"{\"a\xFF\"}", "{\"a\u{FFFD}\"}", Some(3));
        check(b"\xFF\xFE{\0\x00\xD8}\0", "{\u{FFFD}}", Some(1));
        check(b"\xFF\xFE{\0}", "{\u{FFFD}", Some(1));
    }
}
