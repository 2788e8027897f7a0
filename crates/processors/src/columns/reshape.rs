//! From a shape to another one, and the rows after it.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::sync::Arc;

use async_trait::async_trait;
use flowglass_connect::Fault;
use flowglass_connect::stream::{
    Cell, CellStart, ChangeRef, ChunkOverlay, Datum, Processing, Relation, Replaced, RowRef,
    StreamBatch,
};
use flowglass_model::ErrorClass;

use crate::rows::{RowWork, Verdict, work_on};
use crate::shapes::Shapes;

/// What stands for a value under `redact`.
pub(super) const REDACTED: &str = "***";

/// What a processor of columns makes of a table.
pub(super) struct Reshape {
    /// The new shape.
    pub(super) relation: Arc<Relation>,
    /// Where each of its cells comes from.
    pub(super) cells: Vec<Take>,
}

/// Where a cell comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Take {
    /// It is the cell of that column.
    Same(usize),
    /// It is a sum over the value in that column.
    Hash(usize),
    /// It is [`REDACTED`] where that column has a value.
    Redact(usize),
}

/// What a processor of columns has to say.
pub(super) trait Reshaping: Send + Sync {
    /// What becomes of a table; `None` leaves it as it is.
    ///
    /// # Errors
    /// When the table is not as the processor needs it.
    fn reshape(&self, relation: &Arc<Relation>) -> Result<Planned, Fault>;

    /// Writes what stands for a value under [`Take::Hash`], as text.
    fn hash(&self, value: &[u8], out: &mut Vec<u8>);
}

/// What becomes of a table.
pub(super) enum Planned {
    /// Another shape.
    Reshape(Reshape),
    /// It is none of the processor's tables.
    NotMine,
    /// It would be one and is not as the processor needs it; people are told so.
    Passed(String),
}

/// A processor of columns at work.
pub(super) struct Columns<R> {
    id: Arc<str>,
    work: Work<R>,
}

impl<R: Reshaping> Columns<R> {
    pub(super) fn new(id: &Arc<str>, reshaping: R) -> Self {
        let work = Work { reshaping, shapes: Shapes::default(), remarks: VecDeque::new() };
        Self { id: Arc::clone(id), work }
    }
}

#[async_trait]
impl<R: Reshaping> Processing for Columns<R> {
    async fn process(&mut self, batch: StreamBatch) -> Result<StreamBatch, Fault> {
        work_on(batch, &self.id, &mut self.work)
    }

    fn remarks(&mut self) -> Vec<String> {
        self.work.remarks.drain(..).collect()
    }
}

struct Work<R> {
    reshaping: R,
    shapes: Shapes<Option<Reshape>>,
    remarks: VecDeque<String>,
}

/// What becomes of a table; what people should know of it is left among the remarks.
fn plan(
    reshaping: &impl Reshaping,
    remarks: &mut VecDeque<String>,
    relation: &Arc<Relation>,
) -> Result<Option<Reshape>, Fault> {
    Ok(match reshaping.reshape(relation)? {
        Planned::Reshape(reshape) => Some(reshape),
        Planned::NotMine => None,
        Planned::Passed(remark) => {
            remarks.push_back(remark);
            None
        }
    })
}

impl<R: Reshaping> RowWork for Work<R> {
    fn applies(&mut self, relation: &Arc<Relation>) -> Result<bool, Fault> {
        let Self { reshaping, shapes, remarks } = self;
        Ok(shapes.of(relation, || plan(reshaping, remarks, relation))?.is_some())
    }

    fn work(
        &mut self,
        change: &ChangeRef<'_>,
        overlay: &mut ChunkOverlay,
    ) -> Result<Verdict, Fault> {
        let Self { reshaping, shapes, remarks } = self;
        let shape = shapes.of(change.relation(), || plan(reshaping, remarks, change.relation()))?;
        let Some(shape) = shape else { return Ok(Verdict::Kept) };
        let relation = overlay.relation(&shape.relation);
        let identity = change.head().identity;
        let mut push = |row: RowRef<'_>| push(row, shape, reshaping, overlay);
        let before = change.before().map(&mut push).transpose();
        let after = change.after().map(&mut push).transpose();
        let (Ok(before), Ok(after)) = (before, after) else {
            return Ok(Verdict::Refused(too_large(change.relation())));
        };
        Ok(Verdict::Replaced(Replaced { relation, identity, before, after }))
    }
}

/// A row found no room in its chunk.
struct NoRoom;

/// Pushes a row in its new shape.
fn push(
    row: RowRef<'_>,
    shape: &Reshape,
    reshaping: &impl Reshaping,
    overlay: &mut ChunkOverlay,
) -> Result<CellStart, NoRoom> {
    let start = overlay.cell_start();
    let cells = row.cells();
    for take in &shape.cells {
        let (Take::Same(index) | Take::Hash(index) | Take::Redact(index)) = *take;
        let cell = cells.get(index).copied().unwrap_or(Cell::NULL);
        if matches!(take, Take::Same(_)) {
            overlay.push_cell(cell);
            continue;
        }
        let fits = match row.datum(index) {
            Datum::Null | Datum::Unchanged => {
                overlay.push_cell(cell);
                true
            }
            Datum::Text(value) | Datum::Binary(value) => overlay.push_text(|out| match take {
                Take::Hash(_) => reshaping.hash(value, out),
                Take::Same(_) | Take::Redact(_) => out.extend_from_slice(REDACTED.as_bytes()),
            }),
        };
        if !fits {
            return Err(NoRoom);
        }
    }
    Ok(start)
}

fn too_large(relation: &Relation) -> Fault {
    let said = format!("row of {} does not fit into a chunk once it is changed", relation.name());
    Fault::new(ErrorClass::TooLarge, said)
}

/// Looks columns up by their names; the error names those that a table lacks.
pub(super) fn indices_of(names: &[String], relation: &Relation) -> Result<Vec<usize>, String> {
    let mut missing = String::new();
    let mut indices = Vec::with_capacity(names.len());
    for name in names {
        match relation.column(name) {
            Some((index, _)) => indices.push(index),
            None => {
                let comma = if missing.is_empty() { "" } else { ", " };
                // Writing to a string does not fail.
                write!(missing, "{comma}`{name}`").unwrap_or_default();
            }
        }
    }
    if missing.is_empty() { Ok(indices) } else { Err(missing) }
}

/// A table lacks columns that the processor is about.
pub(super) fn lacks(id: &str, relation: &Relation, missing: &str) -> Fault {
    let said = format!("processor `{id}`: table {} has no column {missing}", relation.name());
    Fault::new(ErrorClass::Schema, said)
        .hint("Correct the name, or say under `tables` which tables the processor is about.")
}
