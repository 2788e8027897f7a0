//! The idempotency key of a message, looked up by the message.

use flowglass_connect::Fault;
use flowglass_connect::encode::idempotency_key;
use flowglass_connect::stream::{Delivery, Message};
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
