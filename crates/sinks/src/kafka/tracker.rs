//! What librdkafka tells us: which records are delivered, how full its queue is, what troubles it.
//!
//! Its word comes a record at a time, a million of them a second, on the thread that polls. A number
//! that goes down is all that a delivered record costs.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::message::DeliveryResult;
use rdkafka::producer::ProducerContext;
use rdkafka::statistics::Statistics;

/// Deliveries that can be told apart at once; more than are ever in flight.
const SLOTS: usize = 16;

/// Failures that are remembered of one writer.
const FAILURES_MAX: usize = 10_000;

/// The record of a position, which belongs to no row.
const NO_ROW: u32 = u32::MAX;

/// Which record of which delivery it is: what librdkafka carries along with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tag {
    /// The delivery.
    pub(super) number: u64,
    /// The index of its message; none for a position.
    pub(super) message: Option<u32>,
}

impl Tag {
    #[expect(clippy::cast_possible_truncation, reason = "pointers of 64 bits are asked for below")]
    pub(super) fn packed(self) -> usize {
        const { assert!(size_of::<usize>() == 8, "the tag takes a pointer of 64 bits") };
        (((self.number & u64::from(u32::MAX)) << 32) | u64::from(self.message.unwrap_or(NO_ROW)))
            as usize
    }

    fn unpacked(packed: usize) -> Self {
        let packed = packed as u64;
        let message = u32::try_from(packed & u64::from(u32::MAX)).unwrap_or(NO_ROW);
        Self { number: packed >> 32, message: Some(message).filter(|it| *it != NO_ROW) }
    }

    fn slot(self) -> usize {
        usize::try_from(self.number).unwrap_or(0) % SLOTS
    }
}

/// A record that was not delivered.
#[derive(Debug, Clone, Copy)]
pub(super) struct Failure {
    pub(super) tag: Tag,
    pub(super) code: Code,
}

/// The state of a producer's records.
#[derive(Debug, Default)]
pub(super) struct Tracker {
    left: [AtomicI64; SLOTS],
    failed: AtomicBool,
    failures: Mutex<Vec<Failure>>,
    queue_messages: AtomicU64,
    queue_bytes: AtomicU64,
    trouble: Mutex<Option<(Code, String)>>,
}

impl Tracker {
    /// A record is about to be handed over.
    pub(super) fn handed(&self, tag: Tag) {
        self.count(tag, 1);
    }

    /// How many records of a delivery are on their way.
    pub(super) fn left(&self, number: u64) -> i64 {
        let slot = Tag { number, message: None }.slot();
        self.left.get(slot).map_or(0, |left| left.load(Ordering::Relaxed))
    }

    /// Whether a record was not delivered.
    pub(super) fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Relaxed)
    }

    /// Records that were not delivered since the last time that this was asked.
    pub(super) fn failures(&self) -> Vec<Failure> {
        if !self.failed.swap(false, Ordering::Relaxed) {
            return Vec::new();
        }
        std::mem::take(&mut *lock(&self.failures))
    }

    /// Messages and bytes in librdkafka's queue, by its statistics.
    pub(super) fn queue(&self) -> (u64, u64) {
        (self.queue_messages.load(Ordering::Relaxed), self.queue_bytes.load(Ordering::Relaxed))
    }

    /// What librdkafka last complained of.
    pub(super) fn trouble(&self) -> Option<(Code, String)> {
        lock(&self.trouble).clone()
    }

    fn count(&self, tag: Tag, by: i64) {
        if let Some(left) = self.left.get(tag.slot()) {
            left.fetch_add(by, Ordering::Relaxed);
        }
    }
}

impl ClientContext for Tracker {
    /// Its lines speak of brokers by the dozen while one is away; what matters comes as an error.
    fn log(&self, _level: RDKafkaLogLevel, _facility: &str, _line: &str) {}

    fn stats(&self, statistics: Statistics) {
        self.queue_messages.store(statistics.msg_cnt, Ordering::Relaxed);
        self.queue_bytes.store(statistics.msg_size, Ordering::Relaxed);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        let Some(code) = error.rdkafka_error_code() else { return };
        let mut trouble = lock(&self.trouble);
        // That all brokers are down says less than why the first of them was.
        if trouble.is_none() || code != Code::AllBrokersDown {
            *trouble = Some((code, reason.to_owned()));
        }
    }
}

impl ProducerContext for Tracker {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, packed: usize) {
        let tag = Tag::unpacked(packed);
        if let Err((error, _)) = result {
            let code = error.rdkafka_error_code().unwrap_or(Code::Unknown);
            let mut failures = lock(&self.failures);
            if failures.len() < FAILURES_MAX {
                failures.push(Failure { tag, code });
            }
            drop(failures);
            self.failed.store(true, Ordering::Relaxed);
        }
        self.count(tag, -1);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_tag_comes_back(number in 0..u64::from(u32::MAX), message in proptest::option::of(0..u32::MAX)) {
            let tag = Tag { number, message };
            prop_assert_eq!(Tag::unpacked(tag.packed()), tag);
        }
    }
}
