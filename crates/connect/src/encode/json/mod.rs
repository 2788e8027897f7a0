//! Writing JSON from bytes: strings, numbers, base64, and looking at documents that come as they are.

mod base64;
mod document;
mod scan;
mod text;

pub(super) use base64::{Alphabet, write_base64, write_hex_as_base64};
pub(super) use document::{Nesting, is_number, write_document};
pub(super) use text::{escape, write_string};
