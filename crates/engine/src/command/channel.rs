//! `FLOWGLASS_EVENTS`: a named pipe on which a command tells what it does, one JSON object a line,
//! so that any script becomes observable in two lines.
//!
//! ```json
//! {"counts": {"extracted": 100, "inserted": 98}}
//! {"progress": {"done": 40, "expected": 100}}
//! {"outputs": ["out/report.csv", {"namespace": "s3://bucket", "name": "key"}]}
//! {"log": {"level": "warn", "text": "two rows had no date"}}
//! {"attributes": {"model": "v3"}}
//! ```

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use flowglass_connect::Fault;
use flowglass_model::{AssetRef, Counts, Entity, EventKind, LogLevel};
use nix::sys::stat::Mode;
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::unix::pipe;
use tokio::sync::oneshot;

use crate::recorder::RecordError;
use crate::work::Attempt;

/// The longest line that is read; a longer one is passed over and said.
const LINE_BYTES_MAX: usize = 64 << 10;

/// What is read from the pipe after the command ended: far more than a pipe holds.
const REST_BYTES_MAX: u64 = 4 << 20;

/// Attributes that one attempt may tell.
const ATTRIBUTES_MAX: usize = 100;

/// The pipe, there as long as this value.
pub(super) struct Channel {
    path: PathBuf,
    receiver: Option<pipe::Receiver>,
}

