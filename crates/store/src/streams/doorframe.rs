//! The store as streams and their operators see it: each call of the doorframes, and where its work is
//! done.

use async_trait::async_trait;
use flowglass_connect::Fault;
use flowglass_connect::stream::{
    Answer, Asked, Begin, Begun, Checkpoint, DeadLetter, DeadLetterLimits, FailedAgain, Hold,
    LateReceipt, LetterBox, LetterFilter, LetterState, SetAside, StoredLetter, StreamState,
};
use jiff::Timestamp;
use rusqlite::{Transaction, TransactionBehavior};

use super::{checkpoints, hold, letters, marking, receipts, requests};
use crate::store::Store;
use crate::transaction::Log;

#[async_trait]
impl StreamState for Store {
    async fn hold(&self, stream: &str) -> Result<Hold, Fault> {
        hold::hold(self.path(), stream)
    }

    async fn checkpoints(&self, stream: &str) -> Result<Vec<Checkpoint>, Fault> {
        let stream = stream.to_owned();
        let rows = self.write(move |log| checkpoints::read(log, &stream)).await?;
        rows.into_iter().map(checkpoints::Row::checkpoint).collect()
    }

    async fn save(&self, checkpoints: Vec<Checkpoint>) -> Result<(), Fault> {
        self.write(move |log| checkpoints::save(log, &checkpoints)).await?;
        Ok(())
    }

    async fn receive_late(&self, receipts: Vec<LateReceipt>) -> Result<(), Fault> {
        Ok(self.write(move |log| receipts::add_late(log, &receipts)).await?)
    }

    async fn set_aside(
        &self,
        letters: Vec<DeadLetter>,
        limits: DeadLetterLimits,
    ) -> Result<SetAside, Fault> {
        Ok(self.write(move |log| letters::set_aside(log, &letters, limits)).await?)
    }

    async fn begin(&self, begin: Begin) -> Result<Begun, Fault> {
        let stream = begin.stream.clone();
        let desired = self.write(move |log| requests::begin(log, &begin)).await?;
        let letters = self.read(move |reader| reader.letter_figures(&stream)).await?;
        Ok(Begun { desired, letters })
    }

    async fn asked(&self, stream: &str) -> Result<Asked, Fault> {
        let stream = stream.to_owned();
        Ok(self
            .read(move |reader| {
                let requests = reader.open_requests(&stream)?;
                let letters = reader.letter_figures(&stream)?;
                Ok(Asked { requests, letters })
            })
            .await?)
    }

    async fn answer(&self, request: u64, answer: Answer, at: Timestamp) -> Result<(), Fault> {
        self.write(move |log| requests::answer(log, request, &answer, at)).await?;
        Ok(())
    }
}

#[async_trait]
impl LetterBox for Store {
    async fn letters(
        &self,
        stream: &str,
        filter: &LetterFilter,
        page: (u64, usize),
    ) -> Result<Vec<StoredLetter>, Fault> {
        let (stream, filter) = (stream.to_owned(), filter.clone());
        Ok(self.read(move |reader| reader.letters(&stream, &filter, page)).await?)
    }

    async fn mark(
        &self,
        numbers: Vec<u64>,
        state: LetterState,
        at: Timestamp,
    ) -> Result<u64, Fault> {
        Ok(self.write(move |log| marking::mark(log, &numbers, state, at)).await?)
    }

    async fn failed_again(&self, failed: Vec<FailedAgain>, at: Timestamp) -> Result<(), Fault> {
        self.write(move |log| marking::failed_again(log, &failed, at)).await?;
        Ok(())
    }
}

/// Begins a transaction that writes.
pub(super) fn begin(log: &mut Log) -> rusqlite::Result<Transaction<'_>> {
    log.connection().transaction_with_behavior(TransactionBehavior::Immediate)
}
