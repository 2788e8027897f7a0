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

fn lineage(run: RunId, kind: &str, more: &serde_json::Value) -> String {
    let mut event = json!({
        "eventType": kind, "eventTime": "2026-11-21T10:00:00.5Z", "producer": "https://airflow",
        "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent",
        "run": { "runId": run.to_string() },
        "job": { "namespace": "airflow", "name": "Orders.Load",
            "facets": { "jobType": { "integration": "AIRFLOW", "jobType": "TASK" } } },
        "inputs": [{ "namespace": "postgres://db:5432", "name": "shop.public.orders" }],
    });
    for (key, value) in more.as_object().unwrap() {
        event[key] = value.clone();
    }
    event.to_string()
}

#[tokio::test]
async fn openlineage_becomes_runs_datasets_and_errors() {
    let field = Field::new();
    let (above, good, bad) = (run(), run(), run());
    let post = |body: String| {
        let field = &field;
        async move { field.post("/api/v1/lineage", &body).await.expect(200).json() }
    };
    let parent = json!({ "run": { "runId": good.to_string(), "facets": { "parent": {
        "run": { "runId": above.to_string() }, "job": { "name": "orders", "namespace": "airflow" }
    } } } });
    assert_eq!(post(lineage(good, "START", &parent)).await["stored_events"], 7);
    // The same again is known.
    assert_eq!(post(lineage(good, "START", &parent)).await["stored_events"], 0);
    let outputs = json!({ "outputs": [{ "namespace": "file", "name": "out.parquet",
        "facets": { "schema": { "fields": [{ "name": "id", "type": "int" }] } },
        "outputFacets": { "outputStatistics": { "rowCount": 12 } } }] });
    post(lineage(good, "COMPLETE", &outputs)).await;
    assert_eq!(post(lineage(good, "FAIL", &json!({}))).await["stored_events"], 0);
    let seen = field.get(&format!("/api/v1/runs/{good}")).await.expect(200).json();
    assert_eq!(seen["run"]["state"], "complete");
    assert_eq!(seen["run"]["attributes"]["parent_run_id"], above.to_string());
    assert_eq!(seen["pipelines"][0]["nodes"][0]["action"]["kind"], "airflow");
    let failed = json!({ "run": { "runId": bad.to_string(), "facets": { "errorMessage": {
        "message": "it broke", "programmingLanguage": "python" } } } });
    // An end without a beginning gets one.
    assert_eq!(post(lineage(bad, "FAIL", &failed)).await["stored_events"], 10);
    let seen = field.get(&format!("/api/v1/runs/{bad}")).await.json();
    assert_eq!(seen["pipelines"][0]["nodes"][0]["last_error"]["detail"], "it broke");
    let assets = field.get("/api/v1/assets").await.json();
    let names: Vec<_> = assets["items"].as_array().unwrap().iter().map(|it| &it["name"]).collect();
    assert!(names.contains(&&json!("shop.public.orders")), "{assets}");
    let children = field.get(&format!("/api/v1/runs?parent={above}")).await.json();
    // Nobody told of the run above; its children are found all the same.
    assert_eq!(children["items"][0]["run_id"], good.to_string(), "{children}");
    for bad in ["", "[]", "{}", "{\"run\":{}}", "nonsense"] {
        let said = field.post("/api/v1/lineage", bad).await;
        assert!(matches!(said.status.as_u16(), 400 | 422), "{bad}: {said:?}");
    }
}
