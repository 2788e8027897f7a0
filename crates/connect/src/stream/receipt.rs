//! Receipts: what a sink has acknowledged, in a form that can be held against what it holds later.
//!
//! The row ledger sums hashes of the source's bytes, which a sink does not keep. A receipt sums hashes
//! of what was delivered instead: of each message its idempotency key, its key and its body, by
//! destination. A sum does not depend on the order, so that whoever reads a destination again, from
//! whichever end, comes to the same sum, unless a message is missing, is there twice or says something
//! else. Where a sink keeps rows by their key and forgets what happened to them, only how many rows
//! there should be can be kept.

use std::collections::BTreeMap;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use twox_hash::XxHash3_64;

use super::change::{ChangeRef, Op};
use super::position::Position;

/// Destinations that one receipt counts apart. A route by a column's values may name any number.
pub const DESTINATIONS_MAX: usize = 1_000;

/// Hash of a message as it is delivered. An absent part is another thing than an empty one, and the
/// same as a JSON `null`, which is how it is written where every message has all parts.
#[must_use]
pub fn message_hash(id: &[u8], key: Option<&[u8]>, body: Option<&[u8]>) -> u64 {
    let part = |seed: u64, part: Option<&[u8]>| match part {
        Some(bytes) if bytes != b"null" => XxHash3_64::oneshot_with_seed(seed, bytes),
        _ => XxHash3_64::oneshot_with_seed(!seed, b"\0"),
    };
    part(part(XxHash3_64::oneshot(id), key), body)
}

/// Hash of a body alone, for places that keep nothing else.
#[must_use]
pub fn body_hash(body: &[u8]) -> u64 {
    XxHash3_64::oneshot(body)
}

/// Messages and the sum of their hashes, which wraps.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// How many.
    pub messages: u64,
    /// Sum of their hashes, modulo 2^64.
    pub hash: u64,
}

impl Tally {
    /// Adds one message.
    pub const fn add(&mut self, hash: u64) {
        self.messages += 1;
        self.hash = self.hash.wrapping_add(hash);
    }

    /// Adds another sum.
    pub const fn join(&mut self, other: Self) {
        self.messages += other.messages;
        self.hash = self.hash.wrapping_add(other.hash);
    }

    /// What was added since `earlier`.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Self {
        Self {
            messages: self.messages.saturating_sub(earlier.messages),
            hash: self.hash.wrapping_sub(earlier.hash),
        }
    }
}

/// What should have become of a table that is kept by its key.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TableTally {
    /// Changes that were delivered.
    pub changes: u64,
    /// Rows more than at the beginning; since the table was emptied where [`TableTally::emptied`].
    pub net: i64,
    /// Whether it was emptied meanwhile.
    pub emptied: bool,
    /// Rows that a processor left out, or that were set aside: the table need not have what the
    /// source has.
    pub left_out: u64,
    /// The commit that the rows of a snapshot were read at.
    pub read_at: Option<u64>,
    /// Rows were read beside other changes: some of them may have been there already.
    pub mixed: bool,
}

impl TableTally {
    /// Adds a change that was delivered.
    pub fn add(&mut self, change: &ChangeRef<'_>) {
        self.add_op(change.op(), change.transaction().commit);
    }

    fn add_op(&mut self, op: Op, commit: u64) {
        match op {
            Op::Insert => self.net += 1,
            Op::Delete => self.net -= 1,
            Op::Update => {}
            Op::Read => {
                self.mixed |= self.changes > 0 && self.read_at != Some(commit);
                self.read_at = Some(commit);
                self.net += 1;
            }
            Op::Truncate => {
                self.net = 0;
                self.emptied = true;
            }
        }
        self.changes += 1;
    }

    /// Adds what came after this.
    pub fn join(&mut self, later: &Self) {
        // The batches of one snapshot were read at one commit.
        let reads_again = later.read_at.is_some() && later.read_at != self.read_at;
        self.mixed |= later.mixed || (self.changes > 0 && reads_again);
        self.net = if later.emptied { later.net } else { self.net + later.net };
        self.emptied |= later.emptied;
        self.changes += later.changes;
        self.left_out += later.left_out;
        self.read_at = later.read_at.or(self.read_at);
    }
}

