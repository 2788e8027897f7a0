//! `flowglass dlq` as a person and a script meet it: rows that were too large, looked at, acknowledged,
//! sent again and removed.
#![expect(clippy::unwrap_used, reason = "a test may fail by panicking")]

use std::collections::BTreeSet;

use flowglass_testkit::{Redact, Said, Scratch};
use serde_json::Value;

use crate::support::{Stream, flowglass};

/// Twelve rows, of which those of one table are too large for a message when `most` is small.
fn project(most: u32) -> Scratch {
    let scratch = Scratch::new();
    write(&scratch, most);
    scratch
}

fn write(scratch: &Scratch, most: u32) {
    let text = format!(
        "apiVersion: flowglass/v1\nkind: Stream\nmetadata: {{ name: letters }}\nspec:\n  \
         source: {{ type: generator, config: {{ rows: 12, transaction_rows: 3, payload_bytes: 300 }} }}\n  \
         sinks:\n    - {{ type: files, config: {{ id: lines, folder: out, line: message, \
         message_bytes_max: {most} }} }}\n  \
         dlq: {{ max_entries: 14 }}\n"
    );
    scratch.write("stream.yaml", text);
}

fn dlq(scratch: &Scratch, args: &[&str]) -> Said {
    flowglass(scratch, &[&["dlq"], args].concat()).run()
}

fn until_caught_up(scratch: &Scratch) {
    drop(flowglass(scratch, &["run", "stream.yaml", "--until", "caught-up"]).run().ok());
}

/// Every line of the sink's files.
fn lines(scratch: &Scratch) -> Vec<Value> {
    let files = scratch.files();
    let rows = files.iter().filter(|it| it.starts_with("out/") && it.contains(".jsonl"));
    let texts: Vec<String> = rows.map(|it| scratch.read(it)).collect();
    texts.iter().flat_map(|it| it.lines()).map(|it| serde_json::from_str(it).unwrap()).collect()
}

