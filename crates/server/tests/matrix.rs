//! Every way in which a request can end, held against everything that is told of it: the metric, the
//! two lines of the log, the request id. No cell is empty.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Path;
use axum::http::{Method, Request, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use flowglass_model::LogLevel;
use flowglass_server::{Access, Note, Options};
use tokio::sync::Notify;
use tower::ServiceExt as _;

use crate::support::{Field, Said, request, send, until};

/// Routes that end in each way.
fn routes(hold: &Arc<Notify>) -> Router {
    let held = Arc::clone(hold);
    let status =
        |Path(code): Path<u16>| async move { StatusCode::from_u16(code).unwrap().into_response() };
    let broken = || async {
        let parts = [Ok(axum::body::Bytes::from("begun")), Err(std::io::Error::other("torn"))];
        Response::new(Body::from_stream(futures::stream::iter(parts)))
    };
    let panics_late = || async {
        let parts =
            futures::stream::poll_fn(|_| -> std::task::Poll<Option<Result<String, String>>> {
                panic!("a body panics");
            });
        Response::new(Body::from_stream(parts))
    };
    Router::new()
        .route("/status/{code}", get(status))
        .route("/panic", get(|| async { panic!("secret-in-a-panic") as StatusCode }))
        .route("/broken", get(broken))
        .route("/panics-late", get(panics_late))
        .route(
            "/held",
            get(move || async move {
                held.notified().await;
                StatusCode::OK
            }),
        )
        .route("/forever", get(std::future::pending::<StatusCode>))
}

fn options() -> Options {
    Options { answer_within: Duration::from_millis(200), ..Options::default() }
}

fn count(page: &str, series: &str) -> f64 {
    let line = page.lines().find_map(|it| it.strip_prefix(series)?.trim().parse().ok());
    line.unwrap_or(0.0)
}

fn notes_of(field: &Field, id: &str) -> Vec<Note> {
    let all = field.journal.notes();
    all.into_iter().filter(|it| it.request_id.as_deref() == Some(id)).collect()
}

/// Asks under an id and holds the log against the end that is expected.
async fn ask(field: &Field, router: &Router, path: &str, (status, event): (u16, &str)) -> Said {
    let id = format!("ask-{}", path.replace('/', "-"));
    let mut request = request(Method::GET, path, "");
    request.headers_mut().insert("x-request-id", id.parse().unwrap());
    let said = send(router, request).await;
    assert_eq!(said.status.as_u16(), status, "{path}: {said:?}");
    assert_eq!(said.header("x-request-id"), id, "{path}");
    let notes = notes_of(field, &id);
    let events: Vec<&str> = notes.iter().map(|it| it.event).collect();
    assert_eq!(events, ["request_started", event], "{path}");
    assert_eq!(notes[0].trace_id, notes[1].trace_id);
    assert_eq!(notes[1].fields["status_code"], status);
    assert!(notes[1].fields["duration_seconds"].as_f64().unwrap() >= 0.0);
    said
}

#[tokio::test]
async fn every_status_is_counted_told_and_named() {
    let field = Field::with(Access::anonymous(false), options());
    let router = field.service.watch(routes(&Arc::default()));
    for status in (200..=599).filter(|it| *it != 304) {
        let said =
            ask(&field, &router, &format!("/status/{status}"), (status, "request_completed")).await;
        if status >= 400 {
            let body = said.json();
            assert_eq!(said.header("content-type"), "application/problem+json", "{status}");
            assert_eq!(body["status"], status);
            assert_eq!(body["request_id"], said.header("x-request-id"));
        }
    }
    let page = field.page().await;
    for status in (200..=599).filter(|it| *it != 304) {
        let series = format!(
            "http_requests_total{{method=\"GET\",endpoint=\"/status/{{code}}\",status=\"{status}\"}}"
        );
        assert!((count(&page, &series) - 1.0).abs() < 0.1, "{status}");
    }
    let all = "http_request_duration_seconds_count{method=\"GET\",endpoint=\"/status/{code}\"}";
    assert!((count(&page, all) - 399.0).abs() < 0.1, "{page}");
    assert!(count(&page, "http_exceptions_total{exception_type=\"panic\"}") < 0.1);
}

#[tokio::test]
async fn a_panic_a_timeout_and_a_torn_body_are_counted_and_told() {
    let field = Field::with(Access::anonymous(false), options());
    let router = field.service.watch(routes(&Arc::default()));
    let said = ask(&field, &router, "/panic", (500, "request_failed")).await;
    assert!(!said.text.contains("secret-in-a-panic"), "{said:?}");
    ask(&field, &router, "/forever", (504, "request_failed")).await;
    ask(&field, &router, "/broken", (200, "request_failed")).await;
    ask(&field, &router, "/panics-late", (200, "request_failed")).await;
    let page = field.page().await;
    for (kind, times) in [("panic", 2.0), ("timeout", 1.0), ("body_stream", 1.0)] {
        let series = format!("http_exceptions_total{{exception_type=\"{kind}\"}}");
        assert!((count(&page, &series) - times).abs() < 0.1, "{kind}\n{page}");
    }
    assert!(count(&page, "http_requests_in_flight").abs() < 0.1);
}

#[tokio::test]
async fn a_client_that_goes_away_is_counted_and_leaves_nothing_in_flight() {
    let field = Field::new();
    let router = field.service.watch(routes(&Arc::default()));
    let asking = tokio::time::timeout(
        Duration::from_millis(50),
        router.clone().oneshot(request(Method::GET, "/held", "")),
    );
    assert!(asking.await.is_err());
    let page = field.page().await;
    let gone = "http_requests_total{method=\"GET\",endpoint=\"/held\",status=\"499\"}";
    assert!((count(&page, gone) - 1.0).abs() < 0.1, "{page}");
    assert!(count(&page, "http_requests_in_flight").abs() < 0.1);
    let last = field.journal.notes().pop().unwrap();
    assert_eq!(last.fields["client_gone"], true, "{last:?}");
}

#[tokio::test]
async fn held_requests_are_in_flight_until_they_end() {
    let field = Field::new();
    let hold = Arc::new(Notify::new());
    let router = field.service.watch(routes(&hold));
    let gauge = field.meters.process().http_requests_in_flight();
    let asking = async {
        let all = (0..20).map(|_| send(&router, request(Method::GET, "/held", "")));
        futures::future::join_all(all).await
    };
    let watching = async {
        until("twenty in flight", || (gauge.value() > 19.5).then_some(())).await;
        assert!(gauge.value() < 20.5);
        // A scrape does not measure itself.
        let page = field.page().await;
        assert!((count(&page, "http_requests_in_flight") - 20.0).abs() < 0.1);
        hold.notify_waiters();
    };
    let (answers, ()) = tokio::join!(asking, watching);
    assert!(answers.iter().all(|it| it.status == 200));
    assert!(gauge.value().abs() < 0.1);
}

#[tokio::test]
async fn an_error_of_the_framework_looks_like_ours() {
    let field =
        Field::with(Access::anonymous(false), Options { body_bytes_max: 64, ..Options::default() });
    let unknown = field.get("/api/v1/nothing").await.expect(404).json();
    assert_eq!(unknown["instance"], "/api/v1/nothing");
    let method = field.send(request(Method::PUT, "/api/v1/runs", "")).await.expect(405);
    assert!(method.header("allow").contains("GET"), "{method:?}");
    assert_eq!(method.json()["status"], 405);
    let large = field.post("/api/v1/events", &"x".repeat(65)).await.expect(413);
    assert_eq!(large.json()["status"], 413);
    // One that does not say how long it is, too.
    let parts = (0..10).map(|_| Ok::<_, std::io::Error>("0123456789"));
    let body = Body::from_stream(futures::stream::iter(parts));
    let request = Request::post("/api/v1/events").header("host", "localhost").body(body).unwrap();
    let large = field.send(request).await.expect(413);
    assert_eq!(large.header("content-type"), "application/problem+json");
    for path in ["/api/v1/runs?state=odd", "/api/v1/runs?limit=0", "/api/v1/runs?since=now"] {
        let said = field.get(path).await.expect(422).json();
        assert!(said["detail"].as_str().unwrap().len() > 5, "{said}");
    }
}

#[tokio::test]
async fn a_scrape_is_neither_counted_nor_told_of() {
    let field = Field::new();
    for _ in 0..100 {
        let said = field.get("/metrics").await.expect(200);
        assert!(!said.header("x-request-id").is_empty());
        assert!(!said.text.contains("endpoint=\"/metrics\""));
    }
    assert!(field.journal.notes().is_empty());
}

#[tokio::test]
async fn no_caller_can_make_series() {
    let field = Field::new();
    let mut seed = 7_u64;
    let mut next = || {
        // A step of Knuth's generator: any will do, and the same every time.
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        seed >> 33
    };
    let rounds = if cfg!(debug_assertions) { 4_000 } else { 100_000 };
    let before = field.journal.notes().len();
    for _ in 0..rounds {
        let method = ["GET", "POST", "FOOBAR", "BREW", "get", "M-SEARCH"]
            [usize::try_from(next() % 6).unwrap()];
        let method = if next() % 5 == 0 { format!("X{}", next()) } else { method.to_owned() };
        let path = match next() % 5 {
            0 => format!("/{}", next()),
            1 => format!("/api/v1/runs/{}", next()),
            2 => format!("/api/v1/pipelines/p{}/{}", next(), next()),
            3 => format!("/assets-static/{}/..%2f..%2f{}", next(), next()),
            _ => format!("/runs/{}?token={}", next(), next()),
        };
        let request = request(Method::from_bytes(method.as_bytes()).unwrap(), &path, "");
        let said = field.send(request).await;
        assert!(said.status.as_u16() < 500, "{method} {path}: {said:?}");
    }
    let page = field.page().await;
    let series = page.lines().filter(|it| !it.starts_with('#')).count();
    assert!(series < 2_500, "{series} series");
    let of = |name: &str| page.lines().filter(|it| it.starts_with(name)).count();
    assert!(of("http_requests_total{") < 100, "{}", of("http_requests_total{"));
    let methods: BTreeSet<&str> = page
        .lines()
        .filter_map(|it| it.strip_prefix("http_requests_total{method=\"")?.split('"').next())
        .collect();
    assert_eq!(methods, BTreeSet::from(["GET", "POST", "_OTHER"]));
    assert!(page.contains("endpoint=\"unmatched\""));
    assert!(field.journal.notes().len() > before);
}

#[tokio::test]
async fn what_a_caller_sends_does_not_come_out_in_the_log() {
    let field = Field::new();
    let planted = "planted-4711-secret";
    let mut request = request(
        Method::POST,
        &format!("/api/v1/events?token={planted}"),
        &format!("{{\"x\":\"{planted}\"}}"),
    );
    let headers = request.headers_mut();
    headers.insert("authorization", format!("Bearer {planted}").parse().unwrap());
    headers.insert("cookie", format!("a={planted}").parse().unwrap());
    headers.insert("x-custom", planted.parse().unwrap());
    headers.insert("user-agent", planted.parse().unwrap());
    let said = field.send(request).await;
    assert!(!said.text.contains(planted), "{said:?}");
    let lines: Vec<String> = field.journal.notes().iter().map(Note::to_line).collect();
    assert_eq!(lines.len(), 2);
    assert!(lines.iter().all(|it| !it.contains(planted)), "{lines:?}");
    let levels: BTreeSet<LogLevel> = field.journal.notes().iter().map(|it| it.level).collect();
    assert_eq!(levels, BTreeSet::from([LogLevel::Info]));
}

#[tokio::test]
async fn a_stream_counts_for_as_long_as_it_lasts() {
    let field = Field::new();
    let said = field.get("/api/insights?count=2&interval=0.3").await.expect(200);
    assert_eq!(said.text.matches("event: insight").count(), 2, "{said:?}");
    let page = field.page().await;
    let at_most = |bound: &str| {
        count(
            &page,
            &format!(
                "http_request_duration_seconds_bucket{{method=\"GET\",endpoint=\"/api/insights\",le=\"{bound}\"}}"
            ),
        )
    };
    assert!(at_most("0.25") < 0.5 && at_most("2.5") > 0.5, "{page}");
}