/// What was delivered, by destination.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Receipt {
    /// By destination: topic, stream, folder.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub messages: BTreeMap<String, Tally>,
    /// By table of the source, for sinks that keep tables.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub tables: BTreeMap<String, TableTally>,
    /// There were too many destinations, or an acknowledgement came without its receipt: what is
    /// counted here is not all.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub partial: bool,
}

impl Receipt {
    /// A receipt that says that something was delivered and not what.
    #[must_use]
    pub fn unknown() -> Self {
        Self { partial: true, ..Self::default() }
    }

    /// The sum of a destination; none when there is no room for one more.
    pub fn of(&mut self, destination: &str) -> Option<&mut Tally> {
        if !self.messages.contains_key(destination) {
            if self.messages.len() >= DESTINATIONS_MAX {
                self.partial = true;
                return None;
            }
            self.messages.insert(destination.to_owned(), Tally::default());
        }
        self.messages.get_mut(destination)
    }

    /// The sums of a table; none when there is no room for one more.
    pub fn table(&mut self, name: &str) -> Option<&mut TableTally> {
        if !self.tables.contains_key(name) {
            if self.tables.len() >= DESTINATIONS_MAX {
                self.partial = true;
                return None;
            }
            self.tables.insert(name.to_owned(), TableTally::default());
        }
        self.tables.get_mut(name)
    }

    /// Adds what came after this.
    pub fn join(&mut self, later: &Self) {
        for (name, sum) in &later.messages {
            if let Some(known) = self.of(name) {
                known.join(*sum);
            }
        }
        for (name, sum) in &later.tables {
            if let Some(known) = self.table(name) {
                known.join(sum);
            }
        }
        self.partial |= later.partial;
    }
}

/// Receipts since a moment, and where the sink stood then. A stream that is started anew begins a new
/// account; what a crash kept from being written lies between the end of the one and the beginning of
/// the next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Names the account among those of the sink, in order: nanoseconds since 1970 when it began.
    pub number: i64,
    /// Where the sink stood before its first receipt.
    pub from: Position,
    /// Everything since.
    pub sums: Receipt,
}

/// A dead letter that was delivered after all, at a place that the stream has passed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LateReceipt {
    /// The stream.
    pub stream: String,
    /// The sink.
    pub sink: String,
    /// Where it went.
    pub destination: String,
    /// The commit that its change belongs to.
    pub commit: u64,
    /// The messages.
    pub sum: Tally,
}

/// What an idempotency key says: see [`crate::encode::idempotency_key`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageId {
    /// Where the transaction was committed: [`Position::commit`].
    pub commit: u64,
    /// The table's number for rows that were read; none for changes.
    pub table: Option<u32>,
    /// The row's number.
    pub row: u64,
    /// Which of the messages of the change.
    pub part: u8,
}

/// The text is not an idempotency key of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ParseMessageIdError;

impl FromStr for MessageId {
    type Err = ParseMessageIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bad = ParseMessageIdError;
        let mut parts = text.split('/');
        let (high, low) = (parts.next().ok_or(bad)?, parts.next().ok_or(bad)?);
        let place: Position = format!("{high}/{low}").parse().map_err(|_| bad)?;
        let row = parts.next().ok_or(bad)?;
        let part = parts.next().map_or(Ok(0), str::parse).map_err(|_| bad)?;
        if parts.next().is_some() || low.contains('+') {
            return Err(bad);
        }
        let (table, row) = match row.strip_prefix('r') {
            Some(read) => {
                let (table, row) = read.split_once('.').ok_or(bad)?;
                (Some(table.parse().map_err(|_| bad)?), row)
            }
            None => (None, row),
        };
        let row = row.parse().map_err(|_| bad)?;
        Ok(Self { commit: place.commit, table, row, part })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_tells_every_part_from_every_other() {
        let all = [
            message_hash(b"1", Some(b"k"), Some(b"v")),
            message_hash(b"2", Some(b"k"), Some(b"v")),
            message_hash(b"1", None, Some(b"v")),
            message_hash(b"1", Some(b""), Some(b"v")),
            message_hash(b"1", Some(b"k"), None),
            message_hash(b"1", Some(b"k"), Some(b"")),
            message_hash(b"1", Some(b"kv"), Some(b"")),
            message_hash(b"1k", None, Some(b"v")),
        ];
        let distinct: std::collections::HashSet<_> = all.iter().collect();
        assert_eq!(distinct.len(), all.len());
        // What is kept in stores must be read by later versions.
        assert_eq!(all.first(), Some(&message_hash(b"1", Some(b"k"), Some(b"v"))));
    }

