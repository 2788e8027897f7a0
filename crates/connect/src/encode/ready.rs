//! Rows that are messages already: their parts go into the buffer as they are.

use std::str;
use std::sync::Arc;

use super::encoder::TOO_MANY;
use super::identity::PART_WHOLE;
use super::refusal::{Refusal, Trouble};
use super::route::Router;
use crate::stream::{ChangeRef, Datum, Message, Messages, Ready, Span};

/// Writes the message that a row is, whatever envelope the sink has.
pub(super) fn write(
    ready: &Ready,
    (index, change): (usize, &ChangeRef<'_>),
    (out, router): (&mut Messages, &mut Router),
    bytes_max: usize,
) -> Result<(), Refusal> {
    let part = |column: usize| match change.after().map(|row| row.datum(column)) {
        Some(Datum::Text(bytes) | Datum::Binary(bytes)) => Ok(Some(bytes)),
        Some(Datum::Unchanged) => Err(Trouble::UNKNOWN.at(column)),
        Some(Datum::Null) | None => Ok(None),
    };
    let destination = part(ready.destination)?.unwrap_or_default();
    let destination =
        str::from_utf8(destination).map_err(|_| Trouble::NOT_UTF8.at(ready.destination))?;
    if destination.is_empty() {
        return Err(Trouble::missing("has an empty destination").of_row());
    }
    let destination: Arc<str> = Arc::clone(router.named(destination));
    let (key, body) = (part(ready.key)?, part(ready.body)?);
    let bytes = key.map_or(0, <[u8]>::len) + body.map_or(0, <[u8]>::len);
    if bytes > bytes_max {
        return Err(Trouble::too_large("makes a message over `message_bytes_max`").of_row());
    }
    let change = u32::try_from(index).map_err(|_| TOO_MANY.of_row())?;
    let key = key.map(|bytes| copy(bytes, out)).transpose()?;
    let body = body.map(|bytes| copy(bytes, out)).transpose()?;
    let destination = out.destination(&destination);
    out.push(Message { destination, change, part: PART_WHOLE, key, body });
    for (name, column) in &ready.headers {
        if let Some(value) = part(*column)? {
            let value = copy(value, out)?;
            out.push_header(name, value);
        }
    }
    Ok(())
}

/// Appends bytes to the buffer.
fn copy(bytes: &[u8], out: &mut Messages) -> Result<Span, Refusal> {
    let start = out.buffer.len();
    out.buffer.extend_from_slice(bytes);
    Span::new(start, out.buffer.len()).ok_or(TOO_MANY.of_row())
}
