//! The thread of an open sink: hands records to librdkafka, listens to it, commits.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError};
use std::time::Duration;

use flowglass_connect::Fault;
use flowglass_connect::stream::{Acknowledged, Delivery, Position, Refused};
use flowglass_model::ErrorClass;
use rdkafka::config::FromClientConfigAndContext;
use rdkafka::error::KafkaError;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use tokio::sync::mpsc::Sender;

use super::client;
use super::config::Settings;
use super::errors::{Said, class_of, fault, of_code};
use super::position;
use super::produce::{Produced, Producing, culprit};
use super::sink::Timer;
use super::suspects::{Suspects, refusal};
use super::topics::Topics;
use super::tracker::{Failure, Tag, Tracker};

/// Batches that are handed over before the first of them is durable.
pub(super) const BATCHES_IN_FLIGHT_MAX: usize = 4;

/// How long librdkafka is listened to at once while something is in flight. `flush`, which would be
/// the obvious call, only looks up every 100 ms.
const LISTEN: Duration = Duration::from_millis(1);

/// Between two looks at librdkafka while nothing is in flight.
const IDLE: Duration = Duration::from_millis(100);

/// How long brokers are called for before they count as out of reach.
const REACH_WITHIN_MAX: Duration = Duration::from_secs(10);

/// Batches that share a transaction when they are there: the next ones come in while it commits.
const BATCHES_IN_TRANSACTION_MAX: usize = BATCHES_IN_FLIGHT_MAX / 2;

/// A commit that takes longer is asked for again, unless nobody waits for it any more.
const COMMIT_ASKED_EVERY: Duration = Duration::from_secs(1);

const ABORT_WITHIN: Duration = Duration::from_secs(2);

type Say = Sender<Result<Acknowledged, Fault>>;

/// A delivery on its way.
struct Flight {
    delivery: Delivery,
    produced: Produced,
}

/// An open producer and what it is used with.
pub(super) struct Worker {
    settings: Arc<Settings>,
    suspects: Arc<Suspects>,
    timer: Timer,
    producer: BaseProducer<Tracker>,
    topics: Topics,
    id: Vec<u8>,
    /// Deliveries that are still sent record by record.
    careful_left: Option<usize>,
}

impl Worker {
    /// Connects, takes the place of an older writer, and reads where it stood.
    ///
    /// # Errors
    /// What stands in the way.
    pub(super) fn open(
        settings: Arc<Settings>,
        suspects: Arc<Suspects>,
        timer: Timer,
    ) -> Result<(Self, Option<Position>), Fault> {
        let worker = Self::connect(settings, suspects, timer)?;
        if !worker.settings.config.exactly_once {
            return Ok((worker, None));
        }
        position::see_to_topic(&worker.settings)?;
        // What an older writer left open is aborted, and the older writer is fenced, so that the
        // position that is read next is the last word.
        worker.begin_transactions()?;
        let position = position::read(&worker.settings, &worker.timer)?;
        Ok((worker, position))
    }

    /// Connects, and touches nothing.
    ///
    /// # Errors
    /// What stands in the way.
    pub(super) fn connect(
        settings: Arc<Settings>,
        suspects: Arc<Suspects>,
        timer: Timer,
    ) -> Result<Self, Fault> {
        let careful = suspects.careful();
        let producer = producer(&settings, careful)?;
        let worker = Self {
            settings,
            suspects,
            timer,
            producer,
            topics: Topics::default(),
            id: Vec::new(),
            careful_left: careful.then_some(BATCHES_IN_FLIGHT_MAX),
        };
        worker.reach()?;
        Ok(worker)
    }

    /// Works until the engine is gone or something is wrong, which is said.
    pub(super) fn run(mut self, orders: &Receiver<Delivery>, say: &Say) {
        let ended = if self.settings.config.exactly_once {
            self.transactions(orders, say)
        } else {
            self.plain(orders, say)
        };
        if let Err(fault) = ended {
            let fault = self.explained(fault);
            // Nobody listens any more when this fails.
            say.blocking_send(Err(fault)).unwrap_or_default();
        }
    }

    fn reach(&self) -> Result<(), Fault> {
        let deadline = self.timer.after(self.settings.timeout.min(REACH_WITHIN_MAX));
        loop {
            if self.producer.client().fetch_cluster_id(Duration::from_millis(500)).is_some() {
                return Ok(());
            }
            self.producer.poll(Duration::ZERO);
            let trouble = self.producer.context().trouble();
            let refused = trouble.is_some_and(|(code, _)| class_of(code) == ErrorClass::Auth);
            if refused || self.timer.is_past(deadline) {
                let what = format!("connecting to Kafka at {}", self.settings.config.brokers);
                return Err(self.explained(Fault::new(ErrorClass::Unreachable, what)));
            }
        }
    }

    fn begin_transactions(&self) -> Result<(), Fault> {
        let done = self.producer.init_transactions(self.settings.timeout);
        done.map_err(|error| self.explained(fault("taking over the transactions", error)))
    }

