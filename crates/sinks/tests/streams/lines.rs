//! Sinks that keep nothing: lines and nothing at all.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use flowglass_connect::stream::{StreamSink, StreamSinkConnector};
use flowglass_model::ErrorClass;
use flowglass_sinks::{null, stdout};
use flowglass_testkit::stream_sinks::{Progress, feed, pump};
use serde_json::json;

use super::around;

/// A pipe that somebody reads, until nobody does.
#[derive(Clone, Default)]
struct Pipe {
    lines: Arc<Mutex<Vec<u8>>>,
    closed: bool,
}

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.closed {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        self.lines.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn each_message_is_a_line() {
    let pipe = Pipe::default();
    let connector = stdout::Connector::new(Box::new(pipe.clone()));
    let sink: Arc<dyn StreamSink> = connector.build("s", json!({}), &around()).unwrap();
    let mut writer = sink.open().await.unwrap();
    pump(&sink, &mut writer, &mut Progress::default(), (5, "")).await.unwrap();
    let expected: Vec<u8> = (0..5)
        .flat_map(|number| feed(number, "").expected)
        .flat_map(|it| [it.body.unwrap_or(b"null".to_vec()), b"\n".to_vec()].concat())
        .collect();
    assert_eq!(*pipe.lines.lock().unwrap(), expected);
}

#[tokio::test]
async fn a_pipe_that_nobody_reads_ends_the_stream() {
    let pipe = Pipe { closed: true, ..Pipe::default() };
    let connector = stdout::Connector::new(Box::new(pipe));
    let sink: Arc<dyn StreamSink> = connector.build("s", json!({}), &around()).unwrap();
    let mut writer = sink.open().await.unwrap();
    let ended = pump(&sink, &mut writer, &mut Progress::default(), (5, "")).await;
    assert_eq!(ended.unwrap_err().class(), ErrorClass::Cancelled);
}

#[tokio::test]
async fn nothing_takes_everything() {
    let sink = null::Connector.build("s", json!({ "id": "n" }), &around()).unwrap();
    let mut writer = sink.open().await.unwrap();
    pump(&sink, &mut writer, &mut Progress::default(), (50, "")).await.unwrap();
}
