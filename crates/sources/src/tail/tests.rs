//! Each line once, whatever is done to the file: the follower over real files, step by step.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use flowglass_connect::stream::{Chunk, Datum, Position};
use flowglass_connect::{Fault, Surroundings, SystemClock};
use flowglass_model::ErrorClass;
use proptest::prelude::*;
use tempfile::TempDir;

use super::config::{Config, Settings};
use super::follow::{Now, Tail};

/// A file that is followed, and what it has told.
struct Bench {
    folder: TempDir,
    settings: Arc<Settings>,
    tail: Tail,
    now: Duration,
    /// `table line columns` of every row.
    rows: Vec<String>,
    position: Option<Position>,
}

impl Bench {
    fn new(more: &serde_json::Value) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut config = serde_json::json!({ "path": "app.log" });
        config.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let config: Config = serde_json::from_value(config).unwrap();
        let around = Surroundings {
            base_dir: folder.path().to_owned(),
            scratch_dir: folder.path().to_owned(),
            clock: Arc::new(SystemClock::new()),
        };
        let settings = Arc::new(Settings::new(config, &around).unwrap());
        let tail = Tail::new(Arc::clone(&settings), None);
        Self { folder, settings, tail, now: Duration::ZERO, rows: Vec::new(), position: None }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("app.log")
    }

    fn append(&self, text: &str) {
        append(&self.path(), text);
    }

    fn step(&mut self) -> Result<Option<Chunk>, Fault> {
        let chunk = self.tail.step(Now { monotonic: self.now, micros: 5 })?;
        if let Some(chunk) = &chunk {
            self.rows.extend(chunk.changes(0, usize::MAX).map(|change| {
                let row = change.after().unwrap();
                let cells: Vec<String> = row.data().map(text).collect();
                let table = &change.relation().table;
                format!("{table} {} [{}]", change.transaction().id, cells.join(", "))
            }));
            assert_eq!(chunk.len(), chunk.marks().iter().filter(|it| it.after > 0).count());
            self.position = chunk.marks().last().map(|it| it.position.clone());
        }
        Ok(chunk)
    }

    /// Reads until nothing is new.
    fn read(&mut self) {
        while self.step().unwrap().is_some() {}
    }

    /// Lets so much time pass that a renamed file is taken to be at its end.
    fn wait(&mut self) {
        self.read();
        self.now += Duration::from_secs(3);
        self.read();
        // The next file is open now.
        self.read();
    }

    /// As another process that goes on from the last position.
    fn restart(&mut self) {
        self.tail = Tail::new(Arc::clone(&self.settings), self.position.clone());
    }

    fn rename(&self, to: &str) {
        fs::rename(self.path(), self.folder.path().join(to)).unwrap();
    }
}

