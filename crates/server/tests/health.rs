//! The three probes.

use std::time::Duration;

use flowglass_connect::{Clock, SystemClock};
use flowglass_server::Dependency;
use serde_json::{Value, json};

use crate::support::Field;

fn needs(name: &str, address: Option<String>, required: bool) -> Dependency {
    Dependency { name: name.to_owned(), address, http: None, required }
}

fn status_of(body: &Value, name: &str) -> Value {
    let found = body["components"].as_array().unwrap().iter().find(|it| it["name"] == name);
    found.unwrap_or_else(|| panic!("no {name} in {body}"))["status"].clone()
}

#[tokio::test]
async fn what_is_not_configured_is_skipped_and_counts_for_nothing() {
    let field = Field::new();
    field.service.depends_on(vec![needs("cache", None, true)]);
    let body = field.get("/ready").await.expect(200).json();
    assert_eq!(body["status"], "healthy");
    assert_eq!(status_of(&body, "cache"), "skipped");
    assert_eq!(body["version"], "1.2.3");
}

#[tokio::test]
async fn a_required_dependency_decides_and_an_optional_one_degrades() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let there = taken.local_addr().unwrap().to_string();
    let closed = {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        free.local_addr().unwrap().to_string()
    };
    let field = Field::new();
    field.service.depends_on(vec![
        needs("database", Some(there.clone()), true),
        needs("cache", Some(closed.clone()), false),
    ]);
    let body = field.get("/ready").await.expect(200).json();
    assert_eq!(
        (&body["status"], status_of(&body, "cache")),
        (&json!("degraded"), json!("degraded"))
    );
    let field = Field::new();
    field.service.depends_on(vec![needs("database", Some(closed), true)]);
    let body = field.get("/ready").await.expect(503).json();
    assert_eq!(status_of(&body, "database"), "unhealthy");
    // The process is alive all the same.
    field.get("/health").await.expect(200);
    let told: Vec<_> = field.journal.notes().into_iter().map(|it| it.event).collect();
    assert!(told.contains(&"readiness_changed"), "{told:?}");
}

#[tokio::test]
async fn hung_dependencies_are_asked_at_once_under_one_deadline() {
    // Nobody answers at an address that was set aside for documentation (RFC 5737); where the network
    // says so at once, the answer only comes sooner.
    let hung = |name: &str| needs(name, Some("192.0.2.1:81".to_owned()), true);
    let field = Field::new();
    field.service.depends_on(vec![hung("a"), hung("b"), hung("c")]);
    let clock = SystemClock::new();
    field.get("/ready").await.expect(503);
    assert!(clock.monotonic() < Duration::from_millis(1_500), "{:?}", clock.monotonic());
    // The answer is kept for a moment.
    let before = clock.monotonic();
    for _ in 0..100 {
        field.get("/ready").await.expect(503);
    }
    assert!(clock.monotonic() - before < Duration::from_secs(1));
}

#[tokio::test]
async fn draining_flips_readiness_first() {
    let field = Field::new();
    field.get("/ready").await.expect(200);
    field.get("/startup").await.expect(200);
    field.service.drain();
    let body = field.get("/ready").await.expect(503).json();
    assert_eq!(status_of(&body, "lifecycle"), "unhealthy");
    field.get("/health").await.expect(200);
    field.get("/startup").await.expect(200);
    field.get("/api/v1/runs").await.expect(200);
}
