//! What is kept of every transaction in progress. Pure: files are written and read elsewhere.

use std::collections::{HashMap, HashSet, VecDeque};
use std::fs::File;

use bytes::BytesMut;

use super::record::{push_record, record_bytes};
use crate::postgres::cdc::assemble::CHUNK_BYTES_MAX;
use crate::postgres::cdc::broken::Broken;
use crate::postgres::cdc::message::Parts;

/// Memory is taken in blocks of this size, each of which becomes a chunk without being copied.
const BLOCK_BYTES: usize = CHUNK_BYTES_MAX;

/// The first block of a transaction is smaller: most have little to be kept at a time.
const FIRST_BLOCK_BYTES: usize = 64 << 10;

/// With less memory than a few blocks every message would go to a file.
pub(in super::super) const MEMORY_BYTES_MIN: u64 = 4 * BLOCK_BYTES as u64;

/// How much of all transactions in progress is kept where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) struct Limits {
    /// In memory; behind it the largest transaction goes to a file.
    pub(in super::super) memory_bytes_max: u64,
    /// In files.
    pub(in super::super) disk_bytes_max: u64,
}

/// The beginning of a transaction, in a file without a name.
#[derive(Debug)]
pub(in super::super) struct Spilled {
    pub(super) file: File,
    pub(super) bytes: u64,
}

/// One transaction in progress.
#[derive(Debug, Default)]
pub(super) struct Held {
    /// What was kept first.
    pub(super) spilled: Option<Spilled>,
    /// What was kept since, in whole records.
    pub(super) blocks: VecDeque<BytesMut>,
    /// Its sub-transactions that were rolled back.
    pub(super) aborted: HashSet<u32>,
}

impl Held {
    fn memory_bytes(&self) -> u64 {
        self.blocks.iter().map(|block| block.capacity() as u64).sum()
    }

    fn disk_bytes(&self) -> u64 {
        self.spilled.as_ref().map_or(0, |spilled| spilled.bytes)
    }
}

/// What is to be written to a file.
#[derive(Debug)]
pub(in super::super) struct Outgoing {
    pub(super) transaction: u32,
    pub(super) spilled: Option<Spilled>,
    pub(super) blocks: VecDeque<BytesMut>,
}

/// What has been written: the file, and the blocks, which are empty.
#[derive(Debug)]
pub(in super::super) struct Written {
    pub(super) transaction: u32,
    pub(super) spilled: Spilled,
    pub(super) blocks: VecDeque<BytesMut>,
}

/// All transactions in progress.
#[derive(Debug)]
pub(in super::super) struct Hold {
    held: HashMap<u32, Held>,
    /// The transaction whose block is being sent.
    block_of: Option<u32>,
    memory_bytes: u64,
    disk_bytes: u64,
    limits: Limits,
    /// Blocks that were written to a file, to be filled again: what one thread frees, another one's
    /// allocator does not give back.
    free: Vec<BytesMut>,
}

impl Hold {
    pub(in super::super) fn new(limits: Limits) -> Self {
        Self {
            held: HashMap::new(),
            block_of: None,
            memory_bytes: 0,
            disk_bytes: 0,
            limits,
            free: Vec::new(),
        }
    }

    /// Forgets everything: the server will send it again.
    pub(in super::super) fn clear(&mut self) {
        *self = Self::new(self.limits);
    }

    /// Whether a block is being sent, to which every message belongs.
    pub(in super::super) const fn is_in_block(&self) -> bool {
        self.block_of.is_some()
    }

    /// A block begins. `S`: number, and whether it is the transaction's first.
    pub(in super::super) fn begin_block(&mut self, parts: &mut Parts<'_>) -> Result<(), Broken> {
        let transaction = parts.u32()?;
        let first = parts.byte()? != 0;
        match (first, self.held.contains_key(&transaction)) {
            (true, true) => Err(Broken("a transaction in progress begins again")),
            (false, false) => Err(Broken("a transaction in progress goes on without a beginning")),
            _ => {
                self.held.entry(transaction).or_default();
                self.block_of = Some(transaction);
                Ok(())
            }
        }
    }

