//! Everything that has to be right before a stream of changes can run, and how to mend it.

use flowglass_clients::postgres::{literal, quote};
use flowglass_connect::stream::Precondition;
use flowglass_connect::{Clock, Fault};
use flowglass_model::ErrorClass;
use tokio_postgres::Row;

use super::config::{Plan, SnapshotMode};
use super::publication::{Table, meant_tables, mending, publication};
use super::side::Side;

/// Clocks that differ by more make lags and latencies wrong.
const SKEW_SECONDS_MAX: f64 = 1.0;

const SERVER: &str = "SELECT current_setting('server_version'), \
    current_setting('server_version_num')::int4, current_setting('wal_level'), \
    current_user::text, r.rolsuper OR r.rolreplication OR EXISTS (SELECT FROM pg_roles c \
      WHERE c.rolname IN ('rds_replication', 'cloudsqlsuperuser') \
      AND pg_has_role(c.oid, 'MEMBER')), \
    current_setting('max_replication_slots')::int4, \
    (SELECT count(*) FROM pg_replication_slots)::int4, \
    current_setting('max_wal_senders')::int4, (SELECT count(*) FROM pg_stat_replication)::int4, \
    pg_is_in_recovery(), current_setting('max_slot_wal_keep_size'), \
    extract(epoch FROM clock_timestamp())::float8, \
    (SELECT bool_and(has_function_privilege(oid, 'EXECUTE')) FROM pg_proc \
      WHERE proname = 'pg_logical_emit_message'), \
    (SELECT setting::int8 FROM pg_settings WHERE name = 'wal_sender_timeout'), \
    has_database_privilege(current_database(), 'CREATE') \
    FROM pg_roles r WHERE r.rolname = current_user";

/// A server that waits for less takes a short pause of the network for the end of the stream.
const SENDER_TIMEOUT_MILLIS_MIN: i64 = 10_000;

const SLOT: &str = "SELECT plugin::text, database::text, active_pid, wal_status, \
    pg_wal_lsn_diff(CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() \
      ELSE pg_current_wal_lsn() END, restart_lsn)::int8 \
    FROM pg_replication_slots WHERE slot_name = $1";

/// A finding in the making.
struct Finding(Precondition);

impl Finding {
    fn new(name: impl Into<String>, fine: bool, found: impl Into<String>) -> Self {
        let (name, found) = (name.into(), found.into());
        Self(Precondition { name, fine, optional: false, found, remedy: None })
    }

    fn optional(mut self) -> Self {
        self.0.optional = true;
        self
    }

    /// How to mend it, when it is not fine.
    fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.0.remedy = (!self.0.fine).then(|| remedy.into());
        self
    }
}

/// Looks at everything.
pub(super) async fn examine(plan: &Plan, clock: &dyn Clock) -> Result<Vec<Precondition>, Fault> {
    let side = Side::new(plan.address.clone());
    let before = clock.now();
    let rows = side.query("asking for the server's settings", SERVER, &[]).await?;
    let after = clock.now();
    let row = rows
        .first()
        .ok_or_else(|| Fault::new(ErrorClass::Internal, "the server does not know its own role"))?;
    let middle = before.as_microsecond().midpoint(after.as_microsecond());
    let mut findings = server(row);
    let slot = side.query("looking at the slot", SLOT, &[&plan.slot]).await?;
    findings.extend(room(row, slot.is_empty()));
    findings.push(skew(row.get(11), middle));
    findings.push(heartbeat(plan, row));
    match meant_tables(&side, plan).await {
        Ok(tables) => {
            let names: Vec<String> = tables.iter().map(|table| table.name.to_string()).collect();
            findings.push(Finding::new("tables", true, names.join(", ")));
            let found = publication(&side, &plan.publication).await?;
            findings.push(published(plan, (found.as_ref(), row.get(14)), &tables));
            findings.extend(tables.iter().flat_map(|table| of_table(plan, table)));
        }
        Err(fault) if fault.class() == ErrorClass::NotFound => {
            findings.push(Finding::new("tables", false, fault.chain()).remedy(fault.advice()));
        }
        Err(fault) => return Err(fault),
    }
    findings.push(of_slot(plan, slot.first()));
    findings.push(keep_size(row.get(10)));
    findings.push(sender_timeout(row.get(13)));
    Ok(findings.into_iter().map(|finding| finding.0).collect())
}

