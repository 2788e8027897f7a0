//! One connection of a snapshot: it takes runs of pages and reads them, no further ahead of its
//! turn than a few pieces.

use std::io;
use std::sync::Arc;

use bytes::Buf;
use flowglass_clients::postgres::{Wire, fault_of_response};
use flowglass_connect::stream::{ChunkBuilder, Relation};
use flowglass_connect::{Clock, Fault};
use flowglass_model::ErrorClass;
use tokio::sync::{Mutex, mpsc};

use super::copy::{Common, push_line, transaction};
use super::parts::{Subject, condition, copy};
use super::progress::{Progress, Run, before};
use crate::postgres::cdc::assemble::{CHUNK_BYTES_MAX, CHUNK_CHANGES_MAX};
use crate::postgres::cdc::frame::{frame_length, raw_frame_at};

/// With less room than this no read is worth its system call.
const READ_BYTES_MIN: usize = 64 << 10;
/// What one read may bring at most.
const BUFFER_BYTES: usize = 512 << 10;

/// A piece of a run, and whether it is the last.
pub(super) type Piece = Result<(ChunkBuilder, bool), Fault>;

/// A run that somebody is to read.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) run: Run,
    pub(super) pieces: mpsc::Sender<Piece>,
}

/// A table of the snapshot.
#[derive(Debug, Clone)]
pub(super) struct Read {
    pub(super) subject: Subject,
    pub(super) relation: Arc<Relation>,
}

/// What every connection of a snapshot knows.
#[derive(Debug)]
pub(super) struct View {
    /// Where it began: what is read, in which order.
    pub(super) progress: Progress,
    /// The table of each part.
    pub(super) reads: Vec<Read>,
    /// Where the log goes on.
    pub(super) point: u64,
    pub(super) clock: Arc<dyn Clock>,
}

impl View {
    fn begin(&self, part: usize, read: &Read) -> (ChunkBuilder, Common) {
        let mut chunk = ChunkBuilder::new(self.clock.monotonic(), CHUNK_BYTES_MAX);
        let common = Common {
            relation: chunk.relation(&read.relation),
            transaction: chunk
                .transaction(transaction(before(self.point), self.progress.taken_at_micros)),
            columns: read.relation.columns.len(),
            part,
            place: self.point,
        };
        (chunk, common)
    }
}

/// Reads runs for as long as there are any.
pub(super) async fn work(mut wire: Wire, jobs: Arc<Mutex<mpsc::Receiver<Job>>>, view: Arc<View>) {
    loop {
        let Some(job) = jobs.lock().await.recv().await else { return };
        if let Err(fault) = read(&mut wire, &job, &view).await {
            // When nobody waits for it any more there is nobody to tell.
            drop(job.pieces.send(Err(fault)).await);
            return;
        }
    }
}

async fn read(wire: &mut Wire, job: &Job, view: &View) -> Result<(), Fault> {
    let run = job.run;
    let (part, read) = view
        .progress
        .parts
        .get(run.part)
        .zip(view.reads.get(run.part))
        .ok_or_else(|| Fault::new(ErrorClass::Internal, "a snapshot has lost a table"))?;
    let doing = format!("reading {}.{}", part.schema, part.table);
    wire.start_copy_out(&doing, &copy(part, &read.subject, &condition(run, None))).await?;
    let (mut chunk, mut common) = view.begin(run.part, read);
    let mut at = 0;
    loop {
        while let Some((tag, body)) = raw_frame_at(wire.buffer(), at)? {
            at = body.end;
            let body = wire.buffer().get(body).unwrap_or_default();
            match tag {
                b'd' => push_line(&mut chunk, body, common)?,
                b'E' => return Err(fault_of_response(doing, body)),
                b'Z' => {
                    wire.buffer_mut().advance(at);
                    drop(job.pieces.send(Ok((chunk, true))).await);
                    return Ok(());
                }
                _ => {}
            }
            if chunk.here() >= CHUNK_BYTES_MAX || chunk.len() >= CHUNK_CHANGES_MAX {
                if job.pieces.send(Ok((chunk, false))).await.is_err() {
                    return Err(Fault::new(ErrorClass::Cancelled, "nobody takes the snapshot"));
                }
                (chunk, common) = view.begin(run.part, read);
            }
        }
        wire.buffer_mut().advance(std::mem::take(&mut at));
        more(wire, &doing).await?;
    }
}

pub(in super::super) async fn more(wire: &mut Wire, doing: &str) -> Result<(), Fault> {
    let buffer = wire.buffer_mut();
    if buffer.capacity() - buffer.len() < READ_BYTES_MIN {
        let missing = frame_length(buffer, 0).unwrap_or_default().saturating_sub(buffer.len());
        buffer.reserve(BUFFER_BYTES.max(missing + READ_BYTES_MIN));
    }
    let closed = || io::Error::new(io::ErrorKind::UnexpectedEof, "it hung up");
    match wire.read().await {
        Ok(0) => Err(wire.gone(&format!("{doing} at"), &closed())),
        Ok(_) => Ok(()),
        Err(error) => Err(wire.gone(&format!("{doing} at"), &error)),
    }
}
