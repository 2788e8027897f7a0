//! Connectors, variables and files for the tests: all made up here, none from the machine.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use flowglass_manifest::{
    Complaint, Loaded, Lookup, ManifestFile, Options, Plan, Severity, StreamPlan, Vocabulary, load,
};
use serde_json::{Value, json};

/// Variables and files by name.
#[derive(Default)]
pub(crate) struct Fake {
    pub(crate) variables: BTreeMap<String, String>,
    pub(crate) files: BTreeMap<PathBuf, String>,
}

impl Fake {
    /// What the manifests under `good/` and `broken/` may refer to.
    pub(crate) fn usual() -> Self {
        let pairs = [
            ("SHOP_DSN", "postgres://shop:s3cr3t%21@db:5432/shop"),
            ("BATCH", "5000"),
            ("EMPTY", ""),
            ("TENANT", "acme"),
            ("BROKERS", "one:9092,two:9092"),
            ("REDIS_URI", "rediss://cache:r3d1s-pw@cache:6380/0"),
            ("SR_URL", "https://sr:r3g1stry-pw@registry:8081"),
        ];
        let variables =
            pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).into_iter().collect();
        let files = BTreeMap::from([
            (PathBuf::from("/run/secrets/token"), "tok-123456\n".to_owned()),
            (PathBuf::from("/manifests/relative.txt"), "from the folder\r\n".to_owned()),
        ]);
        Self { variables, files }
    }
}

impl Lookup for Fake {
    fn variable(&self, name: &str) -> Option<String> {
        self.variables.get(name).cloned()
    }

    fn file(&self, path: &Path) -> Result<String, String> {
        self.files.get(path).cloned().ok_or_else(|| "no such file".to_owned())
    }
}

#[expect(clippy::needless_pass_by_value, reason = "`json!` makes values")]
fn connector(properties: Value, required: &[&str]) -> Value {
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Config",
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": false,
    })
}

/// Connectors shaped like the real ones.
pub(crate) fn vocabulary() -> &'static Vocabulary {
    static ONCE: LazyLock<Vocabulary> = LazyLock::new(make_vocabulary);
    &ONCE
}

fn make_vocabulary() -> Vocabulary {
    let path = json!({ "description": "The file.", "type": "string", "minLength": 1 });
    let delimiter = json!({ "type": ["string", "null"], "minLength": 1, "maxLength": 1 });
    let table = json!({ "type": "string" });
    let file = connector(json!({ "path": path }), &["path"]);
    let csv = connector(json!({ "path": path, "delimiter": delimiter }), &["path"]);
    let sqlite = connector(json!({ "path": path, "table": table }), &["path", "table"]);
    let mut postgres = connector(
        json!({
            "dsn": { "description": "The server.", "type": "string" },
            "table": table,
            "port": { "type": "integer", "format": "uint16", "minimum": 1, "maximum": 65535 },
            "password": { "type": ["string", "null"] },
            "mode": { "anyOf": [{ "$ref": "#/$defs/Mode" }, { "type": "null" }] },
        }),
        &["dsn", "table"],
    );
    let modes = json!({ "Mode": { "type": "string", "enum": ["copy", "insert"] } });
    postgres.as_object_mut().expect("an object").insert("$defs".to_owned(), modes);
    let all: BTreeMap<String, Value> = [
        ("csv", csv),
        ("jsonl", file.clone()),
        ("parquet", file),
        ("postgres", postgres),
        ("sqlite", sqlite),
    ]
    .map(|(name, schema)| (name.to_owned(), schema))
    .into();
    Vocabulary::new(all.clone(), all)
        .with_streams(stream_sources(), stream_sinks())
        .with_processors(flowglass_manifest::processor_schemas())
}

fn stream_sources() -> BTreeMap<String, Value> {
    let mut postgres = connector(
        json!({
            "id": { "description": "Names the source.", "type": "string" },
            "dsn": { "description": "The server.", "type": "string" },
            "tables": { "type": "array", "items": { "type": "string" } },
            "slot": { "type": ["string", "null"] },
            "publication": { "type": ["string", "null"] },
            "snapshot": { "$ref": "#/$defs/Snapshot", "default": { "mode": "never" } },
            "heartbeat": { "type": "string", "default": "10s" },
            "idle_after": { "type": "string", "default": "60s" },
        }),
        &["id", "dsn", "tables"],
    );
    let snapshot = json!({
        "mode": { "type": "string", "enum": ["initial", "never"] },
        "chunk_rows": { "type": "integer", "format": "uint32", "minimum": 0 },
        "parallel": { "type": "integer", "format": "uint8", "minimum": 0, "maximum": 255 },
    });
    let defs = json!({ "Snapshot": connector(snapshot, &[]) });
    postgres.as_object_mut().expect("an object").insert("$defs".to_owned(), defs);
    let generator =
        connector(json!({ "rate": { "type": "integer", "format": "uint64", "minimum": 0 } }), &[]);
    [("generator", generator), ("postgres", postgres)].map(|(it, all)| (it.to_owned(), all)).into()
}

