//! What is prepared once per shape of a table, and how the shapes that are in use are found again.

use std::collections::HashMap;
use std::sync::Arc;

use super::debezium::{self, Frame};
use super::envelope::Heads;
use super::form::Form;
use super::key::KeyPlan;
use super::route::{Route, RoutePlan};
use super::row::ColumnPlan;
use super::settings::{DebeziumSettings, KeyRule};
use crate::stream::Relation;

/// The shapes that are remembered; past it they are forgotten all at once. A stream with more tables
/// than this prepares them anew once in a while, and one whose tables change for ever stays small.
const PLANS_MAX: usize = 4_096;

/// What is the same for every row of a table.
#[derive(Debug)]
pub(super) struct Plan {
    pub relation: Arc<Relation>,
    pub columns: Vec<ColumnPlan>,
    pub key: KeyPlan,
    pub route: RoutePlan,
    /// The beginnings of the native envelope and of CloudEvents.
    pub heads: Heads,
    /// The constant parts of Debezium's envelope.
    pub frame: Frame,
}

impl Plan {
    /// Prepares a table; with `debezium` for that envelope.
    pub(super) fn new(
        relation: &Arc<Relation>,
        key: &KeyRule,
        route: &Route,
        debezium: Option<&DebeziumSettings>,
    ) -> Self {
        let columns = relation.columns.iter().map(|column| match debezium {
            None => ColumnPlan::new(&column.name, Form::native(column), None),
            Some(settings) => {
                let placeholder = debezium::placeholder(column, settings);
                ColumnPlan::new(&column.name, debezium::form(column, settings), Some(placeholder))
            }
        });
        Self {
            columns: columns.collect(),
            key: KeyPlan::new(key, relation),
            route: route.plan(relation),
            heads: Heads::new(relation),
            frame: Frame::default(),
            relation: Arc::clone(relation),
        }
    }
}

/// The plans of the tables seen so far. A plan keeps its relation alive, so that no other relation
/// can come to lie at its address.
#[derive(Debug, Default)]
pub(super) struct Plans {
    plans: Vec<Plan>,
    by_address: HashMap<usize, usize>,
    last: usize,
}

impl Plans {
    /// The plan of a relation; `make` prepares it when it is new.
    #[expect(clippy::indexing_slicing, reason = "the index was found or made the line before")]
    pub(super) fn of(
        &mut self,
        relation: &Arc<Relation>,
        make: impl FnOnce() -> Plan,
    ) -> &mut Plan {
        let hit = self.plans.get(self.last).is_some_and(|it| Arc::ptr_eq(&it.relation, relation));
        if !hit {
            self.last = self.find_or_add(relation, make);
        }
        &mut self.plans[self.last]
    }

    fn find_or_add(&mut self, relation: &Arc<Relation>, make: impl FnOnce() -> Plan) -> usize {
        let address = Arc::as_ptr(relation).addr();
        if let Some(index) = self.by_address.get(&address) {
            return *index;
        }
        if self.plans.len() >= PLANS_MAX {
            self.plans.clear();
            self.by_address.clear();
        }
        self.plans.push(make());
        self.by_address.insert(address, self.plans.len() - 1);
        self.plans.len() - 1
    }
}
