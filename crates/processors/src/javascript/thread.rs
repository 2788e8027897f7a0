//! The script's own thread: batches go there one at a time and come back.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;

use async_trait::async_trait;
use flowglass_connect::stream::{Processing, StreamBatch};
use flowglass_connect::{Clock, Fault};
use flowglass_model::ErrorClass;
use tokio::sync::oneshot;

use super::Script;
use super::rows::Rows;
use crate::rows::work_on;

/// A batch, and where it is waited for.
struct Errand {
    batch: StreamBatch,
    back: oneshot::Sender<Result<StreamBatch, Fault>>,
}

/// A script at work.
pub(super) struct Scripted {
    id: Arc<str>,
    errands: mpsc::SyncSender<Errand>,
    /// Says to a running script that nobody waits for it.
    left: Arc<AtomicBool>,
}

impl Scripted {
    /// Starts the thread.
    pub(super) fn start(script: &Arc<Script>, clock: &Arc<dyn Clock>) -> Result<Self, Fault> {
        let id = Arc::clone(&script.id);
        let left = Arc::new(AtomicBool::new(false));
        let (errands, inbox) = mpsc::sync_channel(1);
        let (script, clock, seen) = (Arc::clone(script), Arc::clone(clock), Arc::clone(&left));
        std::thread::Builder::new()
            .name(format!("js-{id}"))
            .spawn(move || work(&script, &clock, &seen, &inbox))
            .map_err(|cause| {
                let said = format!("processor `{id}`: starting its thread");
                Fault::new(ErrorClass::Internal, said).because(cause)
            })?;
        Ok(Self { id, errands, left })
    }

    fn gone(&self) -> Fault {
        let said = format!("processor `{}`: its thread has ended", self.id);
        Fault::new(ErrorClass::Internal, said)
    }
}

impl Drop for Scripted {
    fn drop(&mut self) {
        self.left.store(true, Ordering::Relaxed);
    }
}

#[async_trait]
impl Processing for Scripted {
    async fn process(&mut self, batch: StreamBatch) -> Result<StreamBatch, Fault> {
        let (back, answer) = oneshot::channel();
        // There is room: the batch before has come back.
        self.errands.try_send(Errand { batch, back }).map_err(|_| self.gone())?;
        answer.await.map_err(|_| self.gone())?
    }
}

fn work(
    script: &Arc<Script>,
    clock: &Arc<dyn Clock>,
    left: &Arc<AtomicBool>,
    inbox: &mpsc::Receiver<Errand>,
) {
    let mut rows: Option<Rows> = None;
    while let Ok(Errand { batch, back }) = inbox.recv() {
        let run = || {
            let rows = match &mut rows {
                Some(rows) => rows,
                None => rows.insert(Rows::new(script, clock, left)?),
            };
            rows.begin_batch();
            work_on(batch, &script.id, rows)
        };
        // Who does not listen any more has gone for good.
        if back.send(run()).is_err() {
            return;
        }
    }
}
