//! A checker of spanned trees against a JSON Schema, made for people.
//!
//! A general validator says that an instance failed `oneOf` at `/spec/nodes/3`. This one gathers
//! every complaint with its place, follows a union into the branch that was meant, and says what to
//! do. It understands the keywords that schemars writes and ignores those it does not know; the
//! types in `draft` are still read by serde afterwards, so nothing slips through.

mod mapping;
mod scalar;
mod union;
mod view;
mod walk;

pub(crate) use self::scalar::clipped;
pub(crate) use self::walk::{check, lower_first};
