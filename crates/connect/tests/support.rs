//! Changes as tests write them, and messages as they read them.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use flowglass_connect::Clock;
use flowglass_connect::encode::{
    Encoder, EncoderSettings, Envelope, Origin, idempotency_key, key_change_header,
};
use flowglass_connect::stream::{
    Cell, ChunkBuilder, Column, Identity, Kind, Messages, NewChange, Op, Position, Refused,
    Relation, Slice, StreamBatch, Transaction,
};
use serde::Deserialize;
use serde_json::value::RawValue;

/// 2024-02-29 23:59:59.123456 UTC.
pub(crate) const COMMITTED_AT_MICROS: i64 = 1_709_251_199_123_456;
/// The commit that Postgres writes `0/16B3748`.
pub(crate) const COMMIT: u64 = 0x16B_3748;

/// A clock that stands at 2024-03-01 00:00:00.000999999 UTC.
#[derive(Debug)]
pub(crate) struct StoppedClock;

impl Clock for StoppedClock {
    fn now(&self) -> jiff::Timestamp {
        jiff::Timestamp::from_nanosecond(1_709_251_200_000_999_999).unwrap()
    }

    fn monotonic(&self) -> Duration {
        Duration::ZERO
    }
}

/// A cell as a test writes it.
#[derive(Debug, Clone, Copy)]
pub(crate) enum V<'a> {
    /// Text.
    T(&'a str),
    /// Text that need not be UTF-8.
    Raw(&'a [u8]),
    /// Binary.
    Bin(&'a [u8]),
    Null,
    /// A value that did not change and was not sent.
    Same,
}

pub(crate) fn column(name: &str, kind: Kind, native: &str) -> Column {
    Column { name: name.to_owned(), kind, native: native.to_owned(), nullable: true }
}

/// `public.orders` of `shop`: id, customer, amount, payload; the key is id.
pub(crate) fn orders() -> Arc<Relation> {
    relation(
        vec![
            column("id", Kind::Int64, "bigint"),
            column("customer", Kind::Text, "text"),
            column("amount", Kind::Decimal(Some((12, 2))), "numeric(12,2)"),
            column("payload", Kind::Json, "jsonb"),
        ],
        vec![0],
    )
}

pub(crate) fn relation(columns: Vec<Column>, key: Vec<usize>) -> Arc<Relation> {
    Arc::new(Relation {
        id: 16_385,
        database: "shop".into(),
        schema: "public".into(),
        table: "orders".into(),
        columns,
        key,
        version: 1,
    })
}

/// Builds a chunk of one transaction.
pub(crate) struct Feed {
    builder: ChunkBuilder,
    relation: u16,
    transaction: u32,
    row: u64,
}

impl Feed {
    pub(crate) fn of(relation: &Arc<Relation>) -> Self {
        let mut builder = ChunkBuilder::new(Duration::ZERO, 1024);
        let relation = builder.relation(relation);
        let transaction = builder.transaction(Transaction {
            id: 739,
            commit: COMMIT,
            committed_at_micros: COMMITTED_AT_MICROS,
        });
        Self { builder, relation, transaction, row: 0 }
    }

    /// Goes on with another table.
    pub(crate) fn turn_to(mut self, relation: &Arc<Relation>) -> Self {
        self.relation = self.builder.relation(relation);
        self
    }

    /// Goes on with another transaction.
    pub(crate) fn commit(mut self, transaction: Transaction) -> Self {
        self.transaction = self.builder.transaction(transaction);
        self.row = 0;
        self
    }

    fn change(
        mut self,
        op: Op,
        before: Option<(Identity, &[V<'_>])>,
        after: Option<&[V<'_>]>,
    ) -> Self {
        let mut push = |cells: &[V<'_>]| {
            let start = self.builder.cell_start();
            for cell in cells {
                let cell = match cell {
                    V::T(text) => {
                        let at = self.builder.push_bytes(text.as_bytes());
                        Cell::text(at, text.len()).unwrap()
                    }
                    V::Raw(bytes) => {
                        let at = self.builder.push_bytes(bytes);
                        Cell::text(at, bytes.len()).unwrap()
                    }
                    V::Bin(bytes) => {
                        let at = self.builder.push_bytes(bytes);
                        Cell::binary(at, bytes.len()).unwrap()
                    }
                    V::Null => Cell::NULL,
                    V::Same => Cell::UNCHANGED,
                };
                self.builder.push_cell(cell);
            }
            start
        };
        let identity = before.map_or(Identity::None, |(identity, _)| identity);
        let before = before.map(|(_, cells)| push(cells));
        let after = after.map(push);
        let (relation, transaction, row) = (self.relation, self.transaction, self.row);
        let place = COMMIT - 1000 + row * 10;
        let change = NewChange { op, identity, relation, transaction, before, after, row, place };
        self.builder.push_change(change, b"wire");
        self.row += 1;
        self
    }

    pub(crate) fn insert(self, after: &[V<'_>]) -> Self {
        self.change(Op::Insert, None, Some(after))
    }

    pub(crate) fn read(self, after: &[V<'_>]) -> Self {
        self.change(Op::Read, None, Some(after))
    }

    /// An update that sends nothing of the row before.
    pub(crate) fn update(self, after: &[V<'_>]) -> Self {
        self.change(Op::Update, None, Some(after))
    }

    pub(crate) fn update_of(self, identity: Identity, before: &[V<'_>], after: &[V<'_>]) -> Self {
        self.change(Op::Update, Some((identity, before)), Some(after))
    }

    pub(crate) fn delete(self, identity: Identity, before: &[V<'_>]) -> Self {
        self.change(Op::Delete, Some((identity, before)), None)
    }

    pub(crate) fn truncate(self) -> Self {
        self.change(Op::Truncate, None, None)
    }

    pub(crate) fn batch(self) -> StreamBatch {
        let chunk = Arc::new(self.builder.finish());
        let to = chunk.len();
        let slice = Slice::new(chunk, 0, to);
        StreamBatch::new(vec![slice], Position::after(COMMIT))
    }
}

pub(crate) fn settings(envelope: Envelope) -> EncoderSettings {
    EncoderSettings { envelope, route: "{schema}.{table}".to_owned(), ..EncoderSettings::default() }
}

pub(crate) fn encoder(settings: EncoderSettings) -> Encoder {
    Encoder::new(settings, origin()).unwrap()
}

pub(crate) fn origin() -> Origin {
    Origin {
        stream: "shop".into(),
        version: "flowglass-test".into(),
        clock: Arc::new(StoppedClock),
    }
}

/// Encodes a batch with a new encoder.
pub(crate) fn encode(settings: EncoderSettings, batch: &StreamBatch) -> (Messages, Vec<Refused>) {
    let mut messages = Messages::default();
    let refused = encoder(settings).encode(batch, &mut messages);
    (messages, refused)
}

/// The messages of a batch of which no row is refused, for a golden.
pub(crate) fn shown(settings: EncoderSettings, batch: &StreamBatch) -> String {
    let (messages, refused) = encode(settings, batch);
    assert!(refused.is_empty(), "{:?}", refused[0].fault.chain());
    show(&messages, batch)
}

/// Each message as: idempotency key, destination, key, headers, body.
pub(crate) fn show(messages: &Messages, batch: &StreamBatch) -> String {
    let mut out = String::new();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    for (index, message) in messages.items().iter().enumerate() {
        let change = batch.change(message.change as usize).unwrap();
        let mut id = Vec::new();
        idempotency_key(&change, message.part, &mut id);
        let key = message.key.map_or("null".to_owned(), |span| text(messages.bytes(span)));
        let body = message.body.map_or("null".to_owned(), |span| text(messages.bytes(span)));
        let destination = messages.destination_of(message);
        writeln!(out, "{} -> {destination}", text(&id)).unwrap();
        writeln!(out, "  key  {key}").unwrap();
        if let Some((name, value)) = key_change_header(messages, index) {
            writeln!(out, "  head {name}: {}", text(value)).unwrap();
        }
        writeln!(out, "  body {body}").unwrap();
        if body != "null" {
            serde_json::from_str::<&RawValue>(&body).unwrap();
        }
    }
    out
}

/// The body of the only message.
pub(crate) fn only_body(messages: &Messages) -> &[u8] {
    let [message] = messages.items() else { panic!("{} messages", messages.len()) };
    messages.bytes(message.body.unwrap())
}

/// The JSON of each column of the row after, as it is written.
pub(crate) fn after_of(body: &[u8]) -> BTreeMap<String, Box<RawValue>> {
    #[derive(Deserialize)]
    struct Body {
        after: BTreeMap<String, Box<RawValue>>,
    }
    serde_json::from_slice::<Body>(body).unwrap().after
}

/// Encodes one row of one column of that type; its JSON, or the class and text of the refusal.
pub(crate) fn value(
    settings: EncoderSettings,
    kind: Kind,
    native: &str,
    cell: V<'_>,
) -> Result<String, String> {
    let table = relation(vec![column("v", kind, native)], Vec::new());
    let (messages, refused) = encode(settings, &Feed::of(&table).insert(&[cell]).batch());
    match refused.first() {
        Some(refused) => {
            assert!(messages.is_empty() && messages.buffer.is_empty());
            Err(format!("{}: {}", refused.fault.class().name(), refused.fault))
        }
        None => Ok(after_of(only_body(&messages))["v"].get().to_owned()),
    }
}
