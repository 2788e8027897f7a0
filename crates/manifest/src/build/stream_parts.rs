//! The parts of a stream that have a type: its source, its processors, its sinks.
//!
//! They are taken from the tree, where secrets are known. `id` and `required` are ours: they are
//! read here, and handed on to a connector only where its own schema has the key, so that a
//! connector that knows nothing of them never meets them.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::complaint::Code;
use crate::doc::Doc;
use crate::path::Path;
use crate::plan::{Connector, Processor, StreamSink, StreamSource};
use crate::schema::{Part, Vocabulary};
use crate::tree::{Core, Node};

/// The source.
pub(super) fn source(doc: &mut Doc<'_>, vocabulary: &Vocabulary) -> Option<StreamSource> {
    let path = Path::root().key("spec").key("source");
    let kind = kind(doc, vocabulary, (Part::Source, &path))?;
    let mut config = Config::of(doc, &path.key("config"), None)?;
    let id = config.id(&kind, vocabulary, Part::Source);
    Some(StreamSource { id, connector: config.connector(kind) })
}

/// The sinks; one that cannot be read is left out, and was complained about.
pub(super) fn sinks(doc: &mut Doc<'_>, vocabulary: &Vocabulary) -> Vec<StreamSink> {
    let list = Path::root().key("spec").key("sinks");
    unique(doc, &list, ("sink", "config.id"), |item| item.key("config").key("id"));
    let count = doc.root.at(&list).map_or(0, |it| it.items().len());
    let sink = |index| {
        let path = list.index(index);
        let kind = kind(doc, vocabulary, (Part::Sink, &path))?;
        let mut config = Config::of(doc, &path.key("config"), None)?;
        let id = config.id(&kind, vocabulary, Part::Sink);
        let required = config.required(&kind, vocabulary);
        Some(StreamSink { id, required, connector: config.connector(kind) })
    };
    (0..count).filter_map(sink).collect()
}

/// The processors; one that cannot be read is left out, and was complained about.
pub(super) fn processors(doc: &mut Doc<'_>, vocabulary: &Vocabulary) -> Vec<Processor> {
    let list = Path::root().key("spec").key("processors");
    unique(doc, &list, ("processor", "id"), |item| item.key("id"));
    let count = doc.root.at(&list).map_or(0, |it| it.items().len());
    let processor = |index| {
        let path = list.index(index);
        let kind = kind(doc, vocabulary, (Part::Processor, &path))?;
        if kind == "rename" {
            check_rename(doc, &path.key("columns"));
        }
        let mut config = Config::of(doc, &path, Some("type"))?;
        let id = config.take("id").and_then(|id| id.as_str().map(str::to_owned));
        let id = id.unwrap_or_else(|| kind.clone());
        Some(Processor { id, connector: config.connector(kind) })
    };
    (0..count).filter_map(processor).collect()
}

/// The type of a part. Where the build has none at all, the schema leaves the choice open, and the
/// complaint is ours.
fn kind(doc: &mut Doc<'_>, vocabulary: &Vocabulary, (part, path): (Part, &Path)) -> Option<String> {
    let path = path.key("type");
    let node = doc.root.at(&path)?;
    let kind = node.text().filter(|_| !node.flawed)?.to_owned();
    if !vocabulary.takes_any() && vocabulary.parts(part).is_empty() {
        let noun = part.noun();
        let shown = node.scalar().map_or_else(String::new, |it| it.shown.clone());
        let said = format!("this build has no {noun} `{}`", crate::check::clipped(&shown));
        doc.error(Code::UnknownConnector, &path, said)
            .advise(format!("it was made without any {noun}"));
        return None;
    }
    Some(kind)
}

/// A configuration as it is and as it may be shown.
struct Config {
    true_one: Map<String, Value>,
    shown: Map<String, Value>,
}

impl Config {
    /// The mapping at a path, which may be absent; `None` when something else stands there.
    fn of(doc: &Doc<'_>, path: &Path, without: Option<&str>) -> Option<Self> {
        let mut config = match doc.has(path).then(|| doc.value(path)) {
            None => Self { true_one: Map::new(), shown: Map::new() },
            Some((Value::Object(true_one), Value::Object(shown))) => Self { true_one, shown },
            Some(_) => return None,
        };
        if let Some(key) = without {
            config.take(key);
        }
        Some(config)
    }

