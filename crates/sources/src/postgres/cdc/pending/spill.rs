//! Files of transactions in progress. They have no name from the beginning, so that a process which
//! is killed leaves nothing behind; dropping the file is removing it.

use std::collections::{HashSet, VecDeque};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use bytes::BytesMut;
use flowglass_connect::Fault;
use flowglass_model::ErrorClass;

use super::hold::{Hold, Outgoing, Spilled, Written};
use crate::postgres::cdc::broken::Broken;

/// What is read at once: enough for two chunks.
const READ_BYTES: u64 = 1 << 20;

/// Writes what is too much for memory to the transaction's file, which is made in `folder` when
/// there is none yet.
pub(in super::super) async fn write(outgoing: Outgoing, folder: PathBuf) -> Result<Written, Fault> {
    let doing = format!("writing a transaction in progress to {}", folder.display());
    blocking(doing, move || append(outgoing, &folder)).await
}

fn append(outgoing: Outgoing, folder: &Path) -> io::Result<Written> {
    let Outgoing { transaction, spilled, mut blocks } = outgoing;
    let mut spilled = match spilled {
        Some(spilled) => spilled,
        None => {
            std::fs::create_dir_all(folder)?;
            Spilled { file: tempfile::tempfile_in(folder)?, bytes: 0 }
        }
    };
    for block in &mut blocks {
        spilled.file.write_all(block)?;
        spilled.bytes += block.len() as u64;
        block.clear();
    }
    Ok(Written { transaction, spilled, blocks })
}

/// Runs file work where it may block. What goes wrong is told with the way out of a full disk.
async fn blocking<T: Send + 'static>(
    doing: String,
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, Fault> {
    let done = tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| Fault::new(ErrorClass::Internal, doing.clone()).because(error))?;
    done.map_err(|error| {
        Fault::io(doing, error).hint(
            "Make room there, or set `streaming: off`, so that the server keeps large transactions \
             until they are committed.",
        )
    })
}

/// A transaction that was committed, on its way to be told.
#[derive(Debug)]
pub(in super::super) struct Replay {
    file: Option<File>,
    /// What the file still has, and whether reading it has begun.
    left: u64,
    begun: bool,
    blocks: VecDeque<BytesMut>,
    /// Its sub-transactions that were rolled back.
    pub(in super::super) aborted: HashSet<u32>,
}

impl Replay {
    /// Of the transaction with that number.
    pub(in super::super) fn of(hold: &mut Hold, transaction: u32) -> Result<Self, Broken> {
        let held = hold.take(transaction);
        let held = held.ok_or(Broken("a transaction is committed that was not sent"))?;
        let left = held.spilled.as_ref().map_or(0, |spilled| spilled.bytes);
        Ok(Self {
            file: held.spilled.map(|spilled| spilled.file),
            left,
            begun: false,
            blocks: held.blocks,
            aborted: held.aborted,
        })
    }

    /// Whether everything has been given.
    pub(in super::super) fn is_done(&self) -> bool {
        self.left == 0 && self.blocks.is_empty()
    }

    /// Adds what comes next to the buffer, of which every whole record has been taken.
    pub(in super::super) async fn more(&mut self, buffer: &mut BytesMut) -> Result<(), Fault> {
        if self.left > 0 {
            let file = self.file.take().ok_or(Broken("the file of a transaction was lost"))?;
            let count = self.left.min(READ_BYTES);
            let rewind = !std::mem::replace(&mut self.begun, true);
            let taken = std::mem::take(buffer);
            let work = move || read(file, rewind, taken, count);
            let doing = "reading a transaction back from its file".to_owned();
            let (file, bytes) = blocking(doing, work).await?;
            self.left -= count;
            self.file = (self.left > 0).then_some(file);
            *buffer = bytes;
        } else if let Some(block) = self.blocks.pop_front() {
            if !buffer.is_empty() {
                return Err(Broken("a transaction's file ends inside a message").into());
            }
            *buffer = block;
        }
        Ok(())
    }
}

fn read(
    mut file: File,
    rewind: bool,
    mut into: BytesMut,
    count: u64,
) -> io::Result<(File, BytesMut)> {
    if rewind {
        file.seek(SeekFrom::Start(0))?;
    }
    let (old, more) = (into.len(), usize::try_from(count).unwrap_or(usize::MAX));
    into.resize(old.saturating_add(more), 0);
    file.read_exact(into.get_mut(old..).unwrap_or_default())?;
    Ok((file, into))
}
