//! Rows that a sink does not even try to deliver.
//!
//! A row is refused as a whole, before anything of it goes out: the tombstone of a delete that was
//! refused would say something else than the two together.

use flowglass_connect::Fault;
use flowglass_connect::stream::{Message, Messages, Refused};

/// The rows of which `judge` refuses a message, in order.
pub(crate) fn refuse(
    messages: &Messages,
    mut judge: impl FnMut(&Message) -> Option<Fault>,
) -> Vec<Refused> {
    let mut refused: Vec<Refused> = Vec::new();
    for message in messages.items() {
        let change = message.change as usize;
        if let Some(fault) = judge(message) {
            refused.push(Refused { change, fault });
        }
    }
    refused.dedup_by_key(|it| it.change);
    refused
}

/// Whether the row of the message is among them.
pub(crate) fn is_refused(refused: &[Refused], message: &Message) -> bool {
    !refused.is_empty()
        && refused.binary_search_by_key(&(message.change as usize), |it| it.change).is_ok()
}
