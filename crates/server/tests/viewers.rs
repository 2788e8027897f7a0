//! Server-Sent Events: no gap, no repeat, and a bound for whoever does not read.

use std::time::Duration;

use axum::body::Body;
use axum::http::Method;
use axum::response::Response;
use flowglass_model::State;
use flowglass_server::{Access, Options};
use http_body_util::BodyExt as _;
use tower::ServiceExt as _;

use crate::support::{Field, history, request, until};

/// Opens a stream.
async fn open(field: &Field, path: &str, last: Option<&str>) -> Response {
    let mut request = request(Method::GET, path, "");
    if let Some(last) = last {
        request.headers_mut().insert("last-event-id", last.parse().unwrap());
    }
    let response = field.router.clone().oneshot(request).await.unwrap();
    assert_eq!(response.status(), 200);
    assert!(response.headers()["content-type"].to_str().unwrap().starts_with("text/event-stream"));
    response
}

/// Reads until a text has come; everything that came.
async fn read_until(body: &mut Body, wanted: &str) -> String {
    let mut text = String::new();
    let reading = async {
        while !text.contains(wanted) {
            let frame = body.frame().await.unwrap_or_else(|| panic!("ended: {text}")).unwrap();
            text.push_str(std::str::from_utf8(&frame.into_data().unwrap()).unwrap());
        }
    };
    tokio::time::timeout(Duration::from_secs(20), reading).await.unwrap();
    text
}

fn ids(text: &str) -> Vec<u64> {
    text.lines().filter_map(|it| it.strip_prefix("id: ")?.parse().ok()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_is_followed_to_its_end_and_resumed_without_a_gap() {
    let field = Field::new();
    let run = field.store_run("shop", None).await;
    let path = format!("/api/v1/runs/{run}/stream");
    let mut first = open(&field, &path, None).await.into_body();
    let begun = read_until(&mut first, "id: 6\n").await;
    assert_eq!(ids(&begun), [1, 2, 3, 4, 5, 6]);
    drop(first);
    let rest: Vec<_> = history(run, "shop", Some(State::Complete)).into_iter().skip(6).collect();
    let mut again = open(&field, &format!("{path}?after=1"), Some("6")).await.into_body();
    field.store.appender().append(rest).await.unwrap();
    let ended = read_until(&mut again, "event: end").await;
    assert_eq!(ids(&ended), [7, 8, 9], "{ended}");
    assert!(ended.contains("\"state\":\"complete\""), "{ended}");
    drop(again);
    let gauge = field.meters.process().http_requests_in_flight();
    until("nothing is in flight", || (gauge.value() < 0.5).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_feed_tells_of_runs_within_a_second() {
    let field = Field::new();
    field.store_run("before", Some(State::Complete)).await;
    let mut feed = open(&field, "/api/v1/feed", None).await.into_body();
    read_until(&mut feed, ": connected").await;
    let run = field.store_run("shop", Some(State::Failed)).await;
    let told =
        tokio::time::timeout(Duration::from_millis(1_500), read_until(&mut feed, "event: run"));
    let told = told.await.unwrap();
    assert!(told.contains(&run.to_string()) && !told.contains("before"), "{told}");
    let last = ids(&told).pop().unwrap();
    drop(feed);
    let missed = field.store_run("while-away", Some(State::Complete)).await;
    let mut again = open(&field, "/api/v1/feed", Some(&last.to_string())).await.into_body();
    let told = read_until(&mut again, "while-away").await;
    assert!(told.contains(&missed.to_string()) && !told.contains(&run.to_string()), "{told}");
    // A place of another store is no place.
    let mut lost = open(&field, "/api/v1/feed", Some("999999")).await.into_body();
    read_until(&mut lost, "event: reset").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_viewer_that_takes_nothing_is_cut_off() {
    let patience = Duration::from_millis(100);
    let options = Options { viewer_patience: patience, viewers_max: 1, ..Options::default() };
    let field = Field::with(Access::anonymous(false), options);
    let stuck = open(&field, "/api/insights?count=20&interval=0.01", None).await;
    // There is no place for another one until the first is cut off.
    let full = field.get("/api/insights?count=1").await.expect(429);
    assert!(!full.header("retry-after").is_empty());
    tokio::time::timeout(Duration::from_secs(10), async {
        while field.get("/api/insights?count=1&interval=0.01").await.status != 200 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await
    .unwrap();
    // It is told so when it reads at last: what waited for it comes, and then the end.
    let rest = stuck.into_body().collect().await.unwrap().to_bytes();
    let events = String::from_utf8_lossy(&rest).matches("event: insight").count();
    assert!(events < 20, "{events}");
}

#[tokio::test]
async fn a_silent_stream_says_that_it_is_alive() {
    let heartbeat = Duration::from_millis(50);
    let options = Options { heartbeat, ..Options::default() };
    let field = Field::with(Access::anonymous(false), options);
    let run = field.store_run("shop", None).await;
    let mut quiet =
        open(&field, &format!("/api/v1/runs/{run}/stream?after=6"), None).await.into_body();
    read_until(&mut quiet, ": keep-alive").await;
    field.service.drain();
    // A server that closes lets its viewers go.
    let rest = tokio::time::timeout(Duration::from_secs(5), quiet.collect()).await;
    assert!(rest.is_ok());
}

#[tokio::test]
async fn insights_come_at_the_pace_that_was_asked_for() {
    let field = Field::new();
    let said = field.get("/api/insights?count=3&interval=0.05").await.expect(200);
    let data: Vec<serde_json::Value> = said
        .text
        .lines()
        .filter_map(|it| it.strip_prefix("data: "))
        .map(|it| serde_json::from_str(it).unwrap())
        .collect();
    assert_eq!(data.len(), 3);
    for insight in &data {
        for key in ["metric", "value", "description", "timestamp", "source"] {
            assert!(!insight[key].is_null(), "{key}: {insight}");
        }
    }
    for bad in [
        "count=0",
        "count=21",
        "count=-1",
        "count=x",
        "interval=0",
        "interval=-1",
        "interval=nan",
        "interval=1e9",
    ] {
        field.get(&format!("/api/insights?{bad}")).await.expect(422);
    }
}
