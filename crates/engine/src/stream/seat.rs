//! A sink's place in a stream, as the coordinator keeps it: what it was given, what it has, and its
//! ledger.

use std::collections::{BTreeSet, VecDeque};

use flowglass_connect::stream::{Checkpoint, Guarantee, Position};
use jiff::Timestamp;
use tokio::sync::mpsc;

use super::coordinator::Feed;
use super::job::{SinkJob, SinkStatus};
use super::lane::Handed;
use super::ledger::{ByTable, SinkLedger, Sum};
use super::policy::SinkPosition;
use super::receipts::Receipts;

/// A sink as the coordinator sees it.
pub(super) struct Seat {
    pub(super) id: String,
    pub(super) required: bool,
    pub(super) guarantee: Guarantee,
    /// `None` once nothing more will be handed over.
    pub(super) orders: Option<mpsc::Sender<Handed>>,
    /// What was handed over and is not settled, in order.
    pub(super) in_flight: VecDeque<(u64, ByTable<Sum>)>,
    pub(super) numbered: u64,
    /// Behind what the sink has said it keeps.
    pub(super) position: Option<Position>,
    /// Behind what was handed over last.
    pub(super) given: Option<Position>,
    /// Where its rows come from.
    pub(super) feed: Feed,
    /// Tables whose rows were read beside the log and passed it by.
    pub(super) missed: BTreeSet<String>,
    /// Whether its own reader got further than the stream has come.
    pub(super) read_ahead: bool,
    /// Whether it has said where it stands.
    pub(super) opened: bool,
    /// Behind what is kept as its checkpoint.
    pub(super) saved: Option<Position>,
    pub(super) ledger: SinkLedger,
    pub(super) receipts: Receipts,
    pub(super) delivered: u64,
    pub(super) bytes: u64,
    pub(super) trouble: Option<String>,
    /// How often in a row it could not be used.
    pub(super) attempts: u32,
    pub(super) ended: bool,
}

impl Seat {
    /// The place of a sink that has been given nothing yet.
    pub(super) fn new(id: String, job: &SinkJob, orders: mpsc::Sender<Handed>) -> Self {
        Self {
            ledger: SinkLedger::new(id.clone()),
            receipts: Receipts::default(),
            id,
            required: job.required,
            guarantee: job.sink.guarantee(),
            orders: Some(orders),
            in_flight: VecDeque::new(),
            numbered: 0,
            position: None,
            given: None,
            feed: Feed::WithAll,
            missed: BTreeSet::new(),
            read_ahead: false,
            opened: false,
            saved: None,
            delivered: 0,
            bytes: 0,
            trouble: None,
            attempts: 0,
            ended: false,
        }
    }

    /// The checkpoint to keep, when the sink has moved since the last one.
    pub(super) fn checkpoint(&self, stream: &str, at: Timestamp) -> Option<Checkpoint> {
        let position = self.position.clone().filter(|it| Some(it) != self.saved.as_ref())?;
        let (stream, sink) = (stream.to_owned(), self.id.clone());
        let account = self.receipts.account();
        Some(Checkpoint { stream, sink, position, rows: self.delivered, at, account })
    }

    /// Where it stands for good.
    pub(super) fn stands(&self) -> SinkPosition {
        SinkPosition {
            required: self.required,
            position: match self.guarantee {
                Guarantee::ExactlyOnce => self.position.clone(),
                // Only what is kept may be forgotten by the source.
                Guarantee::AtLeastOnce => self.saved.clone(),
            },
        }
    }

    /// Whether the stream's batches pass it by, since it lacks earlier ones.
    pub(super) fn is_behind(&self) -> bool {
        matches!(self.feed, Feed::Behind | Feed::Beside(_))
    }

    /// How it stands, for people.
    pub(super) fn status(&self) -> SinkStatus {
        SinkStatus {
            id: self.id.clone(),
            position: self.position.clone(),
            delivered: self.delivered,
            bytes: self.bytes,
            in_flight_batches: self.in_flight.len(),
            catches_up: self.is_behind(),
            trouble: self.trouble.clone(),
            attempts: self.attempts,
        }
    }
}
