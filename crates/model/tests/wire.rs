//! The event on the wire, and the saved samples: what an earlier build wrote is read for ever.

use std::collections::BTreeSet;
use std::path::PathBuf;

use flowglass_model::{Entity, Event, EventKind, RunReport, Snapshot, State};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::histories::histories;

fn saved(name: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../schemas/samples").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn saved_events() -> Vec<Event> {
    saved("event.v1.jsonl").lines().map(|line| Event::from_line(line).unwrap()).collect()
}

/// Values that some later version may put under a name that this one does not know.
fn foreign() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        // Up to 15 digits, as JSON promises at most; further ones may change in the last place.
        any::<i32>().prop_map(|it| Value::from(f64::from(it) / 8.0)),
        "\\PC{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(2, 8, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::btree_map("[a-z_]{1,6}", inner, 0..3)
                .prop_map(|it| Value::Object(it.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn an_event_reads_back_as_it_was(history in histories()) {
        for event in &history {
            let line = event.to_line();
            prop_assert!(!line.contains('\n'), "one event is one line");
            let read = Event::from_line(&line).unwrap();
            prop_assert_eq!(&read, event);
            prop_assert_eq!(read.to_line(), line);
        }
    }

    #[test]
    fn what_a_later_version_adds_is_kept(history in histories(), value in foreign(), minor in 1..30_u32) {
        for event in history.iter().take(12) {
            let mut told: Value = serde_json::from_str(&event.to_line()).unwrap();
            told["schema"] = json!(format!("flowglass.event/v1.{minor}"));
            told["zz_later"] = value.clone();
            let read = Event::from_line(&told.to_string()).unwrap();
            let mut written: Value = serde_json::from_str(&read.to_line()).unwrap();
            prop_assert_eq!(&written, &told);
            // Nothing else changed.
            written["schema"] = json!("flowglass.event/v1");
            written.as_object_mut().unwrap().remove("zz_later");
            prop_assert_eq!(written, serde_json::from_str::<Value>(&event.to_line()).unwrap());
        }
    }
}

#[test]
fn another_major_version_is_refused_by_name() {
    let event = &saved_events()[0];
    let with = |schema: &str| {
        let mut told: Value = serde_json::from_str(&event.to_line()).unwrap();
        told["schema"] = json!(schema);
        Event::from_line(&told.to_string()).map_err(|error| error.to_string())
    };
    assert!(with("flowglass.event/v1").is_ok());
    assert!(with("flowglass.event/v1.7").is_ok());
    for other in ["flowglass.event/v2", "flowglass.event/v10", "flowglass.event/v", "dpone", ""] {
        let said = with(other).unwrap_err();
        assert!(said.contains(&format!("schema `{other}` is not read here")), "{said}");
    }
}

#[test]
fn a_word_that_is_not_in_its_list_is_refused() {
    let event = saved_events().into_iter().find(|it| it.to.is_some()).unwrap();
    for (key, word) in
        [("to", "done"), ("reason", "because"), ("kind", "metric"), ("entity", "task")]
    {
        let mut told: Value = serde_json::from_str(&event.to_line()).unwrap();
        told[key] = json!(word);
        let said = Event::from_line(&told.to_string()).unwrap_err().to_string();
        assert!(said.contains(word), "{said}");
    }
}

#[test]
fn the_saved_events_are_written_back_byte_for_byte() {
    let lines = saved("event.v1.jsonl");
    for line in lines.lines() {
        assert_eq!(Event::from_line(line).unwrap().to_line(), line);
    }
}

#[test]
fn the_saved_events_show_everything_that_an_event_can_tell() {
    let events = saved_events();
    let kinds: BTreeSet<String> = events.iter().map(|it| format!("{:?}", it.kind)).collect();
    let all = [
        EventKind::Transition,
        EventKind::Progress,
        EventKind::Log,
        EventKind::Asset,
        EventKind::Ledger,
        EventKind::Graph,
    ];
    assert_eq!(kinds, all.map(|it| format!("{it:?}")).into());
    let states: BTreeSet<State> = events.iter().filter_map(|it| it.to).collect();
    assert_eq!(states, State::ALL.into());
    let entities: BTreeSet<Entity> = events.iter().map(|it| it.entity).collect();
    assert_eq!(entities.len(), 6, "{entities:?}");
    let schema = schemars::schema_for!(Event).to_value();
    let fields = schema["properties"].as_object().unwrap();
    let lines = saved("event.v1.jsonl");
    for field in fields.keys() {
        assert!(lines.contains(&format!("\"{field}\":")), "no saved event has `{field}`");
    }
}

#[test]
fn the_saved_events_fold_to_the_saved_snapshot_and_report() {
    let snapshot = Snapshot::of(&saved_events()).unwrap();
    let kept: Snapshot = serde_json::from_str(&saved("snapshot.v1.json")).unwrap();
    assert_eq!(kept, snapshot);
    let report: RunReport = serde_json::from_str(&saved("run-report.v1.json")).unwrap();
    assert_eq!(report, RunReport::of(&snapshot));
    // Reading loses nothing: what is written again is what was saved.
    let again = |value: Value| format!("{}\n", serde_json::to_string_pretty(&value).unwrap());
    assert_eq!(again(json!(kept)), saved("snapshot.v1.json"));
    assert_eq!(again(json!(report)), saved("run-report.v1.json"));
}
