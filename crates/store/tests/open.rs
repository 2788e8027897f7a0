//! Paths that are no store of this version, and what is said about them.

use std::path::Path;

use flowglass_connect::SystemClock;
use flowglass_model::ErrorClass;
use flowglass_store::{Reader, Store, StoreError};
use flowglass_testkit::Scratch;
use rusqlite::Connection;

use crate::history::{History, open, options, run_id};

fn refused(path: &Path) -> StoreError {
    let said = Store::open(path, &options(), &SystemClock::new()).unwrap_err();
    let reading = Reader::open(path).unwrap_err();
    assert_eq!(said.to_string(), reading.to_string());
    said
}

#[test]
fn a_newer_store_is_refused_and_not_touched() {
    let scratch = Scratch::new();
    let path = scratch.path("s.db");
    open(&path).close();
    let change = Connection::open(&path).unwrap();
    change.pragma_update(None, "user_version", 99).unwrap();
    drop(change);
    let before = std::fs::read(&path).unwrap();
    let said = refused(&path);
    let text = said.to_string();
    assert!(text.contains("format 99") && text.contains("up to 4"), "{text}");
    assert!(said.hint().contains("newer flowglass"), "{}", said.hint());
    assert_eq!(std::fs::read(&path).unwrap(), before);
}

#[test]
fn what_is_no_store_is_named_and_left_alone() {
    let scratch = Scratch::new();
    let text =
        scratch.write("notes.txt", "these are my notes, and there are quite a few of them\n");
    assert!(refused(&text).to_string().contains("no SQLite database"));
    assert_eq!(scratch.read("notes.txt").len(), 54);
    assert!(refused(scratch.folder()).to_string().contains("it is a folder"));
    let other = scratch.path("other.db");
    Connection::open(&other).unwrap().execute_batch("CREATE TABLE mine (x)").unwrap();
    let before = std::fs::read(&other).unwrap();
    let said = refused(&other);
    assert!(said.to_string().contains("another program"), "{said}");
    assert_eq!(said.class(), ErrorClass::Config);
    assert_eq!(std::fs::read(&other).unwrap(), before);
    assert_eq!(scratch.files(), ["notes.txt", "other.db"]);
}

#[test]
fn a_missing_store_is_made_by_a_writer_and_told_by_a_reader() {
    let scratch = Scratch::new();
    let path = scratch.path("none/s.db");
    let said = Reader::open(&path).unwrap_err();
    assert_eq!(said.class(), ErrorClass::NotFound);
    assert!(scratch.files().is_empty());
    open(&path).close();
    assert_eq!(Reader::open(&path).unwrap().newest().unwrap(), 0);
}

#[test]
fn a_folder_that_cannot_be_made_is_an_error_with_its_path() {
    let scratch = Scratch::project(&[("file", "")]);
    let said = Store::open(scratch.path("file/s.db"), &options(), &SystemClock::new()).unwrap_err();
    assert!(said.to_string().contains("file"), "{said}");
}

#[tokio::test]
async fn a_store_without_its_write_ahead_log_reads_where_nothing_can_be_written() {
    let scratch = Scratch::new();
    let path = scratch.path("s.db");
    let store = open(&path);
    store.appender().append(History::whole(1, 3)).await.unwrap();
    drop(store);
    assert_eq!(scratch.files(), ["s.db"], "a closed store is one file");
    let reader = Reader::open(&path).unwrap();
    assert_eq!(reader.lines(run_id(1), 0, 100).unwrap().len(), 9);
}
