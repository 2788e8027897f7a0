//! Base64 straight from bytes or from hexadecimal text, without a buffer between.

use crate::encode::refusal::Trouble;

/// The 64 digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::encode) enum Alphabet {
    /// RFC 4648, section 4.
    Standard,
    /// RFC 4648, section 5.
    UrlSafe,
}

impl Alphabet {
    const fn digits(self) -> &'static [u8; 64] {
        match self {
            Self::Standard => b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/",
            Self::UrlSafe => b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_",
        }
    }
}

/// Writes bytes as base64 with padding.
pub(in crate::encode) fn write_base64(bytes: &[u8], alphabet: Alphabet, out: &mut Vec<u8>) {
    let (triples, rest) = bytes.as_chunks::<3>();
    out.reserve(triples.len() * 4 + 4);
    for triple in triples {
        out.extend_from_slice(&group(*triple, alphabet));
    }
    write_rest(rest, alphabet, out);
}

/// Writes the bytes that hexadecimal digits spell as base64 with padding.
pub(in crate::encode) fn write_hex_as_base64(
    digits: &[u8],
    alphabet: Alphabet,
    out: &mut Vec<u8>,
) -> Result<(), Trouble> {
    const ODD: Trouble = Trouble::malformed("does not hold hexadecimal digits");
    let (pairs, odd) = digits.as_chunks::<2>();
    if !odd.is_empty() {
        return Err(ODD);
    }
    let (triples, rest) = pairs.as_chunks::<3>();
    out.reserve(triples.len() * 4 + 4);
    let byte_of = |pair: &[u8; 2]| {
        let [high, low] = pair.map(nibble);
        // A wrong digit is above 15 in either place.
        if (high | low) > 0x0f { Err(ODD) } else { Ok(high << 4 | low) }
    };
    for [a, b, c] in triples {
        out.extend_from_slice(&group([byte_of(a)?, byte_of(b)?, byte_of(c)?], alphabet));
    }
    match rest {
        [] => {}
        [a] => write_rest(&[byte_of(a)?], alphabet, out),
        [a, b, ..] => write_rest(&[byte_of(a)?, byte_of(b)?], alphabet, out),
    }
    Ok(())
}

fn write_rest(rest: &[u8], alphabet: Alphabet, out: &mut Vec<u8>) {
    match *rest {
        [] => {}
        [a] => {
            let [first, second, ..] = group([a, 0, 0], alphabet);
            out.extend_from_slice(&[first, second, b'=', b'=']);
        }
        [a, b, ..] => {
            let [first, second, third, _] = group([a, b, 0], alphabet);
            out.extend_from_slice(&[first, second, third, b'=']);
        }
    }
}

#[expect(clippy::indexing_slicing, reason = "six bits have a place among 64 digits")]
fn group([a, b, c]: [u8; 3], alphabet: Alphabet) -> [u8; 4] {
    let digits = alphabet.digits();
    let digit = |six_bits: u8| digits[usize::from(six_bits & 0x3f)];
    [digit(a >> 2), digit(a << 4 | b >> 4), digit(b << 2 | c >> 6), digit(c)]
}

/// The value of a hexadecimal digit; 0xff for any other byte.
const fn nibble(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        b'a'..=b'f' => digit - b'a' + 10,
        b'A'..=b'F' => digit - b'A' + 10,
        _ => 0xff,
    }
}

#[cfg(test)]
mod tests {
    use super::{Alphabet, write_base64, write_hex_as_base64};

    #[test]
    fn the_vectors_of_rfc_4648_come_out() {
        for (text, wanted) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ] {
            let mut out = Vec::new();
            write_base64(text.as_bytes(), Alphabet::Standard, &mut out);
            assert_eq!(out, wanted.as_bytes());
            let hex: String = text.bytes().map(|byte| format!("{byte:02x}")).collect();
            out.clear();
            write_hex_as_base64(hex.as_bytes(), Alphabet::Standard, &mut out).unwrap();
            assert_eq!(out, wanted.as_bytes());
        }
    }

    #[test]
    fn the_two_alphabets_differ_in_two_digits() {
        let mut out = Vec::new();
        write_hex_as_base64(b"fbFF", Alphabet::Standard, &mut out).unwrap();
        write_base64(&[0xfb, 0xff], Alphabet::UrlSafe, &mut out);
        assert_eq!(out, b"+/8=-_8=");
    }

    #[test]
    fn what_is_not_hexadecimal_is_refused() {
        for digits in ["0", "0g", "zz00ff", "00ffz0", "0102030"] {
            let mut out = Vec::new();
            let written = write_hex_as_base64(digits.as_bytes(), Alphabet::Standard, &mut out);
            assert!(written.is_err(), "{digits}");
        }
    }
}
