//! From a change to the bytes of a message: envelope, encoding, route and key.
//!
//! An [`Encoder`] reads each cell's text where the source left it and writes straight into the one
//! buffer of [`crate::stream::Messages`]. What is the same for every row of a table is prepared once
//! per shape of the table; what is the same for every row of a transaction, once per transaction. No
//! tree of values is built and nothing is allocated per row: that is the difference between moving
//! a backlog at the speed of its log and at half of it.
//!
//! A row that cannot be written leaves nothing behind and is named with its column, never with its
//! value. What each envelope says is on the page `streams/envelopes.md` of the guide.

mod array;
mod calendar;
mod debezium;
mod encoder;
mod envelope;
mod form;
mod identity;
mod json;
mod key;
mod plan;
mod ready;
mod refusal;
mod route;
mod row;
mod settings;
mod temporal;

pub use encoder::{Encoder, Origin};
pub use identity::{idempotency_key, key_change_header};
pub use settings::{
    BinaryMode, DebeziumSettings, DecimalMode, EncoderSettings, Encoding, Envelope, HstoreMode,
    IntervalMode, KeyRule, TimeMode,
};
