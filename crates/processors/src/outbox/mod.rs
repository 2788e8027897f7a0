//! `outbox`: makes messages of the rows of an outbox table, as Debezium's outbox event router does.
//!
//! An application writes what it wants to say into a table, in the same transaction as what it did. Each
//! row that is inserted there becomes one message: its body is the payload as it is, its key the id of the
//! aggregate, its destination made from the aggregate's type, with the row's id and the event's type in
//! the headers `id` and `eventType`. No envelope is written around it, whatever the sink's is. Rows of
//! other tables pass.
//!
//! Deletes and TRUNCATE are how such a table is kept small: they are left out. Updates have no place in
//! it; they are left out, and people are told once.
//!
//! The layout: <https://debezium.io/documentation/reference/stable/transformations/outbox-event-router.html>

use std::sync::Arc;

use async_trait::async_trait;
use flowglass_connect::stream::{
    Cell, ChangeRef, ChunkOverlay, Column, Datum, Identity, Kind, Op, Processing,
    ProcessorConnector, Ready, Relation, Replaced, RowRef, StreamBatch, StreamProcessor,
};
use flowglass_connect::{Fault, Surroundings};
use flowglass_model::ErrorClass;
use serde::Deserialize;

use crate::config;
use crate::rows::{RowWork, Verdict, work_on};
use crate::shapes::Shapes;

/// What stands for the value of the column `route`.
const PLACE: &str = "{route}";

/// The processor `outbox`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Connector;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    table: String,
    #[serde(default)]
    columns: Names,
    #[serde(default = "route")]
    route: String,
}

fn route() -> String {
    format!("outbox.event.{PLACE}")
}

/// The table's columns.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Names {
    id: String,
    key: String,
    route: String,
    #[serde(rename = "type")]
    kind: String,
    payload: String,
}

impl Default for Names {
    fn default() -> Self {
        Self {
            id: "id".to_owned(),
            key: "aggregateid".to_owned(),
            route: "aggregatetype".to_owned(),
            kind: "type".to_owned(),
            payload: "payload".to_owned(),
        }
    }
}

impl ProcessorConnector for Connector {
    fn kind(&self) -> &'static str {
        "outbox"
    }

    fn build(
        &self,
        id: &str,
        config: serde_json::Value,
        _around: &Surroundings,
    ) -> Result<Arc<dyn StreamProcessor>, Fault> {
        let Config { table, columns, route } = config::read(id, config)?;
        if !table.contains('.') {
            let said = format!("processor `{id}`: `table` is written `schema.table`");
            return Err(Fault::new(ErrorClass::Config, said));
        }
        Ok(Arc::new(Outbox { id: id.into(), table, names: columns, route }))
    }
}

#[derive(Debug, Clone)]
struct Outbox {
    id: Arc<str>,
    table: String,
    names: Names,
    route: String,
}

impl StreamProcessor for Outbox {
    fn id(&self) -> &str {
        &self.id
    }

    fn open(&self) -> Result<Box<dyn Processing>, Fault> {
        let work =
            Work { outbox: self.clone(), shapes: Shapes::default(), told: false, remark: None };
        Ok(Box::new(Boxing { id: Arc::clone(&self.id), work }))
    }
}

/// An outbox table, and the shape of its messages.
struct Plan {
    relation: Arc<Relation>,
    ready: Arc<Ready>,
    /// The table's columns: key, payload, id, type; and the one that routes.
    parts: [usize; 4],
    route: usize,
    /// Whether the payload is bytes, written as hexadecimal digits.
    is_hex: bool,
}

/// The columns of a message: where it goes, then the table's own in the order of [`Plan::parts`].
const DESTINATION: usize = 0;
const KEY: usize = 1;
const PAYLOAD: usize = 2;
const ID: usize = 3;
const KIND: usize = 4;

impl Outbox {
    fn plan(&self, relation: &Arc<Relation>) -> Result<Option<Plan>, Fault> {
        if relation.name() != self.table {
            return Ok(None);
        }
        let names = &self.names;
        let find = |name: &String| {
            let found = relation.column(name).map(|(index, _)| index);
            found.ok_or_else(|| {
                let (id, table) = (&self.id, &self.table);
                let said = format!("processor `{id}`: table {table} has no column `{name}`");
                Fault::new(ErrorClass::Schema, said)
                    .hint("Say under `columns` which column is which.")
            })
        };
        let parts =
            [find(&names.key)?, find(&names.payload)?, find(&names.id)?, find(&names.kind)?];
        let route = find(&names.route)?;
        let destination = Column {
            name: "destination".to_owned(),
            kind: Kind::Text,
            native: "text".to_owned(),
            nullable: false,
        };
        let own = parts.iter().filter_map(|index| relation.columns.get(*index).cloned());
        let columns: Vec<Column> = std::iter::once(destination).chain(own).collect();
        let is_hex = columns.get(PAYLOAD).is_some_and(|column| column.kind == Kind::Bytes);
        let headers = vec![("id".to_owned(), ID), ("eventType".to_owned(), KIND)];
        let ready = Ready { destination: DESTINATION, key: KEY, body: PAYLOAD, headers };
        let relation = Relation { columns, key: vec![ID], ..config::shape_of(relation) };
        let (relation, ready) = (Arc::new(relation), Arc::new(ready));
        Ok(Some(Plan { relation, ready, parts, route, is_hex }))
    }
}

