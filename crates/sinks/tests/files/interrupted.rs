//! What is left when a writer stops half-way, at every place where it can.

use flowglass_connect::{Batch, Strategy};
use flowglass_model::ErrorClass;
use serde_json::{Value, json};

use super::{KINDS, cursor, load, orders, owner, plan, read_orders, target, wait};

fn names(folder: &std::path::Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name != "scratch")
        .collect();
    names.sort();
    names
}

#[test]
fn a_dropped_or_aborted_writer_leaves_the_target_as_it_was() {
    for kind in KINDS {
        for strategy in [Strategy::FullRefresh, Strategy::Append, Strategy::IncrementalMerge] {
            let folder = tempfile::tempdir().unwrap();
            let target = target(kind, json!({ "path": "out" }), folder.path());
            let rows = orders(0..100, "a");
            let schema = rows.schema();
            load(&*target, plan(&schema, Strategy::FullRefresh, "t1"), &[rows], Some(cursor("99")))
                .unwrap();
            let before = std::fs::read(folder.path().join("out")).unwrap();
            let listing = names(folder.path());
            for abort in [true, false] {
                wait(async {
                    let mut writer = target.begin(plan(&schema, strategy, "t2")).await.unwrap();
                    let more = orders(50..50_000, "b");
                    writer.write(Batch::Arrow(more)).await.unwrap();
                    if abort {
                        writer.abort().await.unwrap();
                    } else {
                        drop(writer);
                        // The thread ends on its own; the next writer is let in when it has.
                        loop {
                            match target.begin(plan(&schema, strategy, "t3")).await {
                                Ok(writer) => break writer.abort().await.unwrap(),
                                Err(fault) => assert_eq!(fault.class(), ErrorClass::Conflict),
                            }
                        }
                    }
                });
                assert_eq!(std::fs::read(folder.path().join("out")).unwrap(), before, "{kind}");
                assert_eq!(names(folder.path()), listing, "{kind}");
                wait(async {
                    assert_eq!(target.cursor(&owner()).await.unwrap(), Some(cursor("99")));
                    assert_eq!(target.committed(&owner(), "t2").await.unwrap(), None);
                });
            }
        }
    }
}

#[test]
fn leftovers_of_a_killed_writer_are_taken_over_and_a_live_one_is_not() {
    for kind in KINDS {
        let folder = tempfile::tempdir().unwrap();
        let target = target(kind, json!({ "path": "out" }), folder.path());
        let rows = orders(0..10, "a");
        let schema = rows.schema();
        std::fs::write(folder.path().join(".out.flowglass-new"), "half of a fi").unwrap();
        wait(async {
            let writer = target.begin(plan(&schema, Strategy::Append, "t1")).await.unwrap();
            let second = target.begin(plan(&schema, Strategy::Append, "t2")).await;
            let fault = second.err().expect("two writers at once");
            assert_eq!(fault.to_string(), "another writer is at work on `out`");
            assert_eq!(fault.class(), ErrorClass::Conflict);
            writer.abort().await.unwrap();
        });
        load(&*target, plan(&schema, Strategy::Append, "t3"), std::slice::from_ref(&rows), None)
            .unwrap();
        assert_eq!(read_orders(kind, folder.path()), rows);
        assert!(!folder.path().join(".out.flowglass-new").exists());
    }
}

/// The states of a commit of a text file, put together by hand: `renamed` says whether the crash
/// came before or after the data took its place.
#[test]
fn a_crash_between_the_two_renames_is_resolved_by_the_data() {
    for kind in ["csv", "jsonl"] {
        for renamed in [false, true] {
            for copied in [false, true] {
                let folder = tempfile::tempdir().unwrap();
                let target = target(kind, json!({ "path": "out" }), folder.path());
                let (data, side) =
                    (folder.path().join("out"), folder.path().join("out.flowglass.json"));
                let schema = orders([], "a").schema();
                let append = |ids: std::ops::Range<i64>, token: &str, at: &str| {
                    let plan = plan(&schema, Strategy::IncrementalAppend, token);
                    load(&*target, plan, &[orders(ids, "a")], Some(cursor(at))).unwrap()
                };
                append(0..10, "t1", "9");
                let old_data = folder.path().join("old");
                std::fs::hard_link(&data, &old_data).unwrap();
                let read = |path| -> Value {
                    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
                };
                let old = read(&side);
                append(10..20, "t2", "19");
                let new = read(&side);
                // What step 2 of a commit writes.
                let both =
                    json!({ "version": 1, "current": old["current"], "pending": new["current"] });
                std::fs::write(&side, both.to_string()).unwrap();
                if !renamed {
                    std::fs::rename(&old_data, &data).unwrap();
                    std::fs::write(folder.path().join(".out.flowglass-new"), "left").unwrap();
                }
                if copied {
                    // A restored backup has other inodes; then the sizes tell.
                    let bytes = std::fs::read(&data).unwrap();
                    let other = folder.path().join("other");
                    std::fs::write(&other, bytes).unwrap();
                    std::fs::rename(&other, &data).unwrap();
                }
                let side_aside = folder.path().join(".out.flowglass.json.flowglass-new");
                std::fs::write(&side_aside, "left").unwrap();
                let (want, rows) = if renamed { ("19", 20) } else { ("9", 10) };
                wait(async {
                    assert_eq!(target.cursor(&owner()).await.unwrap(), Some(cursor(want)));
                    let second = target.committed(&owner(), "t2").await.unwrap();
                    assert_eq!(second.is_some(), renamed);
                    assert!(target.committed(&owner(), "t1").await.unwrap().is_some());
                });
                assert!(!side_aside.exists(), "asking for what was committed clears up");
                assert_eq!(read(&side)["pending"], Value::Null);
                let told = append(20..25, "t3", "24");
                assert_eq!(told.final_rows, rows + 5);
                wait(async {
                    let second = target.committed(&owner(), "t2").await.unwrap();
                    assert_eq!(second.is_some(), renamed, "what held stays in the next sidecar");
                });
            }
        }
    }
}

#[test]
fn a_state_that_belongs_to_no_file_is_not_guessed() {
    let folder = tempfile::tempdir().unwrap();
    let target = target("csv", json!({ "path": "out" }), folder.path());
    let schema = orders([], "a").schema();
    let append = |token: &str| {
        let plan = plan(&schema, Strategy::Append, token);
        load(&*target, plan, &[orders(0..3, "a")], None)
    };
    append("t1").unwrap();
    let side = folder.path().join("out.flowglass.json");
    let text = std::fs::read_to_string(&side).unwrap();
    let mut state: Value = serde_json::from_str(&text).unwrap();
    state["pending"] = state["current"].clone();
    state["pending"]["file"] = json!({ "inode": 1, "bytes": 1 });
    state["current"]["file"] = json!({ "inode": 2, "bytes": 2 });
    std::fs::write(&side, state.to_string()).unwrap();
    let fault = append("t2").unwrap_err();
    assert_eq!(fault.class(), ErrorClass::Conflict);
    assert!(fault.to_string().contains("was left by an interrupted commit"));
    // Without the data the state says nothing.
    std::fs::remove_file(folder.path().join("out")).unwrap();
    assert_eq!(wait(target.committed(&owner(), "t1")).unwrap(), None);
}
