//! Where the stream stands, and who writes it: a row in the same database.

use flowglass_clients::postgres::quote;
use flowglass_connect::Fault;
use flowglass_connect::stream::Position;
use flowglass_model::ErrorClass;
use tokio_postgres::Statement;

use super::config::Settings;
use super::session::Limited;

/// The table of all streams' positions.
pub(super) const POSITIONS_TABLE: &str = "_flowglass_positions";

/// The row of one writer.
#[derive(Debug)]
pub(super) struct Positions {
    advance: Statement,
    stream: String,
    sink: String,
    owner: String,
}

impl Positions {
    /// Takes the stream over: from here on nothing of an older writer is committed, so that the
    /// position that comes with it is the last word.
    ///
    /// # Errors
    /// What the server says; `conflict` when what is kept there is not ours.
    pub(super) async fn take_over(
        session: &Limited,
        settings: &Settings,
    ) -> Result<(Self, Option<Position>), Fault> {
        let doing = "taking over the stream's position";
        let table = format!("{}.{}", quote(&settings.positions_schema), quote(POSITIONS_TABLE));
        make(session, settings, &table).await?;
        let owner = owner();
        let sql = format!(
            "INSERT INTO {table} AS p (stream, sink, owner) VALUES ($1, $2, $3) \
             ON CONFLICT (stream, sink) DO UPDATE SET owner = EXCLUDED.owner \
             RETURNING p.position"
        );
        let row = session.ask(doing, &sql, &[&settings.stream, &settings.id, &owner]).await?;
        let kept = row.get::<_, Option<&str>>(0).map(serde_json::from_str).transpose();
        let kept = kept.map_err(|error| {
            let said = format!("the position in {table} cannot be read");
            Fault::new(ErrorClass::Conflict, said).because(error).hint(
                "Another program wrote it. Delete the row only if the stream may start from its \
                 beginning.",
            )
        })?;
        let sql = format!(
            "UPDATE {table} SET position = $4, updated_at = clock_timestamp() \
             WHERE stream = $1 AND sink = $2 AND owner = $3"
        );
        let advance = session.prepare(doing, &sql).await?;
        let (stream, sink) = (settings.stream.clone(), settings.id.clone());
        Ok((Self { advance, stream, sink, owner }, kept))
    }

    /// Moves the position, within the batch's transaction.
    ///
    /// # Errors
    /// `conflict` when another writer has taken over.
    pub(super) async fn advance(&self, session: &Limited, to: &Position) -> Result<(), Fault> {
        let doing = "moving the stream's position";
        let position = serde_json::to_string(to)
            .map_err(|error| Fault::new(ErrorClass::Internal, doing).because(error))?;
        let params: [&(dyn tokio_postgres::types::ToSql + Sync); 4] =
            [&self.stream, &self.sink, &self.owner, &position];
        match session.execute(doing, &self.advance, &params).await? {
            1 => Ok(()),
            _ => Err(Fault::new(
                ErrorClass::Conflict,
                format!(
                    "another writer has taken over `{}` of stream `{}`",
                    self.sink, self.stream
                ),
            )
            .hint("Two processes run the same stream: stop one of them.")),
        }
    }
}

/// Names a writer as no other one is named.
fn owner() -> String {
    uuid::Uuid::now_v7().simple().to_string()
}

async fn make(session: &Limited, settings: &Settings, table: &str) -> Result<(), Fault> {
    let doing = format!("making {table}");
    let there = session.ask(&doing, "SELECT to_regclass($1) IS NOT NULL", &[&table]).await?;
    if there.get(0) {
        return Ok(());
    }
    let schema = quote(&settings.positions_schema);
    // Two streams may make it at once, which `IF NOT EXISTS` alone does not bear.
    let sql = format!(
        "BEGIN; SELECT pg_advisory_xact_lock(hashtext('{POSITIONS_TABLE}')); \
         CREATE SCHEMA IF NOT EXISTS {schema}; \
         CREATE TABLE IF NOT EXISTS {table} (stream text, sink text, owner text NOT NULL, \
         position text, updated_at timestamptz NOT NULL DEFAULT clock_timestamp(), \
         PRIMARY KEY (stream, sink)); COMMIT"
    );
    session.run(&doing, &sql).await.map_err(|fault| match fault.class() {
        ErrorClass::Permission => fault.hint(format!(
            "Grant `CREATE` on the schema {schema}, or name another one as `positions_schema`."
        )),
        _ => fault,
    })
}
