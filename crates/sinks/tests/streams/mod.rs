//! Stream sinks against the real services.

#![expect(clippy::unwrap_used, reason = "a helper of a test fails by a panic, as the test does")]

#[cfg(feature = "folder")]
mod folder;
#[cfg(feature = "folder")]
mod folder_parquet;
#[cfg(feature = "http")]
mod http;
#[cfg(feature = "http")]
mod http_alone;
#[cfg(feature = "kafka")]
mod kafka;
#[cfg(feature = "kafka")]
mod kafka_alone;
#[cfg(all(feature = "null", feature = "stdout"))]
mod lines;
#[cfg(feature = "http")]
mod receiver;
#[cfg(feature = "redis")]
mod redis;
#[cfg(feature = "redis")]
mod redis_alone;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flowglass_connect::{Surroundings, SystemClock};

/// Names a stream that no other test uses.
fn fresh(what: &str) -> String {
    static USED: AtomicU64 = AtomicU64::new(0);
    format!("{what}-{}", USED.fetch_add(1, Ordering::Relaxed))
}

fn around() -> Surroundings {
    let folder = std::env::temp_dir();
    Surroundings {
        base_dir: folder.clone(),
        scratch_dir: folder,
        clock: Arc::new(SystemClock::new()),
    }
}
