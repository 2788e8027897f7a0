//! Snapshots of runs, kept for a while: a run that has ended is folded once, and one that goes on is
//! folded from where the last reader left it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use flowglass_model::{RunId, Snapshot};
use flowglass_store::{Reader, StoreError};

use crate::problem::Problem;
use crate::service::Service;

/// Snapshots that are kept.
const SNAPSHOTS_MAX: usize = 128;
/// Events that are read at a time.
const EVENTS_READ_MAX: usize = 4_096;

/// The snapshots that are kept, with the moment of their last use, counted in uses.
#[derive(Debug, Default, Clone)]
pub(crate) struct Snapshots(Arc<Mutex<Shelf>>);

#[derive(Debug, Default)]
struct Shelf {
    uses: u64,
    kept: HashMap<RunId, (u64, Arc<Snapshot>)>,
}

impl Snapshots {
    fn take(&self, run: RunId) -> Option<Arc<Snapshot>> {
        let mut shelf = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        shelf.uses += 1;
        let uses = shelf.uses;
        let (used, snapshot) = shelf.kept.get_mut(&run)?;
        *used = uses;
        Some(Arc::clone(snapshot))
    }

    fn put(&self, run: RunId, snapshot: &Arc<Snapshot>) {
        let mut shelf = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let newer =
            shelf.kept.get(&run).is_some_and(|it| it.1.run.last_seq > snapshot.run.last_seq);
        if newer {
            return;
        }
        if shelf.kept.len() >= SNAPSHOTS_MAX && !shelf.kept.contains_key(&run) {
            let oldest = shelf.kept.iter().min_by_key(|it| it.1.0).map(|it| *it.0);
            oldest.and_then(|it| shelf.kept.remove(&it));
        }
        shelf.uses += 1;
        let uses = shelf.uses;
        shelf.kept.insert(run, (uses, Arc::clone(snapshot)));
    }

    /// The snapshot of a run as of now; nothing for one that is not there.
    pub(crate) fn of(
        &self,
        reader: &Reader,
        run: RunId,
    ) -> Result<Option<Arc<Snapshot>>, StoreError> {
        let mut snapshot = self.take(run).unwrap_or_default();
        // One that was removed meanwhile must not be shown for ever.
        if snapshot.run.last_seq > 0 && reader.summary(run)?.is_none() {
            return Ok(None);
        }
        let before = snapshot.run.last_seq;
        loop {
            let events = reader.events(run, snapshot.run.last_seq, EVENTS_READ_MAX)?;
            if events.is_empty() {
                break;
            }
            let folding = Arc::make_mut(&mut snapshot);
            for event in &events {
                folding.apply(event).map_err(|why| StoreError::Unreadable {
                    run: run.to_string(),
                    seq: event.seq,
                    why: why.to_string(),
                })?;
            }
        }
        if snapshot.run.last_seq == 0 {
            return Ok(None);
        }
        if snapshot.run.last_seq != before {
            self.put(run, &snapshot);
        }
        Ok(Some(snapshot))
    }
}

impl Service {
    /// The snapshot of a run.
    pub(crate) async fn snapshot(&self, run: RunId) -> Result<Arc<Snapshot>, Problem> {
        let kept = self.snapshots.clone();
        let found = self.store.read(move |reader| kept.of(reader, run)).await?;
        found.ok_or_else(|| Problem::not_found("there is no run of this id"))
    }
}
