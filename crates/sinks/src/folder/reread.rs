//! Reading files again: what the manifest counts of the open ones, and all of those that are closed.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::ipc::reader::StreamReader;
use async_trait::async_trait;
use flowglass_connect::stream::{
    HeldMessage, HeldMessages, HeldPages, Keeps, PAGE_MESSAGES_MAX, PageSender, body_hash,
    message_hash,
};
use flowglass_connect::{Fault, Tasks};
use flowglass_model::ErrorClass;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::config::{Line, Settings, Writes};
use super::digest::digests;
use super::files::{closed_path, open_path};
use super::manifest::{Current, Manifest};
use crate::messages::start_thread;

/// What is read ahead.
const READ_BYTES: usize = 1 << 20;

/// No line of ours is longer: a message has a limit.
const LINE_BYTES_MAX: u64 = 1 << 30;

/// What can be told of a message from what is kept of it.
pub(super) const fn keeps(settings: &Settings) -> Keeps {
    match &settings.writes {
        Writes::Lines { line: Line::Message, .. } => Keeps::Whole,
        Writes::Lines { line: Line::Value, .. } => Keeps::Bodies,
        Writes::Rows { .. } => Keeps::Own,
    }
}

/// The files of a sink.
#[derive(Debug)]
pub(super) struct HeldFiles {
    pub(super) settings: Arc<Settings>,
}

#[async_trait]
impl HeldMessages for HeldFiles {
    async fn read(&self, destination: &str) -> Result<HeldPages, Fault> {
        let (settings, destination) = (Arc::clone(&self.settings), destination.to_owned());
        let mut started = Ok(());
        let pages = HeldPages::new(|send| {
            started = start_thread("files reader", move || {
                let mut reading = Reading { settings: &settings, send: &send, page: Vec::new() };
                match reading.destination(&destination) {
                    Ok(()) | Err(Ended::Unread) => {}
                    Err(Ended::Failed(fault)) => drop(send.blocking_send(Err(fault))),
                }
            });
            Tasks::new()
        });
        started.map(|()| pages)
    }

    async fn forgets(&self, _destination: &str) -> Result<Option<String>, Fault> {
        Ok(None)
    }
}

/// Why reading ends early.
enum Ended {
    /// Nobody takes the pages.
    Unread,
    Failed(Fault),
}

impl From<Fault> for Ended {
    fn from(fault: Fault) -> Self {
        Self::Failed(fault)
    }
}

struct Reading<'a> {
    settings: &'a Settings,
    send: &'a PageSender,
    page: Vec<HeldMessage>,
}

