//! Bit strings: one bit is a truth value, more are bytes in little-endian order.

use crate::encode::form::Scratch;
use crate::encode::json::{self, Alphabet};
use crate::encode::refusal::Trouble;

/// How a bit string is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::encode) enum BitsForm {
    /// One bit, as `true` or `false`.
    Flag,
    /// Base64 of as many bytes as the bits need.
    Fixed,
    /// Base64 of as many bytes as the highest bit that is set needs.
    Varying,
}

impl BitsForm {
    /// Writes `0101`, whose last digit is the lowest bit.
    pub(in crate::encode) fn write(
        self,
        text: &[u8],
        out: &mut Vec<u8>,
        scratch: &mut Scratch,
    ) -> Result<(), Trouble> {
        if !text.iter().all(|byte| matches!(byte, b'0' | b'1')) {
            return Err(Trouble::malformed("does not hold the digits of a bit string"));
        }
        if self == Self::Flag {
            let word: &[u8] = if text.contains(&b'1') { b"true" } else { b"false" };
            out.extend_from_slice(word);
            return Ok(());
        }
        let bytes = &mut scratch.bytes;
        bytes.clear();
        for eight in text.rchunks(8) {
            bytes.push(eight.iter().fold(0, |byte, digit| byte << 1 | u8::from(*digit == b'1')));
        }
        if self == Self::Varying {
            let used = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
            bytes.truncate(used);
        }
        out.push(b'"');
        json::write_base64(bytes, Alphabet::Standard, out);
        out.push(b'"');
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::BitsForm;
    use crate::encode::form::Scratch;

    /// The values of Debezium's `schemaAndValuesForBinTypes`, as base64.
    #[test]
    fn bits_are_little_endian() {
        for (form, text, wanted) in [
            (BitsForm::Flag, "1", "true"),
            (BitsForm::Flag, "0", "false"),
            (BitsForm::Fixed, "11", "\"Aw==\""),
            (BitsForm::Fixed, "1000000", "\"QA==\""),
            (BitsForm::Fixed, "0000000000000001", "\"AQA=\""),
            (BitsForm::Varying, "00", "\"\""),
            (BitsForm::Varying, "000000110000001000000001", "\"AQID\""),
            (BitsForm::Varying, "101", "\"BQ==\""),
            (BitsForm::Varying, "111011010001000110000001000000001", "\"AQIj2gE=\""),
        ] {
            let mut out = Vec::new();
            form.write(text.as_bytes(), &mut out, &mut Scratch::default()).unwrap();
            assert_eq!(String::from_utf8(out).unwrap(), wanted, "{text}");
        }
    }
}
