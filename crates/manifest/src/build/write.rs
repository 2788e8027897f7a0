//! `copy` and `sql` nodes, and what they have in common: writing to a target.

use std::collections::{BTreeMap, BTreeSet};

use crate::complaint::Code;
use crate::doc::Doc;
use crate::draft::{
    BatchDraft, ColumnDraft, CopyDraft, OtherColumns, SqlDraft, Strategy, WriteDraft,
};
use crate::nearest::{are, nearest};
use crate::path::Path;
use crate::plan::{
    Batching, COLUMN_TYPES, ColumnRule, ColumnRules, Connector, Copy, PlanTable, Sql, SqlText,
    TableOrigin, Write, column_type,
};
use crate::tree::Node;

use super::assets::Written;
use super::builder::size;

/// The bounds of the bytes of a batch.
pub(super) const BATCH_BYTES: std::ops::RangeInclusive<u64> = 1 << 10..=1 << 30;

/// Checks a copy.
pub(super) fn copy(doc: &mut Doc<'_>, draft: &CopyDraft, path: &Path) -> Option<Copy> {
    let from = connector(doc, &path.key("from"));
    let write = write(doc, draft.into(), path);
    // The tree knows the order in which the columns are written, and so will the target.
    let entries = doc.root.at(&path.key("columns")).map_or(&[][..], Node::entries);
    let names: Vec<String> = entries.iter().map(|entry| entry.key.clone()).collect();
    let mut columns = Vec::new();
    for name in &names {
        let Some(column) = draft.columns.get(name) else { continue };
        let at = path.key("columns").key(name);
        let (from, kind, kind_path) = match column {
            ColumnDraft::Type(kind) => (name, Some(kind), at),
            ColumnDraft::Full(full) => {
                (full.from.as_ref().unwrap_or(name), full.kind.as_ref(), at.key("type"))
            }
        };
        if let Some(kind) = kind {
            check_type(doc, kind, &kind_path);
        }
        columns.push((name.clone(), ColumnRule { from: from.clone(), kind: kind.cloned() }));
    }
    let keep_other_columns = draft.other_columns == OtherColumns::Keep;
    if !keep_other_columns && columns.is_empty() {
        let said = "`other_columns: drop` without `columns` leaves no column";
        doc.error_at_key(Code::ConflictingKeys, &path.key("other_columns"), said)
            .advise("name the columns to keep under `columns`");
    }
    let columns = ColumnRules::new(columns);
    Some(Copy { from: from?, write: write?, columns, keep_other_columns })
}

/// Checks a query.
pub(super) fn sql(
    doc: &mut Doc<'_>,
    draft: &SqlDraft,
    path: &Path,
    written: &Written<'_>,
) -> Option<Sql> {
    let text = match (&draft.file, &draft.query) {
        (Some(file), _) => filled(doc, file, &path.key("file")).map(SqlText::File),
        (None, query) => {
            let query = filled(doc, query.as_deref()?, &path.key("query"));
            query.map(|_| SqlText::Query(doc.guarded(&path.key("query"))))
        }
    };
    let mut tables = BTreeMap::new();
    for name in draft.tables.keys() {
        let at = path.key("tables").key(name);
        let plain = |it: char| it.is_ascii_alphanumeric() || it == '_';
        if name.is_empty()
            || !name.chars().all(plain)
            || name.starts_with(|it: char| it.is_ascii_digit())
        {
            let said = format!("`{name}` cannot name a table in a query");
            doc.error_at_key(Code::BadFormat, &at, said)
                .advise("use letters, digits and `_`; begin with a letter or `_`");
        }
        if let Some(from) = connector(doc, &at) {
            tables.insert(name.clone(), PlanTable { from, origin: TableOrigin::Declared });
        }
    }
    add_written(&mut tables, written);
    let write = write(doc, draft.into(), path);
    Some(Sql { engine: "datafusion".to_owned(), text: text?, tables, write: write? })
}

/// What the needed nodes write is there under the node's id and, where that is free, under the
/// table's own name. A name that two nodes would give is given to none.
fn add_written(tables: &mut BTreeMap<String, PlanTable>, written: &Written<'_>) {
    let mut by_table: BTreeMap<String, Vec<PlanTable>> = BTreeMap::new();
    for node in &written.nodes {
        let Some((target, from)) = written.output(node) else { continue };
        let table = PlanTable { from, origin: TableOrigin::WrittenBy(node.id.clone()) };
        if let Some(name) = target.expose().get("table").and_then(serde_json::Value::as_str) {
            by_table.entry(name.to_owned()).or_default().push(table.clone());
        }
        tables.entry(node.id.to_string()).or_insert(table);
    }
    for (name, found) in by_table {
        if let [only] = found.as_slice() {
            tables.entry(name).or_insert_with(|| only.clone());
        }
    }
}

