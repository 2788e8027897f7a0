//! The idempotency key of a message, looked up by the message, and the object that carries it.

use flowglass_connect::Fault;
use flowglass_connect::encode::idempotency_key;
use flowglass_connect::stream::{Delivery, Message, Messages};
use flowglass_model::ErrorClass;

/// Writes the message's idempotency key into `id`, in place of what was there.
///
/// # Errors
/// `internal` when the message names no row of its batch.
pub(crate) fn write_id(
    id: &mut Vec<u8>,
    delivery: &Delivery,
    message: &Message,
) -> Result<(), Fault> {
    let change = delivery
        .batch
        .change(message.change as usize)
        .ok_or_else(|| Fault::new(ErrorClass::Internal, "a message names no row of its batch"))?;
    id.clear();
    idempotency_key(&change, message.part, id);
    Ok(())
}

/// Appends an object of `id`, `key` and `value`, where what is not there is `null`.
#[cfg(any(feature = "folder", feature = "http"))]
pub(crate) fn write_named(
    out: &mut Vec<u8>,
    id: &[u8],
    (messages, message): (&Messages, &Message),
) {
    let json = |span: Option<_>| span.map_or(&b"null"[..], |span| messages.bytes(span));
    // An idempotency key needs no escapes; key and body are JSON already.
    let (key, value) = (json(message.key), json(message.body));
    for part in [&b"{\"id\":\""[..], id, b"\",\"key\":", key, b",\"value\":", value, b"}"] {
        out.extend_from_slice(part);
    }
}
