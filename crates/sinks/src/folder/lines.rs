//! From messages to lines, and from the names of destinations to folders.

use flowglass_connect::Fault;
use flowglass_connect::stream::{Delivery, Message, Messages};

use super::config::Line;
use crate::messages::write_id;

/// No file system takes longer names.
const NAME_BYTES_MAX: usize = 255;

/// Whether it can be the name of folders inside of ours, and of nothing outside.
pub(super) fn is_inside(destination: &str) -> bool {
    let fine = |name: &str| {
        (1..=NAME_BYTES_MAX).contains(&name.len())
            && !matches!(name, "." | "..")
            && !name.contains(['\0', '\\'])
    };
    destination.split('/').all(fine)
}

/// Appends the line of a message.
///
/// # Errors
/// `internal` when the message names no row of its batch.
pub(super) fn push(
    out: &mut Vec<u8>,
    line: Line,
    delivery: &Delivery,
    (messages, message): (&Messages, &Message),
) -> Result<(), Fault> {
    let value = message.body.map_or(&b"null"[..], |span| messages.bytes(span));
    match line {
        Line::Value => out.extend_from_slice(value),
        Line::Message => {
            // An idempotency key needs no escapes; key and body are JSON already.
            let mut id = Vec::new();
            write_id(&mut id, delivery, message)?;
            let key = message.key.map_or(&b"null"[..], |span| messages.bytes(span));
            for part in [&b"{\"id\":\""[..], &id, b"\",\"key\":", key, b",\"value\":", value, b"}"]
            {
                out.extend_from_slice(part);
            }
        }
    }
    out.push(b'\n');
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::is_inside;

    #[test]
    fn no_row_leads_out_of_the_folder() {
        for name in ["public.orders", "public/orders", "öl", "a/..b"] {
            assert!(is_inside(name), "{name}");
        }
        for name in ["", "/", "/etc", "a//b", "a/", "..", "a/../b", "./a", "a\0b", &"x".repeat(256)]
        {
            assert!(!is_inside(name), "{name}");
        }
    }
}