/// Checks what `copy` and `sql` say about writing.
fn write(doc: &mut Doc<'_>, draft: WriteDraft, path: &Path) -> Option<Write> {
    let to = connector(doc, &path.key("to"));
    let name = match draft.strategy {
        Strategy::FullRefresh => "full_refresh",
        Strategy::Append => "append",
        Strategy::IncrementalAppend => "incremental_append",
        Strategy::IncrementalMerge => "incremental_merge",
    };
    let merges = draft.strategy == Strategy::IncrementalMerge;
    let is_incremental = merges || draft.strategy == Strategy::IncrementalAppend;
    let strategy_path = path.key("strategy");
    if merges && draft.key.is_empty() {
        doc.error(Code::Strategy, &strategy_path, format!("`{name}` needs `key`"))
            .advise("add `key: [column, …]`, the columns that tell rows apart");
    }
    if is_incremental && draft.cursor.is_none() {
        doc.error(Code::Strategy, &strategy_path, format!("`{name}` needs `cursor`"))
            .advise("add `cursor: column`, a column that grows, such as `updated_at`");
    }
    for (there, key, used) in
        [(!draft.key.is_empty(), "key", merges), (draft.cursor.is_some(), "cursor", is_incremental)]
    {
        if there && !used {
            let said = format!("`{key}` has no effect with the strategy `{name}`");
            doc.warn_at_key(Code::NoEffect, &path.key(key), said).advise(format!(
                "remove it, or use {}",
                if key == "key" { "`incremental_merge`" } else { "an incremental strategy" }
            ));
        }
    }
    let distinct: BTreeSet<&String> = draft.key.iter().collect();
    if distinct.len() < draft.key.len() || draft.key.iter().any(String::is_empty) {
        doc.error(Code::Strategy, &path.key("key"), "`key` names a column twice, or none")
            .advise("name each column once");
    }
    if let Some(cursor) = &draft.cursor {
        filled(doc, cursor, &path.key("cursor"));
    }
    let batch = batching(doc, &draft.batch, &path.key("batch"));
    Some(Write {
        to: to?,
        strategy: draft.strategy,
        key: draft.key,
        cursor: draft.cursor.filter(|_| is_incremental),
        schema_change: draft.schema_change,
        batch,
    })
}

fn batching(doc: &mut Doc<'_>, draft: &BatchDraft, path: &Path) -> Batching {
    let bytes_max = size(doc, draft.bytes.as_ref(), &path.key("bytes"), BATCH_BYTES);
    Batching { rows_max: draft.rows, bytes_max }
}

/// A connector as it stands in the tree, where secrets are known.
pub(super) fn connector(doc: &Doc<'_>, path: &Path) -> Option<Connector> {
    let (mut config, mut shown) = doc.value(path);
    let kind = config.as_object_mut()?.remove("type")?;
    shown.as_object_mut()?.remove("type");
    Some(Connector::new(kind.as_str()?.to_owned(), config, shown))
}

/// A text that is not blank.
fn filled(doc: &mut Doc<'_>, text: &str, path: &Path) -> Option<String> {
    if !text.trim().is_empty() {
        return Some(text.to_owned());
    }
    let name = path.last_key().unwrap_or("the text").to_owned();
    doc.error(Code::OutOfRange, path, format!("`{name}` is empty")).advise("give it a value");
    None
}

fn check_type(doc: &mut Doc<'_>, kind: &str, path: &Path) {
    let (word, arguments) = match kind.split_once('(') {
        Some((word, rest)) => (word.trim(), rest.strip_suffix(')')),
        None => (kind, Some("")),
    };
    let (Some(known), Some(arguments)) = (column_type(word), arguments) else {
        let types = || COLUMN_TYPES.iter().map(|(name, _)| *name);
        let all = COLUMN_TYPES.iter().flat_map(|(name, others)| others.iter().chain([name]));
        let help = match nearest(word, all.copied()) {
            Some(near) => format!("did you mean `{near}`? There {}", are(types())),
            None => format!("there {}", are(types())),
        };
        doc.error(Code::UnknownValue, path, format!("there is no type `{kind}`")).advise(help);
        return;
    };
    let numbers: Vec<Option<u8>> = arguments.split(',').map(|it| it.trim().parse().ok()).collect();
    let fits = match (known, numbers.as_slice()) {
        ("decimal", [Some(precision), Some(scale)]) => {
            (1..=76).contains(precision) && scale <= precision
        }
        ("decimal", _) => false,
        _ => !kind.contains('('),
    };
    if !fits {
        let said = format!("`{kind}` is not a valid type");
        let help = "write `decimal(precision,scale)` with 1 to 76 digits; other types stand alone";
        doc.error(Code::BadFormat, path, said).advise(help);
    }
}
