//! `flatten`: makes columns of the fields of a JSON column.
//!
//! A column that holds an object gives way to one column for each field, named `column_field`; objects
//! inside of it are taken apart too, down to `max_depth`. Lists stay documents. Each row has the columns
//! of its own fields, so that the result depends on the row alone and not on what came before it; rows of
//! one shape share a relation. For an update the row before and the row after have the fields of both.

mod fields;

use std::collections::VecDeque;
use std::sync::Arc;

use async_trait::async_trait;
use flowglass_connect::stream::{
    Cell, CellStart, ChangeRef, ChunkOverlay, Datum, Kind, Op, Processing, ProcessorConnector,
    Relation, Replaced, RowRef, StreamBatch, StreamProcessor,
};
use flowglass_connect::{Fault, Surroundings};
use flowglass_model::ErrorClass;
use serde::Deserialize;

use self::fields::{Both, Field, Malformed, Rule};
use crate::config;
use crate::rows::{RowWork, Verdict, work_on};
use crate::shapes::Shapes;
use crate::tables::Tables;
use crate::variants::{Code, Variants};

/// Columns that one row may be taken apart into.
const FIELDS_MAX: usize = 1_000;

/// The processor `flatten`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Connector;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    #[serde(default)]
    columns: Option<config::Names>,
    #[serde(default = "separator")]
    separator: String,
    #[serde(default = "max_depth")]
    max_depth: usize,
    #[serde(default)]
    tables: Tables,
}

fn separator() -> String {
    "_".to_owned()
}

const fn max_depth() -> usize {
    8
}

impl ProcessorConnector for Connector {
    fn kind(&self) -> &'static str {
        "flatten"
    }

    fn build(
        &self,
        id: &str,
        config: serde_json::Value,
        _around: &Surroundings,
    ) -> Result<Arc<dyn StreamProcessor>, Fault> {
        let Config { columns, separator, max_depth, tables } = config::read(id, config)?;
        if separator.is_empty() || max_depth == 0 {
            let said = format!("processor `{id}`: `separator` and `max_depth` cannot be empty");
            return Err(Fault::new(ErrorClass::Config, said));
        }
        let columns = columns.map(|names| names.0);
        let rule = Rule { separator, depth_max: max_depth };
        Ok(Arc::new(Flatten { id: id.into(), columns, rule: Arc::new(rule), tables }))
    }
}

#[derive(Debug, Clone)]
struct Flatten {
    id: Arc<str>,
    columns: Option<Vec<String>>,
    rule: Arc<Rule>,
    tables: Tables,
}

impl StreamProcessor for Flatten {
    fn id(&self) -> &str {
        &self.id
    }

    fn open(&self) -> Result<Box<dyn Processing>, Fault> {
        let work =
            Work { flatten: self.clone(), shapes: Shapes::default(), remarks: VecDeque::new() };
        Ok(Box::new(Flattening { id: Arc::clone(&self.id), work }))
    }
}

impl Flatten {
    /// The columns of a table to take apart; `None` when there are none. May leave a remark.
    fn plan(
        &self,
        relation: &Arc<Relation>,
        remarks: &mut VecDeque<String>,
    ) -> Result<Option<Plan>, Fault> {
        if !self.tables.take(relation) {
            return Ok(None);
        }
        let (id, table) = (&self.id, relation.name());
        let mut columns = Vec::new();
        let Some(names) = &self.columns else {
            let all = relation.columns.iter().enumerate();
            columns.extend(all.filter(|(_, it)| it.kind == Kind::Json).map(|(index, _)| index));
            columns.retain(|index| !relation.key.contains(index));
            return Ok((!columns.is_empty()).then(|| Plan::new(relation, columns)));
        };
        for name in names {
            let Some((index, column)) = relation.column(name) else {
                if self.tables.are_named() {
                    let said = format!("processor `{id}`: table {table} has no column `{name}`");
                    return Err(Fault::new(ErrorClass::Schema, said));
                }
                remarks.push_back(format!(
                    "processor `{id}` does not apply to {table}: it has no column `{name}`"
                ));
                return Ok(None);
            };
            if relation.key.contains(&index) {
                let said = format!("processor `{id}`: `{name}` is part of the key of {table}");
                return Err(Fault::new(ErrorClass::Config, said));
            }
            if !matches!(column.kind, Kind::Json | Kind::Text | Kind::Other) {
                let said = format!(
                    "processor `{id}`: `{name}` of {table} holds no documents, its type is {}",
                    column.native
                );
                return Err(Fault::new(ErrorClass::Config, said));
            }
            columns.push(index);
        }
        columns.sort_unstable();
        columns.dedup();
        Ok(Some(Plan::new(relation, columns)))
    }
}

/// A table and its columns to take apart.
struct Plan {
    columns: Vec<usize>,
    variants: Variants,
}

impl Plan {
    fn new(relation: &Arc<Relation>, columns: Vec<usize>) -> Self {
        Self { columns, variants: Variants::new(relation) }
    }
}

struct Flattening {
    id: Arc<str>,
    work: Work,
}

#[async_trait]
impl Processing for Flattening {
    async fn process(&mut self, batch: StreamBatch) -> Result<StreamBatch, Fault> {
        work_on(batch, &self.id, &mut self.work)
    }

    fn remarks(&mut self) -> Vec<String> {
        self.work.remarks.drain(..).collect()
    }
}

struct Work {
    flatten: Flatten,
    shapes: Shapes<Option<Plan>>,
    remarks: VecDeque<String>,
}

