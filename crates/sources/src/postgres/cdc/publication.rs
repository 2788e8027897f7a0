//! The tables that are meant, and the publication that carries them.

use flowglass_clients::postgres::{TableName, literal, quote};
use flowglass_connect::Fault;
use flowglass_model::ErrorClass;
use serde::Deserialize;

use super::config::{Plan, SnapshotMode};
use super::side::Side;

/// What marks the message in the log that says which table has joined. It is written in the
/// transaction that lets the table join, so that no crash can come between the two.
pub(super) const JOINED: &str = "flowglass.joined";

/// What it says.
#[derive(Debug, Deserialize)]
pub(super) struct Joined {
    /// The slot of the stream whose table it is.
    pub(super) slot: String,
    /// As SQL writes its name.
    pub(super) table: String,
    /// The whole number of the transaction.
    pub(super) by: String,
}

/// A table of the database that may be meant.
#[derive(Debug, Clone)]
pub(super) struct Table {
    pub(super) id: u32,
    pub(super) name: TableName,
    /// The partitioned tables above it, by number.
    pub(super) ancestors: Vec<u32>,
    /// `d`, `n`, `f`, `i` as in `pg_class.relreplident`.
    pub(super) identity: String,
    pub(super) has_primary_key: bool,
    pub(super) readable: bool,
    pub(super) owned: bool,
    pub(super) published: bool,
    /// How many rows the planner believes it has; negative when nobody has counted.
    rows: f64,
}

impl Table {
    /// Whether the server refuses UPDATE and DELETE on it as soon as it is published.
    pub(super) fn would_refuse_changes(&self) -> bool {
        self.identity == "n" || (self.identity == "d" && !self.has_primary_key)
    }

    /// About how many rows it has; 0 when nobody has counted.
    pub(super) fn rows_expected(&self) -> u64 {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "an estimate; what is negative becomes 0"
        )]
        let rows = self.rows as u64;
        rows
    }
}

/// A publication as it is.
#[derive(Debug, Clone)]
pub(super) struct Publication {
    /// The kinds of change that it leaves out.
    pub(super) left_out: Vec<&'static str>,
}

const TABLES: &str = "SELECT c.oid, n.nspname::text, c.relname::text, \
    ARRAY(SELECT relid::oid FROM pg_partition_ancestors(c.oid) WHERE relid <> c.oid), \
    c.relreplident::text, \
    EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary), \
    has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT'), \
    pg_has_role(c.relowner, 'USAGE'), \
    coalesce((SELECT puballtables FROM pg_publication WHERE pubname = $1), false) \
      OR EXISTS (SELECT FROM pg_publication_rel r JOIN pg_publication p ON p.oid = r.prpubid \
        WHERE p.pubname = $1 AND r.prrelid = ANY (SELECT c.oid UNION ALL \
          SELECT relid::oid FROM pg_partition_ancestors(c.oid))) \
      OR EXISTS (SELECT FROM pg_publication_tables t WHERE t.pubname = $1 \
        AND t.schemaname = n.nspname AND t.tablename = c.relname), \
    c.reltuples::float8 \
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
    WHERE c.relkind IN ('r', 'p') AND c.relpersistence = 'p' \
    AND n.nspname <> 'information_schema' AND n.nspname NOT LIKE 'pg\\_%' ORDER BY 2, 3";

/// The tables that are meant. A partition whose partitioned table is meant too is a part of that.
pub(super) async fn meant_tables(side: &Side, plan: &Plan) -> Result<Vec<Table>, Fault> {
    let rows = side.query("looking for the tables", TABLES, &[&plan.publication]).await?;
    let all: Vec<Table> = rows
        .iter()
        .map(|row| Table {
            id: row.get(0),
            name: TableName { schema: row.get(1), table: row.get(2) },
            ancestors: row.get(3),
            identity: row.get(4),
            has_primary_key: row.get(5),
            readable: row.get(6),
            owned: row.get(7),
            published: row.get(8),
            rows: row.get(9),
        })
        .collect();
    let names: Vec<(&str, &str)> =
        all.iter().map(|it| (it.name.schema.as_str(), it.name.table.as_str())).collect();
    plan.patterns.unmatched(&names)?;
    let meant = |table: &Table| plan.patterns.matches(&table.name.schema, &table.name.table);
    let ids: Vec<u32> = all.iter().filter(|table| meant(table)).map(|table| table.id).collect();
    let part_of_another = |table: &Table| table.ancestors.iter().any(|id| ids.contains(id));
    Ok(all.iter().filter(|it| meant(it) && !part_of_another(it)).cloned().collect())
}