    /// A fault with what librdkafka complained of meanwhile, where it says less by itself.
    fn explained(&self, fault: Fault) -> Fault {
        let vague = matches!(fault.class(), ErrorClass::Timeout | ErrorClass::Unreachable);
        let Some((code, reason)) = self.producer.context().trouble().filter(|_| vague) else {
            return fault;
        };
        let class = match class_of(code) {
            class @ (ErrorClass::Auth | ErrorClass::Permission) => class,
            _ => fault.class(),
        };
        Fault::new(class, fault.to_string()).because(Said(reason))
    }

    // At least once.

    fn plain(&mut self, orders: &Receiver<Delivery>, say: &Say) -> Result<(), Fault> {
        let mut flying: VecDeque<Flight> = VecDeque::with_capacity(BATCHES_IN_FLIGHT_MAX);
        loop {
            let next = if flying.is_empty() {
                orders.recv_timeout(IDLE).map_err(|it| it == RecvTimeoutError::Disconnected)
            } else {
                orders.try_recv().map_err(|it| it == TryRecvError::Disconnected)
            };
            match next {
                Ok(delivery) => {
                    let produced = self.produce(&delivery)?;
                    flying.push_back(Flight { delivery, produced });
                    // Hears of what is done without waiting for more of it.
                    self.producer.poll(Duration::ZERO);
                }
                Err(true) => return Ok(()),
                Err(false) if flying.is_empty() => self.producer.poll(Duration::ZERO),
                Err(false) => self.producer.poll(LISTEN),
            }
            self.judge_plain(&mut flying)?;
            let tracker = self.producer.context();
            while flying.front().is_some_and(|it| tracker.left(it.delivery.number) == 0) {
                let Some(flight) = flying.pop_front() else { break };
                acknowledge(flight, tracker, say);
                self.careful_left = self.careful_left.map(|left| left.saturating_sub(1));
            }
            if flying.is_empty() {
                self.calm_down()?;
            }
        }
    }

    /// Looks at what was not delivered. A record that went by itself is refused; of others it is
    /// not known.
    fn judge_plain(&self, flying: &mut VecDeque<Flight>) -> Result<(), Fault> {
        for failure in self.producer.context().failures() {
            if !Suspects::speaks_of_rows(failure.code) {
                let fault = of_code("delivering a batch to Kafka", failure.code);
                return Err(self.fatal_or(fault));
            }
            if self.careful_left.is_none() {
                return Err(self.suspects.suspect(failure.code));
            }
            let number = failure.tag.number;
            let flight =
                flying.iter_mut().find(|it| it.delivery.number & u64::from(u32::MAX) == number);
            if let Some(flight) = flight
                && let Some((change, _)) = culprit(&flight.delivery, &failure)
            {
                flight.produced.refused.push(Refused { change, fault: refusal(failure.code) });
            }
        }
        Ok(())
    }

    // Exactly once.

    fn transactions(&mut self, orders: &Receiver<Delivery>, say: &Say) -> Result<(), Fault> {
        loop {
            let first = match orders.recv_timeout(IDLE) {
                Ok(first) => first,
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
                Err(RecvTimeoutError::Timeout) => {
                    self.producer.poll(Duration::ZERO);
                    continue;
                }
            };
            let begun = self.producer.begin_transaction();
            begun.map_err(|error| self.fatal_or(fault("beginning a transaction", error)))?;
            match self.transaction(first, orders, say) {
                Ok(flights) => {
                    for flight in flights {
                        acknowledge(flight, self.producer.context(), say);
                        self.careful_left = self.careful_left.map(|left| left.saturating_sub(1));
                    }
                }
                Err(fault) => {
                    // The broker would keep it open for readers until its time is up. When it
                    // cannot be told, the next writer's beginning does the same.
                    self.producer.abort_transaction(ABORT_WITHIN).unwrap_or_default();
                    return Err(fault);
                }
            }
            self.calm_down()?;
        }
    }

    fn transaction(
        &mut self,
        first: Delivery,
        orders: &Receiver<Delivery>,
        say: &Say,
    ) -> Result<Vec<Flight>, Fault> {
        let mut flights = Vec::with_capacity(BATCHES_IN_TRANSACTION_MAX);
        let mut next = Some(first);
        while let Some(delivery) = next {
            let produced = self.produce(&delivery)?;
            flights.push(Flight { delivery, produced });
            let more = flights.len() < BATCHES_IN_TRANSACTION_MAX;
            next = more.then(|| orders.try_recv().ok()).flatten();
        }
        if let Some(last) = flights.last() {
            self.send_position(&last.delivery)?;
        }
        self.drain(say)?;
        self.judge_transaction(&flights)?;
        self.commit(say)?;
        Ok(flights)
    }