fn server(row: &Row) -> Vec<Finding> {
    let (version, number): (&str, i32) = (row.get(0), row.get(1));
    let level: &str = row.get(2);
    let role: &str = row.get(3);
    let lawful: bool = row.get(4);
    let found = if lawful { "may replicate" } else { "may not replicate" };
    vec![
        Finding::new("server version", number >= 130_000, version)
            .remedy("Move to PostgreSQL 13 or newer."),
        Finding::new("wal_level", level == "logical", level)
            .remedy("ALTER SYSTEM SET wal_level = 'logical'; -- then restart the server"),
        Finding::new("replication right", lawful, format!("role {role} {found}"))
            .remedy(format!("ALTER ROLE {} REPLICATION;", quote(role))),
    ]
}

/// Free places for a slot and for a process that sends.
fn room(row: &Row, slot_is_new: bool) -> Vec<Finding> {
    let place = |name: &str, setting: &str, (most, used): (i32, i32), needed: i32| {
        Finding::new(name, used + needed <= most, format!("{used} of {most} in use")).remedy(
            format!("ALTER SYSTEM SET {setting} = {}; -- then restart the server", most + 5),
        )
    };
    vec![
        place(
            "replication slots",
            "max_replication_slots",
            (row.get(5), row.get(6)),
            i32::from(slot_is_new),
        ),
        place("wal senders", "max_wal_senders", (row.get(7), row.get(8)), 1),
    ]
}

fn skew(server_seconds: f64, our_micros: i64) -> Finding {
    #[expect(clippy::cast_precision_loss, reason = "a float tells microseconds for 280 years")]
    let ours = our_micros as f64 / 1e6;
    let skew = server_seconds - ours;
    let found = format!("the server's clock differs by {skew:.3} s");
    Finding::new("clock", skew.abs() <= SKEW_SECONDS_MAX, found)
        .optional()
        .remedy("Let both machines follow NTP; until then lags are wrong by as much.")
}

fn heartbeat(plan: &Plan, row: &Row) -> Finding {
    let name = "heartbeat";
    let (standby, lawful): (bool, bool) = (row.get(9), row.get(12));
    let finding = if plan.heartbeat.is_zero() {
        Finding::new(name, false, "switched off")
            .remedy("Set `heartbeat: 10s`, or quiet tables of a busy server hold back its log.")
    } else if standby {
        Finding::new(name, false, "the server is a standby, where nothing can be written")
            .remedy("Read from the primary, or let something write to it regularly.")
    } else {
        let (role, version): (&str, i32) = (row.get(3), row.get(1));
        let found = if lawful { "may be written" } else { "may not be written" };
        let flush = if version >= 170_000 { ", boolean" } else { "" };
        Finding::new(name, lawful, found).remedy(format!(
            "GRANT EXECUTE ON FUNCTION pg_logical_emit_message(boolean, text, text{flush}) TO {};",
            quote(role)
        ))
    };
    finding.optional()
}

fn published(
    plan: &Plan,
    (found, may_create): (Option<&super::publication::Publication>, bool),
    tables: &[Table],
) -> Finding {
    let name = format!("publication {}", plan.publication);
    if let Some(publication) = found.filter(|it| !it.left_out.is_empty()) {
        let found = format!("leaves out {}", publication.left_out.join(", "));
        return Finding::new(name, false, found).optional().remedy(format!(
            "ALTER PUBLICATION {} SET (publish = 'insert, update, delete, truncate');",
            quote(&plan.publication)
        ));
    }
    match mending(&plan.publication, found, tables) {
        None => Finding::new(name, true, "carries every table"),
        Some(sql) => {
            let ours = tables.iter().filter(|it| !it.published).all(|it| it.owned);
            let (what, lawful) = match found {
                Some(_) => ("tables are missing", true),
                None => ("not made yet", may_create),
            };
            let who = match (ours, lawful) {
                (true, true) if found.is_some() => "the stream adds them",
                (true, true) => "the stream makes it",
                (true, false) => "the role may not create anything in this database",
                (false, _) => "the role does not own all of its tables",
            };
            let finding = Finding::new(name, ours && lawful, format!("{what}; {who}"));
            finding.remedy(format!("{sql}; -- as the tables' owner, with CREATE on the database"))
        }
    }
}

