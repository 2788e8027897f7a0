//! A disk without room, through `run`: the target keeps what it had, the exit code is 1 with a class
//! and a hint, the store can be read afterwards and holds no torn event, and the run can be gone on
//! from.
//!
//! The kernel's limit on the size of a file stands in for the full disk: it needs no rights and no
//! mount, and a write past it fails as one on a full disk does.
#![expect(clippy::unwrap_used, reason = "a test may fail by panicking")]

use std::collections::BTreeMap;

use flowglass_testkit::{Dice, Flowglass, Said, Scratch};
use serde_json::Value;

use crate::support::{flowglass, histories, sqlite};

/// The binary, which may write no file beyond so many bytes.
fn limited(scratch: &Scratch, file_bytes_max: u64, args: &[&str]) -> Said {
    let limit = format!("--fsize={file_bytes_max}");
    Flowglass::new("prlimit")
        .args([&limit, env!("CARGO_BIN_EXE_flowglass")])
        .args(args)
        .current_dir(scratch.folder())
        .run()
}

/// A megabyte is enough for the events of a small run and too little for three of rows.
const LIMIT: u64 = 1 << 20;

fn rows() -> String {
    let mut dice = Dice::from_seed(7);
    let mut text = String::from("id,name\n");
    for id in 0..60_000 {
        text.push_str(&format!("{id},{:016x}{:016x}\n", dice.next_u64(), dice.next_u64()));
    }
    text
}

fn manifest(nodes: &str) -> String {
    format!(
        "apiVersion: flowglass/v1\nkind: Workflow\nmetadata: {{ name: full }}\nspec:\n  nodes:\n{nodes}"
    )
}

#[test]
fn a_target_without_room_keeps_what_it_had() {
    let rows = rows();
    for (kind, table, class) in [
        ("csv", "", "disk_full"),
        ("jsonl", "", "disk_full"),
        ("parquet", "", "disk_full"),
        // SQLite tells a file that must not grow from a full disk no better than so.
        ("sqlite", ", table: rows", "io"),
    ] {
        let target = format!("out.{kind}");
        let copy = format!(
            "    - {{ id: load, copy: {{ from: {{ type: csv, path: rows.csv }}, \
             to: {{ type: {kind}, path: {target}{table} }}, strategy: full_refresh }} }}\n"
        );
        let scratch = Scratch::project(&[("pipeline.yaml", &manifest(&copy)), ("rows.csv", &rows)]);
        if kind == "sqlite" {
            let made = "CREATE TABLE rows (it TEXT); INSERT INTO rows VALUES ('kept')";
            drop(sqlite(&scratch.path(&target), made));
        } else {
            scratch.write(&target, "kept\n");
        }
        let outside = |scratch: &Scratch| -> BTreeMap<String, Vec<u8>> {
            let files = scratch.files().into_iter();
            let files = files.filter(|it| !it.starts_with(".flowglass/") && !it.contains("sqlite"));
            files.map(|it| (it.clone(), std::fs::read(scratch.path(&it)).unwrap())).collect()
        };
        let before = outside(&scratch);
        let said = limited(&scratch, LIMIT, &["run", "pipeline.yaml", "--format", "json"]);
        let said = said.expect_code(1);
        let error = &said.json()["errors"][0];
        assert_eq!(error["class"], class, "{kind}: {said}");
        assert!(error["hint"].as_str().is_some_and(|it| it.ends_with('.')), "{kind}: {said}");
        assert!(outside(&scratch) == before, "{kind}: {:?}", scratch.files());
        if kind == "sqlite" {
            assert_eq!(sqlite(&scratch.path(&target), "SELECT it FROM rows"), ["kept"]);
        }
        // With room it goes on, and the target is whole.
        let resume = ["run", "--resume", "latest", "--format", "json"];
        let report = flowglass(&scratch, &resume).run().ok().json();
        assert_eq!(report["result"]["final_rows"], 60_000, "{kind}");
    }
}

/// The numbers of a run's events are 1, 2, 3 and so on, and the last words are there.
#[track_caller]
fn check_whole(events: &[Value]) {
    let numbers: Vec<u64> = events.iter().map(|it| it["seq"].as_u64().unwrap()).collect();
    assert_eq!(numbers, (1..=events.len() as u64).collect::<Vec<_>>());
}

#[test]
fn a_store_without_room_keeps_whole_events_and_the_run_can_be_gone_on_from() {
    let nodes = "    - { id: first, command: { shell: \"echo x >> first.txt\" } }\n    \
                 - { id: tells, needs: [first], command: { shell: \"seq 1 20000\" } }\n";
    let scratch = Scratch::project(&[("pipeline.yaml", &manifest(nodes))]);
    let said = limited(&scratch, LIMIT, &["run", "pipeline.yaml"]).expect_code(1);
    assert!(said.stderr.contains("its events could not be kept"), "{said}");
    assert!(said.stderr.contains("hint: "), "{said}");
    let kept = histories(&scratch);
    assert_eq!(kept.len(), 1);
    assert!(kept[0].len() > 100, "only {} events were kept", kept[0].len());
    check_whole(&kept[0]);
    let report =
        flowglass(&scratch, &["run", "--resume", "latest", "--format", "json"]).run().ok().json();
    assert_eq!(report["passed"], true);
    assert_eq!(scratch.read("first.txt"), "x\n", "what completed was not run again");
    let kept = histories(&scratch);
    assert_eq!(kept.len(), 2);
    kept.iter().for_each(|it| check_whole(it));
}

#[test]
fn a_store_that_cannot_be_made_is_told() {
    let nodes = "    - { id: one, command: [touch, ran.txt] }\n";
    let scratch = Scratch::project(&[("pipeline.yaml", &manifest(nodes))]);
    let said = limited(&scratch, 4096, &["run", "pipeline.yaml"]).expect_code(1);
    assert!(said.stderr.starts_with("error: "), "{said}");
    assert!(!scratch.path("ran.txt").exists(), "nothing runs that could not be recorded");
    drop(flowglass(&scratch, &["run", "pipeline.yaml"]).run().ok());
}
