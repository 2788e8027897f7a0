//! The acceptance suite of sinks that take rows and keep tables: what each of them must do, whatever
//! database it writes to.
//!
//! Two tables are kept. `accounts` has a key, and its rows are inserted, changed in part, renamed,
//! deleted and emptied: it must be at each moment what the source's was. `log` has none and is only
//! added to: a batch that was lost or came twice shows there, where an upsert would hide it.

mod checks;
mod feed;

use std::sync::Arc;

use async_trait::async_trait;
use flowglass_connect::stream::StreamSink;

pub use checks::{
    a_cut_network_loses_nothing, a_killed_writer_leaves_no_trace, a_new_writer_fences_the_old_one,
    a_silent_network_is_noticed, an_empty_batch_moves_the_position, everything_is_as_at_the_source,
    refused_rows_are_named, rows_without_a_key_are_refused, the_sink_can_be_examined,
};
pub use feed::{Contents, RowFeed, Shape, Table, TableBatch};

use crate::proxy::Proxy;
pub use crate::stream_sinks::Way;

/// A sink, its database, and a stream of its own there: each check gets a new one.
#[async_trait]
pub trait TablesUnderTest: Send + Sync {
    /// The sink; two of them are two processes that run the same stream. It adds the rows of tables
    /// without a key unless it is told to refuse them.
    fn sink(&self, way: Way, adds_without_key: bool) -> Arc<dyn StreamSink>;

    /// What both tables hold, rows in any order; nothing of a table that is not there.
    async fn contents(&self) -> Contents;

    /// Makes `accounts` beforehand, so that it refuses rows whose `amount` is 666.
    async fn make_picky(&self);

    /// The network of [`Way::Proxied`].
    fn proxy(&self) -> &Proxy;
}

/// Makes a test of each check, or of those that are named. The expression makes a
/// [`TablesUnderTest`], and may wait.
#[macro_export]
macro_rules! row_sink_suite {
    ($make:expr) => {
        $crate::row_sink_suite!($make,
            everything_is_as_at_the_source,
            an_empty_batch_moves_the_position,
            refused_rows_are_named,
            rows_without_a_key_are_refused,
            a_killed_writer_leaves_no_trace,
            a_new_writer_fences_the_old_one,
            a_cut_network_loses_nothing,
            a_silent_network_is_noticed,
            the_sink_can_be_examined,
        );
    };
    ($make:expr, $($check:ident),+ $(,)?) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $check() {
                let under = $make.await;
                $crate::row_sinks::$check(&under).await;
            }
        )+
    };
}