fn append(path: &Path, text: &str) {
    let mut file = OpenOptions::new().append(true).create(true).open(path).unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

fn text(datum: Datum<'_>) -> String {
    match datum {
        Datum::Text(text) => String::from_utf8_lossy(text).into_owned(),
        other => format!("{other:?}").to_lowercase(),
    }
}

#[test]
fn columns_come_from_keys_and_kinds_from_values() {
    let mut bench = Bench::new(&serde_json::json!({ "key": ["id"] }));
    bench.append("\u{feff}{\"id\":1,\"a\":\"x\\ny\",\"none\":null}\r\n\n");
    bench.append(
        "{\"id\":9223372036854775808,\"b\":true,\"a\":\"\"}\n{\"b\":null,\"a\":{\"c\":[1, 2]}}\n",
    );
    bench.append("{\"f\":1e5,\"id\":-0.50,\"a\":\"q\\\"\"}\n{\"half\":");
    bench.step().unwrap();
    let chunk = bench.step().unwrap().unwrap();
    assert_eq!(
        bench.rows,
        [
            "app 1 [1, x\ny]",
            "app 3 [9223372036854775808, , t]",
            "app 4 [null, {\"c\":[1, 2]}, null]",
            "app 5 [-0.50, \"q\\\"\", null, 1e5]",
        ]
    );
    let versions: Vec<(u32, usize)> = chunk
        .changes(0, 9)
        .map(|it| (it.relation().version, it.relation().columns.len()))
        .collect();
    assert_eq!(versions, [(1, 2), (2, 3), (3, 3), (4, 4)]);
    let natives: Vec<&str> =
        chunk.change(3).unwrap().relation().columns.iter().map(|it| it.native.as_str()).collect();
    assert_eq!(natives, ["numeric", "json", "boolean", "json"]);
    assert_eq!(chunk.change(3).unwrap().relation().key, [0]);
    assert!(bench.step().unwrap().is_none(), "half a line is none");
    bench.append("2}\n");
    bench.read();
    assert_eq!(bench.rows.last().unwrap(), "app 6 [null, null, null, null, 2]");
}

#[test]
fn a_file_that_is_not_there_yet_is_waited_for_and_one_that_is_can_be_passed_over() {
    let mut bench = Bench::new(&serde_json::json!({ "from_beginning": false }));
    bench.read();
    assert!(bench.rows.is_empty() && bench.position.is_none());
    bench.append("{\"n\":1}\n{\"n\":2}\n{\"n\"");
    bench.read();
    // A process that dies here goes on here.
    assert_eq!(bench.position.as_ref().unwrap().commit, 16);
    bench.append(":3}\n");
    bench.restart();
    bench.read();
    assert_eq!(bench.rows, ["app 3 [3]"]);
}

#[test]
fn a_file_that_is_renamed_is_read_to_its_end_and_then_the_next() {
    let mut bench = Bench::new(&serde_json::json!({}));
    bench.append("{\"n\":1}\n");
    bench.read();
    bench.rename("app.log.1");
    bench.read();
    append(&bench.folder.path().join("app.log.1"), "{\"n\":2}\n");
    bench.append("{\"n\":4}\n");
    bench.read();
    assert_eq!(bench.rows.len(), 2, "the first one may still be written to");
    append(&bench.folder.path().join("app.log.1"), "{\"n\":3}");
    bench.wait();
    assert_eq!(bench.rows, ["app 1 [1]", "app 2 [2]", "app 3 [3]", "app 1 [4]"]);
    // Behind a second change of names, in another process.
    bench.append("{\"n\":5}\n");
    bench.rename("app.log.2");
    bench.append("{\"n\":6}\n");
    bench.restart();
    bench.wait();
    assert_eq!(bench.rows[4..], ["app 2 [5]", "app 1 [6]"]);
}

#[test]
fn files_that_came_and_went_in_between_are_read_in_their_order() {
    let mut bench = Bench::new(&serde_json::json!({}));
    bench.append("{\"n\":1}\n");
    bench.read();
    let mut before = fs::metadata(bench.path()).unwrap().created().unwrap();
    for n in 2..5 {
        bench.rename(&format!("app.log-{n}"));
        // As old as the file system's clock can tell.
        loop {
            File::create(bench.path()).unwrap();
            let created = fs::metadata(bench.path()).unwrap().created().unwrap();
            if created > before {
                before = created;
                break;
            }
            fs::remove_file(bench.path()).unwrap();
        }
        bench.append(&format!("{{\"n\":{n}}}\n"));
    }
    fs::write(bench.folder.path().join("app.log-9.gz"), "packed").unwrap();
    for _ in 0..3 {
        bench.wait();
    }
    assert_eq!(bench.rows, ["app 1 [1]", "app 1 [2]", "app 1 [3]", "app 1 [4]"]);
}

#[test]
fn a_file_that_is_emptied_begins_anew() {
    let mut bench = Bench::new(&serde_json::json!({}));
    bench.append("{\"n\":1}\n{\"n\":2}\n");
    bench.read();
    let before = bench.position.clone().unwrap();
    fs::copy(bench.path(), bench.folder.path().join("app.log.1")).unwrap();
    fs::write(bench.path(), "").unwrap();
    bench.read();
    bench.append("{\"n\":3}\n");
    bench.read();
    assert!(bench.position.clone().unwrap() > before);
    // Emptied, and longer than before by the next look.
    fs::write(bench.path(), "{\"m\":4}\n{\"m\":5}\n{\"m\":6}\n").unwrap();
    bench.read();
    assert_eq!(
        bench.rows[2..],
        ["app 1 [3]", "app 1 [null, 4]", "app 2 [null, 5]", "app 3 [null, 6]"]
    );
}

#[test]
fn a_copy_is_known_by_its_first_bytes() {
    let mut bench = Bench::new(&serde_json::json!({}));
    let long = "x".repeat(100);
    bench.append(&format!("{{\"n\":1,\"t\":\"{long}\"}}\n"));
    bench.read();
    bench.append("{\"n\":2}\n");
    fs::copy(bench.path(), bench.folder.path().join("app.log.1")).unwrap();
    fs::write(bench.path(), "{\"n\":3}\n").unwrap();
    bench.restart();
    bench.wait();
    assert_eq!(bench.rows[1..], ["app 2 [2]", "app 1 [3]"]);
}

#[test]
fn a_file_that_is_gone_is_told_and_nothing_is_passed_over() {
    let mut bench = Bench::new(&serde_json::json!({}));
    bench.append("{\"n\":1}\n");
    bench.read();
    bench.restart();
    // Nothing is there for now: perhaps it is being renamed.
    bench.rename("elsewhere");
    assert!(bench.step().unwrap().is_none());
    bench.append("{\"n\":7}\n");
    let fault = bench.step().unwrap_err();
    assert_eq!(fault.class(), ErrorClass::PositionLost, "{}", fault.chain());
    bench.position = Some(Position::after(5));
    bench.restart();
    assert_eq!(bench.step().unwrap_err().class(), ErrorClass::PositionLost);
}

#[test]
fn a_bad_line_stops_the_stream_or_becomes_a_row_of_its_own() {
    let bad =
        ["{\"n\":", "[1]", "{\"n\":1,\"n\":2}", "{\"n\":1,\"n\":null}", "{\"n\":\"\\ud800\"}"];
    for line in bad {
        let mut bench = Bench::new(&serde_json::json!({}));
        bench.append(&format!("{{\"n\":0}}\n{line}\n{{\"n\":9}}\n"));
        bench.step().unwrap();
        assert_eq!(bench.step().unwrap().unwrap().len(), 1, "what is before it is told");
        let fault = bench.step().unwrap_err();
        assert_eq!(fault.class(), ErrorClass::Malformed);
        assert!(fault.chain().contains("line 2 of"), "{}", fault.chain());

        let mut bench = Bench::new(&serde_json::json!({ "bad_lines": "keep", "max_line": "40B" }));
        let long = "y".repeat(60);
        bench.append(&format!("{{\"n\":0}}\n{line}\n{{\"n\":\"{long}\"}}\n{{\"n\":9}}\n"));
        bench.read();
        assert!(bench.rows[1].starts_with("app_bad 2 [2, "), "{:?}", bench.rows);
        assert!(bench.rows[1].ends_with(&format!("{line}]")), "{:?}", bench.rows);
        let cut = format!("{{\"n\":\"{}", "y".repeat(34));
        assert_eq!(bench.rows[2], format!("app_bad 3 [3, it is longer than 40 bytes, {cut}]"));
        assert_eq!(bench.rows[3], "app 4 [9]");
    }
}

#[test]
fn a_line_that_is_longer_than_a_block_is_passed_over_without_holding_it() {
    let mut bench = Bench::new(&serde_json::json!({ "bad_lines": "keep" }));
    let long = "z".repeat(3 << 20);
    bench.append(&format!("{{\"n\":1}}\n{long}"));
    bench.read();
    assert_eq!(bench.rows.len(), 1, "it has not ended");
    bench.append(&format!("{long}\n{{\"n\":2}}\n"));
    bench.read();
    assert_eq!(bench.rows.len(), 3);
    assert!(bench.rows[1].len() < (1 << 20) + 100);
    assert_eq!(bench.rows[2], "app 3 [2]");
    assert_eq!(bench.tail.figures.end, bench.position.unwrap().commit);
}

#[test]
fn the_seeds_of_the_fuzz_target_are_lines() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds/tail");
    let told = |name: &str| super::fuzzing::lines(&fs::read(folder.join(name)).unwrap());
    // Three rows with one column more each; two rows, and six lines that are none.
    assert_eq!(told("rows.jsonl"), (2 + 3 + 4, 0));
    assert_eq!(told("odd.jsonl"), (1 + 2 + 6 * 3, 6));
}

