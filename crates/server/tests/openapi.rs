//! The document and the router, held against each other.

use std::collections::BTreeSet;

use axum::http::Method;
use flowglass_server::{OPERATIONS, document};

use crate::support::{Field, request};

#[tokio::test]
async fn every_operation_of_the_document_is_there() {
    let field = Field::new();
    for it in OPERATIONS {
        if it.path.ends_with("/feed") {
            continue;
        }
        let path = it
            .path
            .replace("{id}", "0190a3c5-0000-7000-8000-000000000000")
            .replace("{p}", "nobody")
            .replace("{verb}", "pause");
        let method: Method = it.method.parse().unwrap();
        let query = if path.ends_with("/insights") { "?count=1" } else { "" };
        let said = field.send(request(method, &format!("{path}{query}"), "")).await;
        assert_ne!(said.status, 405, "{} {path}", it.method);
        // What is missing is the run or the pipeline, and not the route.
        assert!(!said.text.contains("there is nothing at this path"), "{} {path}", it.method);
        assert!(said.status.as_u16() < 500, "{} {path}: {said:?}", it.method);
    }
}

#[tokio::test]
async fn the_document_is_whole() {
    let document = document();
    assert_eq!(document["openapi"], "3.1.0");
    let schemas = document["components"]["schemas"].as_object().unwrap();
    let text = document.to_string();
    let mut ids = BTreeSet::new();
    for it in OPERATIONS {
        let of = &document["paths"][it.path][it.method.to_lowercase()];
        assert!(ids.insert(of["operationId"].as_str().unwrap().to_owned()), "{of}");
    }
    for reference in text.split("\"#/components/schemas/").skip(1) {
        let name = reference.split('"').next().unwrap();
        assert!(schemas.contains_key(name), "{name}");
    }
    assert!(!text.contains("#/$defs/"));
    let served = Field::new().get("/api/openapi.json").await.expect(200).json();
    assert_eq!(served, document);
}
