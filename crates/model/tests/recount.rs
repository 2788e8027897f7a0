//! The numbers of the snapshot counted a second time, from the events' JSON and by other means: what
//! each entity's *last* word was, looked up afterwards, and not carried along.

use std::collections::{BTreeMap, BTreeSet};

use flowglass_model::{Event, Snapshot};
use serde_json::{Value, json};

type Key = Vec<String>;

fn text(event: &Value, keys: &[&str]) -> Key {
    keys.iter().map(|it| event[*it].as_str().unwrap_or_default().to_owned()).collect()
}

fn moves<'a>(events: &'a [Value], entity: &'a str) -> impl Iterator<Item = &'a Value> {
    events.iter().filter(move |it| it["kind"] == "transition" && it["entity"] == entity)
}

fn tally(states: impl Iterator<Item = String>) -> Value {
    let words = ["queued", "waiting", "running", "complete", "failed", "skipped"];
    let mut counts: BTreeMap<&str, u64> = words.map(|it| (it, 0)).into();
    states.for_each(|state| *counts.get_mut(state.as_str()).unwrap() += 1);
    json!(counts)
}

/// The last state of every entity of a kind, by its ids.
fn last_states(events: &[Value], entity: &str, keys: &[&str]) -> BTreeMap<Key, String> {
    moves(events, entity)
        .map(|it| (text(it, keys), it["to"].as_str().unwrap().to_owned()))
        .collect()
}

fn asset_ids(list: &Value) -> Vec<String> {
    let id = |it: &Value| {
        let (space, name) = (it["namespace"].as_str().unwrap(), it["name"].as_str().unwrap());
        format!("{space}{}{name}", if space.contains("://") { "/" } else { ":" })
    };
    list.as_array().into_iter().flatten().map(id).collect()
}

/// The state of each of a pipeline's datasets: the last move of a node that writes it; if nobody
/// writes it, of one that reads it.
fn asset_states(events: &[Value], pipeline: &str) -> BTreeMap<String, String> {
    let mut known: BTreeMap<(String, bool), BTreeSet<String>> = BTreeMap::new();
    let mut written: BTreeSet<String> = BTreeSet::new();
    let mut said: BTreeMap<(String, bool), String> = BTreeMap::new();
    for event in events.iter().filter(|it| it["pipeline_id"] == pipeline) {
        let told = event["graph"]["nodes"].as_array().cloned().unwrap_or_default();
        let of_node = event["entity"] == "node" && event["kind"] == "transition";
        for node in told.iter().chain(of_node.then_some(event)) {
            let id = node["node_id"].as_str().unwrap().to_owned();
            for (list, writes) in [("inputs", false), ("outputs", true)] {
                let ids = asset_ids(&node[list]);
                written.extend(ids.iter().filter(|_| writes).cloned());
                known.entry((id.clone(), writes)).or_default().extend(ids);
            }
        }
        if of_node {
            let (id, to) = (event["node_id"].as_str().unwrap(), event["to"].as_str().unwrap());
            for writes in [false, true] {
                for asset in known.get(&(id.to_owned(), writes)).into_iter().flatten() {
                    said.insert((asset.clone(), writes), to.to_owned());
                }
            }
        }
    }
    let names: BTreeSet<String> = said.keys().map(|(asset, _)| asset.clone()).collect();
    let state = |asset: &String| said.get(&(asset.clone(), written.contains(asset))).cloned();
    names.into_iter().filter_map(|asset| state(&asset).map(|it| (asset, it))).collect()
}

/// Compares every number of the snapshot with its recount.
pub(crate) fn check(history: &[Event], snapshot: &Snapshot) {
    let events: Vec<Value> = history.iter().map(|it| serde_json::to_value(it).unwrap()).collect();
    let shown = serde_json::to_value(snapshot).unwrap();
    let nodes = last_states(&events, "node", &["pipeline_id", "node_id"]);
    assert_eq!(shown["summary"], tally(nodes.values().cloned()));
    for pipeline in shown["pipelines"].as_array().unwrap() {
        let id = pipeline["pipeline_id"].as_str().unwrap();
        let own = nodes.iter().filter(|(key, _)| key[0] == id).map(|(_, state)| state.clone());
        assert_eq!(pipeline["summary"], tally(own));
        let assets = asset_states(&events, id);
        assert_eq!(pipeline["asset_summary"], tally(assets.values().cloned()), "{pipeline:#}");
        let known: BTreeMap<String, String> = pipeline["assets"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|it| {
                let state = it["state"].as_str()?.to_owned();
                Some((it["asset_id"].as_str()?.to_owned(), state))
            })
            .collect();
        assert_eq!(known, assets);
        check_stages(&events, id, pipeline);
    }
}

fn check_stages(events: &[Value], pipeline: &str, shown: &Value) {
    let keys = ["pipeline_id", "stage_id", "attempt_id"];
    let states = last_states(events, "stage", &keys);
    let names: BTreeSet<&String> =
        states.keys().filter(|key| key[0] == pipeline).map(|key| &key[1]).collect();
    let totals = shown["stages"].as_array().unwrap();
    assert_eq!(totals.len(), names.len());
    for total in totals {
        let name = total["stage_id"].as_str().unwrap();
        let own = states.iter().filter(|(key, _)| key[0] == pipeline && key[1] == name);
        assert_eq!(total["states"], tally(own.map(|(_, state)| state.clone())));
        let ended: Vec<&Value> = moves(events, "stage")
            .filter(|it| it["pipeline_id"] == pipeline && it["stage_id"] == name)
            .filter(|it| matches!(it["to"].as_str(), Some("complete" | "failed" | "skipped")))
            .collect();
        let times: Vec<f64> =
            ended.iter().filter_map(|it| it["duration_seconds"].as_f64()).collect();
        assert_eq!(total["timed"], json!(times.len()));
        let sum: f64 = times.iter().sum();
        assert!((total["duration_seconds_total"].as_f64().unwrap() - sum).abs() < 1e-6);
        let mean = total["duration_seconds_mean"].as_f64().unwrap();
        assert!((mean * times.len() as f64 - sum).abs() < 1e-6, "{total}");
        let rows = |it: &&Value, key: &str| it["counts"][key].as_u64().unwrap_or(0);
        let most =
            |it: &&Value| rows(it, "extracted").max(rows(it, "inserted") + rows(it, "updated"));
        assert_eq!(total["rows"], json!(ended.iter().map(most).sum::<u64>()));
    }
}