fn ids(scratch: &Scratch) -> BTreeSet<String> {
    lines(scratch).iter().map(|it| it["id"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn rows_that_were_too_large_are_sent_again_when_the_manifest_allows_them() {
    let scratch = project(200);
    until_caught_up(&scratch);
    assert_eq!(lines(&scratch).len(), 0);
    let listed = dlq(&scratch, &["list", "letters", "--format", "json"]).ok().json();
    assert_eq!((&listed["open"], &listed["max_entries"]), (&12.into(), &14.into()));
    assert_eq!(listed["level"], "warning");
    let letters = listed["letters"].as_array().unwrap();
    assert_eq!(letters.len(), 12);
    assert!(letters.iter().all(|it| it["class"] == "too_large" && it["replayable"] == true));
    assert!(letters[0].get("row").is_none(), "rows are shown when they are asked for");

    // As long as the manifest says so, they fail again.
    let again = dlq(&scratch, &["replay", "stream.yaml", "--all"]).expect_code(1);
    assert!(again.stdout.contains("0 replayed, 12 failed again"), "{again}");
    let shown = dlq(&scratch, &["show", "letters", "1", "--format", "json"]).ok().json();
    assert_eq!((&shown[0]["attempts"], &shown[0]["state"]), (&2.into(), &"open".into()));
    assert!(shown[0]["row"].is_object(), "{shown:#}");

    write(&scratch, 1_000_000);
    let one = dlq(&scratch, &["replay", "letters", "--id", "3", "--format", "json"]).ok().json();
    assert_eq!((&one["replayed"], &one["letters"][0]["number"]), (&1.into(), &3.into()));
    let said = dlq(&scratch, &["replay", "letters", "--all"]).ok();
    assert!(said.stdout.contains("11 replayed"), "{said}");
    assert_eq!(lines(&scratch).len(), 12);

    // Each message is the one that the stream would have written.
    let other = project(1_000_000);
    until_caught_up(&other);
    assert_eq!(ids(&scratch), ids(&other));
    let sorted = |scratch: &Scratch| {
        let mut them: Vec<String> = lines(scratch)
            .iter()
            // The generator's own clock is in its rows.
            .map(|it| format!("{} {}", it["id"], it["key"]))
            .collect();
        them.sort();
        them
    };
    assert_eq!(sorted(&scratch), sorted(&other));

    // The sink stands where it stood: the stream brings nothing again.
    until_caught_up(&scratch);
    assert_eq!(lines(&scratch).len(), 12);
    let none = dlq(&scratch, &["replay", "letters", "--all"]).ok();
    assert!(none.stdout.contains("0 replayed"), "{none}");
    let gone = dlq(&scratch, &["purge", "letters", "--state", "replayed", "--all"]).ok();
    assert_eq!(gone.stdout, "12 dead letter(s) removed\n");
}

#[test]
fn letters_are_listed_shown_acknowledged_and_removed() {
    let scratch = project(200);
    until_caught_up(&scratch);
    let mut seen = String::new();
    let mut add = |args: &[&str]| {
        let said = dlq(&scratch, args);
        let code = said.code();
        seen.push_str(&format!("$ flowglass dlq {}\n", args.join(" ")));
        seen.push_str(&said.stdout);
        for line in said.stderr.lines() {
            seen.push_str(&format!("! {line}\n"));
        }
        seen.push_str(&format!("= {code:?}\n\n"));
    };
    add(&["list", "letters", "--limit", "2"]);
    add(&["list", "letters", "--limit", "1", "--after", "11", "--format", "ndjson"]);
    add(&["show", "letters", "2"]);
    add(&["ack", "letters"]);
    add(&["ack", "letters", "--until", "1h"]);
    add(&["ack", "letters", "--class", "too_large", "--dry-run"]);
    add(&["ack", "letters", "--id", "1", "--id", "2"]);
    add(&["purge", "letters", "--state", "acknowledged", "--all"]);
    add(&["list", "letters", "--sink", "elsewhere"]);
    add(&["show", "letters", "99"]);
    add(&["list", "leters"]);
    add(&["list", "letters", "--class", "odd"]);
    add(&["replay", "letters", "--all", "--dry-run"]);
    Redact::new()
        .ids()
        .times()
        .replace(r"\d+ (s|min) ago", "N s ago")
        .replace(r"\d\d\d\d-\d\d-\d\d \d\d:\d\d:\d\dZ", "TIME")
        .replace(r"[A-Za-z0-9+/=]{100,}", "PAYLOAD")
        .replace(r"  +", "  ")
        .bind(|| insta::assert_snapshot!("dlq", seen));
}

#[test]
fn a_stream_that_runs_keeps_its_letters_to_itself() {
    let scratch = project(200);
    // Rows come on and on, so that the stream has no end of its own.
    let endless = scratch.read("stream.yaml").replace("rows: 12", "rows: 0, rate: 50");
    scratch.write("stream.yaml", endless);
    let stream = Stream::start(&scratch, "stream.yaml", &[]);
    stream.wait_for_letters(&scratch, "letters", 14);
    let refused = dlq(&scratch, &["replay", "letters", "--all"]).expect_code(1);
    let process = format!("process {}", stream.id());
    assert!(refused.stderr.contains(&process), "{refused}");
    assert!(refused.stderr.contains("flowglass stop letters"), "{refused}");
    // What only concerns the letters goes on beside it, and the stream hears of it.
    drop(dlq(&scratch, &["ack", "letters", "--all"]).ok());
    let second = flowglass(&scratch, &["stop", "letters"]).run().ok();
    assert!(second.stdout.contains("everything that was read is delivered"), "{second}");
    assert_eq!(stream.ended().code(), Some(0));
    // Those that were acknowledged can be sent all the same, and are refused as before.
    let again = ["replay", "letters", "--state", "acknowledged", "--all"];
    assert!(dlq(&scratch, &again).expect_code(1).stdout.contains("0 replayed"));
}
