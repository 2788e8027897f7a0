//! How a processor's configuration is read, and what several of them say in it.

use std::sync::Arc;

use flowglass_connect::Fault;
use flowglass_connect::stream::Relation;
use flowglass_model::ErrorClass;
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// Reads the configuration of the processor that is called `id`.
///
/// # Errors
/// `config`, with what is wrong.
pub(crate) fn read<T: DeserializeOwned>(id: &str, config: serde_json::Value) -> Result<T, Fault> {
    serde_json::from_value(config)
        .map_err(|cause| Fault::new(ErrorClass::Config, format!("processor `{id}`")).because(cause))
}

/// Names of columns: a list, or one alone.
#[derive(Debug, Clone, Deserialize)]
#[serde(from = "OneOrMany")]
pub(crate) struct Names(pub(crate) Vec<String>);

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

impl From<OneOrMany> for Names {
    fn from(names: OneOrMany) -> Self {
        match names {
            OneOrMany::One(name) => Self(vec![name]),
            OneOrMany::Many(names) => Self(names),
        }
    }
}

/// The head of a relation that is derived from this one: the same table, no columns yet.
pub(crate) fn shape_of(relation: &Relation) -> Relation {
    Relation {
        id: relation.id,
        database: Arc::clone(&relation.database),
        schema: Arc::clone(&relation.schema),
        table: Arc::clone(&relation.table),
        columns: Vec::new(),
        key: relation.key.clone(),
        version: relation.version,
    }
}
