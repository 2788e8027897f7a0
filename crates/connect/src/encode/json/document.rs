//! JSON documents that are embedded as they come.
//!
//! They are looked at from end to end before they are copied: a text that is not one whole document
//! would break the message around it, or say things in its name. Digits, order and repeated names
//! stay as they are; only line breaks become spaces, so that a message stays one line.

use std::str;

use super::scan::first_special;
use crate::encode::refusal::Trouble;

/// What encloses the value that is being read: `true` for an object. Kept between documents, so that
/// none allocates.
pub(in crate::encode) type Nesting = Vec<bool>;

/// Writes a JSON document as it is, on one line.
pub(in crate::encode) fn write_document(
    text: &[u8],
    nesting: &mut Nesting,
    out: &mut Vec<u8>,
) -> Result<(), Trouble> {
    if !text.is_ascii() && str::from_utf8(text).is_err() {
        return Err(Trouble::NOT_UTF8);
    }
    nesting.clear();
    let mut reader = Reader { text, at: 0, has_breaks: false };
    reader.document(nesting).ok_or(Trouble::malformed("does not hold a JSON document"))?;
    if reader.has_breaks {
        // Inside strings there are none: JSON asks for an escape there.
        out.extend(
            text.iter().map(|byte| if matches!(byte, b'\n' | b'\r') { b' ' } else { *byte }),
        );
    } else {
        out.extend_from_slice(text);
    }
    Ok(())
}

/// Whether the text is a number as JSON writes it.
pub(in crate::encode) fn is_number(text: &[u8]) -> bool {
    let mut reader = Reader { text, at: 0, has_breaks: false };
    reader.number().is_some() && reader.at == text.len()
}

struct Reader<'a> {
    text: &'a [u8],
    at: usize,
    has_breaks: bool,
}

impl Reader<'_> {
    /// The next byte; 0, which no document has outside of its escapes, behind the last one.
    #[inline]
    fn peek(&self) -> u8 {
        self.text.get(self.at).copied().unwrap_or(0)
    }

    #[inline]
    fn skip_space(&mut self) {
        loop {
            match self.peek() {
                b' ' | b'\t' => {}
                b'\n' | b'\r' => self.has_breaks = true,
                _ => return,
            }
            self.at += 1;
        }
    }

    fn document(&mut self, nesting: &mut Nesting) -> Option<()> {
        loop {
            self.skip_space();
            if self.opens(nesting)? {
                continue;
            }
            loop {
                self.skip_space();
                let Some(&in_object) = nesting.last() else {
                    return (self.at == self.text.len()).then_some(());
                };
                match (in_object, self.peek()) {
                    (true, b',') => {
                        self.at += 1;
                        self.skip_space();
                        self.name()?;
                        break;
                    }
                    (false, b',') => {
                        self.at += 1;
                        break;
                    }
                    (true, b'}') | (false, b']') => {
                        self.at += 1;
                        nesting.pop();
                    }
                    _ => return None,
                }
            }
        }
    }

    /// Reads a value, or the beginning of one that holds others: then `true`.
    fn opens(&mut self, nesting: &mut Nesting) -> Option<bool> {
        match self.peek() {
            b'"' => self.string()?,
            b'-' | b'0'..=b'9' => self.number()?,
            b't' => self.literal(b"true")?,
            b'f' => self.literal(b"false")?,
            b'n' => self.literal(b"null")?,
            bracket @ (b'{' | b'[') => {
                self.at += 1;
                self.skip_space();
                let in_object = bracket == b'{';
                if self.peek() != if in_object { b'}' } else { b']' } {
                    nesting.push(in_object);
                    if in_object {
                        self.name()?;
                    }
                    return Some(true);
                }
                self.at += 1;
            }
            _ => return None,
        }
        Some(false)
    }

    /// A name and its colon.
    fn name(&mut self) -> Option<()> {
        self.string()?;
        self.skip_space();
        self.take(b':')
    }

    fn string(&mut self) -> Option<()> {
        self.take(b'"')?;
        loop {
            let rest = self.text.get(self.at..)?;
            self.at += first_special(rest);
            match self.peek() {
                b'"' => {
                    self.at += 1;
                    return Some(());
                }
                b'\\' => {
                    self.at += 1;
                    match self.peek() {
                        b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => self.at += 1,
                        b'u' => {
                            let digits = self.text.get(self.at + 1..self.at + 5)?;
                            if !digits.iter().all(u8::is_ascii_hexdigit) {
                                return None;
                            }
                            self.at += 5;
                        }
                        _ => return None,
                    }
                }
                _ => return None,
            }
        }
    }

    fn number(&mut self) -> Option<()> {
        if self.peek() == b'-' {
            self.at += 1;
        }
        if self.peek() == b'0' {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if self.peek() == b'.' {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.peek(), b'e' | b'E') {
            self.at += 1;
            if matches!(self.peek(), b'+' | b'-') {
                self.at += 1;
            }
            self.digits()?;
        }
        Some(())
    }

    fn digits(&mut self) -> Option<()> {
        let from = self.at;
        while self.peek().is_ascii_digit() {
            self.at += 1;
        }
        (self.at > from).then_some(())
    }

    fn literal(&mut self, word: &[u8]) -> Option<()> {
        self.text.get(self.at..)?.starts_with(word).then(|| self.at += word.len())
    }

    #[inline]
    fn take(&mut self, byte: u8) -> Option<()> {
        (self.peek() == byte).then(|| self.at += 1)
    }
}

#[cfg(test)]
mod tests {
    use super::{is_number, write_document};

    fn written(text: &str) -> Option<String> {
        let mut out = Vec::new();
        write_document(text.as_bytes(), &mut Vec::new(), &mut out).ok()?;
        Some(String::from_utf8(out).unwrap())
    }

    #[test]
    fn a_document_is_embedded_as_it_is_on_one_line() {
        for text in [
            "1",
            "-0.5e+10",
            r#"{"a": [1, 2, {"b": null}], "a": "\u00e9\n\"", "long": 12345678901234567890.0}"#,
            "[]",
            " {} ",
            "[[[[true, false, null]]]]",
            r#""""#,
        ] {
            assert_eq!(written(text).unwrap(), text);
        }
        assert_eq!(written("{\r\n\t\"a\":\n1}").unwrap(), "{  \t\"a\": 1}");
    }

    #[test]
    fn what_is_not_one_document_is_refused() {
        for text in [
            "",
            " ",
            "1 2",
            "01",
            "1.",
            ".5",
            "+1",
            "-",
            "1e",
            "tru",
            "nulll",
            "{",
            "}",
            "{]",
            "[}",
            "[1,]",
            "[,1]",
            "{\"a\"}",
            "{\"a\":}",
            "{\"a\":1,}",
            "{a:1}",
            "\"",
            "\"\\x\"",
            "\"\\u12g4\"",
            "\"\\u12\"",
            "\"a\nb\"",
            "1,\"op\":\"delete\"",
            "NaN",
            "\0",
        ] {
            assert_eq!(written(text), None, "{text:?}");
        }
    }

    #[test]
    fn a_number_is_what_json_says_it_is() {
        for text in ["0", "-1", "10", "1.5", "1e+20", "2.2250738585072014e-308", "-0"] {
            assert!(is_number(text.as_bytes()), "{text}");
        }
        for text in ["", "-", "00", "1.", "NaN", "0x10", "1 ", " 1", "1_000", "Infinity"] {
            assert!(!is_number(text.as_bytes()), "{text}");
        }
    }
}
