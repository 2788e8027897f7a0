//! The rows: each a pure function of the seed and its number.

use std::io::Write;
use std::sync::Arc;

use flowglass_connect::stream::{
    Cell, ChunkBuilder, Column, Identity, Kind, NewChange, Op, Relation,
};

use super::config::Config;

/// What follows a row's number: a step of SplitMix64, whose outputs pass for random.
/// <https://prng.di.unimi.it/splitmix64.c>
const fn mix(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// The tables.
pub(super) fn relations(tables: u32) -> Vec<Arc<Relation>> {
    let column = |name: &str, kind: Kind, native: &str| Column {
        name: name.to_owned(),
        kind,
        native: native.to_owned(),
        nullable: false,
    };
    (1..=tables)
        .map(|number| {
            Arc::new(Relation {
                id: number,
                database: "generator".into(),
                schema: "public".into(),
                table: format!("orders_{number}").into(),
                columns: vec![
                    column("id", Kind::Int64, "bigint"),
                    column("customer", Kind::Text, "text"),
                    column("amount", Kind::Decimal(Some((12, 2))), "numeric(12,2)"),
                    column("status", Kind::Enum, "order_status"),
                    column("payload", Kind::Json, "jsonb"),
                    column("updated_at", Kind::TimestampTz, "timestamp with time zone"),
                ],
                key: vec![0],
                version: 1,
            })
        })
        .collect()
}

const STATUSES: [&str; 4] = ["new", "paid", "sent", "returned"];

/// Where a row goes: the indices that the chunk gave out.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub(super) transaction: u32,
    pub(super) commit: u64,
    /// Number of the row in its transaction, from 0.
    pub(super) row: u64,
    /// Number of the row over all, from 0.
    pub(super) number: u64,
}

/// Writes the rows of one seed.
#[derive(Debug)]
pub(super) struct Maker {
    seed: u64,
    updates_percent: u64,
    deletes_percent: u64,
    payload: usize,
    relations: Vec<Arc<Relation>>,
}

impl Maker {
    pub(super) fn new(config: &Config) -> Self {
        Self {
            seed: mix(config.seed),
            updates_percent: u64::from(config.updates_percent),
            deletes_percent: u64::from(config.deletes_percent),
            payload: config.payload_bytes as usize,
            relations: relations(config.tables),
        }
    }

    /// Pushes the change with that number.
    pub(super) fn push(&self, chunk: &mut ChunkBuilder, place: Place) {
        let draw = mix(self.seed ^ place.number);
        let tables = self.relations.len() as u64;
        let index = usize::try_from(draw % tables).unwrap_or(0);
        let Some(relation) = self.relations.get(index) else { return };
        let dice = (draw >> 16) % 100;
        // Changes of a row come only when there is one before.
        let (op, id) = match place.number {
            0 => (Op::Insert, 0),
            number if dice < self.updates_percent => (Op::Update, (draw >> 24) % number),
            number if dice < self.updates_percent + self.deletes_percent => {
                (Op::Delete, (draw >> 24) % number)
            }
            number => (Op::Insert, number),
        };
        let relation_index = chunk.relation(relation);
        let start = chunk.here();
        let cells = chunk.cell_start();
        let (before, after) = if op == Op::Delete {
            self.cell(chunk, |text| write!(text, "{id}"));
            for _ in 1..relation.columns.len() {
                chunk.push_cell(Cell::NULL);
            }
            (Some(cells), None)
        } else {
            self.row(chunk, id, draw);
            (None, Some(cells))
        };
        let change = NewChange {
            op,
            identity: Identity::Key,
            relation: relation_index,
            transaction: place.transaction,
            before,
            after,
            row: place.row,
            place: place.commit,
        };
        chunk.push_change_from(change, start);
    }

    fn row(&self, chunk: &mut ChunkBuilder, id: u64, draw: u64) {
        self.cell(chunk, |text| write!(text, "{id}"));
        self.cell(chunk, |text| write!(text, "customer-{:05}", (draw >> 8) % 50_000));
        let cents = (draw >> 12) % 10_000_000;
        self.cell(chunk, |text| write!(text, "{}.{:02}", cents / 100, cents % 100));
        let status = STATUSES.get(usize::try_from((draw >> 40) % 4).unwrap_or(0)).unwrap_or(&"new");
        self.cell(chunk, |text| text.write_all(status.as_bytes()));
        self.cell(chunk, |text| {
            write!(text, "{{\"note\": \"")?;
            let letters = b"abcdefghijklmnopqrstuvwxyz ";
            let mut bits = draw;
            for at in 0..self.payload.saturating_sub(12) {
                if at % 8 == 0 {
                    bits = mix(bits);
                }
                let pick = usize::try_from(bits % 27).unwrap_or(0);
                text.push(letters.get(pick).copied().unwrap_or(b' '));
                bits >>= 5;
            }
            write!(text, "\"}}")
        });
        let seconds = draw % 86_400;
        self.cell(chunk, |text| {
            let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
            write!(text, "2026-01-01 {hour:02}:{minute:02}:{second:02}.{:06}+00", draw % 1_000_000)
        });
    }

    #[expect(clippy::unused_self, reason = "reads better beside its callers")]
    fn cell(
        &self,
        chunk: &mut ChunkBuilder,
        write: impl FnOnce(&mut Vec<u8>) -> std::io::Result<()>,
    ) {
        // Writing to memory does not fail.
        chunk.push_text(|text| write(text).unwrap_or_default());
    }
}
