//! Cursor, token and outcome of each pipeline node, in a table of the target's schema.

use flowglass_clients::postgres::{Session, fault, quote};
use flowglass_connect::{CursorState, Fault, Outcome, WriteOwner};
use flowglass_model::ErrorClass;
use tokio_postgres::Client;

const STATE_TABLE: &str = "_flowglass_state";

/// What a commit left behind.
#[derive(Debug, Clone)]
pub(super) struct Kept {
    pub(super) cursor: Option<CursorState>,
    pub(super) token: String,
    pub(super) outcome: Outcome,
}

fn table_in(schema: &str) -> String {
    format!("{}.{}", quote(schema), quote(STATE_TABLE))
}

/// What the last commit of this node left, if there was one.
pub(super) async fn load(
    client: &Client,
    schema: &str,
    owner: &WriteOwner,
) -> Result<Option<Kept>, Fault> {
    let doing = || format!("reading `{STATE_TABLE}`");
    let table = table_in(schema);
    let there = client
        .query_one("SELECT to_regclass($1::text) IS NOT NULL", &[&table])
        .await
        .map_err(|error| fault(doing(), error))?;
    if !there.get::<_, bool>(0) {
        return Ok(None);
    }
    let sql = format!(
        "SELECT cursor::text, token, outcome::text FROM {table} \
         WHERE tenant = $1 AND pipeline = $2 AND node = $3"
    );
    let row = client
        .query_opt(&sql, &[&owner.tenant, &owner.pipeline, &owner.node])
        .await
        .map_err(|error| fault(doing(), error))?;
    let Some(row) = row else {
        return Ok(None);
    };
    let unreadable = |error| Fault::new(ErrorClass::Malformed, doing()).because(error);
    let cursor =
        row.get::<_, Option<&str>>(0).map(serde_json::from_str).transpose().map_err(unreadable)?;
    let outcome = serde_json::from_str(row.get(2)).map_err(unreadable)?;
    Ok(Some(Kept { cursor, token: row.get(1), outcome }))
}

/// Keeps what a commit leaves, within its transaction.
pub(super) async fn store(
    session: &Session,
    schema: &str,
    owner: &WriteOwner,
    kept: &Kept,
    now: jiff::Timestamp,
) -> Result<(), Fault> {
    let doing = format!("writing `{STATE_TABLE}`");
    let unwritable = |error| Fault::new(ErrorClass::Internal, doing.clone()).because(error);
    let table = table_in(schema);
    // Two nodes may make the table at once, which `IF NOT EXISTS` alone does not bear.
    let make = format!(
        "SELECT pg_advisory_xact_lock(hashtext('{STATE_TABLE}')); \
         CREATE TABLE IF NOT EXISTS {table} (tenant text, pipeline text, node text, cursor jsonb, \
         token text NOT NULL, outcome jsonb NOT NULL, updated_at timestamptz NOT NULL, \
         PRIMARY KEY (tenant, pipeline, node))"
    );
    session.run(&doing, &make).await?;
    let cursor = kept.cursor.as_ref().map(serde_json::to_string).transpose().map_err(unwritable)?;
    let outcome = serde_json::to_string(&kept.outcome).map_err(unwritable)?;
    let put = format!(
        "INSERT INTO {table} VALUES ($1, $2, $3, $4::text::jsonb, $5, $6::text::jsonb, \
         $7::text::timestamptz) ON CONFLICT (tenant, pipeline, node) DO UPDATE SET \
         cursor = EXCLUDED.cursor, token = EXCLUDED.token, outcome = EXCLUDED.outcome, \
         updated_at = EXCLUDED.updated_at"
    );
    let now = now.to_string();
    session
        .client
        .execute(
            &put,
            &[&owner.tenant, &owner.pipeline, &owner.node, &cursor, &kept.token, &outcome, &now],
        )
        .await
        .map_err(|error| fault(doing.clone(), error))?;
    Ok(())
}
