//! What the API says of runs, pipelines, letters and datasets.

use axum::http::Method;
use flowglass_connect::stream::{DeadLetter, DeadLetterLimits, Op, Overflow, StreamState};
use flowglass_connect::{Clock, SystemClock};
use flowglass_model::{ErrorClass, Snapshot, State};
use serde_json::json;

use crate::support::{Field, request};

#[tokio::test]
async fn runs_are_listed_filtered_and_paged() {
    let field = Field::new();
    let mut ids = Vec::new();
    for at in 0..25 {
        let end = if at % 5 == 0 { State::Failed } else { State::Complete };
        let name = if at % 2 == 0 { "even" } else { "odd" };
        ids.push(field.store_run(name, Some(end)).await.to_string());
    }
    ids.reverse();
    let mut seen = Vec::new();
    let mut path = "/api/v1/runs?limit=10".to_owned();
    loop {
        let page = field.get(&path).await.expect(200).json();
        assert_eq!(page["total"], 25);
        let runs = page["items"].as_array().unwrap();
        seen.extend(runs.iter().map(|it| it["run_id"].as_str().unwrap().to_owned()));
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        path = format!("/api/v1/runs?limit=10&cursor={cursor}");
    }
    assert_eq!(seen, ids);
    let failed = field.get("/api/v1/runs?state=failed&pipeline=even").await.json();
    assert_eq!(failed["total"], 3);
    let found = field.get(&format!("/api/v1/runs?q={}", ids[3])).await.json();
    assert_eq!(found["items"][0]["run_id"].as_str().unwrap(), ids[3]);
    assert_eq!(found["total"], json!(null));
    field.get("/api/v1/runs?cursor=nonsense").await.expect(422);
    assert_eq!(field.get("/api/v1/runs?pipeline=NOT%20ONE").await.expect(200).json()["total"], 0);
}

#[tokio::test]
async fn a_run_is_shown_whole_and_its_version_is_known_again() {
    let field = Field::new();
    let run = field.store_run("shop", Some(State::Complete)).await;
    let path = format!("/api/v1/runs/{run}");
    let said = field.get(&path).await.expect(200);
    let snapshot: Snapshot = serde_json::from_str(&said.text).unwrap();
    assert_eq!((snapshot.run.last_seq, snapshot.summary.complete), (9, 1));
    let mut again = request(Method::GET, &path, "");
    again.headers_mut().insert("if-none-match", said.header("etag").parse().unwrap());
    assert!(field.send(again).await.expect(304).text.is_empty());
    let report = field.get(&format!("{path}/report")).await.expect(200).json();
    assert_eq!(
        (report["status"].as_str(), report["passed"].as_bool()),
        (Some("success"), Some(true))
    );
    let events = field.get(&format!("{path}/events?after=4&limit=3")).await.expect(200).json();
    let seqs: Vec<_> = events["items"].as_array().unwrap().iter().map(|it| &it["seq"]).collect();
    assert_eq!((seqs, &events["next_after"]), (vec![&json!(5), &json!(6), &json!(7)], &json!(7)));
    for missing in
        ["/api/v1/runs/nobody", "/api/v1/runs/0190a3c5-0000-7000-8000-000000000000/events"]
    {
        field.get(missing).await.expect(404);
    }
}

#[tokio::test]
async fn the_snapshot_of_a_run_that_goes_on_is_of_this_moment() {
    let field = Field::new();
    let run = field.store_run("shop", None).await;
    let path = format!("/api/v1/runs/{run}");
    assert_eq!(field.get(&path).await.json()["run"]["state"], "running");
    let events = crate::support::history(run, "shop", Some(State::Complete));
    let rest: Vec<_> = events.into_iter().skip(6).collect();
    field.store.appender().append(rest).await.unwrap();
    assert_eq!(field.get(&path).await.json()["run"]["state"], "complete");
}

#[tokio::test]
async fn pipelines_of_the_store_are_shown_with_their_last_runs() {
    let field = Field::new();
    for end in [State::Complete, State::Failed] {
        field.store_run("shop", Some(end)).await;
    }
    field.store_run("other", None).await;
    let list = field.get("/api/v1/pipelines").await.expect(200).json();
    let names: Vec<_> = list["items"].as_array().unwrap().iter().map(|it| &it["name"]).collect();
    assert_eq!(names, ["other", "shop"]);
    let shop = field.get("/api/v1/pipelines/shop").await.expect(200).json();
    assert_eq!((&shop["state"], &shop["source"]), (&json!("failed"), &json!("store")));
    assert_eq!(shop["recent"].as_array().unwrap().len(), 2);
    field.get("/api/v1/pipelines/nobody").await.expect(404);
    let overview = field.get("/api/v1/overview").await.expect(200).json();
    assert_eq!(
        overview["runs"]["by_state_24h"],
        json!({ "complete": 1, "failed": 1, "running": 1 })
    );
    assert_eq!(overview["runs"]["active"], 1);
    assert_eq!(overview["attention"][0]["kind"], "run_failed");
}

