//! Postgres' array literals, written as JSON arrays while they are read.
//!
//! `{1,NULL,"a \"b\""}`, nested for more dimensions, with bounds in front (`[0:2]={…}`) where they do
//! not begin at 1. The bounds are left out: JSON has no place for them.

use super::form::{Form, Scratch};
use super::refusal::Trouble;

const MALFORMED: Trouble = Trouble::malformed("does not hold an array as Postgres writes it");

/// The elements of an array.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ArrayForm {
    /// How one of them is written.
    pub element: Form,
    /// What stands between them: `,`, but `;` for boxes.
    pub delimiter: u8,
}

impl ArrayForm {
    /// Writes the literal as a JSON array.
    pub(super) fn write(
        &self,
        text: &[u8],
        out: &mut Vec<u8>,
        scratch: &mut Scratch,
    ) -> Result<(), Trouble> {
        let literal = without_bounds(text)?;
        // The element's own form may need the rest of the scratch while this part is in use.
        let mut element = std::mem::take(&mut scratch.element);
        let written = self.write_with(literal, out, scratch, &mut element);
        scratch.element = element;
        written
    }

    fn write_with(
        &self,
        text: &[u8],
        out: &mut Vec<u8>,
        scratch: &mut Scratch,
        unescaped: &mut Vec<u8>,
    ) -> Result<(), Trouble> {
        let mut rest = text;
        let mut depth = 0_usize;
        loop {
            // Here an element or another dimension begins.
            match rest.split_first().ok_or(MALFORMED)? {
                (b'{', after) => {
                    out.push(b'[');
                    depth += 1;
                    rest = after;
                    if rest.first() != Some(&b'}') {
                        continue;
                    }
                }
                _ if depth == 0 => return Err(MALFORMED),
                (b'"', after) => {
                    rest = self.quoted(after, out, scratch, unescaped)?;
                }
                _ => rest = self.bare(rest, out, scratch)?,
            }
            // Here it has ended: its neighbour follows, or the end of what encloses it.
            loop {
                match rest.split_first() {
                    None if depth == 0 => return Ok(()),
                    Some((b'}', after)) if depth > 0 => {
                        out.push(b']');
                        depth -= 1;
                        rest = after;
                    }
                    Some((byte, after)) if depth > 0 && *byte == self.delimiter => {
                        out.push(b',');
                        rest = after;
                        break;
                    }
                    _ => return Err(MALFORMED),
                }
            }
        }
    }

    fn bare<'a>(
        &self,
        rest: &'a [u8],
        out: &mut Vec<u8>,
        scratch: &mut Scratch,
    ) -> Result<&'a [u8], Trouble> {
        let ends = |byte: &u8| *byte == self.delimiter || matches!(byte, b'}' | b'{' | b'"');
        let at = rest.iter().position(ends).ok_or(MALFORMED)?;
        let (element, rest) = rest.split_at(at);
        match element {
            [] => return Err(MALFORMED),
            b"NULL" => out.extend_from_slice(b"null"),
            _ => self.element.write(element, out, scratch)?,
        }
        Ok(rest)
    }

    /// Writes what stands in quotes; `rest` begins behind the first of them.
    fn quoted<'a>(
        &self,
        mut rest: &'a [u8],
        out: &mut Vec<u8>,
        scratch: &mut Scratch,
        unescaped: &mut Vec<u8>,
    ) -> Result<&'a [u8], Trouble> {
        unescaped.clear();
        loop {
            let at = memchr::memchr2(b'"', b'\\', rest).ok_or(MALFORMED)?;
            let (run, tail) = rest.split_at(at);
            match tail {
                [b'"', after @ ..] => {
                    if unescaped.is_empty() {
                        self.element.write(run, out, scratch)?;
                    } else {
                        unescaped.extend_from_slice(run);
                        self.element.write(unescaped, out, scratch)?;
                    }
                    return Ok(after);
                }
                [_, escaped, after @ ..] => {
                    unescaped.extend_from_slice(run);
                    unescaped.push(*escaped);
                    rest = after;
                }
                _ => return Err(MALFORMED),
            }
        }
    }
}

/// The literal behind its bounds, if it has any.
fn without_bounds(text: &[u8]) -> Result<&[u8], Trouble> {
    if text.first() != Some(&b'[') {
        return Ok(text);
    }
    let at = memchr::memchr(b'=', text).ok_or(MALFORMED)?;
    text.get(at + 1..).ok_or(MALFORMED)
}

#[cfg(test)]
mod tests {
    use super::ArrayForm;
    use crate::encode::form::{Form, Scratch};

    fn written(element: Form, text: &str) -> Option<String> {
        let mut out = Vec::new();
        let array = ArrayForm { element, delimiter: b',' };
        array.write(text.as_bytes(), &mut out, &mut Scratch::default()).ok()?;
        Some(String::from_utf8(out).unwrap())
    }

    #[test]
    fn numbers_nested_and_with_bounds() {
        for (text, wanted) in [
            ("{}", "[]"),
            ("{1,2,NULL}", "[1,2,null]"),
            ("{{1,2},{3,NULL}}", "[[1,2],[3,null]]"),
            ("[0:1]={7,8}", "[7,8]"),
            ("[0:0][5:6]={{7,8}}", "[[7,8]]"),
        ] {
            assert_eq!(written(Form::Integer, text).unwrap(), wanted);
        }
    }

    #[test]
    fn text_with_everything_that_is_quoted() {
        for (text, wanted) in [
            (r#"{a,"b c","NULL",NULL,""}"#, r#"["a","b c","NULL",null,""]"#),
            (
                r#"{"say \"hi\"","back\\slash","{}","a,b"}"#,
                r#"["say \"hi\"","back\\slash","{}","a,b"]"#,
            ),
            (r#"{"\"","\\"}"#, r#"["\"","\\"]"#),
        ] {
            assert_eq!(written(Form::Text, text).unwrap(), wanted);
        }
    }

    #[test]
    fn what_is_no_array_is_refused() {
        for text in [
            "", "1", "{", "}", "{1", "{1,}", "{,1}", "{1}}", "{1}{2}", "{1}x", "{\"a}", "{\"a\"b}",
            "{a\"b\"}", "[0:1]", "[0:1]=", "{\"a\\", "{{1},}", "{1{2}}", "{x}",
        ] {
            assert_eq!(written(Form::Integer, text), None, "{text}");
        }
    }
}
