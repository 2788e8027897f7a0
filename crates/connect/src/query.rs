//! The doorframe of query engines: SQL over any sources, answered as a source like any other, so
//! that a query's result goes to a target the same way as a copied table.

use std::sync::Arc;

use crate::batch::{BatchSource, Surroundings};
use crate::fault::Fault;

/// A table that a query may name.
#[derive(Clone)]
pub struct QueryTable {
    /// The name in the query.
    pub name: String,
    /// Where its rows come from.
    pub source: Arc<dyn BatchSource>,
}

impl std::fmt::Debug for QueryTable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({})", self.name, self.source.asset())
    }
}

/// Answers SQL over [`QueryTable`]s.
pub trait QueryEngine: Send + Sync {
    /// The manifest's word, for instance `datafusion`.
    fn kind(&self) -> &'static str;

    /// A source that gives the query's rows. Nothing runs before it is opened; its memory is
    /// bounded and what outgrows it goes to `around.scratch_dir`.
    ///
    /// # Errors
    /// `config` when the text is no single query.
    fn query(
        &self,
        sql: &str,
        tables: Vec<QueryTable>,
        around: &Surroundings,
    ) -> Result<Arc<dyn BatchSource>, Fault>;
}
