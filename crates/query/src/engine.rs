//! The query engine: checks a query's text at once, looks at its tables when it is opened.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::execution::memory_pool::{FairSpillPool, MemoryPool};
use flowglass_connect::{
    BatchReader, BatchSource, Fault, QueryEngine, QueryTable, ReadRequest, Surroundings,
};
use flowglass_model::{AssetRef, ErrorClass};
use futures::future::try_join_all;
use sha2::{Digest, Sha256};

use super::names::Names;
use super::parse::{Parsed, Relation, one_query, refused};
use super::plan::{Planner, Setting};
use super::reader::{Bounds, QueryReader};
use super::spill::SpillFolder;
use super::table::Table;

/// What all queries of a process may hold in memory together, by default.
const MEMORY_MAX_BYTES: usize = 192 << 20;

/// Table functions that DataFusion brings along and that read nothing.
const TABLE_FUNCTIONS: [&str; 2] = ["generate_series", "range"];

/// Apache DataFusion inside this process.
#[derive(Debug, Clone)]
pub struct DataFusion {
    pool: Arc<dyn MemoryPool>,
}

impl DataFusion {
    /// An engine whose queries together hold at most `memory_max_bytes` in memory. Batches on
    /// their way, a few megabytes a query, are not counted.
    #[must_use]
    pub fn new(memory_max_bytes: usize) -> Self {
        Self { pool: Arc::new(FairSpillPool::new(memory_max_bytes)) }
    }
}

impl Default for DataFusion {
    fn default() -> Self {
        Self::new(MEMORY_MAX_BYTES)
    }
}

impl QueryEngine for DataFusion {
    fn kind(&self) -> &'static str {
        "datafusion"
    }

    fn query(
        &self,
        sql: &str,
        tables: Vec<QueryTable>,
        around: &Surroundings,
    ) -> Result<Arc<dyn BatchSource>, Fault> {
        let parsed = one_query(sql)?;
        let tables = used(&parsed.relations()?, tables)?;
        Ok(Arc::new(Query {
            sql: sql.to_owned(),
            parsed,
            tables,
            pool: Arc::clone(&self.pool),
            around: around.clone(),
        }))
    }
}

/// The tables that the query reads. Others are not even looked at.
fn used(relations: &[Relation], tables: Vec<QueryTable>) -> Result<Vec<QueryTable>, Fault> {
    let mut wanted = BTreeSet::new();
    for relation in relations {
        let exact = tables.iter().position(|table| table.name == relation.name);
        let found = exact.or_else(|| {
            tables.iter().position(|table| table.name.eq_ignore_ascii_case(&relation.name))
        });
        match found {
            Some(index) => {
                wanted.insert(index);
            }
            None if TABLE_FUNCTIONS.contains(&relation.name.as_str()) => {}
            None => return Err(no_table(relation, &tables)),
        }
    }
    Ok(tables
        .into_iter()
        .enumerate()
        .filter(|(at, _)| wanted.contains(at))
        .map(|(_, it)| it)
        .collect())
}

fn no_table(relation: &Relation, tables: &[QueryTable]) -> Fault {
    let known = || tables.iter().map(|table| table.name.as_str());
    let mut said = format!("there is no table `{}`", relation.name);
    match Names::nearest(&relation.name, known()) {
        Some(nearest) => said.push_str(&format!("; did you mean `{nearest}`?")),
        None if tables.is_empty() => said.push_str("; the query was given no tables"),
        None => {
            let names: Vec<String> = known().take(8).map(|name| format!("`{name}`")).collect();
            let are = if names.len() == 1 { "is only" } else { "are" };
            said.push_str(&format!("; there {are} {}", names.join(", ")));
        }
    }
    Fault::new(ErrorClass::NotFound, refused(relation.place, said).to_string()).hint(
        "a sql node sees the tables of the nodes it needs, by node id, and those under `tables`",
    )
}

/// A query that was read, over tables that were not.
struct Query {
    sql: String,
    parsed: Parsed,
    tables: Vec<QueryTable>,
    pool: Arc<dyn MemoryPool>,
    around: Surroundings,
}

#[async_trait]
impl BatchSource for Query {
    /// `datafusion:` and a hash of the text, since a query has no place of its own.
    fn asset(&self) -> AssetRef {
        let digest = Sha256::digest(self.sql.as_bytes());
        let name: String = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        AssetRef::new("datafusion", name)
    }

    async fn open(&self, request: ReadRequest) -> Result<Box<dyn BatchReader>, Fault> {
        let tables = try_join_all(self.tables.iter().cloned().map(Table::look)).await?;
        let scratch = self.around.scratch_dir.clone();
        let spill =
            tokio::task::spawn_blocking(move || SpillFolder::new(&scratch)).await.map_err(
                |gone| Fault::new(ErrorClass::Internal, "making the scratch folder").because(gone),
            )??;
        let setting = Setting {
            pool: Arc::clone(&self.pool),
            now_nanoseconds: self.around.clock.now().as_nanosecond(),
            spill: Arc::new(spill),
        };
        let bounds =
            Bounds { rows_max: request.batch_rows_max, bytes_max: request.batch_bytes_max };
        let planner = Planner::new(&self.sql, self.parsed.clone(), tables, request, setting);
        let running = Box::pin(planner.start(false)).await?;
        Ok(Box::new(QueryReader::new(planner, running, bounds)))
    }
}
