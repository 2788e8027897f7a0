//! Commands as bytes: arrays of bulk strings, written straight from the encoder's buffer.
//! <https://redis.io/docs/latest/develop/reference/protocol-spec/>

use flowglass_connect::Fault;
use flowglass_connect::stream::{Message, Messages};
use flowglass_model::ErrorClass;

/// Redis takes no longer value unless it is told to (`proto-max-bulk-len`).
pub(super) const VALUE_BYTES_MAX: usize = 512 << 20;

/// Appends a command.
pub(super) fn command(out: &mut Vec<u8>, words: &[&[u8]]) {
    header(out, b'*', words.len());
    for word in words {
        bulk(out, word);
    }
}

/// Appends a word of a command.
fn bulk(out: &mut Vec<u8>, word: &[u8]) {
    header(out, b'$', word.len());
    out.extend_from_slice(word);
    out.extend_from_slice(b"\r\n");
}

/// Appends a length: mark, decimal digits, end of line.
fn header(out: &mut Vec<u8>, mark: u8, length: usize) {
    let mut digits = [0_u8; 20];
    let mut at = digits.len();
    let mut rest = length;
    loop {
        at -= 1;
        if let Some(digit) = digits.get_mut(at) {
            // A digit fits.
            *digit = b'0' + u8::try_from(rest % 10).unwrap_or(0);
        }
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    out.push(mark);
    out.extend_from_slice(digits.get(at..).unwrap_or_default());
    out.extend_from_slice(b"\r\n");
}

/// Writes `XADD`s. What is the same for all entries of a stream is written once.
#[derive(Debug)]
pub(super) struct Entries {
    /// By destination: everything between the number of words and the entry's own.
    fixed: Vec<Vec<u8>>,
    /// How many words are fixed.
    words: usize,
}

impl Entries {
    /// For the destinations of these messages.
    pub(super) fn new(messages: &Messages, prefix: &str, maxlen: Option<u64>) -> Self {
        let maxlen = maxlen.map(|maxlen| maxlen.to_string());
        let fixed = messages
            .destinations()
            .iter()
            .map(|name| {
                let mut out = Vec::new();
                bulk(&mut out, b"XADD");
                bulk(&mut out, [prefix, name].concat().as_bytes());
                if let Some(maxlen) = &maxlen {
                    bulk(&mut out, b"MAXLEN");
                    bulk(&mut out, b"~");
                    bulk(&mut out, maxlen.as_bytes());
                }
                bulk(&mut out, b"*");
                bulk(&mut out, b"id");
                out
            })
            .collect();
        let words = if maxlen.is_some() { 7 } else { 4 };
        Self { fixed, words }
    }

    /// Appends the entry of a message: fields `id`, `key` where there is one, and `value`, which a
    /// tombstone lacks.
    pub(super) fn push(
        &self,
        out: &mut Vec<u8>,
        messages: &Messages,
        message: &Message,
        id: &[u8],
    ) {
        let both = usize::from(message.key.is_some()) + usize::from(message.body.is_some());
        header(out, b'*', self.words + 1 + 2 * both);
        let fixed = self.fixed.get(message.destination as usize);
        out.extend_from_slice(fixed.map_or(&[], Vec::as_slice));
        bulk(out, id);
        if let Some(key) = message.key {
            out.extend_from_slice(b"$3\r\nkey\r\n");
            bulk(out, messages.bytes(key));
        }
        if let Some(body) = message.body {
            out.extend_from_slice(b"$5\r\nvalue\r\n");
            bulk(out, messages.bytes(body));
        }
    }
}

/// Why Redis would not even read the message.
pub(super) fn refused(messages: &Messages, message: &Message) -> Option<Fault> {
    let longest = [message.key, message.body]
        .into_iter()
        .flatten()
        .map(|span| messages.bytes(span).len())
        .max()
        .unwrap_or(0);
    if longest > VALUE_BYTES_MAX {
        let what = format!("a message of {longest} bytes; Redis takes {VALUE_BYTES_MAX}");
        return Some(Fault::new(ErrorClass::TooLarge, what));
    }
    if messages.destination_of(message).is_empty() {
        return Some(Fault::new(ErrorClass::Malformed, "the row's stream has no name"));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use flowglass_connect::stream::Span;
    use proptest::prelude::*;

    #[test]
    fn an_entry_is_written_word_for_word() {
        let mut messages = Messages::default();
        let destination = messages.destination(&"s".into());
        messages.buffer.extend_from_slice(b"kbody");
        let message = Message {
            destination,
            change: 0,
            part: 0,
            key: Span::new(0, 1),
            body: Span::new(1, 5),
        };
        messages.push(message);
        let mut out = Vec::new();
        Entries::new(&messages, "{t}:", Some(10)).push(&mut out, &messages, &message, b"0/1/2");
        let words = "XADD {t}:s MAXLEN ~ 10 * id 0/1/2 key k value body";
        let mut expected = Vec::new();
        command(&mut expected, &words.split(' ').map(str::as_bytes).collect::<Vec<_>>());
        assert_eq!(String::from_utf8_lossy(&out), String::from_utf8_lossy(&expected));
    }

    proptest! {
        #[test]
        fn lengths_are_decimal(length: usize) {
            let mut out = Vec::new();
            header(&mut out, b'$', length);
            prop_assert_eq!(out, format!("${length}\r\n").into_bytes());
        }
    }
}
