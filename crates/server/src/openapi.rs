//! The API as OpenAPI 3.1: one table of operations, with the schemas of the model's own types.
//!
//! The table is checked against the router by a test, both ways; the document is printed by `flowglass
//! schema openapi` and checked in, so that a change of the API is seen in review.

use std::sync::LazyLock;

use axum::http::header;
use axum::response::IntoResponse;
use flowglass_model::{Event, RunReport, Snapshot};
use schemars::SchemaGenerator;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use crate::access::Role;
use crate::api::Answer;

/// One operation.
#[derive(Debug, Clone, Copy)]
pub struct Operation {
    /// `GET`, `POST`, …, in capitals.
    pub method: &'static str,
    /// The path with its parameters in braces.
    pub path: &'static str,
    /// What it does, as a fragment.
    pub summary: &'static str,
    /// What the caller must be allowed.
    pub role: Option<Role>,
    /// Parameters of the query.
    query: &'static [&'static str],
    /// The status of success and the name of its schema.
    success: (u16, &'static str),
}

const fn get(
    path: &'static str,
    summary: &'static str,
    query: &'static [&'static str],
    schema: &'static str,
) -> Operation {
    let (method, role, success) = ("GET", Some(Role::Read), (200, schema));
    Operation { method, path, summary, role, query, success }
}

const fn post(
    path: &'static str,
    summary: &'static str,
    role: Role,
    success: (u16, &'static str),
) -> Operation {
    Operation { method: "POST", path, summary, role: Some(role), query: &[], success }
}

const fn probe(path: &'static str, summary: &'static str) -> Operation {
    Operation { role: None, ..get(path, summary, &[], "Health") }
}

const PAGE: &[&str] = &["limit", "cursor"];
const LETTERS: &[&str] = &["sink", "table", "class", "status", "since", "until", "limit", "cursor"];
const RUNS: &[&str] =
    &["state", "pipeline", "tenant", "q", "since", "until", "parent", "limit", "cursor"];

/// Every operation.
#[rustfmt::skip]
pub const OPERATIONS: &[Operation] = &[
    get("/api/v1/info", "this build, and what the caller may do", &[], "Info"),
    get("/api/v1/overview", "how the fleet is, and what needs attention first", &[], "Object"),
    get("/api/v1/runs", "runs, newest first", RUNS, "List"),
    get("/api/v1/runs/{id}", "a run with everything in it", &[], "Snapshot"),
    get("/api/v1/runs/{id}/report", "the report of a run", &[], "RunReport"),
    get("/api/v1/runs/{id}/events", "the events of a run", &["after", "limit"], "Events"),
    get("/api/v1/runs/{id}/logs", "the lines of a run's log", &["node", "attempt", "q", "level", "after", "limit", "tail"], "Events"),
    get("/api/v1/runs/{id}/stream", "the events of a run as they are stored", &["after"], "EventStream"),
    get("/api/v1/feed", "what moves in the fleet", &[], "EventStream"),
    get("/api/v1/pipelines", "pipelines", &["label", "kind", "q"], "List"),
    get("/api/v1/pipelines/{p}", "a pipeline with its manifest", &[], "Object"),
    get("/api/v1/pipelines/{p}/checkpoints", "where each sink stands", &[], "List"),
    get("/api/v1/pipelines/{p}/ledger", "where every row is", &[], "List"),
    get("/api/v1/pipelines/{p}/schemas", "shapes of tables", &[], "List"),
    get("/api/v1/pipelines/{p}/dlq", "dead letters, oldest first", LETTERS, "List"),
    get("/api/v1/assets", "datasets", &["q", "namespace", "limit", "cursor"], "List"),
    get("/api/v1/assets/graph", "how datasets hang together", &["focus", "depth"], "Object"),
    get("/api/v1/slo", "what was promised, and what is", PAGE, "List"),
    get("/api/v1/insights", "real figures of this service", &["count", "interval"], "EventStream"),
    post("/api/v1/pipelines", "make a pipeline", Role::Admin, (201, "Object")),
    Operation { method: "PATCH", ..post("/api/v1/pipelines/{p}", "change a pipeline", Role::Admin, (200, "Object")) },
    Operation { method: "DELETE", ..post("/api/v1/pipelines/{p}", "remove a pipeline", Role::Admin, (204, "")) },
    post("/api/v1/pipelines/{p}/{verb}", "`pause`, `resume`, `stop`, `start`, `run` or `resync`", Role::Operate, (202, "Object")),
    post("/api/v1/pipelines/{p}/dlq/{verb}", "`ack`, `purge` or `replay`", Role::Operate, (200, "Object")),
    post("/api/v1/events", "hand in events of other programs' runs", Role::Operate, (200, "Taken")),
    post("/api/v1/lineage", "hand in an OpenLineage event", Role::Operate, (200, "Object")),
    Operation { role: None, ..post("/api/v1/session", "carry a token in a cookie", Role::Read, (200, "Object")) },
    probe("/health", "whether the process is alive"),
    probe("/ready", "whether it can work"),
    probe("/startup", "whether it has begun"),
];

/// The document.
#[must_use]
pub fn document() -> Value {
    let mut generator: SchemaGenerator = SchemaSettings::draft2020_12()
        .with(|it| it.definitions_path = "/components/schemas".into())
        .into_generator();
    generator.subschema_for::<Event>();
    generator.subschema_for::<Snapshot>();
    generator.subschema_for::<RunReport>();
    generator.subschema_for::<crate::api::info::Info>();
    generator.subschema_for::<crate::api::ingest::Taken>();
    let mut schemas = generator.take_definitions(true);
    schemas.extend(own_schemas());
    let mut paths: Map<String, Value> = Map::new();
    for it in OPERATIONS {
        let path = paths.entry(it.path).or_insert_with(|| json!({}));
        if let Value::Object(path) = path {
            path.insert(it.method.to_lowercase(), operation(it));
        }
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Flowglass",
            "version": "1",
            "description": "Errors are RFC 9457 problems. Lists are paged with `cursor`.",
            "license": { "name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0" },
        },
        "servers": [{ "url": "/" }],
        "security": [{ "bearer": [] }, { "cookie": [] }],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "bearer": { "type": "http", "scheme": "bearer" },
                "cookie": { "type": "apiKey", "in": "cookie", "name": crate::guard::COOKIE },
            },
            "responses": { "Problem": {
                "description": "it was refused, or failed",
                "content": { "application/problem+json": {
                    "schema": { "$ref": "#/components/schemas/Problem" } } },
            } },
        },
    })
}

