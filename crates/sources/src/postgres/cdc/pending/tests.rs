//! What is sent in blocks before its commit is told exactly as protocol 1 would have told it.

use std::collections::BTreeSet;

use bytes::BytesMut;
use flowglass_connect::Fault;
use flowglass_connect::stream::{Chunk, Position, Relation};
use flowglass_model::ErrorClass;
use proptest::prelude::*;

use super::hold::{Hold, Limits, Outgoing, Spilled};
use super::spill::{Replay, write};
use crate::postgres::cdc::assemble::{Assembly, Pause};
use crate::postgres::cdc::assemble_tests::{NOW, Wire, told};
use crate::postgres::cdc::fuzzing::relation;
use crate::postgres::cdc::message::Shape;

/// Some rows by the transaction itself (0) or by one of its parts.
#[derive(Debug, Clone)]
struct Piece {
    by: u32,
    rows: u32,
}

#[derive(Debug, Clone)]
struct History {
    pieces: Vec<Piece>,
    rolled_back_parts: BTreeSet<u32>,
    committed: bool,
    /// Whether the server sends it in blocks.
    in_blocks: bool,
}

fn history() -> impl Strategy<Value = History> {
    let piece = (0..4_u32, 1..6_u32).prop_map(|(by, rows)| Piece { by, rows });
    let parts = proptest::collection::btree_set(1..4_u32, 0..3);
    (proptest::collection::vec(piece, 1..6), parts, any::<bool>(), any::<bool>()).prop_map(
        |(pieces, rolled_back_parts, committed, in_blocks)| History {
            pieces,
            rolled_back_parts,
            committed,
            in_blocks,
        },
    )
}

/// What both protocols send of the same histories, their pieces taken in this order.
fn wires(histories: &[History], order: &[usize]) -> (Vec<u8>, Vec<u8>) {
    let (mut one, mut two) = (Wire::default().relation(1), Wire::default().relation(1));
    let mut given: Vec<Vec<(u32, u64)>> = vec![Vec::new(); histories.len()];
    let mut next_piece = vec![0; histories.len()];
    let mut place = 1000;
    let ends = (0..histories.len()).cycle().take(histories.len() * 6);
    for at in order.iter().map(|it| it % histories.len()).chain(ends) {
        let history = &histories[at];
        let number = 100 * (u32::try_from(at).unwrap() + 1);
        let Some(piece) = history.pieces.get(next_piece[at]) else { continue };
        let first = next_piece[at] == 0;
        next_piece[at] += 1;
        let rows: Vec<(u32, u64)> =
            (1..=u64::from(piece.rows)).map(|row| (number + piece.by, place + row)).collect();
        place += 10;
        if history.in_blocks {
            two = two.block(number, first);
            if first {
                two = two.relation_by(number, 1);
            }
            for (by, at) in &rows {
                two = two.row_by(*by, *at, (b'I', 1, &[(b'N', [Some(&at.to_string()), None])]));
            }
            two = two.block_end().alive(place);
        }
        given[at].extend(rows);
        if next_piece[at] < history.pieces.len() {
            continue;
        }
        let kept = |by: u32| !history.rolled_back_parts.contains(&(by - number));
        let whole = |mut wire: Wire| {
            wire = wire.begin_as(number, place);
            for (_, at) in given[at].iter().filter(|(by, _)| kept(*by)) {
                wire = wire.row_at(*at, (b'I', 1, &[(b'N', [Some(&at.to_string()), None])]));
            }
            wire.commit(place)
        };
        if history.in_blocks {
            for part in &history.rolled_back_parts {
                two = two.block_abort(number, number + part);
            }
            two = if history.committed {
                two.block_commit(number, place)
            } else {
                two.block_abort(number, number)
            };
        } else if history.committed {
            two = whole(two);
        }
        if history.committed {
            one = whole(one);
        }
        place += 10;
    }
    (one.alive(place).0, two.alive(place).0)
}

