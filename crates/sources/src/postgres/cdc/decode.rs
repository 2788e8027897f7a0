//! From pgoutput messages to changes: ranges into the bytes as they came, nothing copied.
//!
//! Every change of the log is numbered, those of tables that are not wanted included, so that
//! `commit+row` names the same change whatever the configuration says. Decoding is a pure step from
//! state and bytes: what has to be asked of the catalog is handed out as [`Step::Shape`].

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use flowglass_clients::postgres::POSTGRES_EPOCH_MICROS;
use flowglass_connect::stream::{
    Cell, CellStart, ChunkBuilder, Identity, NewChange, Op, Position, Relation, Transaction,
};

use super::broken::Broken;
use super::known::{Known, Tables};
use super::message::{Parts, Said, Shape};

/// What a message asks of whoever drives the decoder.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Nothing.
    Done,
    /// A table has this shape from here on: [`Decoder::learn`] it before the next step.
    Shape(Box<Shape>),
    /// Somebody wrote a message into the log, between two changes.
    Said(Said),
}

/// The transaction that is being read.
#[derive(Debug)]
struct Open {
    transaction: Transaction,
    /// How many changes have been read.
    rows: u64,
    /// How many of them were taken before; [`Position::WHOLE`] for all.
    taken: u64,
    /// Its index in the chunk of that number.
    indexed: (u64, u32),
}

/// The state between two messages.
#[derive(Debug)]
pub(super) struct Decoder {
    tables: Tables,
    /// Names of types that the log has told.
    types: HashMap<u32, String>,
    open: Option<Open>,
    at: Position,
    chunk: u64,
    /// The cells of the row before, to fill what the row after leaves out.
    before: Vec<Cell>,
    /// What positions carry while rows are read beside the log.
    details: Option<Details>,
    /// A row has come without a large value since [`Decoder::carry`].
    incomplete: bool,
}

/// What positions carry while rows are read beside the log: as long as every row has come whole, and
/// afterwards.
#[derive(Debug, Clone)]
pub(super) struct Details {
    pub(super) whole: Arc<str>,
    pub(super) incomplete: Arc<str>,
}

impl Decoder {
    /// Will give what comes after `from`.
    pub(super) fn new(from: Position) -> Self {
        Self {
            tables: Tables::default(),
            types: HashMap::new(),
            open: None,
            at: from,
            chunk: 0,
            before: Vec::new(),
            details: None,
            incomplete: false,
        }
    }

    /// Positions carry this from here on. Whether a row has come without a large value is noted anew
    /// when `afresh`.
    pub(super) fn carry(&mut self, details: Option<Details>, afresh: bool) {
        self.details = details;
        self.incomplete &= !afresh;
    }

    /// Whether a row has come without a large value.
    pub(super) const fn has_incomplete(&self) -> bool {
        self.incomplete
    }

    /// A position between transactions has been told, beyond what the log says by itself.
    pub(super) fn settle(&mut self, at: Position) {
        self.at = at;
    }

    fn detail(&self) -> Option<Arc<str>> {
        let details = self.details.as_ref()?;
        Some(Arc::clone(if self.incomplete { &details.incomplete } else { &details.whole }))
    }

    /// The position behind everything that has been read.
    pub(super) fn at(&self) -> Position {
        match &self.open {
            Some(open) if open.taken != Position::WHOLE && open.rows >= open.taken => {
                Position::inside(open.transaction.commit, open.rows).with_detail(self.detail())
            }
            _ => self.at.clone(),
        }
    }

    /// The last position between two transactions, if one has been reached yet.
    pub(super) fn whole(&self) -> Option<&Position> {
        self.at.is_between_transactions().then_some(&self.at)
    }

    /// The connection was made anew: the log begins again behind `from`.
    pub(super) fn begin_again(&mut self, from: Position) {
        self.at = from;
        self.open = None;
        self.tables.settle();
    }

    /// A description of a table has come. Answers its number among all of them.
    pub(super) const fn describe(&mut self) -> u64 {
        self.tables.describe()
    }

    /// The shape that is read next is from the description of that number.
    pub(super) const fn speak_of(&mut self, described: u64) {
        self.tables.speak_of(described);
    }

    /// Everything is as it was described last.
    pub(super) fn settle_tables(&mut self) {
        self.tables.settle();
    }

    /// A new chunk is filled from here on.
    pub(super) const fn begin_chunk(&mut self) {
        self.chunk += 1;
    }

