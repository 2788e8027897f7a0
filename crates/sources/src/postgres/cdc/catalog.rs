//! What the catalog knows of the tables that the log speaks of.
//!
//! The log tells names, type numbers and the replica identity as they were when the change was
//! written; the catalog, as it is now, adds the names of types, nullability and the primary key. What
//! the catalog no longer knows is left as the log told it.

use std::collections::HashMap;
use std::sync::Arc;

use flowglass_connect::Fault;
use flowglass_connect::stream::{Column, Relation};

use super::decode::Decoder;
use super::kinds::{TypeRow, Types};
use super::message::Shape;
use super::pattern::Patterns;
use super::side::Side;

/// What the catalog adds to a shape.
#[derive(Debug, Default)]
pub(super) struct Knowledge {
    types: Types,
    /// Types as SQL writes them, in the order of the columns.
    natives: Vec<Option<String>>,
    /// By column: whether it refuses nulls, and its place in the primary key.
    columns: HashMap<String, (bool, Option<i32>)>,
    /// The partitioned tables above it.
    ancestors: Vec<(String, String)>,
}

const TYPES: &str = "WITH RECURSIVE needed(oid) AS (SELECT unnest($1::oid[]) \
    UNION SELECT inner_oid FROM needed n JOIN pg_type t ON t.oid = n.oid \
    CROSS JOIN LATERAL (VALUES (t.typelem), (t.typbasetype)) AS v(inner_oid) WHERE inner_oid <> 0) \
    SELECT t.oid, t.typname::text, t.typtype::text, t.typcategory::text, t.typelem, t.typlen, \
    t.typbasetype, t.typtypmod FROM needed JOIN pg_type t USING (oid)";

const COLUMNS: &str = "SELECT a.attname::text, a.attnotnull, \
    array_position(i.indkey::int2[], a.attnum)::int4 \
    FROM pg_attribute a LEFT JOIN pg_index i ON i.indrelid = a.attrelid AND i.indisprimary \
    WHERE a.attrelid = $1 AND a.attnum > 0 AND NOT a.attisdropped";

const ANCESTORS: &str = "SELECT n.nspname::text, c.relname::text \
    FROM pg_partition_ancestors($1::oid::regclass) p JOIN pg_class c ON c.oid = p.relid \
    JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid <> $1";

/// Asks the catalog about a shape.
pub(super) async fn look_up(side: &Side, shape: &Shape) -> Result<Knowledge, Fault> {
    let doing = format!("looking up the table {}.{}", shape.schema, shape.table);
    let oids: Vec<u32> = shape.columns.iter().map(|column| column.type_id).collect();
    let modifiers: Vec<i32> = shape.columns.iter().map(|column| column.modifier).collect();
    let natives = "SELECT CASE WHEN EXISTS (SELECT FROM pg_type t WHERE t.oid = o) \
                   THEN format_type(o, m) END \
                   FROM unnest($1::oid[], $2::int4[]) WITH ORDINALITY AS a(o, m, n) ORDER BY n";
    let types = side.query(&doing, TYPES, &[&oids]).await?;
    let natives = side.query(&doing, natives, &[&oids, &modifiers]).await?;
    let columns = side.query(&doing, COLUMNS, &[&shape.id]).await?;
    let ancestors = side.query(&doing, ANCESTORS, &[&shape.id]).await?;
    let types = types.iter().map(|row| {
        let described = TypeRow {
            name: row.get(1),
            sort: row.get(2),
            category: row.get(3),
            element: row.get(4),
            length: row.get(5),
            base: (row.get(6), row.get(7)),
        };
        (row.get(0), described)
    });
    Ok(Knowledge {
        types: Types(types.collect()),
        natives: natives.iter().map(|row| row.get(0)).collect(),
        columns: columns.iter().map(|row| (row.get(0), (row.get(1), row.get(2)))).collect(),
        ancestors: ancestors.iter().map(|row| (row.get(0), row.get(1))).collect(),
    })
}

/// Teaches the decoder a shape with what the catalog adds. A shape that is as before keeps its
/// version; another one gets the next.
pub(super) fn teach(
    decoder: &mut Decoder,
    (shape, known): (&Shape, &Knowledge),
    (database, patterns): (&Arc<str>, &Patterns),
) {
    let wanted = patterns.matches(&shape.schema, &shape.table)
        || known.ancestors.iter().any(|(schema, table)| patterns.matches(schema, table));
    let before = decoder.known(shape.id).cloned();
    let mut relation = relation((shape, known), database, |id| decoder.type_name(id));
    match before {
        Some(before) => {
            relation.version = before.version;
            if *before == relation {
                decoder.learn(before, wanted);
            } else {
                relation.version += 1;
                decoder.learn(Arc::new(relation), wanted);
            }
        }
        None => decoder.learn(Arc::new(relation), wanted),
    }
}

