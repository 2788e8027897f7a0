//! Finding what a JSON string cannot hold as it is, eight bytes at a time: cells are short, so that a
//! word in a register beats a call into vector code.

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHS: u64 = 0x8080_8080_8080_8080;

/// Bytes that are looked at together.
pub(super) const WORD: usize = size_of::<u64>();

/// The top bit of each byte that is a control character, a quote or a backslash. Subtraction borrows
/// from the next byte, so that above the lowest hit there may be false ones; the lowest is true, and
/// without any there is none.
#[inline]
fn hits(word: [u8; WORD]) -> u64 {
    let word = u64::from_le_bytes(word);
    let control = word.wrapping_sub(ONES * 0x20);
    let quote = (word ^ (ONES * 0x22)).wrapping_sub(ONES);
    let backslash = (word ^ (ONES * 0x5c)).wrapping_sub(ONES);
    (control | quote | backslash) & !word & HIGHS
}

/// Whether a byte is a control character, a quote or a backslash.
#[inline]
const fn is_special(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\'
}

/// The number of bytes of a word before its first special one; `None` when it has none.
#[inline]
pub(super) fn first_in_word(word: [u8; WORD]) -> Option<usize> {
    let hits = hits(word);
    // At most 7.
    (hits != 0).then(|| (hits.trailing_zeros() / 8) as usize)
}

/// The index of the first special byte; the length when there is none.
#[inline]
pub(super) fn first_special(text: &[u8]) -> usize {
    let (words, rest) = text.as_chunks::<WORD>();
    let mut before = 0;
    for word in words {
        if let Some(at) = first_in_word(*word) {
            return before + at;
        }
        before += WORD;
    }
    before + rest.iter().position(|byte| is_special(*byte)).unwrap_or(rest.len())
}

/// Whether no byte is special, and whether every byte is ASCII.
#[inline]
pub(super) fn look(text: &[u8]) -> (bool, bool) {
    let (words, rest) = text.as_chunks::<WORD>();
    let (mut found, mut all) = (0, 0);
    for word in words {
        found |= hits(*word);
        all |= u64::from_le_bytes(*word);
    }
    if !rest.is_empty() {
        // The last word once more from its middle, or what there is with room behind it.
        let last = text.last_chunk::<WORD>().copied().unwrap_or_else(|| {
            let mut padded = [b' '; WORD];
            padded.iter_mut().zip(rest).for_each(|(place, byte)| *place = *byte);
            padded
        });
        found |= hits(last);
        all |= u64::from_le_bytes(last);
    }
    (found == 0, all & HIGHS == 0)
}

#[cfg(test)]
mod tests {
    use super::{first_special, is_special, look};

    /// Every byte at every place, beside every neighbour that could borrow.
    #[test]
    fn words_and_bytes_agree() {
        for length in 0..20 {
            for at in 0..length {
                for byte in 0..=255 {
                    for fill in [b' ', b'a', 0x21, 0x23, 0x5b, 0x5d, 0x80, 0xff] {
                        let mut text = vec![fill; length];
                        text[at] = byte;
                        let wanted = text.iter().position(|it| is_special(*it)).unwrap_or(length);
                        assert_eq!(first_special(&text), wanted, "{text:?}");
                        assert_eq!(look(&text), (wanted == length, text.is_ascii()), "{text:?}");
                    }
                }
            }
        }
    }
}
