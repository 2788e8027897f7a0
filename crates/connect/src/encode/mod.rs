//! From a change to the bytes of a message: envelope, encoding, route and key.

mod settings;

pub use settings::{EncoderSettings, Encoding, Envelope, KeyRule};