fn own_schemas() -> Map<String, Value> {
    let own = json!({
        "Object": { "type": "object", "additionalProperties": true },
        "List": { "type": "object", "required": ["items", "next_cursor", "total"], "properties": {
            "items": { "type": "array", "items": { "type": "object" } },
            "next_cursor": { "type": ["string", "null"] },
            "total": { "type": ["integer", "null"], "minimum": 0 } } },
        "Events": { "type": "object", "required": ["items", "next_after"], "properties": {
            "items": { "type": "array", "items": { "$ref": "#/components/schemas/Event" } },
            "next_after": { "type": "integer", "minimum": 0 } } },
        "Problem": { "type": "object",
            "required": ["type", "title", "status", "detail", "instance", "request_id"],
            "properties": {
                "type": { "type": "string" }, "title": { "type": "string" },
                "status": { "type": "integer" }, "detail": { "type": "string" },
                "instance": { "type": "string" }, "request_id": { "type": "string" },
                "hint": { "type": "string" } } },
        "Health": { "type": "object", "required": ["status", "version", "components"],
            "properties": {
                "status": { "enum": ["healthy", "degraded", "unhealthy", "skipped"] },
                "version": { "type": "string" }, "uptime_seconds": { "type": "number" },
                "components": { "type": "array", "items": { "type": "object" } } } },
    });
    match own {
        Value::Object(own) => own,
        _ => Map::new(),
    }
}

fn operation(it: &Operation) -> Value {
    let in_path = it.path.split('/').filter_map(|it| it.strip_prefix('{')?.strip_suffix('}'));
    let text = json!({ "type": "string" });
    let mut parameters: Vec<Value> = in_path
        .map(|name| json!({ "name": name, "in": "path", "required": true, "schema": text }))
        .collect();
    let query = it.query.iter();
    parameters.extend(query.map(|name| json!({ "name": name, "in": "query", "schema": text })));
    if matches!(it.method, "PATCH" | "DELETE") {
        parameters.push(json!({ "name": "If-Match", "in": "header", "schema": text }));
    }
    let (status, schema) = it.success;
    let mut success = json!({ "description": it.summary });
    let kind = if schema == "EventStream" { "text/event-stream" } else { "application/json" };
    let shape = match schema {
        "EventStream" => text,
        name => json!({ "$ref": format!("#/components/schemas/{name}") }),
    };
    if let (Value::Object(success), false) = (&mut success, schema.is_empty()) {
        success.insert("content".to_owned(), json!({ kind: { "schema": shape } }));
    }
    let id: String = format!("{} {}", it.method.to_lowercase(), it.path)
        .split(|it: char| !it.is_ascii_alphanumeric())
        .filter(|it| !it.is_empty())
        .collect::<Vec<_>>()
        .join("_");
    let mut said = json!({
        "operationId": id,
        "summary": it.summary,
        "parameters": parameters,
        "responses": {
            status.to_string(): success,
            "default": { "$ref": "#/components/responses/Problem" },
        },
    });
    if let Value::Object(said) = &mut said {
        match it.role {
            Some(role) => said.insert("x-role".to_owned(), json!(role)),
            None => said.insert("security".to_owned(), json!([])),
        };
        if matches!(it.method, "POST" | "PATCH") {
            let body = json!({ "content": { "application/json": { "schema": {} } } });
            said.insert("requestBody".to_owned(), body);
        }
    }
    said
}

/// `GET /api/openapi.json`.
pub(crate) async fn show() -> Answer {
    static TEXT: LazyLock<String> = LazyLock::new(|| document().to_string());
    Ok(([(header::CONTENT_TYPE, "application/json")], TEXT.as_str()).into_response())
}