struct Boxing {
    id: Arc<str>,
    work: Work,
}

#[async_trait]
impl Processing for Boxing {
    async fn process(&mut self, batch: StreamBatch) -> Result<StreamBatch, Fault> {
        work_on(batch, &self.id, &mut self.work)
    }

    fn remarks(&mut self) -> Vec<String> {
        self.work.remark.take().into_iter().collect()
    }
}

struct Work {
    outbox: Outbox,
    shapes: Shapes<Option<Plan>>,
    /// Whether people know of updates.
    told: bool,
    remark: Option<String>,
}

impl RowWork for Work {
    fn applies(&mut self, relation: &Arc<Relation>) -> Result<bool, Fault> {
        let Self { outbox, shapes, .. } = self;
        Ok(shapes.of(relation, || outbox.plan(relation))?.is_some())
    }

    fn work(
        &mut self,
        change: &ChangeRef<'_>,
        overlay: &mut ChunkOverlay,
    ) -> Result<Verdict, Fault> {
        let Self { outbox, shapes, told, remark } = self;
        let Some(plan) = shapes.of(change.relation(), || outbox.plan(change.relation()))? else {
            return Ok(Verdict::Kept);
        };
        match change.op() {
            Op::Insert | Op::Read => {}
            Op::Delete | Op::Truncate => return Ok(Verdict::LeftOut),
            Op::Update => {
                if !std::mem::replace(told, true) {
                    let (id, table) = (&outbox.id, &outbox.table);
                    *remark = Some(format!(
                        "processor `{id}` leaves out updates of {table}: an outbox is only added to"
                    ));
                }
                return Ok(Verdict::LeftOut);
            }
        }
        let Some(row) = change.after() else { return Ok(Verdict::LeftOut) };
        Ok(match message(outbox, plan, row, overlay) {
            Ok(replaced) => Verdict::Replaced(replaced),
            Err(what) => {
                let said = format!("{what}, in a row of {}", outbox.table);
                Verdict::Refused(Fault::new(ErrorClass::Constraint, said))
            }
        })
    }
}

fn message(
    outbox: &Outbox,
    plan: &Plan,
    row: RowRef<'_>,
    overlay: &mut ChunkOverlay,
) -> Result<Replaced, String> {
    let route = match row.datum(plan.route) {
        Datum::Text(text) => std::str::from_utf8(text).ok().filter(|text| !text.is_empty()),
        Datum::Null | Datum::Unchanged | Datum::Binary(_) => None,
    };
    let route = route.ok_or_else(|| format!("column `{}` has no route", outbox.names.route))?;
    let start = overlay.cell_start();
    let destination = outbox.route.replace(PLACE, route);
    let mut fits = overlay.push_text(|out| out.extend_from_slice(destination.as_bytes()));
    for (part, index) in plan.parts.iter().enumerate() {
        match row.datum(*index) {
            Datum::Text(text) if plan.is_hex && part + 1 == PAYLOAD => {
                let bytes = from_hex(text).ok_or_else(|| {
                    format!("column `{}` does not hold bytes", outbox.names.payload)
                })?;
                fits &= overlay.push_text(|out| out.extend_from_slice(&bytes));
            }
            _ => overlay.push_cell(row.cells().get(*index).copied().unwrap_or(Cell::NULL)),
        }
    }
    if !fits {
        return Err("the message does not fit into a chunk".to_owned());
    }
    let relation = overlay.ready_relation(&plan.relation, &plan.ready);
    Ok(Replaced { relation, identity: Identity::None, before: None, after: Some(start) })
}

/// The bytes that `\x00ff` stands for.
fn from_hex(text: &[u8]) -> Option<Vec<u8>> {
    let digits = text.strip_prefix(b"\\x")?;
    let value = |digit: u8| char::from(digit).to_digit(16).and_then(|it| u8::try_from(it).ok());
    let pairs = digits.chunks(2);
    pairs
        .map(|pair| match pair {
            [high, low] => Some(value(*high)? << 4 | value(*low)?),
            _ => None,
        })
        .collect()
}
