//! What names a change for ever: the text that a sink writes as idempotency key, and the headers by
//! which Debezium ties the two halves of a changed key together.

use crate::stream::{ChangeRef, Message, Messages, Op};

/// Number of the message that removes an old key, which `debezium` writes for a changed key.
pub(super) const PART_WHOLE: u8 = 0;
/// Number of the message without a body that follows it.
pub(super) const PART_TOMBSTONE: u8 = 1;
/// Number of the message that brings the row under its new key.
pub(super) const PART_NEW_KEY: u8 = 2;

/// Appends the text that names a message of a change: `0/16B3748/12`, which is the place of the
/// transaction's commit in the log and the number of the row in it. Messages of the same change past
/// the first one have their own number at the end: `0/16B3748/12/1`.
///
/// A row that was read from the table has the table's number before its own, `0/16B3748/r16385.12`,
/// since each table counts its rows from 0.
///
/// The same log gives the same text each time, after any restart, on any machine.
pub fn idempotency_key(change: &ChangeRef<'_>, part: u8, out: &mut Vec<u8>) {
    write_commit(change.transaction().commit, out);
    write_row(change, out);
    if part > 0 {
        out.push(b'/');
        write_number(u64::from(part), out);
    }
}

/// Appends `0/16B3748/`.
pub(super) fn write_commit(commit: u64, out: &mut Vec<u8>) {
    write_hex(commit >> 32, out);
    out.push(b'/');
    write_hex(commit & 0xffff_ffff, out);
    out.push(b'/');
}

/// Appends `12`, or `r16385.12` for a row that was read.
pub(super) fn write_row(change: &ChangeRef<'_>, out: &mut Vec<u8>) {
    if change.op() == Op::Read {
        out.push(b'r');
        write_number(u64::from(change.relation().id), out);
        out.push(b'.');
    }
    write_number(change.head().row, out);
}

/// Appends a number in decimal.
pub(super) fn write_number(number: impl itoa::Integer, out: &mut Vec<u8>) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

fn write_hex(number: u64, out: &mut Vec<u8>) {
    let digits = 16 - (number | 1).leading_zeros() / 4;
    for place in (0..digits).rev() {
        let digit = u8::try_from((number >> (place * 4)) & 0xf).unwrap_or(0);
        out.push(if digit < 10 { b'0' + digit } else { b'A' + digit - 10 });
    }
}

/// The header that Debezium gives a message of a row whose key changed: `__debezium.newkey` on the
/// delete of the old key, `__debezium.oldkey` on the create of the new one, with the other one's key.
/// `None` for every other message. `index` is that of the message among [`Messages::items`].
#[must_use]
pub fn key_change_header(messages: &Messages, index: usize) -> Option<(&'static str, &[u8])> {
    let items = messages.items();
    let message = items.get(index)?;
    let of_same = |other: &&Message| other.change == message.change;
    let (name, other) = match message.part {
        PART_WHOLE => {
            let mut later = items.iter().skip(index + 1).take_while(of_same);
            ("__debezium.newkey", later.find(|other| other.part == PART_NEW_KEY)?)
        }
        PART_NEW_KEY => {
            let mut earlier = items.iter().take(index).rev().take_while(of_same);
            ("__debezium.oldkey", earlier.find(|other| other.part == PART_WHOLE)?)
        }
        _ => return None,
    };
    Some((name, messages.bytes(other.key?)))
}

#[cfg(test)]
mod tests {
    use super::write_commit;

    #[test]
    fn a_commit_is_written_as_postgres_writes_it() {
        for (commit, wanted) in [
            (0, "0/0/"),
            (0x16B_3748, "0/16B3748/"),
            (0x10, "0/10/"),
            (0xABCD_0000_0001, "ABCD/1/"),
            (u64::MAX, "FFFFFFFF/FFFFFFFF/"),
        ] {
            let mut out = Vec::new();
            write_commit(commit, &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), wanted);
        }
    }
}
