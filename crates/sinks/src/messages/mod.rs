//! What sinks of encoded messages share: the name of a message that is the same each time, rows that
//! are refused beforehand, and a thread for those whose work blocks.

#[cfg(any(feature = "redis", feature = "kafka", feature = "folder"))]
mod id;
#[cfg(any(feature = "redis", feature = "kafka", feature = "folder"))]
mod refuse;
#[cfg(any(feature = "stdout", feature = "kafka", feature = "folder"))]
mod threaded;

#[cfg(any(feature = "redis", feature = "kafka", feature = "folder"))]
pub(crate) use id::write_id;
#[cfg(any(feature = "redis", feature = "kafka", feature = "folder"))]
pub(crate) use refuse::{is_refused, refuse};
#[cfg(any(feature = "kafka", feature = "folder"))]
pub(crate) use threaded::ask;
#[cfg(any(feature = "stdout", feature = "kafka", feature = "folder"))]
pub(crate) use threaded::{Ends, ThreadedSink};
