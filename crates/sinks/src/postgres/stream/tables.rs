//! The tables that the stream writes, each made fit for the source's shape of it.
//!
//! Looking at a table, making it and adding columns is done by the code of copies, so that both come
//! to the same types. It happens within the transaction of the first batch that needs it.

use std::collections::HashMap;
use std::sync::Arc;

use flowglass_clients::postgres::{TableName, quote};
use flowglass_connect::stream::Relation;
use flowglass_connect::{Fault, WritePlan};
use flowglass_model::ErrorClass;

use super::checks::Check;
use super::config::Settings;
use super::session::{Limited, within};
use super::sql::cast_of;
use crate::postgres::fit::{Fitted, create, fit};
use crate::rows::plan_of;

/// Shapes that are remembered; past it they are looked at again.
const FITS_MAX: usize = 4096;

/// A column that is written.
#[derive(Debug)]
pub(super) struct Column {
    /// Its place in the relation.
    pub(super) at: usize,
    /// Its name.
    pub(super) name: String,
    /// Its name in SQL.
    pub(super) quoted: String,
    /// The type that its text is read as.
    pub(super) cast: String,
    pub(super) check: Check,
    /// Its place in the key.
    pub(super) key: Option<usize>,
}

/// A table of ours for one shape of a source's table.
#[derive(Debug)]
pub(super) struct Fit {
    pub(super) relation: Arc<Relation>,
    pub(super) table: TableName,
    pub(super) columns: Vec<Column>,
    /// Whether any column has a check.
    pub(super) checked: bool,
}

impl Fit {
    /// The columns of the key, in its order.
    pub(super) fn key(&self) -> Vec<&Column> {
        let place = |at: usize| self.columns.iter().find(move |column| column.key == Some(at));
        (0..self.relation.key.len()).filter_map(place).collect()
    }
}

/// All tables, by the shapes that were seen.
#[derive(Debug, Default)]
pub(super) struct Tables {
    fits: Vec<Fit>,
    /// Which of the source's tables each of ours belongs to.
    claims: HashMap<(String, String), (Arc<str>, Arc<str>)>,
}

impl Tables {
    /// A fit by the index that [`Tables::fit`] gave, in the same batch.
    #[expect(clippy::indexing_slicing, reason = "the index was given out in the same batch")]
    pub(super) fn get(&self, fit: usize) -> &Fit {
        &self.fits[fit]
    }

    /// Forgets what was seen once there is too much of it. Called between batches.
    pub(super) fn trim(&mut self) {
        if self.fits.len() > FITS_MAX {
            self.fits.clear();
        }
    }

    /// The fit for a shape; makes or alters the table when the shape is new.
    ///
    /// # Errors
    /// What does not fit, or what the server says.
    pub(super) async fn fit(
        &mut self,
        session: &Limited,
        settings: &Settings,
        relation: &Arc<Relation>,
    ) -> Result<usize, Fault> {
        // The newest shape is asked for most, and each chunk may bring a copy of it.
        let same = |fit: &Fit| Arc::ptr_eq(&fit.relation, relation) || fit.relation == *relation;
        if let Some(at) = self.fits.iter().rposition(same) {
            if let Some(fit) = self.fits.get_mut(at) {
                fit.relation = Arc::clone(relation);
            }
            return Ok(at);
        }
        let table = self.claim(settings, relation)?;
        let plan = plan_of(relation, &settings.tables);
        let doing = format!("making {table} fit");
        let fitted = within(session.limit(), &doing, prepare(session, settings, &table, &plan));
        let fitted = Box::pin(fitted).await?;
        self.fits.push(described(relation, table, &fitted));
        Ok(self.fits.len() - 1)
    }

    fn claim(&mut self, settings: &Settings, relation: &Relation) -> Result<TableName, Fault> {
        let named = settings.table.name(relation);
        let table = TableName {
            schema: named.schema.unwrap_or_else(|| "public".to_owned()),
            table: named.table,
        };
        if table.table.starts_with("_flowglass_") {
            let said = format!("{table} is a name of Flowglass's own tables");
            return Err(Fault::new(ErrorClass::Config, said));
        }
        let whose = (Arc::clone(&relation.schema), Arc::clone(&relation.table));
        let place = (table.schema.clone(), table.table.clone());
        let first = self.claims.entry(place).or_insert_with(|| whose.clone());
        if *first != whose {
            let said = format!(
                "{}.{} and {} would go to the same table {table}",
                first.0,
                first.1,
                relation.name()
            );
            return Err(Fault::new(ErrorClass::Config, said).hint(
                "Let `table` hold `{schema}` and `{table}`, or give each a sink of its own.",
            ));
        }
        Ok(table)
    }
}

