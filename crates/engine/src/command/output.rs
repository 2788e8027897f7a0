//! Captures a command's output as `log` events, line by line. Bounded: a flood is thinned, and how
//! many lines were left out is counted and said.

use std::io::Read;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use flowglass_connect::Fault;
use flowglass_model::{Entity, EventKind, LogLevel, LogLine, LogStream};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::unix::pipe;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::recorder::RecordError;
use crate::work::Attempt;

use super::PassThrough;
use super::process::Process;

/// The longest line of one event, in bytes; the rest goes on in the next event. A line that begins
/// with a longer secret is cut behind that secret.
const LINE_BYTES_MAX: usize = 16 << 10;

/// Lines that each stream may burst before it is held to the rate.
const BURST_LINES_MAX: f64 = 20_000.0;

/// Lines a second that each stream may go on with.
const LINES_PER_SECOND_MAX: f64 = 2_000.0;

/// What is read from a stream after the command ended: more than a pipe holds, so that all of what
/// the command itself wrote is read, and bounded whoever else goes on writing.
const REST_BYTES_MAX: usize = 2 << 20;

/// Both streams of a command on their way into the log.
pub(super) struct Capture {
    streams: JoinSet<Result<(), RecordError>>,
    over: CancellationToken,
}

impl Capture {
    pub(super) fn start(
        at: &Attempt,
        process: &mut Process,
        through: Option<&Arc<dyn PassThrough>>,
    ) -> Result<Self, Fault> {
        let mut streams = JoinSet::new();
        let over = CancellationToken::new();
        if let Some((stdout, stderr)) = process.take_pipes() {
            for (stream, fd) in [(LogStream::Stdout, stdout), (LogStream::Stderr, stderr)] {
                let lines = Lines::new(at.clone(), stream, through.cloned());
                streams.spawn(lines.read(receiver(fd)?, over.clone()));
            }
        }
        Ok(Self { streams, over })
    }

    /// Takes what is left in the pipes. Whatever still holds them open was started in the
    /// background; its output is not this attempt's any more.
    pub(super) async fn finish(mut self) -> Result<(), RecordError> {
        self.over.cancel();
        while let Some(ended) = self.streams.join_next().await {
            // A reader that panicked has lost its stream, not the command.
            ended.unwrap_or(Ok(()))?;
        }
        Ok(())
    }
}

fn receiver(fd: OwnedFd) -> Result<pipe::Receiver, Fault> {
    pipe::Receiver::from_owned_fd(fd)
        .map_err(|error| Fault::io("reading a command's output", error))
}

struct Lines {
    at: Attempt,
    stream: LogStream,
    through: Option<Arc<dyn PassThrough>>,
    allowance: f64,
    last: Duration,
    dropped: u64,
}

impl Lines {
    fn new(at: Attempt, stream: LogStream, through: Option<Arc<dyn PassThrough>>) -> Self {
        let last = at.recorder.monotonic();
        Self { at, stream, through, allowance: BURST_LINES_MAX, last, dropped: 0 }
    }

    async fn read(
        mut self,
        pipe: pipe::Receiver,
        over: CancellationToken,
    ) -> Result<(), RecordError> {
        let mut reader = BufReader::with_capacity(64 << 10, pipe);
        let mut line = Vec::new();
        loop {
            // A pipe that cannot be read has ended, as far as the log is concerned.
            let chunk = tokio::select! {
                biased;
                chunk = reader.fill_buf() => chunk.unwrap_or_default(),
                () = over.cancelled() => break,
            };
            if chunk.is_empty() {
                break;
            }
            let taken = chunk.len();
            let lines = self.split(&mut line, chunk);
            reader.consume(taken);
            self.tell_all(&lines).await?;
            if over.is_cancelled() {
                break;
            }
        }
        let rest = rest_of(reader);
        let lines = self.split(&mut line, &rest);
        self.tell_all(&lines).await?;
        let mut last = Vec::new();
        self.cut_overlong(&mut line, 0, &mut last);
        self.tell_all(&last).await?;
        if !line.is_empty() {
            self.tell(&line).await?;
        }
        self.say_dropped().await
    }

    /// Adds `chunk` to the line that is being read and answers the lines that it ended.
    fn split(&self, line: &mut Vec<u8>, chunk: &[u8]) -> Vec<Vec<u8>> {
        if let Some(through) = self.through.as_ref().filter(|_| !chunk.is_empty()) {
            through.pass(self.stream, chunk);
        }
        let mut lines = Vec::new();
        let unread = self.at.recorder.redactor().line_bytes_max();
        for piece in chunk.split_inclusive(|it| *it == b'\n') {
            line.extend_from_slice(piece);
            if line.last() == Some(&b'\n') {
                line.pop();
                self.cut_overlong(line, 0, &mut lines);
                lines.push(std::mem::take(line));
            } else {
                self.cut_overlong(line, unread, &mut lines);
            }
        }
        lines
    }

