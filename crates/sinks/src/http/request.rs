//! From messages to requests: which go together, and what is said.

use std::ops::Range;

use flowglass_connect::Fault;
use flowglass_connect::stream::{Delivery, Message, Messages};

use super::address::path_of;
use super::config::{Body, Items, Settings};
use super::sign::identifier;
use crate::messages::{write_id, write_named};

/// Messages that go together: to one path, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Group {
    destination: u32,
    /// Messages by index. Those of one row are beside each other.
    pub(super) messages: Vec<usize>,
}

/// A request as it is sent.
#[derive(Debug)]
pub(super) struct Request {
    /// What names it, each time that it is sent.
    pub(super) id: String,
    pub(super) path: String,
    pub(super) body: Vec<u8>,
}

/// Puts the messages of a delivery together, within the limits of a request.
pub(super) fn group(messages: &Messages, settings: &Settings) -> Vec<Group> {
    let mut open: Vec<(Group, usize)> = Vec::new();
    let mut done = Vec::new();
    for (index, message) in messages.items().iter().enumerate() {
        let bytes = size_of(messages, message);
        if settings.path_splits_keys()
            && open.first().is_some_and(|(it, _)| it.destination != message.destination)
        {
            done.extend(open.drain(..).map(|(group, _)| group));
        }
        let at = open.iter().position(|(it, _)| it.destination == message.destination);
        match at.and_then(|at| open.get_mut(at)) {
            None => {
                let group = Group { destination: message.destination, messages: vec![index] };
                open.push((group, bytes));
            }
            Some((group, filled)) => {
                let full = group.messages.len() >= settings.events_max
                    || *filled + bytes > settings.bytes_max;
                if full {
                    let messages = std::mem::take(&mut group.messages);
                    done.push(Group { destination: message.destination, messages });
                    *filled = 0;
                }
                group.messages.push(index);
                *filled += bytes;
            }
        }
    }
    done.extend(open.into_iter().map(|(group, _)| group));
    done
}

/// What a message takes in a body, brackets and names included.
fn size_of(messages: &Messages, message: &Message) -> usize {
    let length = |span: Option<_>| span.map_or(4, |span| messages.bytes(span).len());
    length(message.key) + length(message.body) + 64
}

impl Group {
    /// The request.
    ///
    /// # Errors
    /// `internal` when a message names no row of its batch.
    pub(super) fn request(
        &self,
        delivery: &Delivery,
        messages: &Messages,
        settings: &Settings,
    ) -> Result<Request, Fault> {
        let (mut ids, mut id, mut body) = (Vec::new(), Vec::new(), Vec::new());
        let mut path = String::new();
        for (count, message) in self.items(messages).enumerate() {
            write_id(&mut id, delivery, message)?;
            ids.extend_from_slice(&id);
            ids.push(b'\n');
            match (settings.body, count) {
                (Body::Array, 0) => body.push(b'['),
                (Body::Array, _) => body.push(b','),
                (Body::Ndjson | Body::Single, _) => {}
            }
            match settings.items {
                Items::Message => write_named(&mut body, &id, (messages, message)),
                Items::Value => {
                    let value = message.body.map(|span| messages.bytes(span));
                    body.extend_from_slice(value.unwrap_or(b"null"));
                }
            }
            if settings.body == Body::Ndjson {
                body.push(b'\n');
            }
            if count == 0 {
                path = path_of(messages.destination_of(message));
            }
        }
        if settings.body == Body::Array {
            body.push(b']');
        }
        Ok(Request { id: identifier(&settings.owner, &ids), path, body })
    }

    /// Two halves, neither of which divides a row; `None` when there is one row.
    pub(super) fn halves(&self, messages: &Messages) -> Option<(Self, Self)> {
        let row = |at: &usize| messages.items().get(*at).map(|it| it.change);
        let middle = self.messages.len() / 2;
        let is_cut = |at: &usize| {
            let (before, after) = (self.messages.get(at - 1), self.messages.get(*at));
            before.and_then(row) != after.and_then(row)
        };
        // The nearest place behind the middle, else before it.
        let behind = (middle.max(1)..self.messages.len()).find(is_cut);
        let cut = behind.or_else(|| (1..middle).rev().find(is_cut))?;
        let part = |range: Range<usize>| Self {
            destination: self.destination,
            messages: self.messages.get(range).unwrap_or_default().to_vec(),
        };
        Some((part(0..cut), part(cut..self.messages.len())))
    }

    /// The index of its first row.
    pub(super) fn row(&self, messages: &Messages) -> usize {
        self.items(messages).next().map_or(0, |message| message.change as usize)
    }

    fn items<'m>(&'m self, messages: &'m Messages) -> impl Iterator<Item = &'m Message> {
        self.messages.iter().filter_map(|at| messages.items().get(*at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(of: &[(&str, u32)]) -> Messages {
        let mut messages = Messages::default();
        let mut part = 0;
        let mut last = None;
        for (destination, change) in of {
            part = if last == Some(*change) { part + 1 } else { 0 };
            last = Some(*change);
            let destination = messages.destination(&(*destination).into());
            messages.push(Message { destination, change: *change, part, key: None, body: None });
        }
        messages
    }

    #[test]
    fn halves_do_not_divide_a_row() {
        let messages = messages(&[("a", 0), ("a", 1), ("a", 1), ("a", 1), ("a", 2)]);
        let all = Group { destination: 0, messages: (0..5).collect() };
        let (one, two) = all.halves(&messages).unwrap();
        assert_eq!((one.messages, two.messages), (vec![0, 1, 2, 3], vec![4]));
        let some = Group { destination: 0, messages: (0..4).collect() };
        let (one, two) = some.halves(&messages).unwrap();
        assert_eq!((one.messages.clone(), two.messages.clone()), (vec![0], vec![1, 2, 3]));
        assert_eq!((one.row(&messages), two.row(&messages)), (0, 1));
        assert!(two.halves(&messages).is_none() && one.halves(&messages).is_none());
    }
}
