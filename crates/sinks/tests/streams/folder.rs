//! The acceptance suite over files, and what is theirs alone: rolling, and crashes at any byte.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use flowglass_connect::stream::{StreamSink, StreamSinkConnector};
use flowglass_model::ErrorClass;
use flowglass_sinks::folder::Connector;
use flowglass_testkit::stream_sinks::{
    Delivered, Progress, Refusable, SinkUnderTest, Way, feed, pump,
};
use flowglass_testkit::{Proxy, Scratch, stream_sink_suite};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::around;

struct Under {
    scratch: Scratch,
    proxy: Proxy,
}

impl Under {
    fn new() -> Self {
        Self { scratch: Scratch::new(), proxy: Proxy::new() }
    }

    fn folder(&self) -> PathBuf {
        self.scratch.path("deep/out")
    }
}

fn sink(folder: &Path) -> Arc<dyn StreamSink> {
    let config = json!({ "id": "a", "folder": folder, "line": "message", "roll": { "rows": 40 } });
    Connector.build("s", config, &around()).unwrap()
}

#[async_trait]
impl SinkUnderTest for Under {
    fn sink(&self, _way: Way) -> Arc<dyn StreamSink> {
        sink(&self.folder())
    }

    fn prefix(&self) -> String {
        "by/".to_owned()
    }

    async fn delivered(&self) -> Vec<Delivered> {
        delivered(&self.folder())
    }

    fn proxy(&self) -> &Proxy {
        &self.proxy
    }

    async fn refusable(&self) -> Vec<Refusable> {
        vec![Refusable::Destination("../outside".to_owned())]
    }
}

stream_sink_suite!(
    async { Under::new() },
    everything_arrives_in_order,
    an_empty_batch_moves_the_position,
    refused_rows_are_named,
    a_killed_writer_leaves_no_trace,
    a_new_writer_fences_the_old_one,
);

#[derive(serde::Deserialize)]
struct Written<'a> {
    id: String,
    #[serde(borrow)]
    key: &'a RawValue,
    #[serde(borrow)]
    value: &'a RawValue,
}

/// What a careful reader finds: closed files whole, open ones as far as the manifest counts them.
fn delivered(folder: &Path) -> Vec<Delivered> {
    let manifest = std::fs::read(folder.join("_flowglass.s.a.json")).unwrap();
    let manifest: Value = serde_json::from_slice(&manifest).unwrap();
    let mut found = Vec::new();
    for (destination, current) in manifest.get("files").unwrap().as_object().unwrap() {
        let number = current.get("number").unwrap().as_u64().unwrap();
        for closed in 1..number {
            let path = folder.join(destination).join(format!("{closed:08}.jsonl"));
            read(destination, &std::fs::read(path).unwrap(), &mut found);
        }
        let bytes = usize::try_from(current.get("bytes").unwrap().as_u64().unwrap()).unwrap();
        if bytes > 0 {
            let path = folder.join(destination).join(format!("{number:08}.jsonl.open"));
            read(destination, std::fs::read(path).unwrap().get(..bytes).unwrap(), &mut found);
        }
    }
    found
}

fn read(destination: &str, bytes: &[u8], found: &mut Vec<Delivered>) {
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        let written: Written<'_> = serde_json::from_slice(line).unwrap();
        let bytes = |raw: &RawValue| (raw.get() != "null").then(|| raw.get().as_bytes().to_vec());
        found.push(Delivered {
            destination: destination.to_owned(),
            key: bytes(written.key),
            body: bytes(written.value),
            id: written.id,
        });
    }
}

#[tokio::test]
async fn files_are_closed_when_they_are_full() {
    let under = Under::new();
    let sink = under.sink(Way::Direct);
    let mut writer = sink.open().await.unwrap();
    pump(&sink, &mut writer, &mut Progress::default(), (30, "")).await.unwrap();
    let mut closed = 0;
    for name in under.scratch.files().iter().filter(|name| name.ends_with(".jsonl")) {
        let lines = under.scratch.read(name).lines().count();
        assert!(lines >= 40, "{name}: {lines}");
        closed += 1;
    }
    assert!(closed >= 6, "{closed}");
}

/// A crash leaves lines that no manifest counts, half a line, or a closed file with its old name.
#[tokio::test]
async fn what_a_crash_left_is_put_in_order() {
    let under = Under::new();
    let sink = under.sink(Way::Direct);
    let mut progress = Progress::default();
    let mut writer = sink.open().await.unwrap();
    pump(&sink, &mut writer, &mut progress, (12, "")).await.unwrap();
    drop(writer);
    let mut spoiled = 0;
    for name in under.scratch.files() {
        let path = under.scratch.path(&name);
        if name.ends_with(".open") {
            let torn = std::fs::read(&path).unwrap();
            std::fs::write(&path, [&torn[..], b"{\"id\":\"torn"].concat()).unwrap();
            spoiled += 1;
        } else if let Some(last) = last_closed(&under, &name) {
            std::fs::rename(&path, last).unwrap();
            spoiled += 1;
        }
    }
    assert!(spoiled > 1, "{spoiled}");
    let mut writer = sink.open().await.unwrap();
    assert_eq!(writer.committed().await.unwrap().as_ref(), Some(feed(11, "").batch.position()));
    pump(&sink, &mut writer, &mut progress, (20, "")).await.unwrap();
    drop(writer);
    let expected: usize = (0..20).map(|it| feed(it, "").expected.len()).sum();
    assert_eq!(delivered(&under.folder()).len(), expected);
}

/// The name that the newest closed file of a destination had before.
fn last_closed(under: &Under, name: &str) -> Option<PathBuf> {
    let number: u64 = name.strip_suffix(".jsonl")?.rsplit('/').next()?.parse().ok()?;
    let next = name.replace(&format!("{number:08}.jsonl"), &format!("{:08}.jsonl", number + 1));
    (!under.scratch.path(&next).exists()).then(|| under.scratch.path(&format!("{name}.open")))
}

#[test]
fn what_cannot_be_used_is_refused() {
    for (config, said) in [
        (json!({ "id": "a/b", "folder": "x" }), "holds no `/`"),
        (json!({ "id": "a", "folder": "x", "roll": { "rows": 0 } }), "1 or more"),
        (json!({ "id": "a", "folder": "x", "format": "xml" }), "unknown variant `xml`"),
        (json!({ "id": "a", "folder": "x", "mode": "fast" }), "unknown field `mode`"),
    ] {
        let fault = Connector.build("s", config, &around()).err().unwrap();
        assert_eq!(fault.class(), ErrorClass::Config);
        assert!(fault.chain().contains(said), "{}", fault.chain());
    }
}
