//! What the engine does with a sink, and nothing more: hands over as much as may be in flight, and
//! begins again where the sink says that it stands.

use std::sync::Arc;
use std::time::Duration;

use flowglass_connect::Fault;
use flowglass_connect::stream::{Delivery, Guarantee, SinkWriter, StreamSink};

use super::feed::{commit_of, feed, number_after};

/// So long may anything take before the test is given up.
pub(super) const PATIENCE: Duration = Duration::from_secs(90);

/// How far a stream has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Batches that are acknowledged.
    pub acknowledged: u64,
    /// Batches that were handed over, by whichever writer.
    pub handed: u64,
}

impl Progress {
    /// Opens a writer and finds out where it goes on.
    ///
    /// # Errors
    /// The sink's own.
    pub(crate) async fn open(
        &mut self,
        sink: &dyn StreamSink,
    ) -> Result<Box<dyn SinkWriter>, Fault> {
        let mut writer = in_time("open", sink.open()).await?;
        let kept = in_time("committed", writer.committed()).await?;
        match sink.guarantee() {
            Guarantee::AtLeastOnce => assert_eq!(kept, None, "the engine keeps this position"),
            Guarantee::ExactlyOnce => {
                let stands = kept.as_ref().map_or(0, number_after);
                assert!(
                    (self.acknowledged..=self.handed).contains(&stands),
                    "the sink stands at {stands}: {self:?}"
                );
                if let Some(kept) = &kept {
                    assert_eq!(kept.commit, commit_of(stands - 1), "a position that was given");
                }
                self.acknowledged = stands;
            }
        }
        Ok(writer)
    }
}

/// Delivers the batches up to number `until` by this writer, which was opened by
/// `Progress::open`, and waits for all of them.
///
/// # Errors
/// The sink's own.
///
/// # Panics
/// When the sink acknowledges something else than was given to it, or nothing for too long.
pub async fn pump(
    sink: &Arc<dyn StreamSink>,
    writer: &mut Box<dyn SinkWriter>,
    progress: &mut Progress,
    (until, prefix): (u64, &str),
) -> Result<(), Fault> {
    let given = |number, as_number| delivery(number, as_number, prefix);
    pump_given(sink, writer, progress, (until, &given)).await
}

/// Gives the batch of a number, from 0, as the delivery of a number, from 1.
pub(crate) type Given<'a> = &'a (dyn Fn(u64, u64) -> Delivery + Sync);

/// The same with batches of another making.
pub(crate) async fn pump_given(
    sink: &Arc<dyn StreamSink>,
    writer: &mut Box<dyn SinkWriter>,
    progress: &mut Progress,
    (until, given): (u64, Given<'_>),
) -> Result<(), Fault> {
    let first = progress.acknowledged;
    let mut next = first;
    while progress.acknowledged < until {
        while next < until && next - progress.acknowledged < sink.in_flight_batches_max() as u64 {
            progress.handed = progress.handed.max(next + 1);
            in_time("send", writer.send(given(next, next - first + 1))).await?;
            next += 1;
        }
        let said = in_time("acknowledged", writer.acknowledged()).await?;
        assert_eq!(said.number, progress.acknowledged - first + 1, "acknowledged in order");
        assert!(said.refused.is_empty(), "refused: {:?}", said.refused);
        assert!(said.bytes > 0, "bytes are counted");
        progress.acknowledged += 1;
    }
    Ok(())
}

/// The batch `number` as delivery `as_number` of a writer.
pub(super) fn delivery(number: u64, as_number: u64, prefix: &str) -> Delivery {
    let fed = feed(number, prefix);
    Delivery { number: as_number, batch: fed.batch, messages: Some(fed.messages) }
}

/// Whatever it is, it does not take for ever.
pub(crate) async fn in_time<T>(what: &str, work: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, work).await {
        Ok(done) => done,
        Err(_) => panic!("waited {PATIENCE:?} in vain for: {what}"),
    }
}