    /// A message of the block. Every kind but `O` has the number of its (sub-)transaction behind the
    /// kind. Whether there is more in memory now than may be.
    pub(in super::super) fn push(&mut self, place: u64, message: &[u8]) -> Result<bool, Broken> {
        let (kind, rest) = message.split_first().ok_or(Broken("a message is empty"))?;
        match kind {
            b'E' => {
                self.block_of = None;
                return Ok(false);
            }
            b'O' => return Ok(false),
            b'I' | b'U' | b'D' | b'T' | b'R' | b'Y' | b'M' => {}
            _ => return Err(Broken("a block holds a message of a kind that it cannot")),
        }
        let (by, body) = rest.split_first_chunk::<4>().ok_or(Broken("a message is cut"))?;
        let held = self.block_of.and_then(|it| self.held.get_mut(&it));
        let held = held.ok_or(Broken("a block belongs to no transaction"))?;
        let size = record_bytes(body.len());
        let has_room = |block: &&mut BytesMut| block.capacity() - block.len() >= size;
        let block = match held.blocks.back_mut().filter(has_room) {
            Some(block) => block,
            None => {
                let first = held.blocks.is_empty() && held.spilled.is_none();
                let usual = if first { FIRST_BLOCK_BYTES } else { BLOCK_BYTES };
                let wanted = usual.max(size);
                let free = self.free.pop_if(|block| block.capacity() >= wanted);
                let block = free.unwrap_or_else(|| BytesMut::with_capacity(wanted));
                self.memory_bytes += block.capacity() as u64;
                held.blocks.push_back(block);
                held.blocks.back_mut().ok_or(Broken("a block was lost"))?
            }
        };
        push_record(block, (u32::from_be_bytes(*by), place), (*kind, body));
        Ok(self.memory_bytes > self.limits.memory_bytes_max)
    }

    /// A transaction or one of its sub-transactions was rolled back. `A`: both numbers.
    pub(in super::super) fn abort(&mut self, parts: &mut Parts<'_>) -> Result<(), Broken> {
        let (transaction, part) = (parts.u32()?, parts.u32()?);
        if transaction == part {
            drop(self.take(transaction));
        } else if let Some(held) = self.held.get_mut(&transaction) {
            held.aborted.insert(part);
        }
        Ok(())
    }

    /// Gives a transaction out, to be told or to be dropped.
    pub(super) fn take(&mut self, transaction: u32) -> Option<Held> {
        let held = self.held.remove(&transaction)?;
        self.memory_bytes = self.memory_bytes.saturating_sub(held.memory_bytes());
        self.disk_bytes = self.disk_bytes.saturating_sub(held.disk_bytes());
        if self.held.is_empty() {
            self.free = Vec::new();
        }
        Some(held)
    }

    /// Gives out what has to go to a file: everything that the transaction with the most has in
    /// memory. `None` when the files would become larger than they may.
    pub(in super::super) fn spill(&mut self) -> Option<Outgoing> {
        let largest = self.held.iter_mut().max_by_key(|(_, held)| held.memory_bytes());
        let (transaction, held) = largest?;
        let memory = held.memory_bytes();
        let bytes: u64 = held.blocks.iter().map(|block| block.len() as u64).sum();
        if self.disk_bytes + bytes > self.limits.disk_bytes_max {
            return None;
        }
        self.memory_bytes = self.memory_bytes.saturating_sub(memory);
        self.disk_bytes += bytes;
        let blocks = std::mem::take(&mut held.blocks);
        Some(Outgoing { transaction: *transaction, spilled: held.spilled.take(), blocks })
    }

    /// Takes back the file that holds it now, and the blocks that it was in.
    pub(in super::super) fn spilled(&mut self, written: Written) {
        let Written { transaction, spilled, blocks } = written;
        self.free.extend(blocks.into_iter().filter(|block| block.capacity() == BLOCK_BYTES));
        if let Some(held) = self.held.get_mut(&transaction) {
            held.spilled = Some(spilled);
        }
    }

    /// Bytes in memory and in files.
    #[cfg(test)]
    pub(super) const fn bytes(&self) -> (u64, u64) {
        (self.memory_bytes, self.disk_bytes)
    }
}
