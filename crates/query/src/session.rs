//! DataFusion's session for one query: bounded memory, our own functions, our own clock, and no way
//! to anything but the given tables.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::temporal_conversions::timestamp_ns_to_datetime;
use datafusion::catalog::{
    CatalogProvider, CatalogProviderList, MemoryCatalogProvider, MemoryCatalogProviderList,
    MemorySchemaProvider, SchemaProvider,
};
use datafusion::error::Result as DfResult;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::MemoryPool;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::execution::{SessionState, SessionStateBuilder};
use datafusion::logical_expr::AggregateUDF;
use datafusion::prelude::SessionConfig;

use super::arithmetic::Checked;
use super::sum::ExactSum;
use super::table::Provider;

/// Kept back for merging what a sort spilled, per sort and core; taken from the pool.
const MERGE_RESERVE_BYTES: usize = 4 << 20;

/// Rows in a batch between operators at most.
const BATCH_ROWS_MAX: usize = 65_536;

/// The same when memory is short.
const FRUGAL_BATCH_ROWS: usize = 1_024;

/// What a session is made of.
pub(crate) struct Needs<'a> {
    /// The memory that all queries share.
    pub(crate) pool: &'a Arc<dyn MemoryPool>,
    /// Where to spill.
    pub(crate) spill: &'a std::path::Path,
    /// The query's idea of now, in nanoseconds since 1970.
    pub(crate) now_nanoseconds: i128,
    /// Rows in a batch at most.
    pub(crate) batch_rows_max: usize,
    /// Whether memory ran short before: then everything that can spill does, in two partitions and
    /// small batches, because merging spilled runs holds a batch of each.
    pub(crate) frugal: bool,
}

/// A session that knows the given tables by the names that the planner sees.
pub(crate) fn session(
    needs: &Needs<'_>,
    tables: HashMap<String, Provider>,
) -> DfResult<SessionState> {
    let disk = DiskManagerBuilder::default()
        .with_mode(DiskManagerMode::Directories(vec![needs.spill.to_owned()]))
        // The disk itself is the bound: a full one is told as such.
        .with_max_temp_directory_size(u64::MAX);
    let runtime = RuntimeEnvBuilder::new()
        .with_memory_pool(Arc::clone(needs.pool))
        .with_disk_manager_builder(disk)
        .build_arc()?;
    let mut state = SessionStateBuilder::new()
        .with_config(config(needs))
        .with_runtime_env(runtime)
        .with_default_features()
        .with_catalog_list(catalog(tables)?)
        .with_analyzer_rule(Arc::new(Checked::rule()))
        .build();
    datafusion::logical_expr::registry::FunctionRegistry::register_udaf(
        &mut state,
        Arc::new(AggregateUDF::new_from_impl(ExactSum::new())),
    )?;
    state.execution_props_mut().query_execution_start_time = i64::try_from(needs.now_nanoseconds)
        .ok()
        .and_then(timestamp_ns_to_datetime)
        .map(|now| now.and_utc());
    Ok(state)
}

fn config(needs: &Needs<'_>) -> SessionConfig {
    let rows_max = if needs.frugal { FRUGAL_BATCH_ROWS } else { BATCH_ROWS_MAX };
    let mut config = SessionConfig::new()
        .with_batch_size(needs.batch_rows_max.clamp(1, rows_max))
        .with_information_schema(false)
        .with_create_default_catalog_and_schema(false);
    let options = config.options_mut();
    // Decimal literals stay exact, as in every database.
    options.sql_parser.parse_float_as_decimal = true;
    // `now()` is an instant, not a wall clock of nowhere.
    options.execution.time_zone = Some("UTC".to_owned());
    options.sql_parser.collect_spans = true;
    options.sql_parser.map_string_types_to_utf8view = false;
    options.optimizer.prefer_hash_join = !needs.frugal;
    if needs.frugal {
        // With one partition DataFusion plans hash joins whatever is preferred.
        options.execution.target_partitions = 2;
    }
    options.execution.sort_spill_reservation_bytes = MERGE_RESERVE_BYTES;
    config
}

fn catalog(tables: HashMap<String, Provider>) -> DfResult<Arc<dyn CatalogProviderList>> {
    let schema = MemorySchemaProvider::new();
    for (name, table) in tables {
        schema.register_table(name, Arc::new(table))?;
    }
    let catalog = MemoryCatalogProvider::new();
    catalog.register_schema("public", Arc::new(schema))?;
    let list = MemoryCatalogProviderList::new();
    list.register_catalog("datafusion".to_owned(), Arc::new(catalog));
    Ok(Arc::new(list))
}