    /// Between transactions, everything before `end` has been seen. Whether that is news.
    pub(super) fn pass(&mut self, end: u64) -> bool {
        // A transaction may still be committed exactly at `end`.
        let passed = Position::after(end.saturating_sub(1)).with_detail(self.detail());
        let news = self.open.is_none() && !self.at.reaches(&passed);
        if news {
            self.at = passed;
        }
        news
    }

    /// What the log calls a type.
    pub(super) fn type_name(&self, id: u32) -> Option<&str> {
        self.types.get(&id).map(String::as_str)
    }

    /// The shape of a table as the last one that was learned.
    pub(super) fn known(&self, table: u32) -> Option<&Arc<Relation>> {
        self.tables.get(table).map(|known| &known.relation)
    }

    /// The same by its name.
    pub(super) fn known_by_name(&self, schema: &str, table: &str) -> Option<&Arc<Relation>> {
        let mut relations = self.tables.all().map(|known| &known.relation);
        relations.find(|it| &*it.schema == schema && &*it.table == table)
    }

    /// Takes a shape that was completed from the catalog.
    pub(super) fn learn(&mut self, relation: Arc<Relation>, wanted: bool) {
        self.tables.learn(relation, wanted);
    }

    /// Reads one message, which lies at `message` in `buffer` and at `place` in the log.
    pub(super) fn step(
        &mut self,
        into: &mut ChunkBuilder,
        buffer: &[u8],
        (message, place): (Range<usize>, u64),
    ) -> Result<Step, Broken> {
        let mut parts = Parts::new(buffer, message.start, message.end);
        match parts.byte()? {
            b'I' | b'U' | b'D' => self.row(into, buffer, (message, place))?,
            b'B' => self.begin(&mut parts)?,
            b'C' => self.commit(into, &mut parts)?,
            b'T' => self.truncate(into, buffer, (message, place))?,
            b'R' => return Ok(Step::Shape(Box::new(Shape::read(&mut parts)?))),
            b'Y' => {
                let id = parts.u32()?;
                let (schema, name) = (parts.name()?, parts.name()?);
                self.types.insert(id, format!("{schema}.{name}"));
            }
            b'M' => return Ok(Step::Said(Said::read(&mut parts)?)),
            // Where a replicated change first came from.
            b'O' => {}
            _ => return Err(Broken("a message is of a kind that does not belong here")),
        }
        Ok(Step::Done)
    }

    fn begin(&mut self, parts: &mut Parts<'_>) -> Result<(), Broken> {
        let commit = parts.u64()?;
        let committed_at_micros = parts.i64()?.saturating_add(POSTGRES_EPOCH_MICROS);
        let id = u64::from(parts.u32()?);
        self.open(Transaction { id, commit, committed_at_micros })
    }

    /// Whether a transaction is being read.
    pub(super) const fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// A transaction begins, whose changes come next.
    pub(super) fn open(&mut self, transaction: Transaction) -> Result<(), Broken> {
        if self.open.is_some() {
            return Err(Broken("a transaction begins inside another"));
        }
        let taken = match transaction.commit.cmp(&self.at.commit) {
            std::cmp::Ordering::Less => Position::WHOLE,
            std::cmp::Ordering::Equal => self.at.rows,
            std::cmp::Ordering::Greater => 0,
        };
        self.open = Some(Open { transaction, rows: 0, taken, indexed: (0, 0) });
        Ok(())
    }

    fn commit(&mut self, into: &mut ChunkBuilder, parts: &mut Parts<'_>) -> Result<(), Broken> {
        parts.byte()?;
        self.close(into, parts.u64()?)
    }

    /// The transaction that was opened ends here.
    pub(super) fn close(&mut self, into: &mut ChunkBuilder, commit: u64) -> Result<(), Broken> {
        let open = self.open.take().ok_or(Broken("a transaction ends that has not begun"))?;
        if open.transaction.commit != commit {
            return Err(Broken("a transaction ends elsewhere than it said"));
        }
        if open.taken != Position::WHOLE {
            if open.rows < open.taken {
                return Err(Broken("a transaction is shorter than when it was read before"));
            }
            self.at = Position::after(commit).with_detail(self.detail());
            into.mark(self.at.clone());
        }
        Ok(())
    }