impl RowWork for Work {
    fn applies(&mut self, relation: &Arc<Relation>) -> Result<bool, Fault> {
        let Self { flatten, shapes, remarks } = self;
        Ok(shapes.of(relation, || flatten.plan(relation, remarks))?.is_some())
    }

    fn work(
        &mut self,
        change: &ChangeRef<'_>,
        overlay: &mut ChunkOverlay,
    ) -> Result<Verdict, Fault> {
        let Self { flatten, shapes, remarks } = self;
        let relation = change.relation();
        let plan = shapes.of(relation, || flatten.plan(relation, remarks))?;
        let Some(plan) = plan else { return Ok(Verdict::Kept) };
        if change.op() == Op::Truncate {
            return Ok(Verdict::Kept);
        }
        Ok(match flat(&flatten.rule, plan, change, overlay) {
            Ok(verdict) => verdict,
            Err(Refused { class, what }) => {
                Verdict::Refused(Fault::new(class, format!("{what} of {}", relation.name())))
            }
        })
    }
}

/// Why a row cannot be taken apart.
struct Refused {
    class: ErrorClass,
    what: String,
}

/// A column of the new row.
enum Piece<'a> {
    /// That column as it was.
    Own(usize),
    /// A field of that column.
    Field { column: usize, field: Field<'a> },
}

fn flat(
    rule: &Rule,
    plan: &mut Plan,
    change: &ChangeRef<'_>,
    overlay: &mut ChunkOverlay,
) -> Result<Verdict, Refused> {
    let relation = change.relation();
    let mut pieces = Vec::with_capacity(relation.columns.len());
    let mut apart = false;
    for (index, column) in relation.columns.iter().enumerate() {
        if !plan.columns.contains(&index) {
            pieces.push(Piece::Own(index));
            continue;
        }
        let both = Both {
            after: document(change.after(), index),
            before: document(change.before(), index),
        };
        let strict = column.kind == Kind::Json;
        let fields = fields::of(rule, &column.name, both, strict).map_err(|malformed| {
            let (class, what) = match malformed {
                Malformed::NotJson => (ErrorClass::Malformed, "does not hold JSON".to_owned()),
                Malformed::Twice(name) => {
                    (ErrorClass::Constraint, format!("makes two columns called `{name}`"))
                }
            };
            Refused { class, what: format!("column `{}` {what}", column.name) }
        })?;
        match fields {
            None => pieces.push(Piece::Own(index)),
            Some(fields) => {
                apart = true;
                pieces
                    .extend(fields.into_iter().map(|field| Piece::Field { column: index, field }));
            }
        }
    }
    if !apart {
        return Ok(Verdict::Kept);
    }
    if pieces.len() > FIELDS_MAX {
        let what =
            format!("row would have {} columns, {FIELDS_MAX} at most, instead", pieces.len());
        return Err(Refused { class: ErrorClass::TooLarge, what });
    }
    plan.variants.tidy();
    let codes: Vec<Code> = pieces
        .iter()
        .map(|piece| match piece {
            Piece::Own(index) => Variants::own(*index),
            Piece::Field { field, .. } => {
                plan.variants.other(&field.name, &field.kind, field.native)
            }
        })
        .collect();
    let shape = plan.variants.relation(&codes).map_err(|twice| Refused {
        class: ErrorClass::Constraint,
        what: format!("row would have two columns called `{twice}` instead"),
    })?;
    let relation = overlay.relation(&shape);
    let identity = change.head().identity;
    let before = change.before().map(|row| push(row, &pieces, Side::Before, overlay));
    let after = change.after().map(|row| push(row, &pieces, Side::After, overlay));
    let too_large = |_: NoRoom| Refused {
        class: ErrorClass::TooLarge,
        what: "row does not fit into a chunk instead".to_owned(),
    };
    let before = before.transpose().map_err(too_large)?;
    let after = after.transpose().map_err(too_large)?;
    Ok(Verdict::Replaced(Replaced { relation, identity, before, after }))
}

fn document(row: Option<RowRef<'_>>, index: usize) -> Option<&[u8]> {
    match row?.datum(index) {
        Datum::Text(text) => Some(text),
        Datum::Binary(_) | Datum::Null | Datum::Unchanged => None,
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Before,
    After,
}

struct NoRoom;

fn push(
    row: RowRef<'_>,
    pieces: &[Piece<'_>],
    side: Side,
    overlay: &mut ChunkOverlay,
) -> Result<CellStart, NoRoom> {
    let start = overlay.cell_start();
    for piece in pieces {
        let (column, field) = match piece {
            Piece::Own(index) => (*index, None),
            Piece::Field { column, field } => (*column, Some(field)),
        };
        let cell = row.cells().get(column).copied().unwrap_or(Cell::NULL);
        let text = field.map(|field| if side == Side::After { field.after } else { field.before });
        match (field, text) {
            (Some(field), Some(Some(raw))) => {
                if fields::is_null(raw) {
                    overlay.push_cell(Cell::NULL);
                } else if !overlay.push_text(|out| fields::write(raw, &field.kind, out)) {
                    return Err(NoRoom);
                }
            }
            // A field of an object that was not sent was not sent; of one that is not there, is null.
            (Some(_), _) => overlay.push_cell(match row.datum(column) {
                Datum::Unchanged => Cell::UNCHANGED,
                Datum::Null | Datum::Text(_) | Datum::Binary(_) => Cell::NULL,
            }),
            (None, _) => overlay.push_cell(cell),
        }
    }
    Ok(start)
}
