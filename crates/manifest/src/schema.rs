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
use crate::weave::{Role, weave};

/// The specs of the two kinds, by the names of their definitions.
const SPECS: [(&str, &str); 2] = [("WorkflowSpecDraft", "Workflow"), ("StreamSpecDraft", "Stream")];

/// The connectors and processors of the program: the JSON Schema of each configuration, by the word
/// in `type`.
#[derive(Clone, Debug, Default)]
pub struct Vocabulary {
    sources: BTreeMap<String, Value>,
    targets: BTreeMap<String, Value>,
    stream_sources: BTreeMap<String, Value>,
    stream_sinks: BTreeMap<String, Value>,
    processors: BTreeMap<String, Value>,
    any: bool,
    /// The whole schema: made once, since every load needs it.
    composed: OnceLock<Value>,
}

impl Vocabulary {
    /// Exactly these connectors for copies, and none for streams. The schemas describe objects and
    /// leave `type` out.
    #[must_use]
    pub fn new(sources: BTreeMap<String, Value>, targets: BTreeMap<String, Value>) -> Self {
        Self { sources, targets, ..Self::default() }
    }

    /// With these connectors for streams. The schemas describe the object under `config`; `id` and,
    /// of a sink, `required` may be in it or not: they are added, since the engine reads them.
    #[must_use]
    pub fn with_streams(
        self,
        sources: BTreeMap<String, Value>,
        sinks: BTreeMap<String, Value>,
    ) -> Self {
        let composed = OnceLock::new();
        Self { stream_sources: sources, stream_sinks: sinks, composed, ..self }
    }

    /// With these processors for streams. The schemas describe objects and leave `type` and `id` out;
    /// [`processor_schemas`](crate::processor_schemas) has those of the documented ones.
    #[must_use]
    pub fn with_processors(self, processors: BTreeMap<String, Value>) -> Self {
        Self { processors, composed: OnceLock::new(), ..self }
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

    /// The schemas of a part of streams, by type.
    pub(crate) const fn parts(&self, part: Part) -> &BTreeMap<String, Value> {
        match part {
            Part::Source => &self.stream_sources,
            Part::Sink => &self.stream_sinks,
            Part::Processor => &self.processors,
        }
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

/// A part of a stream that has a type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// `spec.source`
    Source,
    /// An item of `spec.sinks`.
    Sink,
    /// An item of `spec.processors`.
    Processor,
}

impl Part {
    /// What a person calls it.
    pub(crate) const fn noun(self) -> &'static str {
        match self {
            Self::Source => "stream source",
            Self::Sink => "stream sink",
            Self::Processor => "processor",
        }
    }

    /// The name of its open definition.
    const fn def(self) -> &'static str {
        match self {
            Self::Source => "stream_source",
            Self::Sink => "stream_sink",
            Self::Processor => "processor",
        }
    }
}

fn compose(vocabulary: &Vocabulary) -> Value {
    let generator = SchemaSettings::draft2020_12().into_generator();
    let mut root = generator.into_root_schema_for::<ManifestDraft>().to_value();
    if let Some(root) = root.as_object_mut() {
        root.insert("title".to_owned(), json!("Flowglass manifest"));
    }
    require(&mut root, "MetadataDraft", "name");
    point_elsewhere(&mut root);
    if !vocabulary.any {
        for (def, words) in [("source", &vocabulary.sources), ("target", &vocabulary.targets)] {
            weave(&mut root, &Role { def, choice: "connector", nested: false }, words);
        }
        for part in [Part::Source, Part::Sink, Part::Processor] {
            let nested = part != Part::Processor;
            let role = Role { def: part.def(), choice: part.noun(), nested };
            weave(&mut root, &role, vocabulary.parts(part));
        }
    }
    without_null(&mut root);
    sorted(root)
}

/// Notes for each kind's spec which keys only the other kind has, so that a complaint about one of
/// them can say so.
fn point_elsewhere(root: &mut Value) {
    let keys = |def: &str| -> Vec<String> {
        let properties = root.pointer(&format!("/$defs/{def}/properties"));
        let properties = properties.and_then(Value::as_object);
        properties.into_iter().flat_map(|it| it.keys().cloned()).collect()
    };
    let [one, other] = SPECS.map(|(def, kind)| (def, kind, keys(def)));
    for ((def, _, own), (_, kind, others)) in [(&one, &other), (&other, &one)] {
        let foreign = others.iter().filter(|key| !own.contains(key));
        let notes: Map<String, Value> =
            foreign.map(|key| (key.clone(), json!(format!("kind: {kind}")))).collect();
        if let Some(Value::Object(def)) = root.pointer_mut(&format!("/$defs/{def}")) {
            def.insert("x-flowglass-elsewhere".to_owned(), Value::Object(notes));
        }
    }
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
