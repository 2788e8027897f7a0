//! Postgres' `hstore` text, written as a JSON object in the order of its pairs.

use crate::encode::form::Scratch;
use crate::encode::json::{escape, write_string};
use crate::encode::refusal::Trouble;

const MALFORMED: Trouble = Trouble::malformed("does not hold pairs as `hstore` writes them");

/// How pairs are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::encode) enum HstoreForm {
    /// As text that holds a JSON object.
    Text,
    /// As a JSON object.
    Object,
}

impl HstoreForm {
    /// Writes `"a"=>"1", "b"=>NULL`.
    pub(in crate::encode) fn write(
        self,
        text: &[u8],
        out: &mut Vec<u8>,
        scratch: &mut Scratch,
    ) -> Result<(), Trouble> {
        match self {
            Self::Object => write_object(text, out, &mut scratch.bytes),
            Self::Text => {
                scratch.text.clear();
                write_object(text, &mut scratch.text, &mut scratch.bytes)?;
                write_string(&scratch.text, out)
            }
        }
    }
}

fn write_object(text: &[u8], out: &mut Vec<u8>, unescaped: &mut Vec<u8>) -> Result<(), Trouble> {
    out.push(b'{');
    let mut rest = text;
    while !rest.is_empty() {
        rest = write_quoted(rest, out, unescaped)?;
        rest = rest.strip_prefix(b"=>").ok_or(MALFORMED)?;
        out.push(b':');
        rest = match rest.strip_prefix(b"NULL") {
            Some(after) => {
                out.extend_from_slice(b"null");
                after
            }
            None => write_quoted(rest, out, unescaped)?,
        };
        if !rest.is_empty() {
            rest = rest.strip_prefix(b", ").filter(|rest| !rest.is_empty()).ok_or(MALFORMED)?;
            out.push(b',');
        }
    }
    out.push(b'}');
    Ok(())
}

/// Writes the quoted text at the beginning; what is behind it.
fn write_quoted<'a>(
    text: &'a [u8],
    out: &mut Vec<u8>,
    unescaped: &mut Vec<u8>,
) -> Result<&'a [u8], Trouble> {
    let mut rest = text.strip_prefix(b"\"").ok_or(MALFORMED)?;
    unescaped.clear();
    loop {
        let at = memchr::memchr2(b'"', b'\\', rest).ok_or(MALFORMED)?;
        let (run, tail) = rest.split_at(at);
        unescaped.extend_from_slice(run);
        match tail {
            [b'"', after @ ..] => {
                out.push(b'"');
                escape(unescaped, out)?;
                out.push(b'"');
                return Ok(after);
            }
            [_, escaped, after @ ..] => {
                unescaped.push(*escaped);
                rest = after;
            }
            _ => return Err(MALFORMED),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::HstoreForm;
    use crate::encode::form::Scratch;

    fn written(form: HstoreForm, text: &str) -> Option<String> {
        let mut out = Vec::new();
        form.write(text.as_bytes(), &mut out, &mut Scratch::default()).ok()?;
        Some(String::from_utf8(out).unwrap())
    }

    /// Debezium's page, section "HSTORE type", and the tests
    /// `schemaAndValueFieldForJsonEncodedHStoreType…` of its connector.
    #[test]
    fn pairs_become_an_object() {
        for (text, wanted) in [
            ("", "{}"),
            (r#""key"=>"val""#, r#"{"key":"val"}"#),
            (r#""key1"=>"val1", "key2"=>NULL"#, r#"{"key1":"val1","key2":null}"#),
            (
                r#""key_#1"=>"val 1", "key 2"=>" ##123 78""#,
                r##"{"key_#1":"val 1","key 2":" ##123 78"}"##,
            ),
            (r#""a\"b"=>"c\\d, =>", "n"=>"NULL""#, r#"{"a\"b":"c\\d, =>","n":"NULL"}"#),
        ] {
            assert_eq!(written(HstoreForm::Object, text).unwrap(), wanted);
            let quoted = serde_json::to_string(wanted).unwrap();
            assert_eq!(written(HstoreForm::Text, text).unwrap(), quoted);
        }
        for text in ["a", "\"a\"", "\"a\"=>", "\"a\"=>b", "\"a\"=>\"b\",", "\"a\"=>\"b\", ", "\"a"]
        {
            assert_eq!(written(HstoreForm::Object, text), None, "{text}");
        }
    }
}
