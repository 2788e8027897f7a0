//! Messages to a webhook: batches of JSON by `POST`, signed, at least once.
//!
//! A request is the same each time that it is sent: the same rows, the same body, the same identifier,
//! which follows from the rows. A receiver that remembers identifiers sees each request once, one that
//! remembers the identifiers of rows each row. Within this process a request that was answered is not
//! sent again, whatever happens to those after it.
//!
//! The signature is that of Standard Webhooks
//! (<https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>), for
//! which receivers find libraries in their own language.
//!
//! Requests go out one after the other, in the order of the rows. The client is `hyper`'s bare
//! connection: what a pool, redirects and proxies would do here is what must not happen unseen.

mod address;
mod answer;
mod client;
mod config;
mod examine;
mod memory;
mod request;
mod sign;
mod sink;
mod writer;

pub use config::{Config, Connector};