    /// Looks at what was not delivered: the transaction is lost with it. A record that went by
    /// itself is struck out for the next writer.
    fn judge_transaction(&self, flights: &[Flight]) -> Result<(), Fault> {
        let (of_rows, others): (Vec<Failure>, Vec<Failure>) = self
            .producer
            .context()
            .failures()
            .into_iter()
            .partition(|it| Suspects::speaks_of_rows(it.code));
        // What comes after the first refusal is only its consequence.
        if let Some(first) = of_rows.first() {
            if self.careful_left.is_none() {
                return Err(self.suspects.suspect(first.code));
            }
            for failure in &of_rows {
                let culprit = flights.iter().find_map(|it| culprit(&it.delivery, failure));
                if let Some((_, id)) = culprit {
                    self.suspects.strike(id, failure.code);
                }
            }
            let what = "the broker refused rows of a transaction, which is sent again without them";
            return Err(Fault::new(ErrorClass::Io, what).because(first.code));
        }
        match others.first() {
            Some(other) => Err(self.fatal_or(of_code("delivering a batch to Kafka", other.code))),
            None => Ok(()),
        }
    }

    fn send_position(&self, delivery: &Delivery) -> Result<(), Fault> {
        let json = serde_json::to_vec(delivery.batch.position()).map_err(|error| {
            Fault::new(ErrorClass::Internal, "writing a position").because(error)
        })?;
        let Settings { config, owner, .. } = &*self.settings;
        let tag = Tag { number: delivery.number, message: None };
        self.producer.context().handed(tag);
        let mut record = BaseRecord::with_opaque_to(&config.positions_topic, tag.packed())
            .partition(position::PARTITION)
            .key(owner.as_bytes())
            .payload(&json);
        loop {
            match self.producer.send(record) {
                Ok(()) => return Ok(()),
                Err((KafkaError::MessageProduction(code), back))
                    if class_of(code) == ErrorClass::Throttled =>
                {
                    self.producer.poll(LISTEN);
                    record = back;
                }
                Err((error, _)) => return Err(fault("handing a position to librdkafka", error)),
            }
        }
    }

    fn drain(&self, say: &Say) -> Result<(), Fault> {
        let deadline = self.timer.after(self.settings.timeout * 2);
        // After the first failure librdkafka sends nothing more of a transaction.
        while self.producer.in_flight_count() > 0 && !self.producer.context().has_failed() {
            self.producer.poll(LISTEN);
            if self.timer.is_past(deadline) {
                return Err(Fault::new(ErrorClass::Timeout, "waiting for the records of a batch"));
            }
            if say.is_closed() {
                return Err(dropped());
            }
        }
        Ok(())
    }

    fn commit(&self, say: &Say) -> Result<(), Fault> {
        let deadline = self.timer.after(self.settings.timeout);
        loop {
            match self.producer.commit_transaction(COMMIT_ASKED_EVERY) {
                Ok(()) => return Ok(()),
                Err(_) if say.is_closed() => return Err(dropped()),
                // Asking again goes on with the same commit.
                Err(KafkaError::Transaction(error))
                    if error.is_retriable() && !self.timer.is_past(deadline) => {}
                Err(error) => return Err(self.fatal_or(fault("committing a batch", error))),
            }
        }
    }

    // Both.

    fn produce(&mut self, delivery: &Delivery) -> Result<Produced, Fault> {
        let mut producing = Producing {
            producer: &self.producer,
            settings: &self.settings,
            suspects: &self.suspects,
            topics: &mut self.topics,
            id: &mut self.id,
        };
        producing.delivery(delivery).map_err(|fault| self.fatal_or(fault))
    }

    /// The error that ended the producer, if any, else this one.
    fn fatal_or(&self, fault: Fault) -> Fault {
        match self.producer.client().fatal_error() {
            Some((code, reason)) => {
                let plain = of_code("the Kafka producer has ended", code);
                let hint = plain.advice().to_owned();
                Fault::new(plain.class(), "the Kafka producer has ended")
                    .because(Said(reason))
                    .hint(hint)
            }
            None => fault,
        }
    }

    /// Back to whole requests, once what was in flight when a row was refused has gone through.
    fn calm_down(&mut self) -> Result<(), Fault> {
        if self.careful_left != Some(0) {
            return Ok(());
        }
        self.suspects.calm_down();
        self.careful_left = None;
        self.producer = producer(&self.settings, false)?;
        if self.settings.config.exactly_once {
            self.begin_transactions()?;
        }
        Ok(())
    }
}

/// The engine has dropped the writer: what is open is given up, so that a new writer finds nobody
/// who still works on it.
fn dropped() -> Fault {
    Fault::new(ErrorClass::Cancelled, "the kafka sink was dropped")
}

fn producer(settings: &Settings, alone: bool) -> Result<BaseProducer<Tracker>, Fault> {
    let properties = client::producer(settings, alone);
    BaseProducer::from_config_and_context(&properties, Tracker::default())
        .map_err(|error| fault("setting up the Kafka producer", error))
}

fn acknowledge(flight: Flight, tracker: &Tracker, say: &Say) {
    let Produced { mut refused, bytes } = flight.produced;
    refused.sort_by_key(|it| it.change);
    refused.dedup_by_key(|it| it.change);
    let number = flight.delivery.number;
    let buffered = tracker.queue();
    let acknowledged = Acknowledged { number, refused, bytes, buffered, receipt: None };
    // Nobody listens any more when this fails.
    say.blocking_send(Ok(acknowledged)).unwrap_or_default();
}
