//! Reading rows that are there already while the log goes on: the rest of a snapshot that a crash
//! interrupted, a snapshot of an old slot, or one table again on demand.
//!
//! A window: a connection takes a snapshot of its own, notes which transactions it sees, reads a run
//! of pages, and then writes a watermark into the log. When the stream comes to the watermark,
//! everything that the snapshot saw has been streamed. A row is told there unless a transaction
//! that the snapshot did *not* see has changed it in the meantime and been streamed already: then
//! the log has told something newer, and wins. So no stale row follows a newer one.
//!
//! The usual low watermark would not do: a transaction whose commit is in the log is invisible to
//! others until it has left the server's list of running ones, for seconds under synchronous
//! replication. The snapshot's own list says exactly what it saw.
//!
//! Two things move under the reader. An update moves a row to another page, perhaps to one that was
//! read before; the log tells the row then, but not its large values that did not change. The keys
//! of such rows are read again at the end of their table, and who goes on after a crash begins that
//! table again. A rewrite (`VACUUM FULL`) moves every row: the table is begun again.

mod seen;
mod state;
mod touched;
mod window;

pub(super) use state::{Backfill, Outcome, Setting};
pub(super) use window::WATERMARK;
