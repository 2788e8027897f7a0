//! What open sinks share: the name of a message that is the same each time, rows that are refused
//! beforehand, a task for those whose work waits for a network and a thread for those whose work
//! blocks.

#[cfg(any(feature = "redis", feature = "kafka", feature = "folder", feature = "http"))]
mod id;
#[cfg(any(feature = "redis", feature = "kafka", feature = "folder", feature = "http"))]
mod refuse;
#[cfg(any(feature = "postgres", feature = "http"))]
mod tasked;
#[cfg(any(feature = "stdout", feature = "kafka", feature = "folder", feature = "sqlite"))]
mod threaded;

#[cfg(any(feature = "redis", feature = "kafka", feature = "folder", feature = "http"))]
pub(crate) use id::write_id;
#[cfg(any(feature = "folder", feature = "http"))]
pub(crate) use id::write_named;
#[cfg(any(feature = "redis", feature = "kafka", feature = "folder", feature = "http"))]
pub(crate) use refuse::{is_refused, refuse};
#[cfg(any(feature = "postgres", feature = "http"))]
pub(crate) use tasked::{Deliver, TaskedSink};
#[cfg(any(feature = "kafka", feature = "folder", feature = "sqlite"))]
pub(crate) use threaded::ask;
#[cfg(any(feature = "kafka", feature = "folder"))]
pub(crate) use threaded::start_thread;
#[cfg(any(feature = "stdout", feature = "kafka", feature = "folder", feature = "sqlite"))]
pub(crate) use threaded::{Ends, ThreadedSink};