    /// Cuts events off the front of a line that is longer than one takes. So many bytes stay behind
    /// the cut as a secret may need that lies across it and has not been read to its end.
    fn cut_overlong(&self, line: &mut Vec<u8>, unread: usize, lines: &mut Vec<Vec<u8>>) {
        while line.len() > LINE_BYTES_MAX + unread {
            let cut = self.at.recorder.redactor().cut(line, cut_at(line));
            let rest = line.split_off(cut);
            lines.push(std::mem::replace(line, rest));
        }
    }

    async fn tell_all(&mut self, lines: &[Vec<u8>]) -> Result<(), RecordError> {
        for whole in lines {
            self.tell(whole).await?;
        }
        Ok(())
    }

    async fn tell(&mut self, line: &[u8]) -> Result<(), RecordError> {
        let now = self.at.recorder.monotonic();
        let gained = (now.saturating_sub(self.last)).as_secs_f64() * LINES_PER_SECOND_MAX;
        self.last = now;
        self.allowance = (self.allowance + gained).min(BURST_LINES_MAX);
        if self.allowance < 1.0 {
            self.dropped += 1;
            return Ok(());
        }
        self.allowance -= 1.0;
        if self.dropped > 0 && self.allowance > 100.0 {
            self.say_dropped().await?;
        }
        let line = log_line(self.stream, line);
        let record = &self.at.recorder;
        record
            .record(&self.at.scope, EventKind::Log, Entity::Attempt, |it| it.log = Some(line))
            .await
    }

    async fn say_dropped(&mut self) -> Result<(), RecordError> {
        let dropped = std::mem::take(&mut self.dropped);
        if dropped == 0 {
            return Ok(());
        }
        let stream = if self.stream == LogStream::Stdout { "stdout" } else { "stderr" };
        let said = format!("{dropped} lines of {stream} left out: more than the log takes");
        self.at.recorder.say(&self.at.scope, LogLevel::Warn, said).await
    }
}

/// What lies in the pipe when the command has ended, whether or not the runtime has heard of it: the
/// descriptor is read until it would block, so that a slow log costs time and no line.
fn rest_of(reader: BufReader<pipe::Receiver>) -> Vec<u8> {
    let mut rest = reader.buffer().to_vec();
    if let Ok(fd) = reader.into_inner().into_nonblocking_fd() {
        // The end may be the error that says that reading would block.
        let mut file = std::fs::File::from(fd).take(REST_BYTES_MAX as u64);
        file.read_to_end(&mut rest).unwrap_or_default();
    }
    rest
}

/// Where an overlong line is cut: at a character's start, if it is UTF-8.
fn cut_at(line: &[u8]) -> usize {
    let continues = |it: &u8| it & 0b1100_0000 == 0b1000_0000;
    let back = line.iter().take(LINE_BYTES_MAX + 1).rev().take(4).take_while(|it| continues(it));
    LINE_BYTES_MAX - back.count().min(3)
}

fn log_line(stream: LogStream, bytes: &[u8]) -> LogLine {
    let bytes = bytes.strip_suffix(b"\r").unwrap_or(bytes);
    let level = if stream == LogStream::Stderr { LogLevel::Warn } else { LogLevel::Info };
    match std::str::from_utf8(bytes) {
        Ok(text) => LogLine { stream, level, text: text.to_owned(), base64: None },
        Err(_odd) => LogLine {
            stream,
            level,
            text: String::from_utf8_lossy(bytes).into_owned(),
            base64: Some(base64::engine::general_purpose::STANDARD.encode(bytes)),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_are_no_text_are_kept_exactly() {
        let line = log_line(LogStream::Stdout, b"caf\xe9\r");
        assert_eq!((line.text.as_str(), line.base64.as_deref()), ("caf\u{fffd}", Some("Y2Fm6Q==")));
    }

    #[test]
    fn long_lines_are_cut_between_characters() {
        let line = "é".repeat(LINE_BYTES_MAX);
        for shift in 0..2 {
            let line = [vec![b'x'; shift], line.clone().into_bytes()].concat();
            let (head, _rest) = line.split_at(cut_at(&line));
            assert!(std::str::from_utf8(head).is_ok(), "{shift}");
        }
    }
}
