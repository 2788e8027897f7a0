//! Transactions that the server sends before they are committed.
//!
//! A server that runs out of memory for a large transaction sends what it has (protocol 2), in
//! blocks that take turns with other transactions, and says at the end whether it was committed.
//! Until then nothing of it may be told. Its messages are kept here as protocol 1 would have sent
//! them: in memory up to a bound that all of them share, the largest in a file behind that. At the
//! commit they are decoded in one go, so that positions, numbers and hashes are those that protocol
//! 1 gives, and a stream may change from one to the other in the middle of a transaction.
//!
//! A table that is described inside such a transaction is described there with everything else: it
//! is learned when the transaction is told, and never when it is rolled back.

mod hold;
mod record;
mod spill;

pub(super) use hold::{Hold, Limits, MEMORY_BYTES_MIN};
pub(super) use record::record_at;
pub(super) use spill::{Replay, write};

#[cfg(test)]
mod tests;