impl Reading<'_> {
    fn destination(&mut self, destination: &str) -> Result<(), Ended> {
        let current = self.current(destination)?;
        // A file may be closed while it is being looked for: then it has its other name.
        for number in 1..=current.number {
            let open = open_path(self.settings, destination, number);
            let closed = closed_path(self.settings, destination, number);
            let counts = (number == current.number).then_some(current.bytes);
            if let Some(file) = found(&closed)? {
                self.closed(&closed, file)?;
            } else if let Some(file) = found(&open)? {
                self.opened(&open, file, counts)?;
            } else if let Some(file) = found(&closed)? {
                self.closed(&closed, file)?;
            }
            // What is not there under any name holds nothing; whoever counts will see it.
        }
        self.hand()
    }

    fn current(&self, destination: &str) -> Result<Current, Fault> {
        let path = self.settings.folder.join(&self.settings.manifest);
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Current::default()),
            Err(error) => return Err(failed(&path, error)),
        };
        let manifest: Manifest = serde_json::from_slice(&bytes).map_err(|error| {
            Fault::new(ErrorClass::Conflict, format!("reading {}", path.display())).because(error)
        })?;
        Ok(manifest.files.get(destination).cloned().unwrap_or_default())
    }

    fn closed(&mut self, path: &Path, file: File) -> Result<(), Ended> {
        match &self.settings.writes {
            Writes::Lines { line, .. } => self.lines((path, *line), file),
            Writes::Rows { .. } => {
                let unreadable = |error| unreadable(path, error);
                let file = ParquetRecordBatchReaderBuilder::try_new(file)
                    .map_err(|error| unreadable(error.into()))?;
                let rows = file.build().map_err(|error| unreadable(error.into()))?;
                for batch in rows {
                    let batch = batch.map_err(unreadable)?;
                    self.rows(&digests(&batch))?;
                }
                Ok(())
            }
        }
    }

    /// An open file, of which only the first bytes count.
    fn opened(&mut self, path: &Path, file: File, counts: Option<u64>) -> Result<(), Ended> {
        let counted = file.take(counts.unwrap_or(u64::MAX));
        match &self.settings.writes {
            Writes::Lines { line, .. } => self.lines((path, *line), counted),
            Writes::Rows { .. } if counts == Some(0) => Ok(()),
            Writes::Rows { .. } => {
                let buffered = BufReader::with_capacity(READ_BYTES, counted);
                let unreadable = |error| unreadable(path, error);
                for batch in StreamReader::try_new(buffered, None).map_err(unreadable)? {
                    let batch = batch.map_err(unreadable)?;
                    self.rows(&digests(&batch))?;
                }
                Ok(())
            }
        }
    }

    fn lines(&mut self, (path, form): (&Path, Line), from: impl io::Read) -> Result<(), Ended> {
        let mut from = BufReader::with_capacity(READ_BYTES, from);
        let mut line = Vec::new();
        loop {
            line.clear();
            let mut one = (&mut from).take(LINE_BYTES_MAX);
            let read = one.read_until(b'\n', &mut line).map_err(|error| failed(path, error))?;
            if read == 0 {
                return Ok(());
            }
            let text = line.strip_suffix(b"\n").unwrap_or(&line);
            self.push(match form {
                Line::Value => HeldMessage { id: None, hash: body_hash(text) },
                Line::Message => of_line(text),
            })?;
        }
    }

    fn rows(&mut self, digests: &[(String, u64)]) -> Result<(), Ended> {
        for (id, hash) in digests {
            self.push(HeldMessage { id: id.parse().ok(), hash: *hash })?;
        }
        Ok(())
    }

    fn push(&mut self, message: HeldMessage) -> Result<(), Ended> {
        self.page.push(message);
        if self.page.len() >= PAGE_MESSAGES_MAX { self.hand() } else { Ok(()) }
    }

    fn hand(&mut self) -> Result<(), Ended> {
        let page = std::mem::take(&mut self.page);
        self.send.blocking_send(Ok(page)).map_err(|_| Ended::Unread)
    }
}

/// A line of `id`, `key` and `value`: the latter two byte for byte as they were written.
#[derive(Deserialize)]
struct Whole<'a> {
    id: &'a str,
    #[serde(borrow)]
    key: &'a RawValue,
    #[serde(borrow)]
    value: &'a RawValue,
}

fn of_line(line: &[u8]) -> HeldMessage {
    let Ok(whole) = serde_json::from_slice::<Whole<'_>>(line) else {
        // Somebody wrote into it: it is none of ours, and that is seen.
        return HeldMessage { id: None, hash: body_hash(line) };
    };
    // What is not there is written as `null`, and so is a key or body that is null.
    let part = |raw: &RawValue| (raw.get() != "null").then(|| raw.get().as_bytes().to_vec());
    let (key, body) = (part(whole.key), part(whole.value));
    let hash = message_hash(whole.id.as_bytes(), key.as_deref(), body.as_deref());
    HeldMessage { id: whole.id.parse().ok(), hash }
}

/// The file, where there is one.
fn found(path: &Path) -> Result<Option<File>, Fault> {
    match File::open(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed(path, error)),
    }
}

fn failed(path: &Path, error: io::Error) -> Fault {
    Fault::io(format!("reading {} again", path.display()), error)
}

fn unreadable(path: &Path, error: arrow::error::ArrowError) -> Fault {
    let doing = format!("reading {} again", PathBuf::from(path).display());
    Fault::new(ErrorClass::Malformed, doing).because(error)
}
