//! JSON strings. Nearly all text needs no escape, so one pass over the whole looks for anything that
//! does, and clean text is copied at once.

use std::str;

use super::scan::{WORD, first_in_word, look};
use crate::encode::refusal::Trouble;

/// Writes text as a JSON string, quotes included.
pub(in crate::encode) fn write_string(text: &[u8], out: &mut Vec<u8>) -> Result<(), Trouble> {
    out.push(b'"');
    escape(text, out)?;
    out.push(b'"');
    Ok(())
}

/// Writes text as the inside of a JSON string.
pub(in crate::encode) fn escape(text: &[u8], out: &mut Vec<u8>) -> Result<(), Trouble> {
    let (clean, ascii) = look(text);
    if !ascii && str::from_utf8(text).is_err() {
        return Err(Trouble::NOT_UTF8);
    }
    if clean {
        out.extend_from_slice(text);
    } else {
        escape_runs(text, out);
    }
    Ok(())
}

/// For each byte, the letter after the backslash; `u` for `\u00XX`, 0 for no escape.
#[expect(clippy::indexing_slicing, reason = "a place out of bounds would not compile")]
const ESCAPES: [u8; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 0x20 {
        table[byte] = b'u';
        byte += 1;
    }
    table[0x08] = b'b';
    table[0x09] = b't';
    table[0x0a] = b'n';
    table[0x0c] = b'f';
    table[0x0d] = b'r';
    table[b'"' as usize] = b'"';
    table[b'\\' as usize] = b'\\';
    table
};

#[expect(clippy::indexing_slicing, reason = "the table has a place for every byte")]
fn escape_of(byte: u8) -> u8 {
    ESCAPES[usize::from(byte)]
}

/// Copies word by word: what is behind the first special byte of a word is taken back. A copy of
/// eight bytes is one instruction, one of a few is a call.
fn escape_runs(text: &[u8], out: &mut Vec<u8>) {
    out.reserve(text.len() + text.len() / 4);
    let mut rest = text;
    while let Some((word, after)) = rest.split_first_chunk::<WORD>() {
        let end = out.len();
        out.extend_from_slice(word);
        match first_in_word(*word) {
            None => rest = after,
            Some(at) => {
                out.truncate(end + at);
                let Some((byte, after)) = rest.get(at..).and_then(<[u8]>::split_first) else {
                    return;
                };
                push_escape(*byte, out);
                rest = after;
            }
        }
    }
    for byte in rest {
        match escape_of(*byte) {
            0 => out.push(*byte),
            _ => push_escape(*byte, out),
        }
    }
}

#[inline]
fn push_escape(byte: u8, out: &mut Vec<u8>) {
    match escape_of(byte) {
        b'u' => {
            let low = byte & 0x0f;
            let digit = if low < 10 { b'0' + low } else { b'a' + low - 10 };
            out.extend_from_slice(&[b'\\', b'u', b'0', b'0', b'0' + (byte >> 4), digit]);
        }
        letter => out.extend_from_slice(&[b'\\', letter]),
    }
}

#[cfg(test)]
mod tests {
    use super::write_string;

    fn written(text: &[u8]) -> Option<String> {
        let mut out = Vec::new();
        write_string(text, &mut out).ok()?;
        Some(String::from_utf8(out).unwrap())
    }

    #[test]
    fn text_is_escaped_no_more_than_json_asks() {
        for (text, wanted) in [
            ("", r#""""#),
            ("plain / text", r#""plain / text""#),
            ("a\"b\\c", r#""a\"b\\c""#),
            ("\u{8}\t\n\u{b}\u{c}\r\u{1f}\u{7f}", "\"\\b\\t\\n\\u000b\\f\\r\\u001f\u{7f}\""),
            ("žš \u{2028} 😀", "\"žš \u{2028} 😀\""),
        ] {
            assert_eq!(written(text.as_bytes()).unwrap(), wanted);
        }
    }

    #[test]
    fn what_is_not_utf8_is_refused() {
        assert_eq!(written(b"\xff"), None);
        assert_eq!(written(b"\xed\xa0\x80"), None, "half a pair of surrogates");
        assert_eq!(written(b"long enough for a vector \xc3("), None);
    }
}
