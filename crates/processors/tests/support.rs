//! Tables and rows for the tests, and what a batch says of them.

use std::sync::Arc;
use std::time::Duration;

use flowglass_connect::stream::{
    Cell, CellStart, ChangeRef, ChunkBuilder, Column, Datum, Identity, Kind, NewChange, Op,
    Position, Processing, ProcessorConnector, Relation, RowRef, Slice, StreamBatch, Transaction,
};
use flowglass_connect::{Fault, Surroundings, SystemClock};

pub(crate) const COMMIT: u64 = 0x16B_3748;

/// A value of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum V {
    Null,
    Unchanged,
    Binary,
    Text(String),
}

pub(crate) fn t(text: impl Into<String>) -> V {
    V::Text(text.into())
}

pub(crate) fn table(name: &str, columns: &[(&str, Kind)], key: &[usize]) -> Arc<Relation> {
    let column = |(name, kind): &(&str, Kind)| Column {
        name: (*name).to_owned(),
        kind: kind.clone(),
        native: format!("{kind:?}").to_lowercase(),
        nullable: true,
    };
    Arc::new(Relation {
        id: 16_385,
        database: "shop".into(),
        schema: "public".into(),
        table: name.into(),
        columns: columns.iter().map(column).collect(),
        key: key.to_vec(),
        version: 1,
    })
}

/// `id`, `status`, `amount`, `paid`, `at`, `doc`.
pub(crate) fn orders() -> Arc<Relation> {
    table(
        "orders",
        &[
            ("id", Kind::Int64),
            ("status", Kind::Text),
            ("amount", Kind::Decimal(Some((12, 2)))),
            ("paid", Kind::Bool),
            ("at", Kind::TimestampTz),
            ("doc", Kind::Json),
        ],
        &[0],
    )
}

pub(crate) fn order(id: u64, status: &str) -> Vec<V> {
    vec![
        t(id.to_string()),
        t(status),
        t("12.50"),
        t("t"),
        t("2024-02-29 12:00:00+00"),
        t("{\"note\": \"x\"}"),
    ]
}

/// Fills one chunk, a transaction a change.
pub(crate) struct Rows {
    builder: ChunkBuilder,
    relation: Arc<Relation>,
    row: u64,
}

impl Rows {
    pub(crate) fn of(relation: &Arc<Relation>) -> Self {
        let builder = ChunkBuilder::new(Duration::from_secs(1), 64);
        Self { builder, relation: Arc::clone(relation), row: 0 }
    }

    pub(crate) fn then(mut self, relation: &Arc<Relation>) -> Self {
        self.relation = Arc::clone(relation);
        self
    }

    pub(crate) fn insert(self, row: &[V]) -> Self {
        self.change(Op::Insert, None, Some(row))
    }

    pub(crate) fn update(self, before: Option<(Identity, &[V])>, after: &[V]) -> Self {
        self.change(Op::Update, before, Some(after))
    }

    pub(crate) fn delete(self, identity: Identity, before: &[V]) -> Self {
        self.change(Op::Delete, Some((identity, before)), None)
    }

    pub(crate) fn truncate(self) -> Self {
        self.change(Op::Truncate, None, None)
    }

    fn change(mut self, op: Op, before: Option<(Identity, &[V])>, after: Option<&[V]>) -> Self {
        let relation = Arc::clone(&self.relation);
        let relation = self.builder.relation(&relation);
        let transaction = self.builder.transaction(Transaction {
            id: 700 + self.row,
            commit: COMMIT + self.row,
            committed_at_micros: 1_709_251_199_123_456,
        });
        let start = self.builder.here();
        let identity = before.map_or(Identity::None, |(identity, _)| identity);
        let before = before.map(|(_, row)| self.cells(row));
        let after = after.map(|row| self.cells(row));
        let (row, place) = (0, COMMIT + self.row);
        let change = NewChange { op, identity, relation, transaction, before, after, row, place };
        self.builder.push_change_from(change, start);
        self.builder.mark(Position::after(COMMIT + self.row));
        self.row += 1;
        self
    }

