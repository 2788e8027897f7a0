//! `filter`: keeps the rows for which a condition holds, and counts the others.
//!
//! The condition is read once, bound to a table's columns once per shape, and asked on the cells' bytes:
//! a row that is looked at is not taken apart. A row is left out only when the condition cannot hold:
//!
//! * an update goes on when the new row or the old one, as far as the source sent it, may fit, so that
//!   whoever has the row learns that it does not fit any more;
//! * a delete goes on when the old row may fit; where the source sends no more of it than its key, that
//!   is the answer unless the key decides;
//! * TRUNCATE goes on: it is about every row.

mod bind;
mod condition;
mod eval;
mod like;
mod moment;
mod number;
mod parse;
mod truth;

use std::collections::VecDeque;
use std::sync::Arc;

use async_trait::async_trait;
use flowglass_connect::stream::{
    ChangeRef, Op, Processing, ProcessorConnector, Relation, Slice, StreamBatch, StreamProcessor,
};
use flowglass_connect::{Fault, Surroundings};
use flowglass_model::ErrorClass;
use serde::Deserialize;

use self::bind::{Bound, Unfit};
use self::condition::Condition;
use self::eval::{Image, evaluate};
use crate::config;
use crate::shapes::Shapes;
use crate::tables::Tables;

/// The processor `filter`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Connector;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    #[serde(rename = "where")]
    condition: String,
    #[serde(default)]
    tables: Tables,
}

impl ProcessorConnector for Connector {
    fn kind(&self) -> &'static str {
        "filter"
    }

    fn build(
        &self,
        id: &str,
        config: serde_json::Value,
        _around: &Surroundings,
    ) -> Result<Arc<dyn StreamProcessor>, Fault> {
        let Config { condition, tables } = config::read(id, config)?;
        let condition = parse::parse(&condition).map_err(|wrong| {
            Fault::new(ErrorClass::Config, format!("processor `{id}`: {wrong}"))
        })?;
        Ok(Arc::new(Filter { id: id.into(), condition: Arc::new(condition), tables }))
    }
}

/// A filter as it is configured.
#[derive(Debug, Clone)]
struct Filter {
    id: Arc<str>,
    condition: Arc<Condition>,
    tables: Tables,
}

impl StreamProcessor for Filter {
    fn id(&self) -> &str {
        &self.id
    }

    fn open(&self) -> Result<Box<dyn Processing>, Fault> {
        let (shapes, remarks) = (Shapes::default(), VecDeque::new());
        Ok(Box::new(Filtering { filter: self.clone(), shapes, remarks }))
    }
}

impl Filter {
    /// The condition over a table; `None` when the table is none of ours, and what people should know.
    fn bind(&self, relation: &Relation) -> Result<(Option<Bound>, Option<String>), Fault> {
        if !self.tables.take(relation) {
            return Ok((None, None));
        }
        let (id, table) = (&self.id, relation.name());
        match bind::bind(&self.condition, relation) {
            Ok(bound) => Ok((Some(bound), None)),
            Err(Unfit::Missing(column)) if self.tables.are_named() => {
                let said = format!("processor `{id}`: table {table} has no column `{column}`");
                Err(Fault::new(ErrorClass::Schema, said)
                    .hint("Correct `where`, or say under `tables` which tables it is about."))
            }
            Err(Unfit::Missing(column)) => {
                let said = format!(
                    "processor `{id}` lets every row of {table} pass: it has no column `{column}`"
                );
                Ok((None, Some(said)))
            }
            Err(Unfit::Wrong(wrong)) => {
                let said = format!("processor `{id}`, table {table}: {wrong}");
                Err(Fault::new(ErrorClass::Config, said))
            }
        }
    }
}

/// A filter at work.
struct Filtering {
    filter: Filter,
    shapes: Shapes<Option<Bound>>,
    remarks: VecDeque<String>,
}

#[async_trait]
impl Processing for Filtering {
    async fn process(&mut self, batch: StreamBatch) -> Result<StreamBatch, Fault> {
        let mut changed = None::<Vec<Slice>>;
        for (index, slice) in batch.slices().iter().enumerate() {
            if let Some(slice) = self.look(slice)? {
                let slices = changed.get_or_insert_with(|| batch.slices().to_vec());
                if let Some(place) = slices.get_mut(index) {
                    *place = slice;
                }
            }
        }
        Ok(match changed {
            Some(slices) => batch.with_slices(slices),
            None => batch,
        })
    }

    fn remarks(&mut self) -> Vec<String> {
        self.remarks.drain(..).collect()
    }
}

impl Filtering {
    /// The slice with its marks; `None` when every row goes on.
    fn look(&mut self, slice: &Slice) -> Result<Option<Slice>, Fault> {
        let Self { filter, shapes, remarks } = self;
        let mut left_out = None::<Vec<bool>>;
        for (at, change) in slice.chunk.changes(slice.from, slice.to).enumerate() {
            let relation = change.relation();
            let bound = shapes.of(relation, || {
                let (bound, remark) = filter.bind(relation)?;
                remarks.extend(remark);
                Ok(bound)
            })?;
            let Some(bound) = bound else { continue };
            if !goes_on(bound, &change) {
                let marks = left_out.get_or_insert_with(|| match &slice.left_out {
                    Some(marks) => marks.to_vec(),
                    None => vec![false; slice.len()],
                });
                if let Some(mark) = marks.get_mut(at) {
                    *mark = true;
                }
            }
        }
        Ok(left_out.map(|marks| Slice { left_out: Some(marks.into()), ..slice.clone() }))
    }
}

/// Whether the condition may hold for a change.
fn goes_on(condition: &Bound, change: &ChangeRef<'_>) -> bool {
    let may_hold = |image: Option<Image<'_>>| image.map(|row| evaluate(condition, &row).may_hold());
    match change.op() {
        Op::Truncate => true,
        Op::Insert | Op::Read => may_hold(Image::after(change)).unwrap_or(true),
        Op::Update => {
            may_hold(Image::after(change)).unwrap_or(true)
                || may_hold(Image::before(change)).unwrap_or(false)
        }
        Op::Delete => may_hold(Image::before(change)).unwrap_or(true),
    }
}
