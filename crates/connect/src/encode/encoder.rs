//! The encoder: one batch in, one buffer of messages out.

use std::sync::Arc;

use super::debezium::{DebeziumEnvelope, Event};
use super::envelope::NativeEnvelope;
use super::identity::{PART_NEW_KEY, PART_TOMBSTONE, PART_WHOLE};
use super::plan::{Plan, Plans};
use super::ready;
use super::refusal::{Refusal, Rule, Trouble};
use super::route::{Route, Router};
use super::row::{Cells, Room};
use super::settings::{DebeziumSettings, EncoderSettings, Envelope, KeyRule};
use crate::clock::Clock;
use crate::fault::Fault;
use crate::stream::{ChangeRef, Message, Messages, Op, Refused, Span, StreamBatch};

/// What messages say of where they come from.
#[derive(Debug, Clone)]
pub struct Origin {
    /// The stream's name: the source of CloudEvents, and Debezium's `source.name` unless a
    /// `topic_prefix` is set.
    pub stream: Arc<str>,
    /// The program and its version, such as `flowglass-0.1.0`: Debezium's `source.version`.
    pub version: Arc<str>,
    /// What Debezium's `ts_ms` is read from, once a batch.
    pub clock: Arc<dyn Clock>,
}

/// Writes changes as messages.
///
/// It remembers shapes of tables and nothing of rows, except the counts of the running transaction
/// that Debezium's block `transaction` asks for. Batches have to come in order.
#[derive(Debug)]
pub struct Encoder {
    settings: EncoderSettings,
    debezium: DebeziumSettings,
    route: Route,
    clock: Arc<dyn Clock>,
    envelope: Writer,
    plans: Plans,
    router: Router,
    room: Room,
}

#[derive(Debug)]
enum Writer {
    Native(NativeEnvelope),
    Debezium(DebeziumEnvelope),
}

impl Encoder {
    /// An encoder for the messages of a sink.
    ///
    /// # Errors
    /// `config` when the route is no template, when the key names no column or one twice, or when
    /// there are settings for another envelope.
    pub fn new(settings: EncoderSettings, origin: Origin) -> Result<Self, Fault> {
        settings.check()?;
        let route = Route::parse(&settings.route)?;
        let debezium = settings.debezium.clone().unwrap_or_default();
        let envelope = match settings.envelope {
            Envelope::Native => Writer::Native(NativeEnvelope::plain()),
            Envelope::CloudEvents => Writer::Native(NativeEnvelope::in_events(&origin.stream)),
            Envelope::Debezium => {
                let name = debezium.topic_prefix.as_deref().map(Arc::from);
                let name = name.unwrap_or_else(|| Arc::clone(&origin.stream));
                let with_orders = debezium.provide_transaction_metadata;
                Writer::Debezium(DebeziumEnvelope::new(&name, &origin.version, with_orders))
            }
        };
        Ok(Self {
            settings,
            debezium,
            route,
            clock: origin.clock,
            envelope,
            plans: Plans::default(),
            router: Router::default(),
            room: Room::default(),
        })
    }

    /// The media type of the bodies.
    #[must_use]
    pub const fn content_type(&self) -> &'static str {
        match self.settings.envelope {
            Envelope::Native | Envelope::Debezium => "application/json",
            Envelope::CloudEvents => "application/cloudevents+json",
        }
    }

    /// Appends the messages of every change that the batch keeps, in order. A row that cannot be
    /// written leaves nothing behind and is named in the answer, with a class whose policy is to set
    /// it aside; its column is named, its values are not.
    pub fn encode(&mut self, batch: &StreamBatch, out: &mut Messages) -> Vec<Refused> {
        if let Writer::Debezium(envelope) = &mut self.envelope {
            envelope.begin(self.clock.now());
        }
        let mut refused = Vec::new();
        for (index, change) in batch.changes() {
            let (messages, bytes) = (out.len(), out.buffer.len());
            if let Err(refusal) = self.write(index, &change, out) {
                out.rewind(messages, bytes);
                let fault = refusal.fault(change.relation(), |rule| self.name_in(rule));
                refused.push(Refused { change: index, fault });
            }
        }
        refused
    }

    /// The column that a rule of the settings names.
    fn name_in(&self, rule: Rule) -> String {
        match (rule, &self.settings.key) {
            (Rule::Route(piece), _) => self.route.column(piece).to_owned(),
            (Rule::Key(number), KeyRule::Columns(names)) => {
                names.get(number).cloned().unwrap_or_default()
            }
            (Rule::Key(_), KeyRule::PrimaryKey | KeyRule::None) => String::new(),
        }
    }

    /// Writes the messages of one change.
    fn write(
        &mut self,
        index: usize,
        change: &ChangeRef<'_>,
        out: &mut Messages,
    ) -> Result<(), Refusal> {
        let Self { settings, debezium, route, envelope, plans, router, room, .. } = self;
        let bytes_max = settings.message_bytes_max.map_or(usize::MAX, |max| max.get() as usize);
        if let Some(ready) = change.ready() {
            return ready::write(ready, (index, change), (out, router), bytes_max);
        }
        let plan = plans.of(change.relation(), || {
            let values = (settings.envelope == Envelope::Debezium).then_some(&*debezium);
            Plan::new(change.relation(), &settings.key, route, values)
        });
        let destination = out.destination(router.destination(route, &plan.route, change)?);
        let number = u32::try_from(index).map_err(|_| TOO_MANY.of_row())?;
        let tombstones = settings.has_tombstones();
        let mut target = Target { out, destination, change: number, bytes_max };
        match envelope {
            Writer::Native(envelope) => {
                write_native(envelope, plan, change, (&mut target, room), tombstones)
            }
            Writer::Debezium(envelope) => {
                envelope.count(change);
                write_debezium(envelope, plan, change, (&mut target, room), tombstones)
            }
        }
    }
}