    #[test]
    fn sums_do_not_depend_on_the_order_and_can_be_taken_apart() {
        let (mut one, mut other) = (Tally::default(), Tally::default());
        for hash in [u64::MAX, 7, 9] {
            one.add(hash);
        }
        for hash in [9, u64::MAX, 7] {
            other.add(hash);
        }
        assert_eq!(one, other);
        let mut more = one;
        more.add(5);
        assert_eq!(more.since(one), Tally { messages: 1, hash: 5 });
    }

    #[test]
    fn tables_are_counted_by_what_happened_to_their_rows() {
        let after = |ops: &[(Op, u64)]| {
            let mut tally = TableTally::default();
            ops.iter().for_each(|(op, commit)| tally.add_op(*op, *commit));
            tally
        };
        let plain = after(&[(Op::Read, 1), (Op::Read, 1), (Op::Insert, 2), (Op::Delete, 3)]);
        assert_eq!((plain.net, plain.mixed, plain.changes), (2, false, 4));
        assert!(after(&[(Op::Insert, 1), (Op::Read, 2)]).mixed);
        assert!(after(&[(Op::Read, 1), (Op::Insert, 2), (Op::Read, 3)]).mixed);
        assert!(after(&[(Op::Read, 1), (Op::Read, 2)]).mixed);
        let emptied = after(&[(Op::Insert, 1), (Op::Truncate, 2), (Op::Insert, 3)]);
        assert_eq!((emptied.net, emptied.emptied), (1, true));
        let mut both = plain.clone();
        both.join(&emptied);
        assert_eq!(both.net, 1);
        let mut again = plain.clone();
        again.join(&after(&[(Op::Read, 1)]));
        assert!(!again.mixed, "the next batch of the same snapshot");
        again.join(&after(&[(Op::Read, 9)]));
        assert!(again.mixed, "a second snapshot may bring rows that are there");
    }

    #[test]
    fn there_is_room_for_so_many_destinations() {
        let mut receipt = Receipt::default();
        for number in 0..DESTINATIONS_MAX {
            assert!(receipt.of(&number.to_string()).is_some());
        }
        assert!(receipt.of("one more").is_none() && receipt.partial);
        assert!(receipt.of("7").is_some());
        let text = serde_json::to_string(&receipt).unwrap();
        assert_eq!(serde_json::from_str::<Receipt>(&text).unwrap(), receipt);
        // What a store may hold of this version.
        let kept = r#"{"messages":{"t":{"messages":2,"hash":18446744073709551615}}}"#;
        let kept: Receipt = serde_json::from_str(kept).unwrap();
        assert_eq!(kept.messages.get("t"), Some(&Tally { messages: 2, hash: u64::MAX }));
    }

    #[test]
    fn an_idempotency_key_reads_back() {
        let id = |commit, table, row, part| Ok(MessageId { commit, table, row, part });
        assert_eq!("0/16B3748/12".parse(), id(0x16B_3748, None, 12, 0));
        assert_eq!("1/0/r16385.12/1".parse(), id(1 << 32, Some(16_385), 12, 1));
        for text in ["", "0/1", "0/1/", "0/1/x", "0/1/r5", "0/1/2/3/4", "0/1+2/3", "x/1/2"] {
            assert_eq!(text.parse::<MessageId>(), Err(ParseMessageIdError), "{text}");
        }
    }
}
