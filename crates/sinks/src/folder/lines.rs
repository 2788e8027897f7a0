//! From messages to lines, and from the names of destinations to folders.

use std::collections::BTreeMap;

use flowglass_connect::Fault;
use flowglass_connect::stream::{Delivery, Message, Messages};
use flowglass_model::ErrorClass;

use super::config::Line;
use super::piece::{Made, Piece, Pieces};
use crate::messages::{is_refused, refuse, write_id, write_named};

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

/// The lines of a delivery, by destination.
///
/// # Errors
/// `internal` when a message names no row of its batch.
pub(super) fn lines(delivery: &Delivery, line: Line) -> Made {
    let mut made = Pieces::default();
    let Some(messages) = &delivery.messages else { return Ok(made) };
    made.refused =
        refuse(messages, |message| (!is_inside(messages.destination_of(message))).then(outside));
    let mut by_destination: BTreeMap<&str, Piece> = BTreeMap::new();
    for message in messages.items() {
        if !is_refused(&made.refused, message) {
            let name = messages.destination_of(message);
            let piece = by_destination
                .entry(name)
                .or_insert_with(|| Piece { destination: name.to_owned(), ..Piece::default() });
            push(&mut piece.bytes, line, delivery, (messages, message))?;
            piece.rows += 1;
        }
    }
    made.pieces = by_destination.into_values().collect();
    Ok(made)
}

/// Why a row's destination is none.
pub(super) fn outside() -> Fault {
    let what = "the row's path leads out of the folder, or is no path";
    Fault::new(ErrorClass::Malformed, what)
}

/// Appends the line of a message.
fn push(
    out: &mut Vec<u8>,
    line: Line,
    delivery: &Delivery,
    (messages, message): (&Messages, &Message),
) -> Result<(), Fault> {
    match line {
        Line::Value => {
            let value = message.body.map(|span| messages.bytes(span));
            out.extend_from_slice(value.unwrap_or(b"null"));
        }
        Line::Message => {
            let mut id = Vec::new();
            write_id(&mut id, delivery, message)?;
            write_named(out, &id, (messages, message));
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
