//! What has to be right before a stream can run into this database.

use flowglass_clients::postgres::quote;
use flowglass_connect::Fault;
use flowglass_connect::stream::Precondition;

use super::config::Settings;
use super::positions::POSITIONS_TABLE;
use super::session::Limited;

/// Asks the server.
///
/// # Errors
/// When it cannot be reached or does not let us in.
pub(super) async fn examine(settings: &Settings) -> Result<Vec<Precondition>, Fault> {
    let session = Limited::connect(&settings.address, settings.timeout).await?;
    Ok(vec![writable(&session).await?, positions(&session, settings).await?])
}

async fn writable(session: &Limited) -> Result<Precondition, Fault> {
    let sql = "SELECT pg_is_in_recovery(), current_setting('default_transaction_read_only')::bool";
    let row = session.ask("asking whether the database takes writes", sql, &[]).await?;
    let (standby, read_only): (bool, bool) = (row.get(0), row.get(1));
    Ok(Precondition {
        name: "postgres_writable".to_owned(),
        fine: !standby && !read_only,
        optional: false,
        found: match (standby, read_only) {
            (true, _) => "the server is a standby".to_owned(),
            (false, true) => "transactions are read-only unless they say otherwise".to_owned(),
            (false, false) => "the database takes writes".to_owned(),
        },
        remedy: match (standby, read_only) {
            (true, _) => {
                Some("connect to the primary: `target_session_attrs=read-write`".to_owned())
            }
            (false, true) => {
                Some("ALTER ROLE … SET default_transaction_read_only = off".to_owned())
            }
            (false, false) => None,
        },
    })
}

/// Whether the position can be kept.
async fn positions(session: &Limited, settings: &Settings) -> Result<Precondition, Fault> {
    let schema = &settings.positions_schema;
    let quoted = quote(schema);
    let table = format!("{quoted}.{}", quote(POSITIONS_TABLE));
    let sql = "SELECT to_regclass($1) IS NOT NULL, \
        coalesce(has_table_privilege(to_regclass($1), 'SELECT') \
          AND has_table_privilege(to_regclass($1), 'INSERT') \
          AND has_table_privilege(to_regclass($1), 'UPDATE'), false), \
        (SELECT has_schema_privilege(n.oid, 'CREATE') FROM pg_namespace n WHERE n.nspname = $2), \
        has_database_privilege(current_database(), 'CREATE'), quote_ident(current_user)";
    let row =
        session.ask("asking for the rights to keep the position", sql, &[&table, schema]).await?;
    let there: bool = row.get(0);
    let in_schema: Option<bool> = row.get(2);
    let user: &str = row.get(4);
    let (fine, remedy) = match (there, in_schema) {
        (true, _) => (row.get(1), format!("GRANT SELECT, INSERT, UPDATE ON {table} TO {user}")),
        (false, Some(may_make)) => {
            (may_make, format!("GRANT USAGE, CREATE ON SCHEMA {quoted} TO {user}"))
        }
        (false, None) => (row.get(3), format!("CREATE SCHEMA {quoted} AUTHORIZATION {user}")),
    };
    Ok(Precondition {
        name: "postgres_positions".to_owned(),
        fine,
        optional: false,
        found: match (fine, there) {
            (true, true) => format!("{table} can be written"),
            (true, false) => format!("{table} can be made"),
            (false, true) => format!("{table} cannot be written"),
            (false, false) => format!("{table} cannot be made"),
        },
        remedy: (!fine).then_some(remedy),
    })
}
