//! Who writes and who reads what: the tables that a node's output becomes, and nodes that touch
//! one asset without an order between them.
//!
//! This crate knows no connector, so it tells assets apart by the keys that name a place in all of
//! them (`path`, `dsn`, `table` …). Two spellings of one place are not seen through; that is the
//! connector's to find when it runs.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use crate::complaint::{Code, Severity};
use crate::doc::Doc;
use crate::path::Path;
use crate::plan::{Action, Connector, Node, RuleKind, Strategy, When};
use crate::schema::Vocabulary;

use super::graph::Graph;

/// The keys that say which place is meant, in every connector.
const PLACE_KEYS: [&str; 11] =
    ["path", "dsn", "url", "uri", "host", "port", "database", "schema", "table", "bucket", "topic"];

/// The outputs of nodes, for whoever reads them.
pub(super) struct Written<'a> {
    /// The connectors.
    pub(super) vocabulary: &'a Vocabulary,
    /// The nodes whose outputs count, the preferred first.
    pub(super) nodes: Vec<&'a Node>,
}

impl Written<'_> {
    /// A node's target, and the same place as a source; `None` when it writes nothing that could
    /// be read.
    pub(super) fn output<'n>(&self, node: &'n Node) -> Option<(&'n Connector, Connector)> {
        let target = target(node)?;
        Some((target, self.as_source(target)?))
    }

    /// How a path is read: as a node wrote it, or as its ending says.
    pub(super) fn asset(&self, path: &str) -> Option<Connector> {
        let named = plain_path(path);
        let writer = self.nodes.iter().find_map(|node| {
            let target = target(node)?;
            let has_table = target.expose().get("table").is_some();
            let place = target.expose().get("path").and_then(Value::as_str)?;
            (!has_table && plain_path(place) == named).then(|| self.as_source(target)).flatten()
        });
        if writer.is_some() {
            return writer;
        }
        let lower = path.to_ascii_lowercase();
        // The readers of text files unpack by the last ending.
        let unpacked = lower.strip_suffix(".gz").or(lower.strip_suffix(".zst")).unwrap_or(&lower);
        let ending = unpacked.rsplit_once('.')?.1;
        let kind = match ending {
            "csv" | "tsv" => "csv",
            "jsonl" | "ndjson" => "jsonl",
            "parquet" if unpacked == lower => "parquet",
            _ => return None,
        };
        if !self.vocabulary.takes_any() {
            self.vocabulary.source(kind)?;
        }
        let mut config = Map::from_iter([("path".to_owned(), Value::String(path.to_owned()))]);
        if ending == "tsv" {
            config.insert("delimiter".to_owned(), Value::String("tab".to_owned()));
        }
        let config = Value::Object(config);
        Some(Connector::new(kind.to_owned(), config.clone(), config))
    }

    /// A target's configuration with the keys that its kind of source knows.
    fn as_source(&self, target: &Connector) -> Option<Connector> {
        if self.vocabulary.takes_any() {
            return Some(target.clone());
        }
        let schema = self.vocabulary.source(&target.kind)?;
        let known = schema.get("properties").and_then(Value::as_object);
        let keep = |config: &Value| {
            let pairs = config.as_object().into_iter().flatten();
            let kept = pairs.filter(|(key, _)| known.is_none_or(|known| known.contains_key(*key)));
            kept.map(|(key, value)| (key.clone(), value.clone())).collect::<Map<_, _>>()
        };
        let config = keep(target.expose());
        let required = schema.get("required").and_then(Value::as_array);
        let mut required = required.into_iter().flatten().filter_map(Value::as_str);
        if !required.all(|key| config.contains_key(key)) {
            return None;
        }
        let shown = Value::Object(keep(target.shown()));
        Some(Connector::new(target.kind.clone(), Value::Object(config), shown))
    }
}

/// Complains about writers and readers of one asset that have no order between them.
pub(super) fn check(doc: &mut Doc<'_>, graph: &Graph, nodes: &BTreeMap<usize, Node>) {
    let mut writers: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (index, node) in nodes {
        if let Some(place) = target(node).and_then(place) {
            writers.entry(place).or_default().push(*index);
        }
    }
    let mut before: BTreeMap<usize, BTreeSet<usize>> = BTreeMap::new();
    let mut ordered = |one: usize, other: usize| {
        let mut comes_before = |first: usize, second: usize| {
            before.entry(second).or_insert_with(|| graph.before(second)).contains(&first)
        };
        one == other || comes_before(one, other) || comes_before(other, one)
    };
    for indexes in writers.values() {
        for (position, second) in indexes.iter().enumerate() {
            let earlier = indexes.iter().take(position);
            if let Some(first) = earlier.copied().find(|first| !ordered(*first, *second)) {
                complain_writers(doc, (first, *second), nodes);
            }
        }
    }
    for (reader, node) in nodes {
        for (source, path) in sources(node, *reader) {
            let found = place(source).and_then(|place| writers.get(&place));
            let writer = found.into_iter().flatten().find(|writer| !ordered(**writer, *reader));
            if let Some(writer) = writer.and_then(|writer| nodes.get(writer)) {
                let said = format!(
                    "`{}` reads what `{}` writes, and nothing says which comes first",
                    node.id, writer.id
                );
                doc.warn_at_key(Code::UnorderedRead, &path, said)
                    .advise(format!("add `{}` to the `needs` of `{}`", writer.id, node.id));
            }
        }
    }
}

