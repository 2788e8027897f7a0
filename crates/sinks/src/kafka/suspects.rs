//! Rows that a broker may have refused, and how it is found out which.
//!
//! A broker judges requests. One that is too large for the topic (`max.message.bytes`), or that
//! holds a record without a key for a compacted topic, comes back whole, with the innocent records
//! that happened to be in it. So on such a word nothing is set aside: the writer ends, and the next
//! one is careful, which means a request for each record. What comes back then is refused for its
//! own sake. In a transaction it is struck out by its name, since the transaction is lost with it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use flowglass_connect::Fault;
use flowglass_model::{ErrorClass, Policy};
use rdkafka::error::RDKafkaErrorCode as Code;

use super::errors::{class_of, of_code};

/// What a sink remembers from one writer to the next.
#[derive(Debug, Default)]
pub(super) struct Suspects {
    careful: AtomicBool,
    struck: Mutex<HashMap<Vec<u8>, Code>>,
    any_struck: AtomicBool,
}

impl Suspects {
    /// Whether the code speaks of a row and not of the broker.
    pub(super) fn speaks_of_rows(code: Code) -> bool {
        class_of(code).policy() == Policy::SetAside
    }

    /// Whether each record goes by itself.
    pub(super) fn careful(&self) -> bool {
        self.careful.load(Ordering::Relaxed)
    }

    /// A request was refused; be careful from the next writer on.
    pub(super) fn suspect(&self, code: Code) -> Fault {
        self.careful.store(true, Ordering::Relaxed);
        let what = "the broker refused a request of several rows, which are sent again one by one";
        Fault::new(ErrorClass::Io, what).because(code)
    }

    /// This message is left out by the next writer.
    pub(super) fn strike(&self, id: Vec<u8>, code: Code) {
        self.lock().insert(id, code);
        self.any_struck.store(true, Ordering::Relaxed);
    }

    /// Whether any message is left out.
    pub(super) fn any_struck(&self) -> bool {
        self.any_struck.load(Ordering::Relaxed)
    }

    /// Why the message with this name is left out.
    pub(super) fn struck(&self, id: &[u8]) -> Option<Fault> {
        self.lock().get(id).map(|code| refusal(*code))
    }

    /// What was in flight when the suspicion arose has gone through.
    pub(super) fn calm_down(&self) {
        self.lock().clear();
        self.any_struck.store(false, Ordering::Relaxed);
        self.careful.store(false, Ordering::Relaxed);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Vec<u8>, Code>> {
        self.struck.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why a row is set aside.
pub(super) fn refusal(code: Code) -> Fault {
    let fault = of_code("the broker refused the row", code);
    match fault.class() {
        ErrorClass::TooLarge => fault.hint(
            "Raise `max.message.bytes` of the topic and `kafka: {message.max.bytes: …}` of the \
             sink, or leave large columns out.",
        ),
        _ => fault.hint("A compacted topic takes no record without a key: set `key` on the sink."),
    }
}