/// Reads a log that comes in pieces, with files in `folder`. Answers what was told, and how often
/// something went to a file.
async fn read(
    bytes: &[u8],
    (from, limits): (Position, Limits),
    folder: &std::path::Path,
) -> Result<(Vec<Chunk>, usize), Fault> {
    let mut assembly = Assembly::new(from, limits);
    let (mut chunks, mut spills) = (Vec::new(), 0);
    let mut buffer = BytesMut::new();
    for piece in bytes.chunks(777) {
        buffer.extend_from_slice(piece);
        loop {
            match assembly.read(&buffer, NOW)? {
                Pause::Empty => break,
                Pause::Shape(shape) => learn(&mut assembly, *shape),
                Pause::Crowded => {
                    let outgoing = assembly.hold.spill().expect("there is room");
                    assembly.hold.spilled(write(outgoing, folder.to_owned()).await?);
                    spills += 1;
                }
                Pause::Committed(transaction) => {
                    chunks.extend(assembly.cut(&mut buffer));
                    let (id, commit) = (transaction.id, transaction.commit);
                    let mut replay = Replay::of(&mut assembly.hold, u32::try_from(id).unwrap())?;
                    assembly.begin_replay(transaction)?;
                    chunks.extend(tell(&mut assembly, &mut replay, commit).await?);
                }
                _ => chunks.extend(assembly.cut(&mut buffer)),
            }
        }
    }
    chunks.extend(assembly.cut(&mut buffer));
    chunks.extend(assembly.position(NOW));
    assert_eq!(assembly.hold.bytes(), (0, 0), "nothing stays behind");
    Ok((chunks, spills))
}

async fn tell(
    assembly: &mut Assembly,
    replay: &mut Replay,
    commit: u64,
) -> Result<Vec<Chunk>, Fault> {
    let (mut chunks, mut buffer) = (Vec::new(), BytesMut::new());
    loop {
        match assembly.replay(&buffer, replay, NOW)? {
            Pause::Shape(shape) => learn(assembly, *shape),
            Pause::Empty if replay.is_done() => {
                assembly.end_replay(commit, NOW)?;
                chunks.extend(assembly.cut(&mut buffer));
                assert!(buffer.is_empty());
                return Ok(chunks);
            }
            pause => {
                chunks.extend(assembly.cut(&mut buffer));
                if pause == Pause::Empty {
                    replay.more(&mut buffer).await?;
                }
            }
        }
    }
}

/// As the catalog would have it.
fn learn(assembly: &mut Assembly, shape: Shape) {
    let before = assembly.decoder.known(shape.id).map_or(0, |it| it.version);
    let relation = Relation { version: before + 1, ..relation(shape) };
    assembly.decoder.learn(relation.into(), true);
}

fn on_a_runtime<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(work)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn both_protocols_tell_the_same(
        histories in proptest::collection::vec(history(), 1..6),
        order in proptest::collection::vec(0..6_usize, 0..20),
        memory_bytes_max in prop_oneof![Just(0_u64), Just(200_000), Just(64 << 20)],
    ) {
        let (one, two) = wires(&histories, &order);
        let folder = tempfile::tempdir().unwrap();
        let limits = Limits { memory_bytes_max, disk_bytes_max: 1 << 30 };
        on_a_runtime(async {
            let from = Position::after(0);
            let (whole, none) = read(&one, (from.clone(), limits), folder.path()).await.unwrap();
            let (pieced, some) = read(&two, (from, limits), folder.path()).await.unwrap();
            let (expected, marks) = told(&whole);
            let (told_changes, told_marks) = told(&pieced);
            assert_eq!(none, 0);
            assert_eq!(told_changes, expected);
            assert_eq!(told_marks.last(), marks.last());
            let in_blocks = histories.iter().any(|it| it.in_blocks);
            // With a little memory it depends on how many are in progress at once.
            if memory_bytes_max != 200_000 {
                assert_eq!(some > 0, in_blocks && memory_bytes_max == 0);
            }
            // From the middle of each transaction on, exactly the rest is told.
            for change in whole.iter().flat_map(|it| it.changes(0, usize::MAX)) {
                let from = change.position();
                let rest = read(&two, (from, limits), folder.path()).await.unwrap().0;
                let rest = told(&rest).0;
                assert!(expected.ends_with(&rest));
                let here = format!("{} ", change.position());
                let at = expected.iter().position(|it| it.starts_with(&here)).unwrap();
                assert_eq!(rest.len(), expected.len() - at - 1);
            }
            // Nothing has a name.
            assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        });
    }
}

#[test]
fn a_large_transaction_comes_back_from_its_file_in_chunks_that_fit() {
    let mut wire = Wire::default().block(7, true).relation_by(7, 1);
    let long = "x".repeat(500);
    for row in 0..20_000_u64 {
        // Every third row is of a part that is rolled back.
        let by = if row % 3 == 0 { 8 } else { 7 };
        wire = wire.row_by(by, row, (b'I', 1, &[(b'N', [Some(&row.to_string()), Some(&long)])]));
    }
    let wire = wire.block_end().block_abort(7, 8).block_commit(7, 900_000);
    let folder = tempfile::tempdir().unwrap();
    let limits = Limits { memory_bytes_max: 2 << 20, disk_bytes_max: 1 << 30 };
    let (chunks, spills) = on_a_runtime(read(
        &wire.0,
        (Position::after(0), limits),
        &folder.path().join("not/there/yet"),
    ))
    .unwrap();
    assert!(spills >= 4, "{spills}");
    assert!(chunks.iter().all(|it| it.memory_bytes() < 3 << 20));
    assert_eq!(chunks.iter().map(Chunk::len).sum::<usize>(), 13_333);
    let last = chunks.last().unwrap();
    assert_eq!(last.marks().last().unwrap().position, Position::after(900_000));
    assert_eq!(last.marks().last().unwrap().after, last.len(), "told with its last row");
    let rows = chunks.iter().flat_map(|it| it.changes(0, usize::MAX));
    let places: Vec<u64> = rows.map(|it| it.head().place).collect();
    assert!(places.iter().copied().eq((0..20_000).filter(|it| it % 3 != 0)));
}

