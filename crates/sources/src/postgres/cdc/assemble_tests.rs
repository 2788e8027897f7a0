//! The assembly over bytes that a server never sends, and over those that it does, cut anywhere.

use std::time::Duration;

use bytes::BytesMut;
use flowglass_connect::stream::{Chunk, Column, Datum, Identity, Kind, Op, Position, Relation};
use proptest::prelude::*;

use super::assemble::{Assembly, CHUNK_CHANGES_MAX, Pause};
use super::broken::Broken;
use super::pending::Limits;

pub(super) const NOW: Duration = Duration::ZERO;

/// Builds what a walsender sends.
#[derive(Default)]
pub(super) struct Wire(pub(super) Vec<u8>);

/// A row as a message tells it: the kind, the table, and what each tuple is and holds.
type Row<'a> = (u8, u32, &'a [(u8, [Option<&'a str>; 2])]);

impl Wire {
    pub(super) fn log(mut self, place: u64, message: &[u8]) -> Self {
        let length = u32::try_from(message.len() + 29).unwrap();
        self.0.extend([&b"d"[..], &length.to_be_bytes(), b"w", &place.to_be_bytes()].concat());
        self.0.extend([0; 16]);
        self.0.extend(message);
        self
    }

    pub(super) fn alive(mut self, end: u64) -> Self {
        self.0.extend([&b"d\0\0\0\x16k"[..], &end.to_be_bytes(), &[0; 9]].concat());
        self
    }

    pub(super) fn begin(self, commit: u64) -> Self {
        self.log(commit, &[b"B", &commit.to_be_bytes()[..], &[0; 8], &7u32.to_be_bytes()].concat())
    }

    pub(super) fn commit(self, commit: u64) -> Self {
        let message = [b"C\0", &commit.to_be_bytes()[..], &[0; 16]].concat();
        self.log(commit, &message)
    }

    pub(super) fn relation(self, id: u32) -> Self {
        self.log(0, &Self::relation_message(id))
    }

    fn relation_message(id: u32) -> Vec<u8> {
        let mut message = [b"R", &id.to_be_bytes()[..], b"s\0t\0d\0\x02"].concat();
        for name in [b"\x01a\0", b"\0b\0"] {
            message.extend([&name[..], &25u32.to_be_bytes(), &[0xff; 4]].concat());
        }
        message
    }

    fn row(self, kind: u8, table: u32, tuples: &[(u8, [Option<&str>; 2])]) -> Self {
        self.row_at(5, (kind, table, tuples))
    }

    pub(super) fn row_at(self, place: u64, row: Row<'_>) -> Self {
        self.log(place, &Self::row_message(row))
    }

    /// A transaction of that number begins.
    pub(super) fn begin_as(self, transaction: u32, commit: u64) -> Self {
        let number = transaction.to_be_bytes();
        self.log(commit, &[b"B", &commit.to_be_bytes()[..], &[0; 8], &number].concat())
    }

    /// `S`: a block begins.
    pub(super) fn block(self, transaction: u32, first: bool) -> Self {
        self.log(0, &[b"S", &transaction.to_be_bytes()[..], &[u8::from(first)]].concat())
    }

    /// `E`: it ends.
    pub(super) fn block_end(self) -> Self {
        self.log(0, b"E")
    }

    /// `c`: a transaction that was sent in blocks is committed.
    pub(super) fn block_commit(self, transaction: u32, commit: u64) -> Self {
        let number = transaction.to_be_bytes();
        self.log(commit, &[b"c", &number[..], b"\0", &commit.to_be_bytes(), &[0; 16]].concat())
    }

    /// `A`: a part of it was rolled back, or all of it.
    pub(super) fn block_abort(self, transaction: u32, part: u32) -> Self {
        self.log(0, &[b"A", &transaction.to_be_bytes()[..], &part.to_be_bytes()].concat())
    }

    /// A row inside a block.
    pub(super) fn row_by(self, by: u32, place: u64, row: Row<'_>) -> Self {
        self.log(place, &numbered(&Self::row_message(row), by))
    }

    /// A table that is described inside a block.
    pub(super) fn relation_by(self, by: u32, id: u32) -> Self {
        self.log(0, &numbered(&Self::relation_message(id), by))
    }

    /// The same with its second column under another name.
    pub(super) fn other_relation(self, id: u32, by: Option<u32>) -> Self {
        let mut message = Self::relation_message(id);
        let at = message.windows(3).position(|it| it == b"\0b\0").unwrap();
        message[at + 1] = b'c';
        self.log(0, &by.map_or(message.clone(), |by| numbered(&message, by)))
    }

    fn row_message((kind, table, tuples): Row<'_>) -> Vec<u8> {
        let mut message = [&[kind][..], &table.to_be_bytes()].concat();
        for (marker, cells) in tuples {
            message.extend([*marker, 0, 2]);
            for cell in cells {
                match cell {
                    None => message.push(b'n'),
                    Some("~") => message.push(b'u'),
                    Some(text) => {
                        message.push(b't');
                        message.extend(u32::try_from(text.len()).unwrap().to_be_bytes());
                        message.extend(text.bytes());
                    }
                }
            }
        }
        message
    }
}

/// A message with the number of its transaction behind its kind, as blocks have it.
fn numbered(message: &[u8], by: u32) -> Vec<u8> {
    let (kind, rest) = message.split_first().unwrap();
    [&[*kind][..], &by.to_be_bytes(), rest].concat()
}

pub(super) fn relation(id: u32) -> Relation {
    let column = |name: &str| Column {
        name: name.into(),
        kind: Kind::Text,
        native: "text".into(),
        nullable: true,
    };
    Relation {
        id,
        database: "d".into(),
        schema: "s".into(),
        table: "t".into(),
        columns: vec![column("a"), column("b")],
        key: vec![0],
        version: 1,
    }
}

/// An assembly with so little room that nothing waits for it.
pub(super) const LIMITS: Limits = Limits { memory_bytes_max: 4 << 20, disk_bytes_max: 1 << 30 };

fn assembly(from: Position) -> Assembly {
    Assembly::new(from, LIMITS)
}

/// Drives an assembly over bytes that come in pieces.
fn drive(assembly: &mut Assembly, pieces: &[&[u8]]) -> Result<Vec<Chunk>, Broken> {
    let mut buffer = BytesMut::new();
    let mut chunks = Vec::new();
    for piece in pieces {
        buffer.extend_from_slice(piece);
        loop {
            match assembly.read(&buffer, NOW)? {
                Pause::Empty => break,
                Pause::Full => chunks.extend(assembly.cut(&mut buffer)),
                Pause::Shape(shape) => {
                    assembly.decoder.learn(relation(shape.id).into(), shape.id != 99);
                }
                _ => {}
            }
        }
    }
    chunks.extend(assembly.cut(&mut buffer));
    chunks.extend(assembly.position(NOW));
    Ok(chunks)
}

fn text(datum: Datum<'_>) -> String {
    match datum {
        Datum::Null => "null".into(),
        Datum::Unchanged => "unchanged".into(),
        Datum::Text(text) | Datum::Binary(text) => String::from_utf8_lossy(text).into_owned(),
    }
}

/// Everything a chunk says, as one text a change and one a mark.
pub(super) fn told(chunks: &[Chunk]) -> (Vec<String>, Vec<String>) {
    let changes = chunks.iter().flat_map(|chunk| chunk.changes(0, usize::MAX)).map(|change| {
        let row = |row: Option<flowglass_connect::stream::RowRef<'_>>| {
            row.map(|row| row.data().map(text).collect::<Vec<_>>())
        };
        format!(
            "{} {} {:?} {:?} {:?} {:x}",
            change.position(),
            change.op().name(),
            change.head().identity,
            row(change.before()),
            row(change.after()),
            change.head().hash,
        )
    });
    let changes = changes.collect();
    let marks = chunks.iter().flat_map(Chunk::marks);
    (changes, marks.map(|mark| mark.position.to_string()).collect())
}

fn sample() -> Vec<u8> {
    Wire::default()
        .begin(100)
        .relation(1)
        .row(b'I', 1, &[(b'N', [Some("1"), Some("x")])])
        .row(b'U', 1, &[(b'N', [Some("1"), Some("~")])])
        .commit(100)
        .alive(150)
        .begin(200)
        .row(b'U', 1, &[(b'K', [Some("1"), None]), (b'N', [Some("2"), None])])
        .row(b'U', 1, &[(b'O', [Some("2"), Some("big")]), (b'N', [Some("2"), Some("~")])])
        .row(b'D', 1, &[(b'K', [Some("2"), None])])
        .log(6, &[b"T", &1u32.to_be_bytes()[..], b"\0", &1u32.to_be_bytes()].concat())
        .commit(200)
        .alive(301)
        .0
}

#[test]
fn a_log_is_told_as_it_was_written() {
    let (changes, marks) = told(&drive(&mut assembly(Position::after(0)), &[&sample()]).unwrap());
    let changes: Vec<&str> = changes.iter().map(|it| it.rsplit_once(' ').unwrap().0).collect();
    assert_eq!(
        changes,
        [
            r#"0/64+1 insert None None Some(["1", "x"])"#,
            r#"0/64+2 update None None Some(["1", "unchanged"])"#,
            r#"0/C8+1 update Key Some(["1", "null"]) Some(["2", "null"])"#,
            // A large value that did not change is known where the whole row before is.
            r#"0/C8+2 update Full Some(["2", "big"]) Some(["2", "big"])"#,
            r#"0/C8+3 delete Key Some(["2", "null"]) None"#,
            r"0/C8+4 truncate None None None",
        ]
    );
    assert_eq!(marks, ["0/95", "0/12C"]);
}

#[test]
fn what_was_taken_is_not_given_again() {
    let whole = told(&drive(&mut assembly(Position::after(0)), &[&sample()]).unwrap()).0;
    for (from, skipped) in [
        (Position::inside(100, 0), 0),
        (Position::inside(100, 1), 1),
        (Position::after(100), 2),
        (Position::after(149), 2),
        (Position::inside(200, 3), 5),
        (Position::inside(200, 4), 6),
        (Position::after(200), 6),
    ] {
        let chunks = drive(&mut assembly(from.clone()), &[&sample()]).unwrap();
        let (changes, marks) = told(&chunks);
        assert_eq!(changes, whole[skipped..], "{from}");
        assert!(marks.iter().all(|mark| mark.parse::<Position>().unwrap() > from), "{from}");
    }
    let beyond = drive(&mut assembly(Position::inside(200, 5)), &[&sample()]);
    assert_eq!(
        beyond.unwrap_err(),
        Broken("a transaction is shorter than when it was read before")
    );
}

#[test]
fn changes_of_tables_that_are_not_wanted_are_counted() {
    let wire = Wire::default()
        .begin(100)
        .relation(99)
        .row(b'I', 99, &[(b'N', [Some("1"), Some("x")])])
        .relation(1)
        .row(b'I', 1, &[(b'N', [Some("1"), Some("x")])])
        .commit(100);
    let (changes, _) = told(&drive(&mut assembly(Position::after(0)), &[&wire.0]).unwrap());
    assert!(changes[0].starts_with("0/64+2 insert") && changes.len() == 1);
}

#[test]
fn an_unfinished_transaction_is_cut_into_chunks_that_fit() {
    let count = CHUNK_CHANGES_MAX * 2 + 5;
    let mut wire = Wire::default().begin(100).relation(1);
    for _ in 0..count {
        wire = wire.row(b'I', 1, &[(b'N', [Some("1"), Some("x")])]);
    }
    let mut assembly = assembly(Position::after(0));
    let chunks = drive(&mut assembly, &[&wire.0]).unwrap();
    assert_eq!(chunks.iter().map(Chunk::len).collect::<Vec<_>>(), [8192, 8192, 5]);
    assert_eq!(assembly.decoder.at(), Position::inside(100, count as u64));
    let last = chunks[2].change(0).unwrap();
    assert_eq!((last.head().row, last.transaction().id, last.op()), (16384, 7, Op::Insert));
    assert_eq!(last.head().identity, Identity::None);
    assert!(chunks.iter().all(|chunk| chunk.marks().is_empty()));
}

#[test]
fn a_transaction_that_is_committed_right_behind_a_message_is_not_passed_over() {
    // What the server tells of a message is the end of its record, where the commit begins.
    let message = [&b"M\0"[..], &500_u64.to_be_bytes(), b"flowglass.heartbeat\0", &[0; 4]].concat();
    let wire = Wire::default().relation(1).log(500, &message).begin(500);
    let wire = wire.row(b'I', 1, &[(b'N', [Some("1"), Some("x")])]).commit(500);
    let (changes, _) = told(&drive(&mut assembly(Position::after(400)), &[&wire.0]).unwrap());
    assert_eq!(changes.len(), 1);
}

#[test]
fn the_seeds_of_the_fuzz_target_are_logs() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds/pglog");
    let told = |name: &str| {
        let bytes = std::fs::read(folder.join(format!("{name}.bin"))).unwrap();
        super::fuzzing::log(&bytes).unwrap()
    };
    // Two cells a row; the row that was rolled back is not among them.
    assert_eq!((told("plain"), told("blocks"), told("messages")), (14, 6, 2));
}

proptest! {
    #[test]
    fn cutting_the_bytes_anywhere_changes_nothing(
        mut cuts in proptest::collection::vec(0..sample().len(), 0..12)
    ) {
        let bytes = sample();
        cuts.sort_unstable();
        let mut pieces = Vec::new();
        let mut from = 0;
        for cut in cuts.into_iter().chain([bytes.len()]) {
            pieces.push(&bytes[from..cut]);
            from = cut;
        }
        let whole = drive(&mut assembly(Position::after(0)), &[&bytes]).unwrap();
        let pieced = drive(&mut assembly(Position::after(0)), &pieces).unwrap();
        prop_assert_eq!(told(&whole), told(&pieced));
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        drop(drive(&mut assembly(Position::after(0)), &[&bytes]));
        // As the message of a well-formed frame, which most random bytes never become.
        let framed = Wire::default().begin(9).relation(1).log(3, &bytes).commit(9).0;
        drop(drive(&mut assembly(Position::after(0)), &[&framed]));
    }

    #[test]
    fn no_damaged_log_makes_it_panic(
        at in 0..sample().len(), with in any::<u8>(), cut in 0..sample().len()
    ) {
        let mut bytes = sample();
        bytes[at] = with;
        drop(drive(&mut assembly(Position::after(0)), &[&bytes]).map(|it| told(&it)));
        bytes.truncate(cut);
        drop(drive(&mut assembly(Position::after(0)), &[&bytes]).map(|it| told(&it)));
    }
}