/// A shape with what the catalog adds, as the first version. `told` is what the log calls a type
/// that the catalog no longer has.
pub(super) fn relation<'a>(
    (shape, known): (&Shape, &Knowledge),
    database: &Arc<str>,
    told: impl Fn(u32) -> Option<&'a str>,
) -> Relation {
    let columns = shape.columns.iter().enumerate().map(|(at, column)| {
        let native = known.natives.get(at).cloned().flatten();
        let native = native.or_else(|| told(column.type_id).map(str::to_owned));
        Column {
            name: column.name.clone(),
            kind: known.types.kind(column.type_id, column.modifier),
            native: native.unwrap_or_else(|| format!("type {}", column.type_id)),
            nullable: known.columns.get(&column.name).is_none_or(|(not_null, _)| !not_null),
        }
    });
    Relation {
        id: shape.id,
        database: Arc::clone(database),
        schema: shape.schema.as_str().into(),
        table: shape.table.as_str().into(),
        columns: columns.collect(),
        key: key(shape, known),
        version: 1,
    }
}

/// The columns that name a row. With an index as replica identity these are the index's, for the
/// log tells no others of a deleted row; else the primary key's in its own order.
fn key(shape: &Shape, known: &Knowledge) -> Vec<usize> {
    let flagged = || {
        let marked = shape.columns.iter().enumerate().filter(|(_, column)| column.identifies);
        marked.map(|(at, _)| at).collect::<Vec<_>>()
    };
    let size = known.columns.values().filter(|(_, place)| place.is_some()).count();
    let mut primary: Vec<(i32, usize)> = shape
        .columns
        .iter()
        .enumerate()
        .filter_map(|(at, column)| Some((known.columns.get(&column.name)?.1?, at)))
        .collect();
    primary.sort_unstable();
    let mut primary: Vec<usize> = primary.into_iter().map(|(_, at)| at).collect();
    if primary.len() < size {
        // A column list of the publication leaves a part of it out.
        primary.clear();
    }
    match shape.identity {
        b'i' => flagged(),
        b'd' => {
            let told = flagged();
            let same = primary.len() == told.len() && primary.iter().all(|at| told.contains(at));
            if same { primary } else { told }
        }
        _ => primary,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::postgres::cdc::message::ShapeColumn;

    fn shape(identity: u8, flagged: [bool; 3]) -> Shape {
        let columns = ["a", "b", "c"].iter().zip(flagged).map(|(name, identifies)| ShapeColumn {
            name: (*name).to_owned(),
            identifies,
            type_id: 23,
            modifier: -1,
        });
        let columns = columns.collect();
        Shape { id: 1, schema: "s".into(), table: "t".into(), identity, columns }
    }

    fn knowledge(key: &[(&str, i32)]) -> Knowledge {
        let columns = key.iter().map(|(name, at)| ((*name).to_owned(), (true, Some(*at))));
        Knowledge { columns: columns.collect(), ..Knowledge::default() }
    }

    #[test]
    fn the_key_is_in_its_own_order_and_is_what_deletes_will_tell() {
        let both = [("b", 0), ("a", 1)];
        assert_eq!(key(&shape(b'd', [true, true, false]), &knowledge(&both)), [1, 0]);
        assert_eq!(key(&shape(b'f', [true, true, true]), &knowledge(&both)), [1, 0]);
        assert_eq!(key(&shape(b'f', [true, true, true]), &knowledge(&[])), [0; 0]);
        assert_eq!(key(&shape(b'i', [false, false, true]), &knowledge(&both)), [2]);
        // The primary key was altered after the change was written.
        assert_eq!(key(&shape(b'd', [false, false, true]), &knowledge(&both)), [2]);
        // A part of it is not published.
        assert_eq!(key(&shape(b'n', [false; 3]), &knowledge(&[("a", 0), ("z", 1)])), [0; 0]);
    }

    #[test]
    fn only_another_shape_is_another_version() {
        let mut decoder = Decoder::new(flowglass_connect::stream::Position::after(0));
        let patterns = Patterns::parse(&["s.t".into()]).unwrap();
        let database = "d".into();
        let mut teach_it = |shape: &Shape, known: &Knowledge| {
            teach(&mut decoder, (shape, known), (&database, &patterns));
            decoder.known(1).map(|it| it.version)
        };
        let first = shape(b'd', [true, false, false]);
        assert_eq!(teach_it(&first, &knowledge(&[("a", 0)])), Some(1));
        assert_eq!(teach_it(&first, &knowledge(&[("a", 0)])), Some(1));
        assert_eq!(teach_it(&shape(b'f', [true; 3]), &knowledge(&[("b", 0)])), Some(2));
    }
}
