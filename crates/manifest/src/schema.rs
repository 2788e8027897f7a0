//! The JSON Schema of a manifest: derived from the draft, with the connectors woven in.
//!
//! What connectors understand is handed in as a [`Vocabulary`], so that this crate names none of
//! them. Each connector's schema becomes a branch chosen by `type`, so that an editor completes its
//! keys and the checker complains about them with their places.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use crate::draft::ManifestDraft;

/// The connectors of the program: the JSON Schema of each configuration, by the word in `type`.
#[derive(Clone, Debug, Default)]
pub struct Vocabulary {
    sources: BTreeMap<String, Value>,
    targets: BTreeMap<String, Value>,
    any: bool,
    /// The whole schema: made once, since every load needs it.
    composed: OnceLock<Value>,
}

impl Vocabulary {
    /// Exactly these connectors. The schemas describe objects and leave `type` out.
    #[must_use]
    pub fn new(sources: BTreeMap<String, Value>, targets: BTreeMap<String, Value>) -> Self {
        Self { sources, targets, ..Self::default() }
    }

    /// Any connector with any configuration: for tools that have none of their own.
    #[must_use]
    pub fn any() -> Self {
        Self { any: true, ..Self::default() }
    }

    /// The schema of a source, when it is known.
    pub(crate) fn source(&self, kind: &str) -> Option<&Value> {
        self.sources.get(kind)
    }

    /// The schema of a manifest with these connectors.
    pub(crate) fn schema(&self) -> &Value {
        self.composed.get_or_init(|| compose(self))
    }

    /// Whether any connector is taken.
    pub(crate) const fn takes_any(&self) -> bool {
        self.any
    }
}

/// The JSON Schema (draft 2020-12) of one manifest document.
#[must_use]
pub fn schema(vocabulary: &Vocabulary) -> Value {
    vocabulary.schema().clone()
}

fn compose(vocabulary: &Vocabulary) -> Value {
    let generator = SchemaSettings::draft2020_12().into_generator();
    let mut root = generator.into_root_schema_for::<ManifestDraft>().to_value();
    if let Some(root) = root.as_object_mut() {
        root.insert("title".to_owned(), json!("Flowglass manifest"));
    }
    require(&mut root, "MetadataDraft", "name");
    if !vocabulary.any {
        for (role, connectors) in [("source", &vocabulary.sources), ("target", &vocabulary.targets)]
        {
            weave(&mut root, role, connectors);
        }
    }
    without_null(&mut root);
    sorted(root)
}

/// Keys in alphabetical order, whether or not some crate of the build asked serde_json to keep the
/// order of insertion: what is printed from the schema is committed.
fn sorted(value: Value) -> Value {
    match value {
        Value::Object(map) => {
            let ordered: BTreeMap<String, Value> =
                map.into_iter().map(|(key, value)| (key, sorted(value))).collect();
            Value::Object(ordered.into_iter().collect())
        }
        Value::Array(items) => items.into_iter().map(sorted).collect(),
        scalar => scalar,
    }
}

/// `Option` in the draft, needed in the manifest: a broken name must not hide the labels.
fn require(root: &mut Value, def: &str, key: &str) {
    if let Some(def) = root.pointer_mut(&format!("/$defs/{def}")).and_then(Value::as_object_mut) {
        def.insert("required".to_owned(), json!([key]));
    }
}

/// Replaces the open definition of a role by a choice of its connectors.
fn weave(root: &mut Value, role: &str, connectors: &BTreeMap<String, Value>) {
    let Some(defs) = root.get_mut("$defs").and_then(Value::as_object_mut) else { return };
    let mut branches = Vec::new();
    for (kind, schema) in connectors {
        let name = format!("{role}.{kind}");
        let mut schema = schema.clone();
        prefix_refs(&mut schema, &name);
        let inner = schema.as_object_mut().and_then(|it| it.remove("$defs"));
        if let Some(Value::Object(inner)) = inner {
            for (key, value) in inner {
                defs.insert(format!("{name}.{key}"), value);
            }
        }
        if let Some(schema) = schema.as_object_mut() {
            schema.remove("$schema");
            add_type(schema, kind);
        }
        branches.push(json!({ "$ref": format!("#/$defs/{name}") }));
        defs.insert(name, schema);
    }
    if let Some(Value::Object(def)) = defs.get_mut(role) {
        def.remove("properties");
        def.insert("x-flowglass-choice".to_owned(), json!("connector"));
        if branches.is_empty() {
            def.insert("not".to_owned(), json!({}));
        } else {
            def.insert("oneOf".to_owned(), Value::Array(branches));
        }
    }
}

/// Adds `type: {const: kind}` to an object schema, or to each of its alternatives.
fn add_type(schema: &mut Map<String, Value>, kind: &str) {
    for word in ["oneOf", "anyOf"] {
        let alternatives = schema.get_mut(word).and_then(Value::as_array_mut);
        for branch in alternatives.into_iter().flatten().filter_map(Value::as_object_mut) {
            // Only where the branch is an object of its own; "one of these keys" is none.
            if branch.contains_key("properties") {
                add_type(branch, kind);
            }
        }
    }
    let properties = schema.entry("properties").or_insert_with(|| json!({}));
    if let Some(properties) = properties.as_object_mut() {
        let constant = json!({ "description": "The connector.", "const": kind });
        properties.insert("type".to_owned(), constant);
    }
    let required = schema.entry("required").or_insert_with(|| json!([]));
    if let Some(required) = required.as_array_mut() {
        required.insert(0, json!("type"));
    }
}

fn prefix_refs(value: &mut Value, prefix: &str) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                match value {
                    Value::String(text) if key == "$ref" => {
                        *text = match text.strip_prefix("#/$defs/") {
                            Some(name) => format!("#/$defs/{prefix}.{name}"),
                            None => format!("#/$defs/{prefix}"),
                        };
                    }
                    value => prefix_refs(value, prefix),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| prefix_refs(item, prefix)),
        _ => {}
    }
}

/// Takes "or null" away: in a manifest a key without a value is a slip, not a choice.
fn without_null(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(without_null),
        Value::Object(map) => {
            map.values_mut().for_each(without_null);
            if map.get("default").is_some_and(Value::is_null) {
                map.remove("default");
            }
            if let Some(Value::Array(types)) = map.get_mut("type") {
                types.retain(|it| it != "null");
                if let [only] = types.as_slice() {
                    let only = only.clone();
                    map.insert("type".to_owned(), only);
                }
            }
            let is_null = |it: &Value| it.get("type").is_some_and(|it| it == "null");
            let others: Option<Vec<Value>> = map
                .get("anyOf")
                .and_then(Value::as_array)
                .map(|it| it.iter().filter(|branch| !is_null(branch)).cloned().collect());
            match others.as_deref() {
                Some([Value::Object(only)]) => {
                    map.remove("anyOf");
                    for (key, value) in only {
                        map.entry(key.clone()).or_insert_with(|| value.clone());
                    }
                }
                Some(others) => {
                    let others = Value::Array(others.to_vec());
                    map.insert("anyOf".to_owned(), others);
                }
                None => {}
            }
            if let Some(Value::Array(words)) = map.get_mut("enum") {
                words.retain(|it| !it.is_null());
            }
        }
        _ => {}
    }
}
