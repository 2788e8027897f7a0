//! The acceptance suite of stream sinks: what every sink of messages must do, whatever it writes to.
//!
//! A sink brings a [`SinkUnderTest`]: itself, over a good network and over one with faults, and a
//! way to read everything back. [`stream_sink_suite!`](crate::stream_sink_suite) then makes a test
//! of each check, so that a failure says which promise is broken.

mod checks;
mod drive;
mod feed;

use std::sync::Arc;

use async_trait::async_trait;
use flowglass_connect::stream::StreamSink;

pub use checks::{
    a_cut_network_loses_nothing, a_killed_writer_leaves_no_trace, a_new_writer_fences_the_old_one,
    a_silent_network_is_noticed, an_empty_batch_moves_the_position, everything_arrives_in_order,
    refused_rows_are_named, the_sink_can_be_examined,
};
pub use drive::{Progress, pump};
pub(crate) use drive::{in_time, pump_given};
pub use feed::{Fed, feed};
pub(crate) use feed::{commit_of, empty};

use crate::proxy::Proxy;

/// Over which network a sink reaches its service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// A good one.
    Direct,
    /// Through [`SinkUnderTest::proxy`], with so short a patience that a test need not wait.
    Proxied,
}

/// A message as a reader of the sink's service finds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivered {
    /// Topic, stream, file.
    pub destination: String,
    /// The key.
    pub key: Option<Vec<u8>>,
    /// The body; none for a tombstone.
    pub body: Option<Vec<u8>>,
    /// The idempotency key.
    pub id: String,
}

/// What a row must be like for the sink to refuse it.
#[derive(Clone, Debug)]
pub enum Refusable {
    /// Its body has this length.
    Body(usize),
    /// It goes to this destination.
    Destination(String),
}

/// A sink, its service, and a stream of its own there: each check gets a new one.
#[async_trait]
pub trait SinkUnderTest: Send + Sync {
    /// The sink. Two of them are two processes that run the same stream.
    fn sink(&self, way: Way) -> Arc<dyn StreamSink>;

    /// Comes before the name of each destination, so that checks do not see each other's.
    fn prefix(&self) -> String;

    /// Everything that a careful reader finds at the destinations of this stream, in order.
    async fn delivered(&self) -> Vec<Delivered>;

    /// The network of [`Way::Proxied`].
    fn proxy(&self) -> &Proxy;

    /// Rows that it refuses, each for another reason.
    async fn refusable(&self) -> Vec<Refusable>;
}

/// Makes a test of each check, or of those that are named: a sink that no network leads to has none
/// that fails. The expression makes a [`SinkUnderTest`], and may wait.
#[macro_export]
macro_rules! stream_sink_suite {
    ($make:expr) => {
        $crate::stream_sink_suite!($make,
            everything_arrives_in_order,
            an_empty_batch_moves_the_position,
            refused_rows_are_named,
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
                $crate::stream_sinks::$check(&under).await;
            }
        )+
    };
}
