//! Taking the place of a table: everything that hangs on the old one is made on the new one, or
//! the old one stays and its rows are replaced instead.
//!
//! Reasons: `docs/adr/0004-postgres-full-refresh.md`.

use flowglass_clients::postgres::{Session, TableName, fault, literal, quote};
use flowglass_connect::Fault;

/// The name of the table that is loaded aside. It never exists outside of the transaction.
pub(super) fn aside(table: &TableName, oid: u32) -> TableName {
    TableName { schema: table.schema.clone(), table: format!("_flowglass_new_{oid}") }
}

/// Whether a new table can take this one's place without anything being lost: it is a plain table
/// of ours to drop, and nothing but its own indexes, constraints and defaults hangs on it.
pub(super) async fn can_be_replaced(session: &Session, oid: u32) -> Result<bool, Fault> {
    let sql = "SELECT c.relkind = 'r' AND c.relpersistence = 'p' AND NOT c.relispartition \
          AND c.reloptions IS NULL AND c.reltablespace = 0 AND c.reloftype = 0 \
          AND c.relreplident = 'd' AND NOT c.relrowsecurity AND NOT c.relforcerowsecurity \
          AND (c.relowner = r.oid OR r.rolsuper) \
          AND has_schema_privilege(c.relnamespace, 'CREATE') \
          AND NOT EXISTS (SELECT FROM pg_inherits WHERE inhrelid = c.oid OR inhparent = c.oid) \
          AND NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 \
            AND NOT a.attisdropped AND (a.attacl IS NOT NULL OR a.attoptions IS NOT NULL)) \
          AND NOT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid \
            AND (i.indisclustered OR i.indisreplident OR NOT i.indisvalid)) \
          AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.refclassid = 'pg_class'::regclass \
            AND d.refobjid = c.oid AND NOT ( \
              (d.classid = 'pg_class'::regclass AND (d.objid = c.reltoastrelid OR d.objid IN \
                (SELECT indexrelid FROM pg_index WHERE indrelid = c.oid))) \
              OR (d.classid = 'pg_type'::regclass AND d.objid = c.reltype) \
              OR (d.classid = 'pg_attrdef'::regclass AND d.objid IN \
                (SELECT oid FROM pg_attrdef WHERE adrelid = c.oid)) \
              OR (d.classid = 'pg_constraint'::regclass AND d.objid IN \
                (SELECT oid FROM pg_constraint WHERE conrelid = c.oid)))) \
          AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.refclassid = 'pg_type'::regclass \
            AND d.refobjid = c.reltype AND d.classid <> 'pg_type'::regclass) \
          AND NOT EXISTS (SELECT FROM pg_constraint f WHERE f.confrelid = c.oid) \
        FROM pg_class c JOIN pg_roles r ON r.rolname = current_user WHERE c.oid = $1";
    let row = session
        .client
        .query_opt(sql, &[&oid])
        .await
        .map_err(|error| fault("looking at what hangs on the table", error))?;
    Ok(row.is_some_and(|row| row.get::<_, Option<bool>>(0) == Some(true)))
}

/// Makes the empty table aside: columns, defaults and checks as the old one has them. Indexes
/// follow after the load, which is much faster than filling them row by row.
pub(super) async fn make_aside(
    session: &Session,
    table: &TableName,
    oid: u32,
) -> Result<TableName, Fault> {
    let new = aside(table, oid);
    let sql = format!(
        "CREATE TABLE {} (LIKE {} INCLUDING ALL EXCLUDING INDEXES)",
        new.sql(),
        table.sql()
    );
    session.run("making the table aside", &sql).await?;
    Ok(new)
}

/// Gives the new table all that the old one had, and its name.
pub(super) async fn swap(
    session: &Session,
    table: &TableName,
    oid: u32,
    new: &TableName,
) -> Result<(), Fault> {
    let doing = "swapping in the new table";
    let parts = parts_of(session, oid, new).await?;
    let run = async |statements: &[String]| session.run(doing, &statements.join("; ")).await;
    run(&parts.build).await?;
    // From here to the commit nobody else can use the table; it is a few catalog changes long.
    let old = table.sql();
    run(&[
        format!("LOCK TABLE {old} IN ACCESS EXCLUSIVE MODE"),
        format!("DROP TABLE {old}"),
        format!("ALTER TABLE {} RENAME TO {}", new.sql(), quote(&table.table)),
    ])
    .await?;
    run(&parts.rename).await
}

/// Statements that make a copy of what hangs on the old table.
struct Parts {
    /// Before the old table goes.
    build: Vec<String>,
    /// Under the table's own name.
    rename: Vec<String>,
}

