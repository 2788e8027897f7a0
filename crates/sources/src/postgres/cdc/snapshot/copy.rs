//! From the lines of a text `COPY` to rows. Text, not binary: only text is what the log's cells say,
//! letter for letter.
//! <https://www.postgresql.org/docs/current/sql-copy.html#id-1.9.3.55.9.2>

use flowglass_connect::stream::{Cell, ChunkBuilder, Identity, NewChange, Op, Transaction};

use crate::postgres::cdc::broken::Broken;

/// A row's number leaves so many bits to its place in its part.
const PLACE_BITS: u32 = 48;

/// What every row of a chunk has in common.
#[derive(Debug, Clone, Copy)]
pub(in super::super) struct Common {
    pub(in super::super) relation: u16,
    pub(in super::super) transaction: u32,
    pub(in super::super) columns: usize,
    /// Index of the part, which is in the row's number.
    pub(in super::super) part: usize,
    pub(in super::super) place: u64,
}

/// Adds one line to the chunk: the row's place in its table, then its cells.
pub(in super::super) fn push_line(
    into: &mut ChunkBuilder,
    line: &[u8],
    common: Common,
) -> Result<(), Broken> {
    let body = line.strip_suffix(b"\n").unwrap_or(line);
    let mut fields = body.split(|byte| *byte == b'\t');
    let place = fields.next().and_then(place).ok_or(Broken("a row has no place"))?;
    let start = into.cell_start();
    let mut count = 0;
    for field in fields {
        if field == br"\N" {
            into.push_cell(Cell::NULL);
        } else {
            into.push_text(|bytes| unescape(field, bytes));
        }
        count += 1;
    }
    if count != common.columns {
        return Err(Broken("a row has another number of cells than its table has columns"));
    }
    let part = u64::try_from(common.part).map_err(|_| Broken("there are too many tables"))?;
    let change = NewChange {
        op: Op::Read,
        identity: Identity::None,
        relation: common.relation,
        transaction: common.transaction,
        before: None,
        after: Some(start),
        row: (part << PLACE_BITS) | place,
        place: common.place,
    };
    into.push_change(change, line);
    Ok(())
}

/// The place at the beginning of a line: page and item.
pub(in super::super) fn place_of(line: &[u8]) -> Option<(u32, u16)> {
    let packed = place(line.split(|byte| *byte == b'\t').next()?)?;
    Some((u32::try_from(packed >> 16).ok()?, u16::try_from(packed & 0xffff).ok()?))
}

/// `(12,3)`: page and item, packed as the server packs them.
fn place(text: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(text).ok()?;
    let (page, item) = text.strip_prefix('(')?.strip_suffix(')')?.split_once(',')?;
    let (page, item): (u32, u16) = (page.parse().ok()?, item.parse().ok()?);
    Some((u64::from(page) << 16) | u64::from(item))
}

/// Takes the backslashes out of a field.
fn unescape(field: &[u8], into: &mut Vec<u8>) {
    let mut rest = field;
    while let Some(at) = rest.iter().position(|byte| *byte == b'\\') {
        let (plain, escaped) = rest.split_at(at);
        into.extend_from_slice(plain);
        let Some((letter, behind)) = escaped.get(1..).and_then(<[u8]>::split_first) else {
            return;
        };
        into.push(match letter {
            b'b' => 8,
            b'f' => 12,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'v' => 11,
            other => *other,
        });
        rest = behind;
    }
    into.extend_from_slice(rest);
}

/// The one transaction that a chunk of a snapshot has.
pub(in super::super) const fn transaction(commit: u64, committed_at_micros: i64) -> Transaction {
    Transaction { id: 0, commit, committed_at_micros }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use flowglass_connect::stream::{Column, Datum, Kind, Relation};

    use super::*;

    fn read(line: &[u8]) -> Result<(u64, Vec<Option<String>>), Broken> {
        let column = |name: &str| Column {
            name: name.into(),
            kind: Kind::Text,
            native: "text".into(),
            nullable: true,
        };
        let relation = Relation {
            id: 1,
            database: "d".into(),
            schema: "s".into(),
            table: "t".into(),
            columns: vec![column("a"), column("b")],
            key: vec![],
            version: 1,
        };
        let mut chunk = ChunkBuilder::new(Duration::ZERO, 0);
        let relation = chunk.relation(&Arc::new(relation));
        let transaction = chunk.transaction(transaction(1, 2));
        let common = Common { relation, transaction, columns: 2, part: 3, place: 9 };
        push_line(&mut chunk, line, common)?;
        let chunk = chunk.finish();
        let change = chunk.change(0).unwrap();
        let cells = change.after().unwrap().data().map(|datum| match datum {
            Datum::Text(text) => Some(String::from_utf8(text.to_vec()).unwrap()),
            _ => None,
        });
        Ok((change.head().row, cells.collect()))
    }

    #[test]
    fn lines_are_read_without_their_escapes() {
        let (row, cells) = read(b"(7,2)\t\\\\N\\t\\n\\\\\t\\N\n").unwrap();
        assert_eq!(row, (3 << 48) | (7 << 16) | 2);
        assert_eq!(cells, [Some("\\N\t\n\\".to_owned()), None]);
        assert_eq!(
            read(b"(7,2)\t\t\xc3\xa9\n").unwrap().1,
            [Some(String::new()), Some("é".into())]
        );
        for wrong in
            [&b"(7,2)\ta\n"[..], b"(7,2)\ta\tb\tc\n", b"7,2\ta\tb\n", b"", b"(7,99999)\ta\tb"]
        {
            assert!(read(wrong).is_err());
        }
    }
}