fn of_table(plan: &Plan, table: &Table) -> Vec<Finding> {
    let sql = table.name.sql();
    let mut findings = Vec::new();
    if plan.snapshot.mode != SnapshotMode::Never {
        let found = if table.readable { "may be read" } else { "may not be read" };
        findings
            .push(Finding::new(format!("select on {}", table.name), table.readable, found).remedy(
                format!("GRANT SELECT ON {sql} TO CURRENT_USER; -- for the stream's role"),
            ));
    }
    let refused = table.would_refuse_changes();
    let found = match (table.identity.as_str(), table.has_primary_key) {
        ("f", _) => "full: every change carries the whole row before",
        ("i", _) => "an index",
        ("n", _) => "nothing: the server refuses UPDATE and DELETE of a published table",
        (_, true) => "the primary key",
        (_, false) => "no primary key: the server refuses UPDATE and DELETE once it is published",
    };
    let finding = Finding::new(format!("replica identity of {}", table.name), !refused, found)
        .remedy(format!("ALTER TABLE {sql} REPLICA IDENTITY FULL; -- or add a primary key"));
    // What is published already harms nobody new.
    findings.push(if table.published { finding.optional() } else { finding });
    findings
}

fn of_slot(plan: &Plan, row: Option<&Row>) -> Finding {
    let name = format!("slot {}", plan.slot);
    let drop = format!("SELECT pg_drop_replication_slot({});", literal(&plan.slot));
    let Some(row) = row else {
        return Finding::new(name, true, "not made yet; the stream makes it");
    };
    let plugin: Option<&str> = row.get(0);
    let database: Option<&str> = row.get(1);
    if plugin != Some("pgoutput") || database != Some(plan.address.database()) {
        return Finding::new(name, false, "belongs to something else")
            .remedy("Choose another name under `slot`.");
    }
    let state: Option<&str> = row.get(3);
    if state == Some("lost") {
        return Finding::new(name, false, "invalid: log that it needed was removed")
            .remedy(format!("{drop} -- then take a new snapshot"));
    }
    let retained: Option<i64> = row.get(4);
    let held = retained.map_or_else(String::new, |it| format!("holds back {it} bytes of the log"));
    match row.get::<_, Option<i32>>(2) {
        Some(reader) => Finding::new(name, false, format!("is read by process {reader}; {held}"))
            .optional()
            .remedy(format!("SELECT pg_terminate_backend({reader}); -- or stop the other reader")),
        None => Finding::new(name, state != Some("unreserved"), held).remedy(format!(
            "Start the stream before the server removes what it needs; else: {drop}"
        )),
    }
}

fn keep_size(setting: &str) -> Finding {
    let unbounded = setting.starts_with('-');
    let found = if unbounded {
        "no bound: a stopped stream can fill the server's disk".to_owned()
    } else {
        format!("{setting}: a stream that is further behind loses its place")
    };
    Finding::new("max_slot_wal_keep_size", !unbounded, found)
        .optional()
        .remedy("ALTER SYSTEM SET max_slot_wal_keep_size = '50GB'; SELECT pg_reload_conf();")
}

fn sender_timeout(millis: i64) -> Finding {
    let found = match millis {
        0 => "none: a stream whose network was cut holds its slot until TCP gives up".to_owned(),
        millis => format!("{} s", millis / 1000),
    };
    Finding::new("wal_sender_timeout", millis >= SENDER_TIMEOUT_MILLIS_MIN, found)
        .optional()
        .remedy("ALTER SYSTEM SET wal_sender_timeout = '60s'; SELECT pg_reload_conf();")
}
