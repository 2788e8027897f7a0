//! Following a run while it is written, by this process or another one.
//!
//! The writer of this process wakes its followers at each commit. Other processes cannot, so a
//! follower also looks a few times a second at a number that SQLite keeps in shared memory, which
//! costs a microsecond and no disk.

use std::time::Duration;

use flowglass_model::RunId;
use tokio::sync::watch;

use crate::error::StoreError;
use crate::reader::{PART_EVENTS_MAX, Reader, StoredLine};

/// How often a follower looks for other processes' commits.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Every so many looks without news, a follower asks whether the run's process still lives.
const LOOKS_PER_QUESTION: u32 = 10;

/// Why there is nothing more to follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FollowEnd {
    /// The run came to its final state.
    Finished,
    /// The run's process is gone, and its end was never written.
    Abandoned,
    /// The run is not there (any more).
    Gone,
}

/// What following brings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Followed {
    /// The next events, in order, at least one; each event comes once.
    Lines(Vec<StoredLine>),
    /// There is nothing more.
    End(FollowEnd),
}

/// Follows one run from some place on.
#[derive(Debug)]
pub struct Follow {
    /// Absent while a thread reads with it.
    reader: Option<Reader>,
    run: RunId,
    after: u64,
    newest: Option<watch::Receiver<i64>>,
    seen_version: Option<i64>,
    quiet_looks: u32,
}

impl Follow {
    /// Follows `run` from after the place `after`. Without `newest` it hears of commits by looking.
    #[must_use]
    pub fn new(
        reader: Reader,
        run: RunId,
        after: u64,
        newest: Option<watch::Receiver<i64>>,
    ) -> Self {
        Self { reader: Some(reader), run, after, newest, seen_version: None, quiet_looks: 0 }
    }

    /// Waits for the next events or the end. When the future is dropped, nothing is lost: the next
    /// call gives what this one would have given.
    ///
    /// # Errors
    /// What SQLite answers.
    pub async fn next(&mut self) -> Result<Followed, StoreError> {
        loop {
            if let Some(newest) = &mut self.newest {
                newest.mark_unchanged();
            }
            if let Some(followed) = self.look().await? {
                return Ok(followed);
            }
            self.rest().await;
        }
    }

    async fn look(&mut self) -> Result<Option<Followed>, StoreError> {
        let reader = self.reader.take().map_or_else(|| Err(StoreError::Closed), Ok)?;
        let ask = Ask {
            run: self.run,
            after: self.after,
            seen_version: self.seen_version,
            question: self.quiet_looks >= LOOKS_PER_QUESTION,
        };
        let path = reader.path().to_owned();
        // The reader is given up to the thread; if this future is dropped meanwhile, the guard
        // opens another.
        let guard = Replace { slot: &mut self.reader, path };
        let (reader, found) = tokio::task::spawn_blocking(move || {
            let found = ask.of(&reader);
            (reader, found)
        })
        .await
        .map_err(|_panicked| StoreError::Closed)?;
        guard.give_back(reader);
        let (version, followed) = found?;
        self.seen_version = Some(version);
        match &followed {
            Some(Followed::Lines(lines)) => {
                self.after = lines.last().map_or(self.after, |it| it.seq);
                // There may be more than one part.
                self.seen_version = None;
                self.quiet_looks = 0;
            }
            _ if ask.question => self.quiet_looks = 0,
            _ => self.quiet_looks += 1,
        }
        Ok(followed)
    }

    async fn rest(&mut self) {
        let pause = tokio::time::sleep(LOOK_EVERY);
        let Some(newest) = &mut self.newest else { return pause.await };
        tokio::select! {
            () = pause => {}
            changed = newest.changed() => {
                // This process's own commits do not change the number for its other connections
                // in any way that can be told apart from "no news" soon enough.
                self.seen_version = None;
                if changed.is_err() {
                    // The writer is gone: go on by looking alone, without spinning.
                    self.newest = None;
                }
            }
        }
    }
}

/// Puts a fresh reader back when a look is given up half-way.
struct Replace<'a> {
    slot: &'a mut Option<Reader>,
    path: std::path::PathBuf,
}

impl Replace<'_> {
    fn give_back(self, reader: Reader) {
        *self.slot = Some(reader);
    }
}

impl Drop for Replace<'_> {
    fn drop(&mut self) {
        if self.slot.is_none() {
            *self.slot = Reader::open(self.path.clone()).ok();
        }
    }
}

#[derive(Clone, Copy)]
struct Ask {
    run: RunId,
    after: u64,
    seen_version: Option<i64>,
    question: bool,
}

impl Ask {
    fn of(self, reader: &Reader) -> Result<(i64, Option<Followed>), StoreError> {
        let version = reader.data_version()?;
        if self.seen_version == Some(version) && !self.question {
            return Ok((version, None));
        }
        // The state is read before the lines: lines that come in between are read too, and the
        // end is only believed when there was none after it.
        let summary = reader.summary(self.run)?;
        let attended = !self.question || reader.is_attended(self.run)?;
        let lines = reader.lines(self.run, self.after, PART_EVENTS_MAX)?;
        if !lines.is_empty() {
            return Ok((version, Some(Followed::Lines(lines))));
        }
        let end = match summary {
            None => Some(FollowEnd::Gone),
            Some(it) if it.is_final() => Some(FollowEnd::Finished),
            Some(_open) if !attended => Some(FollowEnd::Abandoned),
            Some(_open) => None,
        };
        Ok((version, end.map(Followed::End)))
    }
}
