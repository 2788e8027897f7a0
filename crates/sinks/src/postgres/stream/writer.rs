//! An open sink: one transaction a batch, the position its last word.

use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use flowglass_connect::Fault;
use flowglass_connect::stream::{Acknowledged, Delivery, Refused};
use flowglass_model::Policy;

use super::apply::{Applier, Statements};
use super::config::Settings;
use super::positions::Positions;
use super::screen::{Item, Screened, screen};
use super::session::Limited;
use super::tables::Tables;
use crate::messages::Deliver;

/// The one writer of a stream's tables.
pub(super) struct Writer {
    session: Limited,
    settings: Arc<Settings>,
    positions: Positions,
    tables: Tables,
    statements: Statements,
}

impl Writer {
    /// A writer over a session that has taken the stream over.
    pub(super) fn new(session: Limited, settings: Arc<Settings>, positions: Positions) -> Self {
        Self {
            session,
            settings,
            positions,
            tables: Tables::default(),
            statements: Statements::new(),
        }
    }

    /// Writes the rows, half of them at a time where the data of some is at fault.
    async fn write(&mut self, items: &[Item<'_>]) -> Result<(Vec<Refused>, u64), Fault> {
        let mut applier = Applier {
            session: &self.session,
            tables: &self.tables,
            statements: &mut self.statements,
            bytes: 0,
        };
        let mut refused = Vec::new();
        let mut todo: Vec<Range<usize>> = Vec::new();
        if !items.is_empty() {
            todo.push(0..items.len());
        }
        while let Some(range) = todo.pop() {
            let part = items.get(range.clone()).unwrap_or_default();
            match (applier.apply(part).await, part) {
                (Ok(()), _) => {}
                (Err(fault), _) if fault.class().policy() != Policy::SetAside => return Err(fault),
                (Err(fault), [item]) => refused.push(Refused { change: item.index, fault }),
                (Err(_found_in_one_of_them), _) => {
                    let middle = range.start + range.len() / 2;
                    // In order: the second half may stand on the first.
                    todo.push(middle..range.end);
                    todo.push(range.start..middle);
                }
            }
        }
        Ok((refused, applier.bytes))
    }
}

#[async_trait]
impl Deliver for Writer {
    async fn deliver(&mut self, delivery: Delivery) -> Result<Acknowledged, Fault> {
        let Delivery { number, batch, .. } = delivery;
        self.tables.trim();
        self.session.run("beginning a batch", "BEGIN").await?;
        let looking = screen(&batch, &mut self.tables, (&self.session, &self.settings));
        let Screened { items, mut refused } = Box::pin(looking).await?;
        let (late, bytes) = Box::pin(self.write(&items)).await?;
        refused.extend(late);
        refused.sort_by_key(|it| it.change);
        self.positions.advance(&self.session, batch.position()).await?;
        self.session.run("committing a batch", "COMMIT").await?;
        Ok(Acknowledged { number, refused, bytes, ..Acknowledged::default() })
    }
}
