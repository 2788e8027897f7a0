//! Dead letters of a stream: listed a page at a time, acknowledged, removed, sent again.

use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::extract::{Path, State};
use flowglass_connect::stream::{LetterBox, LetterFilter, LetterState, StoredLetter};
use flowglass_model::{ErrorClass, PipelineId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::commands::{audit, body_json};
use super::pipelines::one;
use super::query::Ask;
use super::{Answer, Items, json};
use crate::access::Caller;
use crate::problem::Problem;
use crate::service::Service;

/// Bytes of a letter's row that are shown in a list.
const PAYLOAD_BYTES_MAX: usize = 4 << 10;
/// Letters that are dealt with in one transaction.
const PART_LETTERS_MAX: usize = 1_000;

/// A letter as the API shows it.
#[derive(Debug, Serialize)]
struct Letter {
    number: u64,
    sink: String,
    processor: Option<String>,
    table: String,
    op: &'static str,
    class: ErrorClass,
    detail: String,
    hint: &'static str,
    position: String,
    key: Option<String>,
    at: Timestamp,
    /// `open`, `acked` or `replayed`.
    status: &'static str,
    attempts: u64,
    payload: String,
    payload_bytes: usize,
    truncated: bool,
}

impl Letter {
    fn of(stored: StoredLetter) -> Self {
        let letter = stored.letter;
        let cut = letter.row.floor_char_boundary(PAYLOAD_BYTES_MAX);
        Self {
            number: stored.number,
            sink: letter.sink,
            processor: letter.processor,
            table: letter.table,
            op: letter.op.name(),
            class: letter.class,
            detail: letter.detail,
            hint: letter.class.hint(),
            position: letter.id,
            key: letter.key,
            at: letter.at,
            status: status(stored.state),
            attempts: stored.attempts,
            payload: letter.row.get(..cut).unwrap_or_default().to_owned(),
            payload_bytes: letter.row.len(),
            truncated: letter.truncated || cut < letter.row.len(),
        }
    }
}

fn status(state: LetterState) -> &'static str {
    match state {
        LetterState::Open => "open",
        LetterState::Acknowledged => "acked",
        LetterState::Replayed => "replayed",
    }
}

fn class(word: &str) -> Result<ErrorClass, Problem> {
    let found = ErrorClass::ALL.iter().copied().find(|it| it.name() == word);
    found.ok_or_else(|| Problem::out_of_range(format!("there is no error class `{word:.40}`")))
}

/// `GET /api/v1/pipelines/{p}/dlq`.
pub(crate) async fn list(
    State(service): State<Arc<Service>>,
    Path(name): Path<String>,
    ask: Ask,
) -> Answer {
    let view = one(&service, &name).await?;
    let states = match ask.text("status") {
        None | Some("all") => Vec::new(),
        Some(word) => {
            let found = LetterState::ALL.into_iter().find(|it| status(*it) == word);
            let bad = || Problem::out_of_range("`status` is `open`, `acked`, `replayed` or `all`");
            vec![found.ok_or_else(bad)?]
        }
    };
    let filter = LetterFilter {
        sink: ask.text("sink").map(ToOwned::to_owned),
        table: ask.text("table").map(ToOwned::to_owned),
        class: ask.text("class").map(class).transpose()?,
        since: ask.time("since")?,
        until: ask.time("until")?,
        states,
        ..LetterFilter::default()
    };
    let (after, limit) = (ask.read::<u64>("cursor")?.unwrap_or(0), ask.limit()?);
    let (mut letters, total) = service
        .store
        .read(move |reader| {
            // One more than asked for says whether there is a next page.
            let letters = reader.letters(&view.name, &filter, (after, limit + 1))?;
            Ok((letters, reader.count_letters(&view.name, &filter)?))
        })
        .await?;
    let more = letters.len() > limit;
    letters.truncate(limit);
    let next_cursor = letters.last().filter(|_| more).map(|it| it.number.to_string());
    let items = letters.into_iter().map(Letter::of).collect();
    json(&Items { items, next_cursor, total: Some(total) })
}

/// Which letters are meant.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Meant {
    #[serde(default)]
    numbers: Vec<u64>,
    sink: Option<String>,
    class: Option<String>,
    table: Option<String>,
    #[serde(default)]
    all: bool,
}

/// What became of them.
#[derive(Debug, Serialize)]
struct Dealt {
    matched: u64,
    done: u64,
}

impl Meant {
    fn filter(self, states: Vec<LetterState>) -> Result<LetterFilter, Problem> {
        let some = !self.numbers.is_empty() || self.sink.is_some() || self.class.is_some();
        if !(some || self.table.is_some() || self.all) {
            let said = "say which letters: `numbers`, `sink`, `class`, `table`, or `\"all\": true`";
            return Err(Problem::out_of_range(said));
        }
        if self.numbers.len() > PART_LETTERS_MAX {
            let said = format!("at most {PART_LETTERS_MAX} numbers at once");
            return Err(Problem::out_of_range(said));
        }
        Ok(LetterFilter {
            numbers: self.numbers,
            sink: self.sink,
            table: self.table,
            class: self.class.as_deref().map(class).transpose()?,
            states,
            ..LetterFilter::default()
        })
    }
}

/// `POST /api/v1/pipelines/{p}/dlq/{ack|purge|replay}`.
pub(crate) async fn deal(
    State(service): State<Arc<Service>>,
    Path((name, verb)): Path<(String, String)>,
    Extension(caller): Extension<Caller>,
    body: Body,
) -> Answer {
    let meant: Meant = body_json(body).await?;
    let pipeline = PipelineId::new(&name).map_err(|_bad| crate::fleet::unknown(&name))?;
    let state = match verb.as_str() {
        "ack" | "replay" => vec![LetterState::Open],
        "purge" => Vec::new(),
        _ => {
            return Err(Problem::not_found("letters are dealt with by `ack`, `purge` or `replay`"));
        }
    };
    one(&service, pipeline.as_str()).await?;
    let filter = meant.filter(state)?;
    let told = match verb.as_str() {
        "replay" => {
            let replayed = service.fleet.replay(&name, filter).await;
            audit(&service, &caller, ("dlq_replay", &name), replayed.is_ok());
            return json(&replayed?);
        }
        "ack" => settle(&service, &name, (&filter, true)).await,
        _ => settle(&service, &name, (&filter, false)).await,
    };
    let action = if verb == "ack" { "dlq_ack" } else { "dlq_purge" };
    audit(&service, &caller, (action, &name), told.is_ok());
    json(&told?)
}

async fn settle(
    service: &Service,
    name: &str,
    (filter, keep): (&LetterFilter, bool),
) -> Result<Dealt, Problem> {
    let mut dealt = Dealt { matched: 0, done: 0 };
    let mut after = 0;
    loop {
        let letters = service.store.letters(name, filter, (after, PART_LETTERS_MAX)).await?;
        let Some(last) = letters.last() else { return Ok(dealt) };
        after = last.number;
        let numbers: Vec<u64> = letters.iter().map(|it| it.number).collect();
        dealt.matched += numbers.len() as u64;
        dealt.done += match keep {
            true => {
                let now = service.clock.now();
                service.store.mark(numbers, LetterState::Acknowledged, now).await?
            }
            false => service.store.remove_letters(numbers).await?,
        };
    }
}
