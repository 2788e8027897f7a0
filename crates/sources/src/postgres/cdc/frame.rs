//! Where the messages lie in the bytes that a walsender sends.
//!
//! A frame is a tag, a length and a body. Nearly every one is `CopyData`, whose body is a piece of
//! the log (`w`: its place, the server's end and clock, then a pgoutput message) or a keep-alive.
//! <https://www.postgresql.org/docs/current/protocol-replication.html>

use std::ops::Range;

use super::broken::Broken;

/// The longest message that Postgres can make, with room for its head.
const FRAME_BYTES_MAX: usize = (1 << 30) + 1024;

/// What a frame is, with ranges into the buffer that it was found in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Frame {
    /// A piece of the log.
    Log {
        /// Its place.
        place: u64,
        /// The pgoutput message.
        message: Range<usize>,
    },
    /// The server is alive.
    Alive {
        /// Everything before this place has been sent.
        end: u64,
        /// It wants to know that we are alive too, at once.
        asks: bool,
    },
    /// The server will send no more.
    Finished,
    /// The server tells an error.
    Error(Range<usize>),
    /// Something that does not matter.
    Other,
}

/// The frame that begins at `at`, and where the next one begins; `None` when it is not whole yet.
pub(super) fn frame_at(bytes: &[u8], at: usize) -> Result<Option<(Frame, usize)>, Broken> {
    let Some((tag, body)) = raw_frame_at(bytes, at)? else { return Ok(None) };
    let end = body.end;
    let frame = match tag {
        b'd' => copy_data(bytes.get(body.clone()).unwrap_or_default(), body)?,
        b'E' => Frame::Error(body),
        b'c' => Frame::Finished,
        _ => Frame::Other,
    };
    Ok(Some((frame, end)))
}

/// Tag and body of the frame that begins at `at`; `None` when it is not whole yet.
pub(super) fn raw_frame_at(bytes: &[u8], at: usize) -> Result<Option<(u8, Range<usize>)>, Broken> {
    let rest = bytes.get(at..).unwrap_or_default();
    let Some((head, _)) = rest.split_first_chunk::<5>() else { return Ok(None) };
    let [tag, length @ ..] = *head;
    let length = u32::from_be_bytes(length) as usize;
    if !(4..=FRAME_BYTES_MAX).contains(&length) {
        return Err(Broken("a frame has an impossible length"));
    }
    Ok((rest.len() > length).then(|| (tag, at + 5..at + 1 + length)))
}

/// How many bytes the frame that begins at `at` takes, once that is known.
pub(super) fn frame_length(bytes: &[u8], at: usize) -> Option<usize> {
    let (head, _) = bytes.get(at..)?.split_first_chunk::<5>()?;
    let [_, length @ ..] = *head;
    Some(u32::from_be_bytes(length) as usize + 1)
}

fn copy_data(body: &[u8], range: Range<usize>) -> Result<Frame, Broken> {
    let number = |from: usize| {
        let bytes = body.get(from..from + 8).and_then(|it| <[u8; 8]>::try_from(it).ok());
        bytes.map(u64::from_be_bytes).ok_or(Broken("a frame is cut"))
    };
    match body.first() {
        Some(b'w') if body.len() > 25 => {
            Ok(Frame::Log { place: number(1)?, message: range.start + 25..range.end })
        }
        Some(b'k') => {
            let asks = body.get(17).ok_or(Broken("a frame is cut"))?;
            Ok(Frame::Alive { end: number(1)?, asks: *asks != 0 })
        }
        _ => Err(Broken("a frame is neither log nor keep-alive")),
    }
}

/// A status update: what we have, what we want to keep no longer, and whether we want an answer.
/// `written` may be told early; the server lets go of everything before `confirmed`.
pub(super) fn status(written: u64, confirmed: u64, micros: i64, asks: bool) -> [u8; 39] {
    let mut frame = [0; 39];
    let parts: [&[u8]; 8] = [
        b"d",
        &38u32.to_be_bytes(),
        b"r",
        &written.to_be_bytes(),
        &confirmed.to_be_bytes(),
        &confirmed.to_be_bytes(),
        &micros.to_be_bytes(),
        &[u8::from(asks)],
    ];
    let mut at = 0;
    for part in parts {
        // The parts are as long as the frame together.
        if let Some(here) = frame.get_mut(at..at + part.len()) {
            here.copy_from_slice(part);
        }
        at += part.len();
    }
    frame
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_framed_as_copy_data() {
        let bytes = status(5, 4, -1, true);
        assert_eq!(bytes[..6], [b'd', 0, 0, 0, 38, b'r']);
        assert_eq!(bytes[6..14], 5u64.to_be_bytes());
        assert_eq!(bytes[14..22], 4u64.to_be_bytes());
        assert_eq!(bytes[22..30], 4u64.to_be_bytes());
        assert_eq!(bytes[30..38], (-1i64).to_be_bytes());
        assert_eq!(bytes[38], 1);
    }

    #[test]
    fn frames_are_found_once_they_are_whole() {
        let mut bytes = vec![b'd', 0, 0, 0, 22, b'k'];
        bytes.extend(7u64.to_be_bytes());
        bytes.extend(0u64.to_be_bytes());
        bytes.push(1);
        for cut in 0..bytes.len() {
            assert_eq!(frame_at(&bytes[..cut], 0), Ok(None), "{cut}");
        }
        assert_eq!(frame_at(&bytes, 0), Ok(Some((Frame::Alive { end: 7, asks: true }, 23))));
        assert_eq!(frame_length(&bytes, 0), Some(23));
        assert!(frame_at(&[b'd', 0xff, 0xff, 0xff, 0xff], 0).is_err());
        assert!(frame_at(b"d\0\0\0\x05x", 0).is_err());
        assert_eq!(frame_at(b"c\0\0\0\x04", 0), Ok(Some((Frame::Finished, 5))));
    }
}
