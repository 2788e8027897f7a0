//! Requests to streams that run in other processes, and how each stream is meant to be.

use flowglass_connect::stream::{Answer, AnswerState, Begin, Desired, StreamRequest, Verb};
use jiff::Timestamp;
use rusqlite::{OptionalExtension, Row, params};

use super::doorframe::begin as begin_transaction;
use crate::codec::{int, nanoseconds, uint};
use crate::error::StoreError;
use crate::reader::Reader;
use crate::store::Store;
use crate::transaction::Log;

/// Requests of a stream that are kept; older ones go when another comes.
const REQUESTS_KEPT_MAX: u64 = 200;

/// A request and what was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestView {
    /// The request.
    pub request: StreamRequest,
    /// The latest answer.
    pub answer: Option<Answer>,
}

impl Store {
    /// Asks something of a stream; the number of the request. What is to last (paused or not) is
    /// kept with it, in the same transaction, whether the stream runs or not.
    ///
    /// # Errors
    /// What keeps the transaction from being committed.
    pub async fn ask(
        &self,
        stream: &str,
        verb: Verb,
        (by, at): (String, Timestamp),
    ) -> Result<u64, StoreError> {
        let stream = stream.to_owned();
        self.write(move |log| ask(log, &stream, &verb, (&by, at))).await
    }
}

impl Reader {
    /// A request and its latest answer.
    ///
    /// # Errors
    /// What SQLite answers.
    pub fn request(&self, number: u64) -> Result<Option<RequestView>, StoreError> {
        self.connection
            .prepare_cached(
                "SELECT request_no, verb, argument, asked_by, asked_ns, state, answer
                 FROM stream_request WHERE request_no = ?1",
            )
            .and_then(|mut it| it.query_row([int(number)], view).optional())
            .map(Option::flatten)
            .map_err(self.failed("reading a request"))
    }

    /// Requests to a stream without an answer, in order.
    pub(crate) fn open_requests(&self, stream: &str) -> Result<Vec<StreamRequest>, StoreError> {
        let failed = self.failed("looking for requests");
        let mut select = self
            .connection
            .prepare_cached(
                "SELECT request_no, verb, argument, asked_by, asked_ns, state, answer
                 FROM stream_request WHERE stream = ?1 AND state = 'asked' ORDER BY request_no",
            )
            .map_err(&failed)?;
        let rows = select.query_map([stream], view).map_err(&failed)?;
        let mut requests = Vec::new();
        for row in rows {
            // A verb of a later flowglass is not ours to answer; whoever asked waits in vain.
            requests.extend(row.map_err(&failed)?.map(|it| it.request));
        }
        Ok(requests)
    }
}

fn view(row: &Row<'_>) -> rusqlite::Result<Option<RequestView>> {
    let (verb, argument): (String, String) = (row.get(1)?, row.get(2)?);
    let Some(verb) = Verb::parse(&verb, &argument) else { return Ok(None) };
    let state = AnswerState::from_name(&row.get::<_, String>(5)?);
    let said: Option<String> = row.get(6)?;
    let request = StreamRequest {
        number: uint(row.get(0)?),
        verb,
        asked_by: row.get(3)?,
        asked_at: Timestamp::from_nanosecond(row.get::<_, i64>(4)?.into()).unwrap_or_default(),
    };
    let answer = state.map(|state| Answer { state, said: said.unwrap_or_default() });
    Ok(Some(RequestView { request, answer }))
}