#[test]
fn a_full_disk_is_told_with_the_way_out() {
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let outgoing = Outgoing {
        transaction: 7,
        spilled: Some(Spilled { file: full, bytes: 0 }),
        blocks: [BytesMut::from(&b"some"[..])].into(),
    };
    let fault = on_a_runtime(write(outgoing, "/nowhere".into())).unwrap_err();
    assert_eq!(fault.class(), ErrorClass::DiskFull, "{}", fault.chain());
    assert!(fault.advice().contains("streaming: off"), "{}", fault.advice());
}

#[test]
fn files_have_a_bound() {
    let mut hold = Hold::new(Limits { memory_bytes_max: 0, disk_bytes_max: 100 });
    let wire = Wire::default().block(7, true).row_by(7, 1, (b'D', 1, &[]));
    let limits = Limits { memory_bytes_max: 0, disk_bytes_max: 10 };
    let mut assembly = Assembly::new(Position::after(0), limits);
    assert_eq!(assembly.read(&wire.0, NOW), Ok(Pause::Crowded));
    assert!(assembly.hold.spill().is_none());
    assert!(hold.spill().is_none(), "there is nothing that could go");
}

#[test]
fn blocks_that_make_no_sense_are_refused() {
    let read = |wire: Wire| {
        let limits = Limits { memory_bytes_max: 1 << 30, disk_bytes_max: 0 };
        let mut assembly = Assembly::new(Position::after(0), limits);
        assembly.read(&wire.0, NOW).unwrap_err().to_string()
    };
    for (wire, said) in [
        (Wire::default().block(7, false), "without a beginning"),
        (Wire::default().block(7, true).block_end().block(7, true), "begins again"),
        (Wire::default().begin(9).block(7, true), "inside another"),
        (Wire::default().block(7, true).commit(5), "that it cannot"),
        (Wire::default().block_end(), "does not belong here"),
    ] {
        let found = read(wire);
        assert!(found.contains(said), "{found}");
    }
    let mut hold = Hold::new(Limits { memory_bytes_max: 0, disk_bytes_max: 0 });
    assert!(Replay::of(&mut hold, 7).is_err());
}

#[test]
fn a_description_that_came_later_holds_again_behind_an_older_transaction() {
    let row = |kind| (kind, 1, &[(b'N', [Some("1"), Some("x")])][..]);
    // The publication's list of columns changes while a transaction is in progress.
    let wire = Wire::default()
        .block(7, true)
        .relation_by(7, 1)
        .row_by(7, 1, row(b'I'))
        .block_end()
        .other_relation(1, None)
        .begin_as(9, 100)
        .row_at(2, row(b'I'))
        .commit(100)
        .block_commit(7, 200)
        .begin_as(11, 300)
        .row_at(3, row(b'I'))
        .commit(300);
    // And the other way round: what it tells last holds.
    let wire = wire
        .block(13, true)
        .relation_by(13, 1)
        .row_by(13, 4, row(b'I'))
        .block_end()
        .block_commit(13, 400)
        .begin_as(15, 500)
        .row_at(5, row(b'I'))
        .commit(500);
    let folder = tempfile::tempdir().unwrap();
    let limits = Limits { memory_bytes_max: 64 << 20, disk_bytes_max: 0 };
    let read = read(&wire.0, (Position::after(0), limits), folder.path());
    let (chunks, _) = on_a_runtime(read).unwrap();
    let seconds = chunks.iter().flat_map(|it| it.changes(0, usize::MAX)).map(|change| {
        let relation = change.relation();
        (relation.columns[1].name.clone(), relation.version)
    });
    let told: Vec<(String, u32)> = seconds.collect();
    let expected = [("c", 1), ("b", 2), ("c", 3), ("b", 4), ("b", 4)];
    assert_eq!(told, expected.map(|(name, version)| (name.to_owned(), version)));
}
