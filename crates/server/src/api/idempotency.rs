//! Commands that are sent twice are done once: the answer to a command with an `Idempotency-Key` is
//! kept for a while and given again, as the IETF draft `idempotency-key-header` has it.
//!
//! The keys are in memory: a process that was started anew has forgotten them. What lasts over a
//! restart (paused or not) is the same when it is asked for twice.

use std::collections::{HashMap, VecDeque};
use std::future::Future;
use std::sync::{Arc, PoisonError};

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use tokio::sync::Mutex;

use super::Answer;
use crate::problem::Problem;

/// Keys that are remembered.
const KEYS_MAX: usize = 1_024;
/// The longest key.
const KEY_CHARS_MAX: usize = 255;

type Kept = Option<(StatusCode, String)>;
type Slot = Arc<Mutex<(String, Kept)>>;

/// Answers by key.
#[derive(Debug, Default)]
pub(crate) struct Answers(std::sync::Mutex<Shelf>);

#[derive(Debug, Default)]
struct Shelf {
    by_key: HashMap<String, Slot>,
    order: VecDeque<String>,
}

impl Answers {
    fn slot(&self, key: String, asks: &str) -> Slot {
        let mut shelf = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(slot) = shelf.by_key.get(&key) {
            return Arc::clone(slot);
        }
        if shelf.order.len() == KEYS_MAX {
            let oldest = shelf.order.pop_front();
            oldest.and_then(|it| shelf.by_key.remove(&it));
        }
        let slot = Slot::new(Mutex::new((asks.to_owned(), None)));
        shelf.order.push_back(key.clone());
        shelf.by_key.insert(key, Arc::clone(&slot));
        slot
    }

    /// Does `work` unless its answer is known. `asks` names what is asked for; the same key for
    /// something else is refused. Two requests of one key at a time: the second waits for the first.
    pub(crate) async fn once(
        &self,
        (headers, who, asks): (&HeaderMap, &str, &str),
        work: impl Future<Output = Result<(StatusCode, String), Problem>>,
    ) -> Answer {
        let Some(key) = headers.get("idempotency-key") else {
            let (status, text) = work.await?;
            return Ok(written(status, text));
        };
        let key = key.to_str().ok().filter(|it| !it.is_empty() && it.len() <= KEY_CHARS_MAX);
        let bad = || Problem::bad_request("`Idempotency-Key` is 1 to 255 visible characters");
        let slot = self.slot(format!("{who}\n{}", key.ok_or_else(bad)?), asks);
        let mut slot = slot.lock().await;
        if slot.0 != asks {
            let said = "this `Idempotency-Key` was used for something else";
            return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "key-reused", said));
        }
        if let Some((status, text)) = &slot.1 {
            let mut again = written(*status, text.clone());
            let replayed = HeaderValue::from_static("true");
            again.headers_mut().insert("idempotent-replayed", replayed);
            return Ok(again);
        }
        // A refusal is not kept: what stands in the way may go away.
        let (status, text) = work.await?;
        slot.1 = Some((status, text.clone()));
        Ok(written(status, text))
    }
}

fn written(status: StatusCode, text: String) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], text).into_response()
}