fn described(relation: &Arc<Relation>, table: TableName, fitted: &Fitted) -> Fit {
    let columns: Vec<Column> = fitted
        .columns
        .iter()
        .filter_map(|written| {
            let column = relation.columns.get(written.at)?;
            Some(Column {
                at: written.at,
                name: written.name.clone(),
                quoted: quote(&written.name),
                cast: cast_of(&written.ty.base_name),
                check: Check::of(&column.kind, &written.ty),
                key: relation.key.iter().position(|at| *at == written.at),
            })
        })
        .collect();
    let checked = columns.iter().any(|column| column.check != Check::Nothing);
    Fit { relation: Arc::clone(relation), table, columns, checked }
}

/// Makes the table, or makes it fit.
async fn prepare(
    session: &Limited,
    settings: &Settings,
    table: &TableName,
    plan: &WritePlan,
) -> Result<Fitted, Fault> {
    let session = session.session();
    if settings.tables.create_tables {
        let doing = format!("looking for the schema of {table}");
        let sql = "SELECT count(*) FROM pg_namespace WHERE nspname = $1";
        let found = session.client.query_one(sql, &[&table.schema]).await;
        let found = found.map_err(|error| flowglass_clients::postgres::fault(doing, error))?;
        if found.get::<_, i64>(0) == 0 {
            let make = format!("CREATE SCHEMA IF NOT EXISTS {}", quote(&table.schema));
            session.run(&format!("making the schema of {table}"), &make).await?;
        }
    }
    let fitted = fit(session, table, plan).await?;
    if fitted.there.oid.is_none() {
        let make = create(&table.sql(), &fitted, plan);
        if !settings.tables.create_tables {
            let said = format!("there is no table {table}");
            return Err(Fault::new(ErrorClass::NotFound, said)
                .hint(format!("Make it, such as by `{make}`, or set `create_tables: true`.")));
        }
        session.run(&format!("making the table {table}"), &make).await?;
        return Ok(fitted);
    }
    if !fitted.added.is_empty() {
        let add = fitted.add_columns(&table.sql());
        session.run(&format!("adding columns to {table}"), &add).await?;
    }
    if !plan.key.is_empty() {
        need_unique(session, table, (fitted.there.oid, &plan.key)).await?;
    }
    Ok(fitted)
}

/// A row is found by its key, and there must be one at most.
async fn need_unique(
    session: &flowglass_clients::postgres::Session,
    table: &TableName,
    (oid, key): (Option<u32>, &[String]),
) -> Result<(), Fault> {
    let sql = "SELECT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = $1 AND i.indisunique \
        AND i.indimmediate AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL \
        AND (SELECT array_agg(a.attname::text COLLATE \"C\" ORDER BY a.attname::text COLLATE \"C\") \
          FROM generate_series(0, i.indnkeyatts - 1) n \
          JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[n]) \
        = (SELECT array_agg(k COLLATE \"C\" ORDER BY k COLLATE \"C\") FROM unnest($2::text[]) k))";
    let oid = oid.unwrap_or_default();
    let found = session.client.query_one(sql, &[&oid, &key]).await;
    let doing = format!("looking at the indexes of {table}");
    let found = found.map_err(|error| flowglass_clients::postgres::fault(doing, error))?;
    if found.get(0) {
        return Ok(());
    }
    let columns = key.join(", ");
    let quoted: Vec<String> = key.iter().map(|name| quote(name)).collect();
    let said = format!("the table {table} has no unique index on the key ({columns})");
    Err(Fault::new(ErrorClass::Config, said).hint(format!(
        "Make one: `CREATE UNIQUE INDEX ON {} ({})`.",
        table.sql(),
        quoted.join(", ")
    )))
}
