//! From a parsed query and its tables to a running plan and the columns of its result.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::Column;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::execution::memory_pool::MemoryPool;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder};
use datafusion::physical_plan::execute_stream;
use flowglass_connect::{Fault, NATIVE_TYPE_KEY, ReadRequest};
use flowglass_model::ErrorClass;

use super::bound::from_cursor;
use super::error::{During, fault};
use super::names::Names;
use super::parse::{Parsed, one_query_of, refused, tokens};
use super::session::{Needs, session};
use super::spill::SpillFolder;
use super::table::{Table, Told};

/// Everything that a query needs to be planned, and to be planned again.
pub(crate) struct Planner {
    sql: String,
    parsed: Parsed,
    tables: Vec<Table>,
    names: Names,
    request: ReadRequest,
    pool: Arc<dyn MemoryPool>,
    now_nanoseconds: i128,
    spill: Arc<SpillFolder>,
    told: Arc<Told>,
}

/// What stays the same however a query is planned.
pub(crate) struct Setting {
    pub(crate) pool: Arc<dyn MemoryPool>,
    pub(crate) now_nanoseconds: i128,
    pub(crate) spill: Arc<SpillFolder>,
}

/// A plan that runs.
pub(crate) struct Running {
    /// Its rows, in DataFusion's types.
    pub(crate) stream: SendableRecordBatchStream,
    /// Its columns, in the types that are given out.
    pub(crate) schema: SchemaRef,
    /// Whether it was planned for little memory already.
    pub(crate) frugal: bool,
}

impl Planner {
    pub(crate) fn new(
        sql: &str,
        parsed: Parsed,
        tables: Vec<Table>,
        request: ReadRequest,
        setting: Setting,
    ) -> Self {
        let mut names = Names::default();
        for table in &tables {
            names.learn(&table.table.name, table.columns());
        }
        Self {
            sql: sql.to_owned(),
            parsed,
            tables,
            names,
            request,
            pool: setting.pool,
            now_nanoseconds: setting.now_nanoseconds,
            spill: setting.spill,
            told: Arc::default(),
        }
    }

    /// What the query's sources tell.
    pub(crate) fn told(&self) -> &Told {
        &self.told
    }

    /// The spellings of its names.
    pub(crate) fn names(&self) -> &Names {
        &self.names
    }

    /// Plans the query and starts it. Nothing is read before the first batch is asked for.
    pub(crate) async fn start(&self, frugal: bool) -> Result<Running, Fault> {
        let planning = |error| fault(&error, During::Planning, &self.names);
        let needs = Needs {
            pool: &self.pool,
            spill: self.spill.path(),
            now_nanoseconds: self.now_nanoseconds,
            batch_rows_max: self.request.batch_rows_max,
            frugal,
        };
        let tables: HashMap<_, _> = self
            .tables
            .iter()
            .map(|table| {
                let shown = self.names.shown(&table.table.name);
                (shown, table.provider(&self.names, &self.told, self.request.batch_rows_max))
            })
            .collect();
        let state = session(&needs, tables).map_err(planning)?;
        let mut respelt = tokens(&self.sql)?;
        self.names.respell(&mut respelt);
        let statement = one_query_of(respelt)?.for_planner();
        let plan = state.statement_to_plan(statement).await.map_err(planning)?;
        let plan = self.result(&plan)?;
        let given: Vec<_> = plan.schema().fields().iter().map(|field| self.given(field)).collect();
        let physical = state.create_physical_plan(&plan).await.map_err(planning)?;
        let stream = execute_stream(physical, state.task_ctx()).map_err(planning)?;
        Ok(Running { stream, schema: Arc::new(Schema::new(given)), frugal })
    }

    /// The query with its own spelling of names, and what the request asks of it.
    fn result(&self, plan: &LogicalPlan) -> Result<LogicalPlan, Fault> {
        let planning = |error| fault(&error, During::Planning, &self.names);
        let shown: Vec<String> =
            plan.schema().fields().iter().map(|field| field.name().clone()).collect();
        let spelt = self.names.restore(self.parsed.aliases(), &shown);
        for (index, name) in spelt.iter().enumerate() {
            if spelt.iter().take(index).any(|other| other == name) {
                return Err(refused(None, format!("its result has two columns `{name}`"))
                    .hint("give one of them another name with `AS`"));
            }
        }
        let columns: Vec<(Expr, Field)> = plan
            .schema()
            .iter()
            .map(|(table, field)| {
                let column = Expr::Column(Column::new(table.cloned(), field.name()));
                (column, field.as_ref().clone())
            })
            .collect();
        let find = |wanted: &str| {
            let found = spelt.iter().position(|name| name == wanted);
            found.and_then(|index| columns.get(index)).ok_or_else(|| no_such(wanted, &spelt))
        };
        let mut wanted = Vec::new();
        match &self.request.columns {
            Some(names) => {
                for name in names {
                    wanted.push(find(name)?.0.clone().alias(name));
                }
            }
            None => {
                wanted.extend(
                    columns
                        .iter()
                        .zip(&spelt)
                        .map(|((column, _), name)| column.clone().alias(name)),
                );
            }
        }
        let mut build = LogicalPlanBuilder::from(plan.clone());
        if let Some(bound) = &self.request.from_cursor
            && let Some(value) = &bound.value
        {
            let (column, field) = find(&bound.column)?;
            let field = field.clone().with_name(&bound.column);
            build = build.filter(from_cursor(column.clone(), &field, value)?).map_err(planning)?;
        }
        build.project(wanted).and_then(LogicalPlanBuilder::build).map_err(planning)
    }

    /// A column as it is given out: in a type that targets know, and with its source's own type only
    /// where it still is what the source gave.
    fn given(&self, field: &Field) -> Field {
        let kind = given_type(field.data_type());
        let mut given = Field::new(field.name(), kind, field.is_nullable());
        if let Some(native) = field.metadata().get(NATIVE_TYPE_KEY) {
            let untouched =
                self.tables.iter().flat_map(|table| table.schema.fields()).any(|source| {
                    source.metadata().get(NATIVE_TYPE_KEY) == Some(native)
                        && source.data_type() == given.data_type()
                });
            if untouched {
                given.set_metadata([(NATIVE_TYPE_KEY.to_owned(), native.clone())].into());
            }
        }
        given
    }
}

/// Arrow has several layouts of one type; targets know the plain one.
fn given_type(kind: &DataType) -> DataType {
    match kind {
        DataType::Utf8View | DataType::Null => DataType::Utf8,
        DataType::BinaryView => DataType::Binary,
        DataType::Dictionary(_, value) => given_type(value),
        DataType::RunEndEncoded(_, value) => given_type(value.data_type()),
        other => other.clone(),
    }
}

fn no_such(wanted: &str, spelt: &[String]) -> Fault {
    let mut said = format!("the query's result has no column `{wanted}`");
    if let Some(nearest) = Names::nearest(wanted, spelt.iter().map(String::as_str)) {
        said.push_str(&format!("; did you mean `{nearest}`?"));
    }
    Fault::new(ErrorClass::NotFound, said)
}
