//! How a message is kept: its length, the number of its (sub-)transaction, its place in the log, and
//! the message without that number. Never written for anybody but this process.

use std::ops::Range;

use bytes::{BufMut, BytesMut};

/// Length, number, place.
const HEAD_BYTES: usize = 4 + 4 + 8;

/// A message that was kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) struct Record {
    /// The transaction or sub-transaction that made the change.
    pub(in super::super) by: u32,
    /// Its place in the log.
    pub(in super::super) place: u64,
    /// The message as protocol 1 sends it.
    pub(in super::super) message: Range<usize>,
}

/// How many bytes a message takes whose body, behind kind and number, is so long.
pub(super) const fn record_bytes(body: usize) -> usize {
    HEAD_BYTES + 1 + body
}

/// Keeps a message of that kind.
pub(super) fn push_record(into: &mut BytesMut, (by, place): (u32, u64), (kind, body): (u8, &[u8])) {
    // No frame is longer than a u32 can tell.
    into.put_u32(u32::try_from(body.len() + 1).unwrap_or(u32::MAX));
    into.put_u32(by);
    into.put_u64(place);
    into.put_u8(kind);
    into.put_slice(body);
}

/// The record that begins at `at`, and where the next one begins; `None` when it is not whole yet.
pub(in super::super) fn record_at(bytes: &[u8], at: usize) -> Option<(Record, usize)> {
    let rest = bytes.get(at..)?;
    let (length, rest) = rest.split_first_chunk::<4>()?;
    let (by, rest) = rest.split_first_chunk::<4>()?;
    let (place, rest) = rest.split_first_chunk::<8>()?;
    let length = u32::from_be_bytes(*length) as usize;
    let begin = at + HEAD_BYTES;
    let record = Record {
        by: u32::from_be_bytes(*by),
        place: u64::from_be_bytes(*place),
        message: begin..begin + length,
    };
    (rest.len() >= length).then_some((record, begin + length))
}