/// What the command told, taken together.
#[derive(Debug, Default)]
pub(super) struct Told {
    pub(super) counts: Option<Counts>,
    pub(super) inputs: Vec<AssetRef>,
    pub(super) outputs: Vec<AssetRef>,
    pub(super) attributes: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Message {
    counts: Option<Counts>,
    progress: Option<Progress>,
    #[serde(default)]
    inputs: Vec<Dataset>,
    #[serde(default)]
    outputs: Vec<Dataset>,
    log: Option<Said>,
    #[serde(default)]
    attributes: BTreeMap<String, Box<RawValue>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Progress {
    done: u64,
    expected: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Said {
    #[serde(default = "info")]
    level: LogLevel,
    text: String,
}

const fn info() -> LogLevel {
    LogLevel::Info
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Dataset {
    Path(String),
    Full { namespace: String, name: String },
}

impl From<Dataset> for AssetRef {
    fn from(told: Dataset) -> Self {
        match told {
            Dataset::Path(path) => Self::file(path),
            Dataset::Full { namespace, name } => Self::new(namespace, name),
        }
    }
}

impl Channel {
    /// Makes the pipe and opens its reading end.
    pub(super) fn open(folder: &Path, at: &Attempt) -> Result<Self, Fault> {
        let failed = |error: std::io::Error| Fault::io("making the FLOWGLASS_EVENTS pipe", error);
        std::fs::create_dir_all(folder).map_err(failed)?;
        let (span, _parent) = at.scope.spans(Entity::Attempt);
        let path = folder.join(format!("events-{}-{span}", at.scope.run_id));
        // A leftover of a killed process has the same name only when the run is the same.
        drop(std::fs::remove_file(&path));
        nix::unistd::mkfifo(&path, Mode::S_IRUSR | Mode::S_IWUSR)
            .map_err(|error| failed(error.into()))?;
        // Open for writing too: the pipe then never ends while the command opens and closes it.
        let receiver =
            pipe::OpenOptions::new().read_write(true).open_receiver(&path).map_err(failed)?;
        Ok(Self { path, receiver: Some(receiver) })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Listens until [`Listening::finish`].
    pub(super) fn listen(mut self, at: Attempt) -> Listening {
        let (finish, over) = oneshot::channel();
        let receiver = self.receiver.take();
        let mut set = tokio::task::JoinSet::new();
        set.spawn(async move {
            let channel = self;
            let mut listener = Listener { at, told: Told::default(), bad_lines: 0 };
            if let Some(receiver) = receiver {
                listener.hear(receiver, over).await?;
            }
            drop(channel);
            listener.end().await
        });
        Listening { set, finish }
    }
}

impl Drop for Channel {
    fn drop(&mut self) {
        drop(std::fs::remove_file(&self.path));
    }
}

/// A channel that is being listened to.
pub(super) struct Listening {
    set: tokio::task::JoinSet<Result<Told, RecordError>>,
    finish: oneshot::Sender<()>,
}

impl Listening {
    /// Takes what is left in the pipe and answers all that was told.
    pub(super) async fn finish(mut self) -> Result<Told, RecordError> {
        self.finish.send(()).unwrap_or_default();
        match self.set.join_next().await {
            Some(Ok(told)) => told,
            // A listener that panicked has lost what was told, not the command.
            Some(Err(_)) | None => Ok(Told::default()),
        }
    }
}

/// Adds `chunk` to the line that is being read and answers the lines that it ended.
fn split_lines(line: &mut Vec<u8>, chunk: &[u8]) -> Vec<Vec<u8>> {
    let mut lines = Vec::new();
    for piece in chunk.split_inclusive(|it| *it == b'\n') {
        if line.len() <= LINE_BYTES_MAX {
            line.extend_from_slice(piece);
        }
        if piece.last() == Some(&b'\n') {
            lines.push(std::mem::take(line));
        }
    }
    lines
}

struct Listener {
    at: Attempt,
    told: Told,
    bad_lines: u64,
}

impl Listener {
    async fn hear(
        &mut self,
        receiver: pipe::Receiver,
        mut over: oneshot::Receiver<()>,
    ) -> Result<(), RecordError> {
        let mut reader = BufReader::new(receiver);
        let mut line = Vec::new();
        loop {
            let chunk = tokio::select! {
                chunk = reader.fill_buf() => chunk.unwrap_or_default(),
                _over = &mut over => break,
            };
            let taken = chunk.len();
            let lines = split_lines(&mut line, chunk);
            reader.consume(taken);
            for line in lines {
                self.take(&line).await?;
            }
        }
        // All that was written before the command ended is in the pipe, whether or not the
        // runtime has heard of it: read the descriptor itself until it would block.
        let mut rest = reader.buffer().to_vec();
        if let Ok(fd) = reader.into_inner().into_nonblocking_fd() {
            let mut file = std::fs::File::from(fd).take(REST_BYTES_MAX);
            // The end is the error that says that reading would block.
            file.read_to_end(&mut rest).unwrap_or_default();
        }
        for whole in split_lines(&mut line, &rest) {
            self.take(&whole).await?;
        }
        self.take(&line).await
    }

    async fn take(&mut self, line: &[u8]) -> Result<(), RecordError> {
        if line.trim_ascii().is_empty() {
            return Ok(());
        }
        let message = serde_json::from_slice::<Message>(line);
        let Ok(message) = message.map_err(|_bad| ()) else {
            self.bad_lines += 1;
            return Ok(());
        };
        self.told.inputs.extend(message.inputs.into_iter().map(AssetRef::from));
        self.told.outputs.extend(message.outputs.into_iter().map(AssetRef::from));
        for (key, value) in message.attributes {
            if self.told.attributes.len() < ATTRIBUTES_MAX {
                // What is no text stays as it was written: a float would lose its last digits.
                let text = serde_json::from_str(value.get());
                let text = text.unwrap_or_else(|_other| value.get().to_owned());
                self.told.attributes.insert(key, text);
            }
        }
        if let Some(said) = message.log {
            self.at.recorder.say(&self.at.scope, said.level, said.text).await?;
        }
        let progress = message.progress.map(|it| Counts {
            extracted: Some(it.done),
            expected: it.expected,
            ..Counts::default()
        });
        if let Some(counts) = message.counts.or(progress) {
            if message.counts.is_some() {
                self.told.counts = Some(counts);
            }
            let record = &self.at.recorder;
            record
                .record(&self.at.scope, EventKind::Progress, Entity::Attempt, |it| {
                    it.counts = Some(counts);
                })
                .await?;
        }
        Ok(())
    }

    async fn end(self) -> Result<Told, RecordError> {
        if self.bad_lines > 0 {
            let said = format!(
                "{} lines written to FLOWGLASS_EVENTS were passed over: each must be a JSON object \
                 with any of counts, progress, inputs, outputs, log, attributes",
                self.bad_lines
            );
            self.at.recorder.say(&self.at.scope, LogLevel::Warn, said).await?;
        }
        Ok(self.told)
    }
}