async fn parts_of(session: &Session, oid: u32, new: &TableName) -> Result<Parts, Fault> {
    let doing = "looking at what hangs on the table";
    let mut parts = Parts { build: Vec::new(), rename: Vec::new() };
    let table = TableName { schema: new.schema.clone(), table: String::new() };
    let sql_new = new.sql();
    // Indexes of constraints are made by the constraints.
    let sql = "SELECT c.relname, n.nspname, t.relname, i.indisunique, pg_get_indexdef(i.indexrelid) \
        FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_class t ON t.oid = i.indrelid \
        JOIN pg_namespace n ON n.oid = t.relnamespace WHERE i.indrelid = $1 AND NOT EXISTS \
        (SELECT FROM pg_constraint k WHERE k.conindid = i.indexrelid AND k.conrelid = i.indrelid) \
        ORDER BY i.indexrelid";
    let rows = session.client.query(sql, &[&oid]).await.map_err(|error| fault(doing, error))?;
    for (number, row) in rows.iter().enumerate() {
        let (name, definition): (&str, &str) = (row.get(0), row.get(4));
        // "CREATE [UNIQUE] INDEX name ON schema.table USING …": only what follows the table is
        // taken over.
        let Some(at) = using_at(definition) else {
            continue;
        };
        let (_head, body) = definition.split_at(at);
        let unique = if row.get::<_, bool>(3) { "UNIQUE " } else { "" };
        let aside = format!("_flowglass_{oid}_{number}");
        parts.build.push(format!("CREATE {unique}INDEX {} ON {sql_new}{body}", quote(&aside)));
        let schema = quote(&table.schema);
        parts.rename.push(format!(
            "ALTER INDEX {schema}.{} RENAME TO {}",
            quote(&aside),
            quote(name)
        ));
    }
    let sql = "SELECT k.conname, k.contype::text, pg_get_constraintdef(k.oid), t.relname \
        FROM pg_constraint k JOIN pg_class t ON t.oid = k.conrelid \
        WHERE k.conrelid = $1 AND k.contype IN ('p', 'u', 'x', 'f') ORDER BY k.contype = 'f', k.oid";
    let rows = session.client.query(sql, &[&oid]).await.map_err(|error| fault(doing, error))?;
    for (number, row) in rows.iter().enumerate() {
        let (name, kind, definition): (&str, &str, &str) = (row.get(0), row.get(1), row.get(2));
        let add = |name: &str| {
            format!("ALTER TABLE {sql_new} ADD CONSTRAINT {} {definition}", quote(name))
        };
        if kind == "f" {
            parts.build.push(add(name));
            continue;
        }
        let aside = format!("_flowglass_{oid}_k{number}");
        parts.build.push(add(&aside));
        let old = format!("{}.{}", quote(&table.schema), quote(row.get(3)));
        parts.rename.push(format!(
            "ALTER TABLE {old} RENAME CONSTRAINT {} TO {}",
            quote(&aside),
            quote(name)
        ));
    }
    parts.build.extend(rights_of(session, oid, new).await?);
    Ok(parts)
}

/// Where ` USING method (…)` begins, outside of quoted names.
fn using_at(definition: &str) -> Option<usize> {
    let mut quoted = false;
    definition.char_indices().find_map(|(at, character)| {
        if character == '"' {
            quoted = !quoted;
        }
        let here = || definition.get(at..).is_some_and(|rest| rest.starts_with(" USING "));
        (!quoted && character == ' ' && here()).then_some(at)
    })
}

/// Owner, comment and grants of the old table, for the new one.
async fn rights_of(session: &Session, oid: u32, new: &TableName) -> Result<Vec<String>, Fault> {
    let doing = "looking at the table's rights";
    let table = new.sql();
    let sql = "SELECT quote_ident(pg_get_userbyid(relowner)), obj_description(oid, 'pg_class'), \
        relowner = (SELECT oid FROM pg_roles WHERE rolname = current_user) \
        FROM pg_class WHERE oid = $1";
    let row = session.client.query_one(sql, &[&oid]).await.map_err(|error| fault(doing, error))?;
    let mut statements = Vec::new();
    if let Some(comment) = row.get::<_, Option<&str>>(1) {
        statements.push(format!("COMMENT ON TABLE {table} IS {}", literal(comment)));
    }
    if !row.get::<_, bool>(2) {
        statements.push(format!("ALTER TABLE {table} OWNER TO {}", row.get::<_, &str>(0)));
    }
    // Default privileges may have given the new table rights that the old one lacks.
    let sql = "SELECT CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END, \
        a.privilege_type, a.is_grantable, c.oid = $1 \
        FROM pg_class c, aclexplode(coalesce(c.relacl, acldefault('r', c.relowner))) a \
        WHERE c.oid IN ($1, to_regclass($2::text)) ORDER BY c.oid = $1";
    let rows =
        session.client.query(sql, &[&oid, &table]).await.map_err(|error| fault(doing, error))?;
    for row in &rows {
        let (grantee, right): (&str, &str) = (row.get(0), row.get(1));
        statements.push(if row.get::<_, bool>(3) {
            let option = if row.get::<_, bool>(2) { " WITH GRANT OPTION" } else { "" };
            format!("GRANT {right} ON TABLE {table} TO {grantee}{option}")
        } else {
            format!("REVOKE {right} ON TABLE {table} FROM {grantee}")
        });
    }
    Ok(statements)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_body_of_an_index_begins_behind_the_quoted_names() {
        let definition =
            r#"CREATE INDEX "odd USING name" ON s."t USING x" USING btree (a) WHERE b"#;
        let at = using_at(definition).unwrap();
        assert_eq!(definition.get(at..), Some(" USING btree (a) WHERE b"));
    }
}