fn complain_writers(doc: &mut Doc<'_>, pair: (usize, usize), nodes: &BTreeMap<usize, Node>) {
    let (Some(first), Some(second)) = (nodes.get(&pair.0), nodes.get(&pair.1)) else { return };
    let to = |index: usize, node: &Node| node_path(index).key(node.action.kind()).key("to");
    let (first_path, second_path) = (to(pair.0, first), to(pair.1, second));
    let place = doc.report.text.place(doc.root.key_span(&first_path).unwrap_or_default());
    let said = format!(
        "`{}` and `{}` write the same asset, and nothing says which comes first",
        first.id, second.id
    );
    let complaint = doc.error_at_key(Code::UnorderedWrites, &second_path, said);
    complaint
        .advise(format!(
            "add `needs: [{}]` to `{}`, or write to another place",
            first.id, second.id
        ))
        .note("the other is here", place);
    // Rows added in either order are the same rows; and of a node for success and one for
    // failure, only one runs.
    let appends = |node: &Node| {
        matches!(strategy(node), Some(Strategy::Append | Strategy::IncrementalAppend))
    };
    let exclusive = first.needs == second.needs
        && (first.when == When::OnFailure) != (second.when == When::OnFailure);
    if (appends(first) && appends(second)) || exclusive {
        complaint.severity = Severity::Warning;
    }
}

fn node_path(index: usize) -> Path {
    Path::root().key("spec").key("nodes").index(index)
}

fn target(node: &Node) -> Option<&Connector> {
    match &node.action {
        Action::Copy(copy) => Some(&copy.write.to),
        Action::Sql(sql) => Some(&sql.write.to),
        Action::Command(_) | Action::Check(_) => None,
    }
}

fn strategy(node: &Node) -> Option<Strategy> {
    match &node.action {
        Action::Copy(copy) => Some(copy.write.strategy),
        Action::Sql(sql) => Some(sql.write.strategy),
        Action::Command(_) | Action::Check(_) => None,
    }
}

/// The sources that a node names, with their paths.
fn sources(node: &Node, index: usize) -> Vec<(&Connector, Path)> {
    let path = node_path(index).key(node.action.kind());
    match &node.action {
        Action::Command(_) => Vec::new(),
        Action::Copy(copy) => vec![(&copy.from, path.key("from"))],
        Action::Sql(sql) => {
            let tables = path.key("tables");
            sql.tables.iter().map(|(name, table)| (&table.from, tables.key(name))).collect()
        }
        Action::Check(check) => {
            let key = if check.subject.asset.is_some() { "asset" } else { "from" };
            let subject = (&check.subject.from, path.key(key));
            let rules = check.rules.iter().enumerate();
            let references = rules.filter_map(|(rule, it)| match &it.kind {
                RuleKind::ForeignKey(key) => {
                    Some((&key.references.from, path.key("rules").index(rule)))
                }
                _ => None,
            });
            std::iter::once(subject).chain(references).collect()
        }
    }
}

/// Names the place that a connector means; `None` when its configuration does not say.
fn place(connector: &Connector) -> Option<String> {
    let config = connector.expose();
    let named = PLACE_KEYS.iter().filter_map(|key| {
        let value = config.get(*key)?;
        let value = value.as_str().map_or_else(|| value.to_string(), plain_path);
        Some(format!("{key}={value}"))
    });
    let named: Vec<String> = named.collect();
    match named.as_slice() {
        [] => None,
        // One file is one file, whatever format it is taken for.
        [only] if only.starts_with("path=") => Some(only.clone()),
        all => Some(format!("{} {}", connector.kind, all.join("\n"))),
    }
}

/// A path without `./` and doubled slashes.
fn plain_path(path: &str) -> String {
    if path.contains("://") {
        return path.to_owned();
    }
    let parts: Vec<&str> = path.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
    format!("{}{}", if path.starts_with('/') { "/" } else { "" }, parts.join("/"))
}