fn stream_sinks() -> BTreeMap<String, Value> {
    let text = || json!({ "type": "string" });
    // As schemars writes a struct with a flattened one: closed by `unevaluatedProperties`.
    let kafka = json!({
        "type": "object",
        "properties": {
            "id": { "description": "Names the sink.", "type": "string" },
            "brokers": text(),
            "topic": text(),
            "key": { "oneOf": [
                { "const": "primary_key", "description": "The key.", "type": "string" },
                { "const": "none", "description": "No key.", "type": "string" },
                {
                    "type": "object",
                    "properties": { "columns": { "type": "array", "items": text() } },
                    "required": ["columns"],
                    "additionalProperties": false,
                },
            ] },
            "exactly_once": { "type": "boolean", "default": false },
            "envelope": { "type": "string", "enum": ["native", "debezium", "cloudevents"] },
            "encoding": { "oneOf": [
                {
                    "type": "object",
                    "properties": { "type": { "type": "string", "const": "json" } },
                    "required": ["type"],
                },
                {
                    "type": "object",
                    "properties": {
                        "type": { "type": "string", "const": "avro" },
                        "schema_registry_url": text(),
                    },
                    "required": ["type", "schema_registry_url"],
                },
            ] },
            "required": { "type": "boolean", "default": true },
        },
        "required": ["id", "brokers"],
        "unevaluatedProperties": false,
    });
    let redis = connector(
        json!({
            "id": text(),
            "uri": { "description": "Where Redis is.", "type": "string" },
            "password": { "type": ["string", "null"] },
            "stream": text(),
            "maxlen": { "type": ["integer", "null"], "minimum": 1 },
        }),
        &["id", "uri"],
    );
    let stdout = connector(json!({}), &[]);
    [("kafka", kafka), ("null", stdout.clone()), ("redis", redis), ("stdout", stdout)]
        .map(|(it, all)| (it.to_owned(), all))
        .into()
}

/// A file of the folder `/manifests`.
pub(crate) fn file(name: &str, bytes: &[u8]) -> ManifestFile {
    let base_dir = PathBuf::from("/manifests");
    ManifestFile { name: name.to_owned(), bytes: bytes.to_vec(), base_dir }
}

/// Loads with the usual surroundings.
pub(crate) fn load_bytes(name: &str, bytes: &[u8], params: &[(&str, &str)]) -> Loaded {
    load_with(&Fake::usual(), &[file(name, bytes)], params, Severity::Error)
}

pub(crate) fn load_with(
    lookup: &Fake,
    files: &[ManifestFile],
    params: &[(&str, &str)],
    missing: Severity,
) -> Loaded {
    let params =
        params.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let vocabulary = vocabulary();
    load(files, &Options { vocabulary, lookup, params: &params, missing })
}

/// The one plan of a text that has no complaint.
pub(crate) fn plan(text: &str) -> Plan {
    let loaded = load_bytes("test.yaml", text.as_bytes(), &[]);
    assert_eq!(loaded.complaints, Vec::<Complaint>::new(), "{}", said(&loaded));
    loaded.plans.into_iter().next().expect("one plan")
}

pub(crate) fn said(loaded: &Loaded) -> String {
    flowglass_manifest::to_text(&loaded.complaints, flowglass_manifest::Style::Plain)
}

pub(crate) fn codes(loaded: &Loaded) -> Vec<&'static str> {
    loaded.complaints.iter().map(|it| it.code.name()).collect()
}

/// The one stream of a text that has no error.
pub(crate) fn stream(text: &str) -> StreamPlan {
    let loaded = load_bytes("test.yaml", text.as_bytes(), &[]);
    assert!(!loaded.has_errors(), "{}", said(&loaded));
    loaded.streams.into_iter().next().expect("one stream")
}

/// A workflow around some nodes, each given as one line of flow YAML.
pub(crate) fn workflow(nodes: &[String]) -> String {
    let mut text = String::from(
        "apiVersion: flowglass/v1\nkind: Workflow\nmetadata: { name: test }\nspec:\n  nodes:\n",
    );
    for node in nodes {
        text.push_str(&format!("    - {node}\n"));
    }
    text
}
