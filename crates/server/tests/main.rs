//! The service as a client meets it: the real router over a real store in a scratch folder.
#![expect(clippy::unwrap_used, reason = "a test may fail by panicking")]
#![expect(clippy::indexing_slicing, reason = "a test that asks for what is not there fails")]

mod access;
mod api;
mod health;
mod ingest;
mod matrix;
mod metrics_page;
mod openapi;
mod support;
mod tls;
mod viewers;