    fn cells(&mut self, row: &[V]) -> CellStart {
        let start = self.builder.cell_start();
        for value in row {
            match value {
                V::Null => self.builder.push_cell(Cell::NULL),
                V::Unchanged => self.builder.push_cell(Cell::UNCHANGED),
                V::Binary => {
                    let at = self.builder.push_bytes(b"\x01");
                    self.builder.push_cell(Cell::binary(at, 1).unwrap());
                }
                V::Text(text) => self.builder.push_text(|out| out.extend(text.bytes())),
            }
        }
        start
    }

    pub(crate) fn batch(self) -> StreamBatch {
        let end = Position::after(COMMIT + self.row);
        let chunk = Arc::new(self.builder.finish());
        let to = chunk.len();
        StreamBatch::new(vec![Slice::new(chunk, 0, to)], end)
    }

    /// The same changes in slices of so many.
    pub(crate) fn sliced(self, rows: usize) -> StreamBatch {
        let batch = self.batch();
        let chunk = Arc::clone(&batch.slices()[0].chunk);
        let starts = (0..chunk.len()).step_by(rows);
        let slices =
            starts.map(|from| Slice::new(Arc::clone(&chunk), from, (from + rows).min(chunk.len())));
        StreamBatch::new(slices.collect(), batch.position().clone())
    }
}

pub(crate) fn around() -> Surroundings {
    Surroundings {
        base_dir: ".".into(),
        scratch_dir: ".".into(),
        clock: Arc::new(SystemClock::new()),
    }
}

/// A processor that is ready to work.
pub(crate) fn open(
    connector: &dyn ProcessorConnector,
    config: serde_json::Value,
) -> Result<Box<dyn Processing>, Fault> {
    connector.build("it", config, &around())?.open()
}

pub(crate) fn run(
    processing: &mut dyn Processing,
    batch: StreamBatch,
) -> Result<StreamBatch, Fault> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(processing.process(batch))
}

/// Builds, opens and works on one batch.
pub(crate) fn process(
    connector: &dyn ProcessorConnector,
    config: serde_json::Value,
    batch: StreamBatch,
) -> Result<StreamBatch, Fault> {
    run(open(connector, config)?.as_mut(), batch)
}

/// The indices of the rows that go on.
pub(crate) fn going_on(batch: &StreamBatch) -> Vec<usize> {
    batch.changes().map(|(index, _)| index).collect()
}

/// `a=1 b=null c?`: a row by its columns; `?` is a value that was not sent.
pub(crate) fn shown(change: &ChangeRef<'_>, row: RowRef<'_>) -> String {
    let columns = &change.relation().columns;
    assert_eq!(row.len(), columns.len(), "as many cells as columns");
    let cell = |(column, datum): (&Column, Datum<'_>)| match datum {
        Datum::Null => format!("{}=null", column.name),
        Datum::Unchanged => format!("{}?", column.name),
        Datum::Binary(_) => format!("{}=binary", column.name),
        Datum::Text(text) => format!("{}={}", column.name, String::from_utf8_lossy(text)),
    };
    columns.iter().zip(row.data()).map(cell).collect::<Vec<_>>().join(" ")
}

/// The row after of the change with that index.
pub(crate) fn after(batch: &StreamBatch, index: usize) -> String {
    let change = batch.change(index).unwrap();
    shown(&change, change.after().unwrap())
}

/// The row before of the change with that index.
pub(crate) fn before(batch: &StreamBatch, index: usize) -> String {
    let change = batch.change(index).unwrap();
    shown(&change, change.before().unwrap())
}

/// What names and counts each row: nothing of it may change.
pub(crate) fn heads(batch: &StreamBatch) -> Vec<(Op, u64, u64, u64, u32, Transaction, String)> {
    let all = 0..batch.spanned();
    all.map(|index| {
        let change = batch.change(index).unwrap();
        let head = change.head();
        let (transaction, name) = (change.transaction().clone(), change.relation().name());
        (head.op, head.row, head.place, head.hash, head.wire_bytes, transaction, name)
    })
    .collect()
}

/// The rows that were refused: index and words.
pub(crate) fn refused(batch: &StreamBatch) -> Vec<(usize, String)> {
    batch.refused().map(|(index, row)| (index, row.fault.chain())).collect()
}
