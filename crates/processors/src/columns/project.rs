//! `project`: keeps some columns of a table and leaves out the others.
//!
//! A rule that takes values away is never skipped: a table that it applies to and that lacks one of its
//! columns stops the stream, since whatever else the table holds would go on unseen.

use std::sync::Arc;

use flowglass_connect::stream::{Processing, ProcessorConnector, Relation, StreamProcessor};
use flowglass_connect::{Fault, Surroundings};
use flowglass_model::ErrorClass;
use serde::Deserialize;

use super::reshape::{Columns, Planned, Reshape, Reshaping, Take, indices_of, lacks};
use crate::config;
use crate::tables::Tables;

/// The processor `project`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Connector;

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    columns: config::Names,
    #[serde(default)]
    tables: Tables,
}

impl ProcessorConnector for Connector {
    fn kind(&self) -> &'static str {
        "project"
    }

    fn build(
        &self,
        id: &str,
        config: serde_json::Value,
        _around: &Surroundings,
    ) -> Result<Arc<dyn StreamProcessor>, Fault> {
        let Config { columns, tables } = config::read(id, config)?;
        Ok(Arc::new(Project { id: id.into(), columns: columns.0, tables }))
    }
}

#[derive(Debug, Clone)]
struct Project {
    id: Arc<str>,
    columns: Vec<String>,
    tables: Tables,
}

impl StreamProcessor for Project {
    fn id(&self) -> &str {
        &self.id
    }

    fn open(&self) -> Result<Box<dyn Processing>, Fault> {
        Ok(Box::new(Columns::new(&self.id, self.clone())))
    }
}

impl Reshaping for Project {
    fn reshape(&self, relation: &Arc<Relation>) -> Result<Planned, Fault> {
        if !self.tables.take(relation) {
            return Ok(Planned::NotMine);
        }
        let mut kept = indices_of(&self.columns, relation)
            .map_err(|missing| lacks(&self.id, relation, &missing))?;
        // The table's own order, whatever that of the list: one shape for one choice.
        kept.sort_unstable();
        kept.dedup();
        let place = |old: &usize| kept.iter().position(|index| index == old);
        let key: Option<Vec<usize>> = relation.key.iter().map(place).collect();
        let Some(key) = key else {
            let lost = relation.key.iter().find(|index| !kept.contains(index));
            let name = lost.and_then(|index| relation.columns.get(*index));
            let name = name.map_or("?", |column| column.name.as_str());
            let said = format!(
                "processor `{}`: leaves out `{name}`, which is part of the key of {}",
                self.id,
                relation.name()
            );
            return Err(Fault::new(ErrorClass::Config, said).hint(
                "Add the columns of the key to `columns`: without them nobody can tell the rows apart.",
            ));
        };
        if kept.len() == relation.columns.len() {
            return Ok(Planned::NotMine);
        }
        let columns = kept.iter().filter_map(|index| relation.columns.get(*index).cloned());
        let relation = Relation { columns: columns.collect(), key, ..config::shape_of(relation) };
        let cells = kept.into_iter().map(Take::Same).collect();
        Ok(Planned::Reshape(Reshape { relation: Arc::new(relation), cells }))
    }

    fn hash(&self, _value: &[u8], _out: &mut Vec<u8>) {
        // It takes no sum over anything.
    }
}
