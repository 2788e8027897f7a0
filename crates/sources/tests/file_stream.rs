//! A file that is followed, as the engine reads it: by the connector, and with waiting that is given
//! up again and again.

use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use flowglass_connect::stream::{Chunk, Datum, Position, StreamReader, StreamSourceConnector};
use flowglass_connect::{Clock, Surroundings, SystemClock};
use flowglass_model::ErrorClass;
use flowglass_sources::tail::Connector;
use serde_json::json;

/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

fn around(folder: &Path) -> Surroundings {
    Surroundings {
        base_dir: folder.to_owned(),
        scratch_dir: folder.to_owned(),
        clock: Arc::new(SystemClock::new()),
    }
}

fn append(path: &Path, text: &str) {
    let mut file = std::fs::OpenOptions::new().append(true).create(true).open(path).unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

/// The first cell of every row of a chunk.
fn firsts(chunk: &Chunk) -> Vec<String> {
    let rows = chunk.changes(0, usize::MAX).map(|change| match change.after().unwrap().datum(0) {
        Datum::Text(text) => String::from_utf8(text.to_vec()).unwrap(),
        other => panic!("a number was written, and not {other:?}"),
    });
    rows.collect()
}

/// The next rows, with a wait that is given up after a moment each time.
async fn rows(reader: &mut dyn StreamReader, count: usize) -> (Vec<String>, Position) {
    let (mut rows, mut position) = (Vec::new(), Position::ORIGIN);
    let began = SystemClock::new();
    while rows.len() < count {
        assert!(began.monotonic() < PATIENCE, "waited in vain behind {rows:?}");
        let next = tokio::time::timeout(Duration::from_micros(300), reader.next()).await;
        let Ok(chunk) = next else { continue };
        let chunk = chunk.unwrap().unwrap();
        rows.extend(firsts(&chunk));
        position = chunk.marks().last().unwrap().position.clone();
    }
    (rows, position)
}

#[tokio::test]
async fn lines_come_as_they_are_written_and_a_position_is_gone_on_from() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("in.jsonl");
    let config = json!({ "path": "in.jsonl", "poll": "1ms", "rotate_wait": "0s", "table": "t" });
    let source = Connector.build(config, &around(folder.path())).unwrap();
    let found = source.examine().await.unwrap();
    assert!(!found[0].fine && found[0].optional, "{found:?}");
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let mut reader = source.open(None, Arc::clone(&clock)).await.unwrap();
    append(&path, "{\"n\":1}\n{\"n\":2}\n{\"n");
    let (first, position) = rows(&mut *reader, 2).await;
    assert_eq!(first, ["1", "2"]);
    append(&path, "\":3}\n");
    assert_eq!(rows(&mut *reader, 1).await.0, ["3"]);
    flowglass_testkit::wait_for_async("the end to be known", PATIENCE, async || {
        let next = tokio::time::timeout(Duration::from_millis(1), reader.next()).await;
        assert!(next.is_err(), "nothing was written");
        let head = reader.head();
        (head.end == position.commit + 8 && head.wire_bytes > 0).then_some(())
    })
    .await;
    drop(reader);

    std::fs::rename(&path, folder.path().join("in.jsonl.1")).unwrap();
    append(&path, "{\"n\":4}\n");
    let mut again = source.open(Some(position), clock).await.unwrap();
    assert_eq!(rows(&mut *again, 2).await.0, ["3", "4"]);
    assert!(source.examine().await.unwrap()[0].fine);
    let fault = again.resync("file.t").await.unwrap_err();
    assert_eq!(fault.class(), ErrorClass::Unsupported);
}

#[tokio::test]
async fn settings_that_make_no_sense_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    for wrong in [
        json!({}),
        json!({ "path": "/" }),
        json!({ "path": "a", "max_line": "0B" }),
        json!({ "path": "a", "max_line": "1GiB" }),
        json!({ "path": "a", "poll": "0s" }),
        json!({ "path": "a", "unknown": 1 }),
    ] {
        let fault = Connector.build(wrong.clone(), &around(folder.path())).err();
        assert_eq!(fault.map(|it| it.class()), Some(ErrorClass::Config), "{wrong}");
    }
    let source = Connector.build(json!({ "path": "a.b.log" }), &around(folder.path())).unwrap();
    let fault = source.open_beside(Position::after(1), Arc::new(SystemClock::new())).await.err();
    assert_eq!(fault.map(|it| it.class()), Some(ErrorClass::Unsupported));
}