fn letter(number: u32) -> DeadLetter {
    DeadLetter {
        stream: "shop".to_owned(),
        sink: "kafka".to_owned(),
        processor: None,
        table: "public.orders".to_owned(),
        op: Op::Insert,
        id: format!("0/1/{number}"),
        key: None,
        class: ErrorClass::Malformed,
        detail: "does not fit".to_owned(),
        row: format!("{{\"id\":{number}}}"),
        truncated: false,
        change: None,
        at: SystemClock::new().now(),
    }
}

#[tokio::test]
async fn letters_are_listed_acknowledged_and_removed() {
    let field = Field::new();
    let limits = DeadLetterLimits {
        entries_max: 100,
        age_max: std::time::Duration::from_secs(3600),
        row_bytes_max: 1 << 20,
        overflow: Overflow::Reject,
    };
    let begin = flowglass_connect::stream::Begin {
        stream: "shop".to_owned(),
        limits,
        at: SystemClock::new().now(),
    };
    field.store.begin(begin).await.unwrap();
    field.store.set_aside((0..5).map(letter).collect(), limits).await.unwrap();
    let path = "/api/v1/pipelines/shop/dlq";
    let page = field.get(&format!("{path}?limit=2")).await.expect(200).json();
    assert_eq!((&page["total"], page["items"].as_array().unwrap().len()), (&json!(5), 2));
    assert_eq!(page["items"][0]["status"], "open");
    let cursor = page["next_cursor"].as_str().unwrap();
    let next = field.get(&format!("{path}?limit=2&cursor={cursor}")).await.json();
    assert_eq!(next["items"][0]["position"], "0/1/2");
    // Nobody means all letters by accident.
    field.post(&format!("{path}/ack"), "{}").await.expect(422);
    let number = page["items"][0]["number"].as_u64().unwrap();
    let body = json!({ "numbers": [number] }).to_string();
    let acked = field.post(&format!("{path}/ack"), &body).await.expect(200).json();
    assert_eq!(acked, json!({ "matched": 1, "done": 1 }));
    let open = field.get(&format!("{path}?status=open")).await.json();
    assert_eq!(open["total"], 4);
    let gone = field.post(&format!("{path}/purge"), "{\"all\":true}").await.expect(200).json();
    assert_eq!(gone["done"], 5);
    let who: Vec<_> = field.journal.notes().into_iter().filter(|it| it.event == "audit").collect();
    assert_eq!(who.len(), 2);
    assert_eq!(who[1].fields["action"], "dlq_purge");
}

#[tokio::test]
async fn a_stream_that_does_not_run_is_paused_for_when_it_does() {
    let field = Field::new();
    let begin = flowglass_connect::stream::Begin {
        stream: "shop".to_owned(),
        limits: DeadLetterLimits {
            entries_max: 1,
            age_max: std::time::Duration::from_secs(1),
            row_bytes_max: 1,
            overflow: Overflow::Reject,
        },
        at: SystemClock::new().now(),
    };
    field.store.begin(begin).await.unwrap();
    let path = "/api/v1/pipelines/shop";
    let mut asks = request(Method::POST, &format!("{path}/pause"), "");
    asks.headers_mut().insert("idempotency-key", "one".parse().unwrap());
    let first = field.send(asks).await.expect(202);
    assert_eq!(first.json()["outcome"], "done");
    let mut again = request(Method::POST, &format!("{path}/pause"), "");
    again.headers_mut().insert("idempotency-key", "one".parse().unwrap());
    let second = field.send(again).await.expect(202);
    assert_eq!(second.text, first.text);
    assert_eq!(second.header("idempotent-replayed"), "true");
    let mut other = request(Method::POST, &format!("{path}/resume"), "");
    other.headers_mut().insert("idempotency-key", "one".parse().unwrap());
    field.send(other).await.expect(422);
    field.post(&format!("{path}/resync"), "{\"table\":\"public.t\"}").await.expect(409);
    field.post(&format!("{path}/dance"), "").await.expect(404);
    field.post("/api/v1/pipelines/nobody/pause", "").await.expect(404);
    let page = field.page().await;
    let counted =
        "flowglass_pipeline_lifecycle_total{tenant=\"\",pipeline=\"shop\",action=\"pause\"";
    assert!(page.contains(counted), "{page}");
}

#[tokio::test]
async fn a_change_has_to_name_its_version() {
    let field = Field::new();
    let said = field.send(request(Method::PATCH, "/api/v1/pipelines/shop", "{}")).await;
    assert_eq!(said.expect(428).json()["status"], 428);
    let mut delete = request(Method::DELETE, "/api/v1/pipelines/shop", "");
    delete.headers_mut().insert("if-match", "*".parse().unwrap());
    field.send(delete).await.expect(409);
}

#[tokio::test]
async fn datasets_and_their_graph_are_empty_where_nothing_was_told() {
    let field = Field::new();
    field.store_run("shop", Some(State::Complete)).await;
    assert_eq!(field.get("/api/v1/assets").await.expect(200).json()["total"], 0);
    let graph = field.get("/api/v1/assets/graph").await.expect(200).json();
    assert_eq!(graph, json!({ "assets": [], "jobs": [], "edges": [] }));
    field.get("/api/v1/assets/graph?focus=a%7Cb").await.expect(404);
    field.get("/api/v1/assets/graph?focus=nonsense").await.expect(422);
}
