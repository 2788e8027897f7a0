//! Encoded changes: one buffer, and ranges into it.

use std::ops::Range;
use std::sync::Arc;

/// A range of the buffer of [`Messages`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    start: u32,
    end: u32,
}

impl Span {
    /// The bytes from `start` to `end`; `None` when the buffer has grown past 4 GiB.
    #[must_use]
    pub fn new(start: usize, end: usize) -> Option<Self> {
        Some(Self { start: u32::try_from(start).ok()?, end: u32::try_from(end).ok()? })
    }

    const fn range(self) -> Range<usize> {
        self.start as usize..self.end as usize
    }
}

/// One message: where it goes and what it says.
#[derive(Debug, Clone, Copy)]
pub struct Message {
    /// Index into the destinations: topic, stream, file.
    pub destination: u32,
    /// Index of the change among those that its batch spans.
    pub change: u32,
    /// Which of the messages of that change it is, from 0 (a tombstone is the second).
    pub part: u8,
    /// The key; `None` when the row has none.
    pub key: Option<Span>,
    /// The body; `None` is a tombstone.
    pub body: Option<Span>,
}

/// What is said beside a message.
#[derive(Debug, Clone, Copy)]
struct Header {
    message: usize,
    /// Index into the names.
    name: usize,
    value: Span,
}

/// The messages of a batch in order.
#[derive(Debug, Clone, Default)]
pub struct Messages {
    /// What the spans point into.
    pub buffer: Vec<u8>,
    items: Vec<Message>,
    /// In the order of the messages.
    headers: Vec<Header>,
    header_names: Vec<String>,
    destinations: Vec<Arc<str>>,
}

impl Messages {
    /// No messages, room for some.
    #[must_use]
    pub fn with_capacity(messages: usize, bytes: usize) -> Self {
        Self {
            buffer: Vec::with_capacity(bytes),
            items: Vec::with_capacity(messages),
            headers: Vec::new(),
            header_names: Vec::new(),
            destinations: Vec::new(),
        }
    }

    /// The index of a destination, which is added when it is new. A batch has few of them.
    pub fn destination(&mut self, name: &Arc<str>) -> u32 {
        let known = self
            .destinations
            .iter()
            .rposition(|it| Arc::ptr_eq(it, name) || it.as_ref() == name.as_ref());
        let index = known.unwrap_or_else(|| {
            self.destinations.push(Arc::clone(name));
            self.destinations.len() - 1
        });
        u32::try_from(index).unwrap_or(u32::MAX)
    }

    /// Adds a message whose bytes are in the buffer.
    pub fn push(&mut self, message: Message) {
        self.items.push(message);
    }

    /// Takes back everything after the first `messages` messages and `bytes` bytes: a row whose
    /// encoding failed half-way leaves nothing behind.
    pub fn rewind(&mut self, messages: usize, bytes: usize) {
        self.items.truncate(messages);
        while self.headers.last().is_some_and(|header| header.message >= messages) {
            self.headers.pop();
        }
        self.buffer.truncate(bytes);
    }

    /// Says something beside the message that was added last; the value is in the buffer.
    pub fn push_header(&mut self, name: &str, value: Span) {
        let Some(message) = self.items.len().checked_sub(1) else { return };
        let known = self.header_names.iter().position(|it| it == name);
        let name = known.unwrap_or_else(|| {
            self.header_names.push(name.to_owned());
            self.header_names.len() - 1
        });
        self.headers.push(Header { message, name, value });
    }

    /// What is said beside the message with that index: names and values, for sinks whose messages
    /// have headers. Only rows that were messages already bring any.
    pub fn headers_of(&self, index: usize) -> impl Iterator<Item = (&str, &[u8])> {
        let first = self.headers.partition_point(|header| header.message < index);
        let behind = self.headers.get(first..).unwrap_or_default();
        let own = behind.iter().take_while(move |header| header.message == index);
        own.map(|header| {
            let name = self.header_names.get(header.name).map_or("", String::as_str);
            (name, self.bytes(header.value))
        })
    }

    /// The messages in order.
    #[must_use]
    pub fn items(&self) -> &[Message] {
        &self.items
    }

    /// How many messages.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// The name of a message's destination.
    #[must_use]
    pub fn destination_of(&self, message: &Message) -> &str {
        self.destinations.get(message.destination as usize).map_or("", |name| name)
    }

    /// The names of all destinations, by index.
    #[must_use]
    pub fn destinations(&self) -> &[Arc<str>] {
        &self.destinations
    }

    /// The bytes of a span.
    #[must_use]
    pub fn bytes(&self, span: Span) -> &[u8] {
        self.buffer.get(span.range()).unwrap_or_default()
    }
}