    fn take(&mut self, key: &str) -> Option<Value> {
        self.shown.remove(key);
        self.true_one.remove(key)
    }

    fn put(&mut self, key: &str, value: &Value) {
        self.true_one.insert(key.to_owned(), value.clone());
        self.shown.insert(key.to_owned(), value.clone());
    }

    /// Takes the label, or the type's word for it, and hands it on to a connector that wants it.
    fn id(&mut self, kind: &str, vocabulary: &Vocabulary, part: Part) -> String {
        let id = self.take("id").and_then(|id| id.as_str().map(str::to_owned));
        let id = id.unwrap_or_else(|| kind.to_owned());
        if knows(vocabulary, (part, kind), "id") {
            self.put("id", &Value::String(id.clone()));
        }
        id
    }

    fn required(&mut self, kind: &str, vocabulary: &Vocabulary) -> bool {
        let required = self.take("required").and_then(|it| it.as_bool()).unwrap_or(true);
        if knows(vocabulary, (Part::Sink, kind), "required") {
            self.put("required", &Value::Bool(required));
        }
        required
    }

    fn connector(self, kind: String) -> Connector {
        Connector::new(kind, Value::Object(self.true_one), Value::Object(self.shown))
    }
}

/// Whether a connector's own schema has a key of ours.
fn knows(vocabulary: &Vocabulary, (part, kind): (Part, &str), key: &str) -> bool {
    let Some(schema) = vocabulary.parts(part).get(kind) else { return vocabulary.takes_any() };
    let named = |it: &Value| it.get("properties").is_some_and(|all| all.get(key).is_some());
    let branches =
        ["oneOf", "anyOf", "allOf"].into_iter().filter_map(|it| schema.get(it)?.as_array());
    named(schema) || branches.flatten().any(named)
}

/// Two parts of one name would share their metrics and their checkpoints.
fn unique(doc: &mut Doc<'_>, list: &Path, words: (&str, &str), id_of: impl Fn(&Path) -> Path) {
    let (noun, key) = words;
    let count = doc.root.at(list).map_or(0, |it| it.items().len());
    let mut first: BTreeMap<String, Path> = BTreeMap::new();
    for index in 0..count {
        let item = list.index(index);
        let own = id_of(&item);
        let has_own =
            doc.root.at(&own).and_then(Node::scalar).is_some_and(|it| it.core() != Core::Null);
        let at = if has_own { own } else { item.key("type") };
        let Some(id) = doc.root.at(&at).and_then(Node::text).map(str::to_owned) else { continue };
        let Some(earlier) = first.get(&id) else {
            first.insert(id, at);
            continue;
        };
        let place = doc.report.text.place(doc.span(earlier));
        let help = match has_own {
            true => format!("give each {noun} an id of its own"),
            false => format!("add `{key}`: without one it is called like its type"),
        };
        doc.error(Code::DuplicateId, &at, format!("two {noun}s are called `{id}`"))
            .advise(help)
            .note("the first is here", place);
    }
}

/// Two columns cannot get one name, and renaming none is a slip.
fn check_rename(doc: &mut Doc<'_>, path: &Path) {
    let entries = doc.root.at(path).map_or(&[][..], Node::entries);
    let names: Vec<(String, String)> = entries
        .iter()
        .filter_map(|it| Some((it.key.clone(), it.node.text()?.to_owned())))
        .collect();
    if entries.is_empty() && doc.has(path) {
        doc.error_at_key(Code::OutOfRange, path, "`columns` names no column")
            .advise("write `columns: { old_name: new_name }`");
    }
    let mut taken: BTreeMap<&str, &str> = BTreeMap::new();
    for (old, new) in &names {
        if let Some(first) = taken.insert(new, old) {
            let said = format!("`{first}` and `{old}` cannot both be called `{new}`");
            doc.error(Code::DuplicateId, &path.key(old), said).advise("give each another name");
        }
    }
}
