//! Stream sinks against the real services.

#![expect(clippy::unwrap_used, reason = "a helper of a test fails by a panic, as the test does")]

mod folder;
mod kafka;
mod kafka_alone;
mod lines;
mod redis;
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