pub(super) const TOO_MANY: Trouble = Trouble::too_large("does not fit into a batch of messages");

/// Where the messages of a change go.
struct Target<'a> {
    out: &'a mut Messages,
    destination: u32,
    change: u32,
    bytes_max: usize,
}

/// A key in the buffer: where it begins and ends.
type KeyRange = Option<(usize, usize)>;

impl Target<'_> {
    /// Writes a row's key into the buffer.
    fn key(
        &mut self,
        plan: &Plan,
        cells: Option<Cells<'_>>,
        room: &mut Room,
    ) -> Result<KeyRange, Refusal> {
        let out = &mut self.out.buffer;
        let start = out.len();
        let written = plan.key.write(cells.as_ref(), &plan.columns, out, &mut room.scratch)?;
        Ok(written.then_some((start, out.len())))
    }

    /// Adds a message whose body is everything from `body` on.
    fn push(&mut self, part: u8, key: KeyRange, body: usize) -> Result<(), Refusal> {
        let end = self.out.buffer.len();
        let key_bytes = key.map_or(0, |(start, end)| end - start);
        if end - body + key_bytes > self.bytes_max {
            return Err(Trouble::too_large("makes a message over `message_bytes_max`").of_row());
        }
        let body = Some(Span::new(body, end).ok_or(TOO_MANY.of_row())?);
        self.add(part, key, body)
    }

    /// Adds a message without a body, where there is a key for it.
    fn push_tombstone(&mut self, key: KeyRange) -> Result<(), Refusal> {
        if key.is_some() { self.add(PART_TOMBSTONE, key, None) } else { Ok(()) }
    }

    fn add(&mut self, part: u8, key: KeyRange, body: Option<Span>) -> Result<(), Refusal> {
        let key = match key {
            Some((start, end)) => Some(Span::new(start, end).ok_or(TOO_MANY.of_row())?),
            None => None,
        };
        let (destination, change) = (self.destination, self.change);
        self.out.push(Message { destination, change, part, key, body });
        Ok(())
    }
}

/// The row that a change's key is of.
fn keyed_cells<'a>(change: &ChangeRef<'a>) -> Option<Cells<'a>> {
    Cells::after(change).or_else(|| Cells::before(change))
}

fn write_native(
    envelope: &mut NativeEnvelope,
    plan: &Plan,
    change: &ChangeRef<'_>,
    (target, room): (&mut Target<'_>, &mut Room),
    tombstones: bool,
) -> Result<(), Refusal> {
    let key = match change.op() {
        Op::Truncate => None,
        _ => target.key(plan, keyed_cells(change), room)?,
    };
    let body = target.out.buffer.len();
    envelope.write(plan, change, key, (&mut target.out.buffer, &mut *room))?;
    target.push(PART_WHOLE, key, body)?;
    if !tombstones {
        return Ok(());
    }
    match change.op() {
        Op::Delete => target.push_tombstone(key),
        Op::Update if plan.key.changed(change) => {
            let old = target.key(plan, Cells::before(change), room)?;
            target.push_tombstone(old)
        }
        Op::Insert | Op::Update | Op::Read | Op::Truncate => Ok(()),
    }
}

fn write_debezium(
    envelope: &DebeziumEnvelope,
    plan: &mut Plan,
    change: &ChangeRef<'_>,
    (target, room): (&mut Target<'_>, &mut Room),
    tombstones: bool,
) -> Result<(), Refusal> {
    if change.op() == Op::Update && plan.key.changed(change) {
        let old = target.key(plan, Cells::before(change), room)?;
        let body = target.out.buffer.len();
        envelope.write(
            Event::old_key(change),
            plan,
            change,
            (&mut target.out.buffer, &mut *room),
        )?;
        target.push(PART_WHOLE, old, body)?;
        if tombstones {
            target.push_tombstone(old)?;
        }
        let new = target.key(plan, Cells::after(change), room)?;
        let body = target.out.buffer.len();
        envelope.write(
            Event::new_key(change),
            plan,
            change,
            (&mut target.out.buffer, &mut *room),
        )?;
        return target.push(PART_NEW_KEY, new, body);
    }
    let key = match change.op() {
        Op::Truncate => None,
        _ => target.key(plan, keyed_cells(change), room)?,
    };
    let body = target.out.buffer.len();
    envelope.write(Event::whole(change), plan, change, (&mut target.out.buffer, &mut *room))?;
    target.push(PART_WHOLE, key, body)?;
    if tombstones && change.op() == Op::Delete {
        target.push_tombstone(key)?;
    }
    Ok(())
}
