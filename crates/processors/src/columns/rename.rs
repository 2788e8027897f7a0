//! `rename`: gives columns other names.

use std::collections::BTreeMap;
use std::sync::Arc;

use flowglass_connect::stream::{Processing, ProcessorConnector, Relation, StreamProcessor};
use flowglass_connect::{Fault, Surroundings};
use flowglass_model::ErrorClass;
use serde::Deserialize;

use super::reshape::{Columns, Planned, Reshape, Reshaping, Take, indices_of, lacks};
use crate::config;
use crate::tables::Tables;

/// The processor `rename`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Connector;

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    /// The new name of each column, by its old one.
    columns: BTreeMap<String, String>,
    #[serde(default)]
    tables: Tables,
}

impl ProcessorConnector for Connector {
    fn kind(&self) -> &'static str {
        "rename"
    }

    fn build(
        &self,
        id: &str,
        config: serde_json::Value,
        _around: &Surroundings,
    ) -> Result<Arc<dyn StreamProcessor>, Fault> {
        let Config { columns, tables } = config::read(id, config)?;
        Ok(Arc::new(Rename { id: id.into(), columns, tables }))
    }
}

#[derive(Debug, Clone)]
struct Rename {
    id: Arc<str>,
    columns: BTreeMap<String, String>,
    tables: Tables,
}

impl StreamProcessor for Rename {
    fn id(&self) -> &str {
        &self.id
    }

    fn open(&self) -> Result<Box<dyn Processing>, Fault> {
        Ok(Box::new(Columns::new(&self.id, self.clone())))
    }
}

impl Reshaping for Rename {
    fn reshape(&self, relation: &Arc<Relation>) -> Result<Planned, Fault> {
        if !self.tables.take(relation) {
            return Ok(Planned::NotMine);
        }
        let names: Vec<String> = self.columns.keys().cloned().collect();
        if let Err(missing) = indices_of(&names, relation) {
            if self.tables.are_named() {
                return Err(lacks(&self.id, relation, &missing));
            }
            return Ok(Planned::Passed(format!(
                "processor `{}` does not apply to {}: it has no column {missing}",
                self.id,
                relation.name()
            )));
        }
        let mut columns = relation.columns.clone();
        for column in &mut columns {
            if let Some(name) = self.columns.get(&column.name) {
                column.name.clone_from(name);
            }
        }
        let mut names: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
        names.sort_unstable();
        if let Some(twice) = names.windows(2).find(|pair| pair.first() == pair.get(1)) {
            let said = format!(
                "processor `{}`: two columns of {} would be called `{}`",
                self.id,
                relation.name(),
                twice.first().copied().unwrap_or_default()
            );
            return Err(Fault::new(ErrorClass::Config, said));
        }
        let cells = (0..columns.len()).map(Take::Same).collect();
        let relation = Relation { columns, ..config::shape_of(relation) };
        Ok(Planned::Reshape(Reshape { relation: Arc::new(relation), cells }))
    }

    fn hash(&self, _value: &[u8], _out: &mut Vec<u8>) {
        // It takes no sum over anything.
    }
}