/// The publication as it is; `None` when there is none.
pub(super) async fn publication(side: &Side, name: &str) -> Result<Option<Publication>, Fault> {
    let sql = "SELECT pubinsert, pubupdate, pubdelete, pubtruncate FROM pg_publication \
               WHERE pubname = $1";
    let rows = side.query("looking for the publication", sql, &[&name]).await?;
    Ok(rows.first().map(|row| {
        let kinds = ["insert", "update", "delete", "truncate"];
        let left_out = kinds.into_iter().enumerate().filter(|(at, _)| !row.get::<_, bool>(*at));
        Publication { left_out: left_out.map(|(_, kind)| kind).collect() }
    }))
}

/// The statement that makes the publication carry all of these tables; `None` when it does.
pub(super) fn mending(
    name: &str,
    publication: Option<&Publication>,
    tables: &[Table],
) -> Option<String> {
    let missing: Vec<&Table> = tables.iter().filter(|table| !table.published).collect();
    let list = |tables: &[&Table]| {
        let names = tables.iter().map(|table| format!("ONLY {}", table.name.sql()));
        names.collect::<Vec<_>>().join(", ")
    };
    match publication {
        None => Some(format!(
            "CREATE PUBLICATION {} FOR TABLE {} WITH (publish_via_partition_root = true)",
            quote(name),
            list(&tables.iter().collect::<Vec<_>>()),
        )),
        Some(_) if missing.is_empty() => None,
        Some(_) => Some(format!("ALTER PUBLICATION {} ADD TABLE {}", quote(name), list(&missing))),
    }
}

/// The statements that tell the log which tables join a publication that is there already.
fn announcements(plan: &Plan, tables: &[Table]) -> String {
    let missing = tables.iter().filter(|table| !table.published);
    let messages = missing.map(|table| {
        let (slot, name) = (literal(&plan.slot), literal(&table.name.sql()));
        format!(
            "; SELECT pg_logical_emit_message(true, '{JOINED}', json_build_object('slot', \
             {slot}::text, 'table', {name}::text, 'by', pg_current_xact_id()::text)::text)"
        )
    });
    messages.collect()
}

/// The tables that may join without anybody being asked: ours, and not harmed by it.
pub(super) fn joinable(tables: Vec<Table>) -> Vec<Table> {
    let may = |it: &Table| it.published || (it.owned && !it.would_refuse_changes());
    tables.into_iter().filter(may).collect()
}

/// Makes the publication, or adds to it what is missing.
pub(super) async fn ensure(side: &Side, plan: &Plan, tables: &[Table]) -> Result<(), Fault> {
    let found = publication(side, &plan.publication).await?;
    let Some(mut sql) = mending(&plan.publication, found.as_ref(), tables) else { return Ok(()) };
    let harmed = tables.iter().find(|table| !table.published && table.would_refuse_changes());
    if let Some(table) = harmed {
        return Err(Fault::new(
            ErrorClass::Config,
            format!(
                "publishing {} would make the server refuse every UPDATE and DELETE of it, for \
                 nothing names its rows",
                table.name
            ),
        )
        .hint(format!(
            "Give it a primary key, or run `ALTER TABLE {} REPLICA IDENTITY FULL`.",
            table.name.sql()
        )));
    }
    let remedy = format!("As the owner, run `{sql}`.");
    if found.is_some() && plan.snapshot.mode != SnapshotMode::Never {
        sql.push_str(&announcements(plan, tables));
    }
    let doing = format!("making the publication {}", plan.publication);
    side.run(&doing, &sql).await.map_err(|fault| match fault.class() {
        ErrorClass::Permission => Fault::new(fault.class(), fault.chain()).hint(remedy),
        _ => fault,
    })
}