/// What is done to the file between two looks.
#[derive(Debug, Clone)]
enum Deed {
    /// So many bytes are written, wherever that cuts a line.
    Write(usize),
    /// It is renamed at the end of a line, and another one is begun.
    Rename,
    /// It is emptied at the end of a line, once that has been read: what was not is gone.
    Empty,
    Look,
    Restart,
}

fn deeds() -> impl Strategy<Value = Vec<Deed>> {
    let deed = prop_oneof![
        4 => (1..60_usize).prop_map(Deed::Write),
        1 => Just(Deed::Rename),
        1 => Just(Deed::Empty),
        4 => Just(Deed::Look),
        1 => Just(Deed::Restart),
    ];
    proptest::collection::vec(deed, 1..40)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        super::fuzzing::lines(&bytes);
    }

    #[test]
    fn what_is_json_is_told_as_it_was_written(
        number in any::<i64>(), text in "\\PC{0,20}", flag in any::<bool>()
    ) {
        let mut bench = Bench::new(&serde_json::json!({}));
        let row = serde_json::json!({ "a": number, "b": text, "c": flag, "d": [text, number] });
        bench.append(&format!("{row}\n"));
        bench.read();
        let cells = [
            number.to_string(),
            text.clone(),
            if flag { "t" } else { "f" }.to_owned(),
            row["d"].to_string(),
        ];
        prop_assert_eq!(&bench.rows, &[format!("app 1 [{}]", cells.join(", "))]);
    }

    #[test]
    fn each_line_is_told_once(deeds in deeds()) {
        let mut bench = Bench::new(&serde_json::json!({}));
        bench.append("");
        let (mut number, mut rest, mut renamed) = (0, String::new(), 0);
        let mut write = |bench: &Bench, rest: &mut String, count: Option<usize>| {
            if rest.is_empty() && count.is_some() {
                number += 1;
                *rest = format!("{{\"number\":{number},\"text\":\"some text that is {number}\"}}\n");
            }
            let count = count.unwrap_or(rest.len()).min(rest.len());
            let now: String = rest.drain(..count).collect();
            bench.append(&now);
            number
        };
        let mut written = 0;
        for deed in deeds {
            match deed {
                Deed::Write(count) => written = write(&bench, &mut rest, Some(count)),
                Deed::Rename => {
                    write(&bench, &mut rest, None);
                    bench.read();
                    renamed += 1;
                    bench.rename(&format!("app.log.{renamed}"));
                    File::create(bench.path()).unwrap();
                    bench.wait();
                }
                Deed::Empty => {
                    write(&bench, &mut rest, None);
                    bench.wait();
                    fs::write(bench.path(), "").unwrap();
                    bench.read();
                }
                Deed::Look => bench.read(),
                Deed::Restart => {
                    bench.read();
                    bench.restart();
                }
            }
        }
        write(&bench, &mut rest, None);
        bench.wait();
        let numbers: Vec<usize> = bench.rows.iter().map(|row| {
            row.split(['[', ',']).nth(1).unwrap().parse().unwrap()
        }).collect();
        prop_assert_eq!(numbers, (1..=written).collect::<Vec<_>>());
    }
}