fn ask(
    log: &mut Log,
    stream: &str,
    verb: &Verb,
    (by, at): (&str, Timestamp),
) -> Result<u64, StoreError> {
    let failed = log.failed("asking something of a stream");
    let transaction = begin_transaction(log).map_err(&failed)?;
    let desired = match verb {
        Verb::Pause => Some(Desired::Paused),
        Verb::Resume => Some(Desired::Running),
        Verb::Stop | Verb::Resync { .. } => None,
    };
    if let Some(desired) = desired {
        transaction
            .prepare_cached(
                "INSERT INTO stream (stream, desired, desired_ns, desired_by)
                 VALUES (?1, ?2, ?3, ?4) ON CONFLICT (stream) DO UPDATE SET
                     desired = excluded.desired, desired_ns = excluded.desired_ns,
                     desired_by = excluded.desired_by",
            )
            .and_then(|mut it| it.execute(params![stream, desired.name(), nanoseconds(at), by]))
            .map_err(&failed)?;
    }
    transaction
        .prepare_cached(
            "INSERT INTO stream_request (stream, verb, argument, asked_ns, asked_by, state)
             VALUES (?1, ?2, ?3, ?4, ?5, 'asked')",
        )
        .and_then(|mut it| {
            it.execute(params![stream, verb.name(), verb.argument(), nanoseconds(at), by])
        })
        .map_err(&failed)?;
    let number = uint(transaction.last_insert_rowid());
    transaction
        .prepare_cached(
            "DELETE FROM stream_request WHERE stream = ?1 AND request_no <=
                 (SELECT request_no FROM stream_request WHERE stream = ?1
                  ORDER BY request_no DESC LIMIT 1 OFFSET ?2)",
        )
        .and_then(|mut it| it.execute(params![stream, int(REQUESTS_KEPT_MAX)]))
        .map_err(&failed)?;
    transaction.commit().map_err(&failed)?;
    Ok(number)
}

pub(super) fn answer(
    log: &mut Log,
    request: u64,
    answer: &Answer,
    at: Timestamp,
) -> Result<(), StoreError> {
    let failed = log.failed("answering a request");
    log.connection()
        .prepare_cached(
            // What is over stays over.
            "UPDATE stream_request SET state = ?2, answer = ?3, answered_ns = ?4
             WHERE request_no = ?1 AND state IN ('asked', 'accepted')",
        )
        .and_then(|mut it| {
            let at = nanoseconds(at);
            it.execute(params![int(request), answer.state.name(), answer.said, at])
        })
        .map(drop)
        .map_err(failed)
}

/// A stream begins: how it is meant to be. Requests that the process before it left are closed.
pub(super) fn begin(log: &mut Log, begin: &Begin) -> Result<Desired, StoreError> {
    let failed = log.failed("beginning a stream");
    let transaction = begin_transaction(log).map_err(&failed)?;
    let at = nanoseconds(begin.at);
    transaction
        .prepare_cached(
            "INSERT INTO stream (stream, desired, letters_max) VALUES (?1, 'running', ?2)
             ON CONFLICT (stream) DO UPDATE SET letters_max = excluded.letters_max",
        )
        .and_then(|mut it| it.execute(params![begin.stream, int(begin.limits.entries_max)]))
        .map_err(&failed)?;
    for (states, verbs, state, said) in CLOSING {
        transaction
            .execute(
                &format!(
                    "UPDATE stream_request SET state = ?2, answer = ?3, answered_ns = ?4
                     WHERE stream = ?1 AND state IN ({states}) AND verb IN ({verbs})"
                ),
                params![begin.stream, state.name(), said, at],
            )
            .map_err(&failed)?;
    }
    let desired: String = transaction
        .prepare_cached("SELECT desired FROM stream WHERE stream = ?1")
        .and_then(|mut it| it.query_row([&begin.stream], |row| row.get(0)))
        .map_err(&failed)?;
    transaction.commit().map_err(&failed)?;
    Ok(if desired == Desired::Paused.name() { Desired::Paused } else { Desired::Running })
}

/// How open requests are closed when a stream begins: states, verbs, answer.
const CLOSING: [(&str, &str, AnswerState, &str); 2] = [
    (
        "'asked'",
        "'pause', 'resume'",
        AnswerState::Done,
        "the stream was started after that, and began so",
    ),
    (
        "'asked', 'accepted'",
        "'stop', 'resync'",
        AnswerState::Refused,
        "the process that was asked is gone, and the stream was started anew; ask again",
    ),
];
