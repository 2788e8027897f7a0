//! Events of other programs' runs.

use flowglass_model::{Event, RunId, State};
use serde_json::json;

use crate::support::{Field, history};

fn run() -> RunId {
    RunId::from_uuid(uuid::Uuid::now_v7()).unwrap()
}

fn lines(events: &[Event]) -> Vec<String> {
    events.iter().map(Event::to_line).collect()
}

#[tokio::test]
async fn one_an_array_and_lines_are_stored_before_they_are_acknowledged() {
    let field = Field::new();
    let (a, b) = (run(), run());
    let of_a = lines(&history(a, "other-tool", Some(State::Complete)));
    let one = field.post("/api/v1/events", &of_a[0]).await.expect(200).json();
    assert_eq!(one, json!({ "accepted": 1, "rejected": 0, "errors": [] }));
    let array = format!("[{}]", of_a[1..5].join(","));
    assert_eq!(field.post("/api/v1/events", &array).await.expect(200).json()["accepted"], 4);
    let of_b = lines(&history(b, "third-tool", Some(State::Failed)));
    let both = format!("{}\n{}\n", of_a[5..].join("\n"), of_b.join("\n"));
    let said = field.post("/api/v1/events", &both).await.expect(200).json();
    assert_eq!(said["accepted"], 4 + 9);
    assert_eq!(field.get(&format!("/api/v1/runs/{a}")).await.json()["run"]["state"], "complete");
    assert_eq!(field.get(&format!("/api/v1/runs/{b}")).await.json()["run"]["state"], "failed");
    let page = field.page().await;
    let counted =
        "flowglass_runs_total{tenant=\"acme\",pipeline=\"third-tool\",state=\"failed\"} 1";
    assert!(page.contains(counted), "{page}");
    // The same again is no error.
    assert_eq!(field.post("/api/v1/events", &both).await.expect(200).json()["accepted"], 13);
}

#[tokio::test]
async fn each_item_that_does_not_fit_is_named() {
    let field = Field::new();
    let events = history(run(), "tool", Some(State::Complete));
    let good = lines(&events);
    let mut gap = events[8].clone();
    gap.seq = 40;
    let body = format!(
        "{}\nnot json\n{}\n{{\"schema\":\"flowglass.event/v9\"}}\n{}\n",
        good[0],
        good[1],
        gap.to_line()
    );
    let said = field.post("/api/v1/events", &body).await.expect(207).json();
    assert_eq!((&said["accepted"], &said["rejected"]), (&json!(2), &json!(3)));
    let places: Vec<_> = said["errors"].as_array().unwrap().iter().map(|it| &it["index"]).collect();
    assert_eq!(places, [1, 3, 4]);
    field.post("/api/v1/events", "nonsense").await.expect(422);
    field.post("/api/v1/events", "").await.expect(422);
    field.post("/api/v1/events", "[").await.expect(422);
}