    fn row(
        &mut self,
        into: &mut ChunkBuilder,
        buffer: &[u8],
        (message, place): (Range<usize>, u64),
    ) -> Result<(), Broken> {
        let mut parts = Parts::new(buffer, message.start, message.end);
        let op = match parts.byte()? {
            b'I' => Op::Insert,
            b'U' => Op::Update,
            _ => Op::Delete,
        };
        let open = self.open.as_mut().ok_or(Broken("a change is outside of a transaction"))?;
        let row = open.rows;
        open.rows += 1;
        if row < open.taken {
            return Ok(());
        }
        let table = parts.u32()?;
        let known = self.tables.get_mut(table).ok_or(UNKNOWN)?;
        if !known.wanted {
            return Ok(());
        }
        let columns = known.relation.columns.len();
        let mut kind = parts.byte()?;
        let (mut identity, mut before) = (Identity::None, None);
        self.before.clear();
        if kind == b'K' || kind == b'O' {
            identity = if kind == b'K' { Identity::Key } else { Identity::Full };
            let whole = (kind == b'O').then_some(&mut self.before);
            before = Some(tuple(into, &mut parts, (columns, whole, &[]))?.0);
            kind = if op == Op::Delete { 0 } else { parts.byte()? };
        }
        let after = match (op, kind) {
            (Op::Delete, 0) => None,
            (Op::Insert | Op::Update, b'N') => {
                let (start, complete) = tuple(into, &mut parts, (columns, None, &self.before))?;
                self.incomplete |= !complete;
                Some(start)
            }
            _ => return Err(Broken("a change has no row where one belongs")),
        };
        if !parts.is_empty() {
            return Err(Broken("a change is longer than its rows"));
        }
        let (relation, transaction) = indices(into, self.chunk, (known, open));
        let change = NewChange { op, identity, relation, transaction, before, after, row, place };
        into.push_change(change, buffer.get(message).unwrap_or_default());
        Ok(())
    }

    fn truncate(
        &mut self,
        into: &mut ChunkBuilder,
        buffer: &[u8],
        (message, place): (Range<usize>, u64),
    ) -> Result<(), Broken> {
        let mut parts = Parts::new(buffer, message.start + 1, message.end);
        let open = self.open.as_mut().ok_or(Broken("a change is outside of a transaction"))?;
        let count = parts.u32()?;
        parts.byte()?;
        for _ in 0..count {
            let table = parts.u32()?;
            let row = open.rows;
            open.rows += 1;
            if row < open.taken {
                continue;
            }
            let known = self.tables.get_mut(table).ok_or(UNKNOWN)?;
            if !known.wanted {
                continue;
            }
            let (relation, transaction) = indices(into, self.chunk, (known, open));
            let change = NewChange {
                op: Op::Truncate,
                identity: Identity::None,
                relation,
                transaction,
                before: None,
                after: None,
                row,
                place,
            };
            into.push_change(change, buffer.get(message.clone()).unwrap_or_default());
        }
        Ok(())
    }
}

const UNKNOWN: Broken = Broken("a change is of a table that has not been described");

/// The indices of a table and of the open transaction in the chunk of that number.
fn indices(
    into: &mut ChunkBuilder,
    chunk: u64,
    (known, open): (&mut Known, &mut Open),
) -> (u16, u32) {
    if known.indexed.0 != chunk {
        known.indexed = (chunk, into.relation(&known.relation));
    }
    if open.indexed.0 != chunk {
        open.indexed = (chunk, into.transaction(open.transaction.clone()));
    }
    (known.indexed.1, open.indexed.1)
}

/// Reads a row of so many columns into cells. `keep` gets a copy of them; a cell that was not sent
/// because it did not change is taken from `before` where that has it. Answers where the row begins,
/// and whether it is complete.
fn tuple(
    into: &mut ChunkBuilder,
    parts: &mut Parts<'_>,
    (columns, mut keep, before): (usize, Option<&mut Vec<Cell>>, &[Cell]),
) -> Result<(CellStart, bool), Broken> {
    let start = into.cell_start();
    let mut complete = true;
    if usize::from(parts.u16()?) != columns {
        return Err(Broken("a row has another number of cells than its table has columns"));
    }
    for column in 0..columns {
        let cell = match parts.byte()? {
            kind @ (b't' | b'b') => {
                let length = parts.length()?;
                let at = parts.at();
                parts.take(length)?;
                let cell = if kind == b't' { Cell::text } else { Cell::binary };
                cell(at, length).ok_or(Broken("a cell is longer than a chunk can hold"))?
            }
            b'n' => Cell::NULL,
            b'u' => before.get(column).copied().unwrap_or_else(|| {
                complete = false;
                Cell::UNCHANGED
            }),
            _ => return Err(Broken("a cell is of a kind that is not known")),
        };
        into.push_cell(cell);
        if let Some(keep) = &mut keep {
            keep.push(cell);
        }
    }
    Ok((start, complete))
}
