//! What an operator asks of pipelines: pause, resume, stop, start, run, resync; make, change, delete.
//!
//! Each is told in the audit (who, what, when, how it ended), counted, and done once for each
//! `Idempotency-Key`. A change names the version that it changes with `If-Match`.

use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::IntoResponse;
use flowglass_catalog::label::{LifecycleAction, LifecycleOutcome};
use flowglass_catalog::signals::{PipelineAsked, Signal};
use flowglass_connect::stream::{Answer as Said, AnswerState, StreamState, Verb};
use flowglass_model::{LogLevel, PipelineId};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::Answer;
use super::pipelines::{PipelineView, one};
use crate::access::Caller;
use crate::fleet::Change;
use crate::journal::Note;
use crate::problem::Problem;
use crate::service::Service;

/// How long a command waits for a stream's answer before it says `accepted`.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// How often the answer is looked for.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// The longest body of a command.
const BODY_BYTES_MAX: usize = 4 << 20;

/// Reads a body to its end.
pub(crate) async fn body_bytes(body: Body, bytes_max: usize) -> Result<Vec<u8>, Problem> {
    let read = axum::body::to_bytes(body, bytes_max).await;
    let bytes = read.map_err(|error| {
        // The limit of the layers around speaks through the same error.
        let mut cause: Option<&dyn std::error::Error> = Some(&error);
        while let Some(it) = cause {
            if it.is::<http_body_util::LengthLimitError>() {
                return Problem::of_status(StatusCode::PAYLOAD_TOO_LARGE);
            }
            cause = it.source();
        }
        Problem::bad_request("the body broke off")
    });
    Ok(bytes?.into())
}

/// Reads a body of JSON; an empty one is the type's empty document.
pub(crate) async fn body_json<T: DeserializeOwned>(body: Body) -> Result<T, Problem> {
    let bytes = body_bytes(body, BODY_BYTES_MAX).await?;
    let text = if bytes.is_empty() { b"{}".as_slice() } else { &bytes };
    serde_json::from_slice(text).map_err(|error| {
        // What serde says may hold values of the body; the place is enough.
        let at = format!("line {}, column {}", error.line(), error.column());
        Problem::out_of_range(format!("the body is not the JSON that is taken here: {at}"))
    })
}

/// Tells who did what.
pub(crate) fn audit(service: &Service, caller: &Caller, (action, name): (&str, &str), done: bool) {
    let name: String = name.chars().take(64).collect();
    let note = Note::new(service.clock.now(), LogLevel::Info, "audit")
        .with("who", caller.name.as_str())
        .with("role", caller.role.name())
        .with("action", action)
        .with("pipeline", name)
        .with("outcome", if done { "success" } else { "error" });
    service.journal.note(note);
}

fn lifecycle(verb: &str) -> Option<LifecycleAction> {
    Some(match verb {
        "create" => LifecycleAction::Create,
        "patch" => LifecycleAction::Patch,
        "start" | "run" => LifecycleAction::Start,
        "pause" => LifecycleAction::Pause,
        "resume" => LifecycleAction::Resume,
        "stop" => LifecycleAction::Stop,
        "delete" => LifecycleAction::Delete,
        _ => return None,
    })
}

fn count(service: &Service, (verb, tenant, name): (&str, &str, &str), done: bool) {
    let Some(action) = lifecycle(verb) else { return };
    let outcome = if done { LifecycleOutcome::Success } else { LifecycleOutcome::Error };
    PipelineAsked { action, outcome }.count(&service.meters.pipeline(tenant, name));
}

/// What belongs to a verb.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Argument {
    /// The table of a resync, as `schema.table`.
    table: Option<String>,
}

/// `POST /api/v1/pipelines/{p}/{pause|resume|stop|start|run|resync}`.
pub(crate) async fn command(
    State(service): State<Arc<Service>>,
    Path((name, verb)): Path<(String, String)>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    const VERBS: [&str; 6] = ["pause", "resume", "stop", "start", "run", "resync"];
    if !VERBS.contains(&verb.as_str()) {
        return Err(Problem::of_status(StatusCode::NOT_FOUND));
    }
    let view = one(&service, &name).await?;
    let argument: Argument = body_json(body).await?;
    let asks = format!("{verb} {name} {}", argument.table.as_deref().unwrap_or_default());
    let work = async {
        let done = ask(&service, &view, (&verb, &argument, &caller)).await;
        audit(&service, &caller, (&verb, &name), done.is_ok());
        count(&service, (&verb, &view.tenant, &name), done.is_ok());
        done.map(|it| (StatusCode::ACCEPTED, it.to_string()))
    };
    service.answers.once((&headers, &caller.name, &asks), work).await
}

async fn ask(
    service: &Arc<Service>,
    view: &PipelineView,
    (verb, argument, caller): (&str, &Argument, &Caller),
) -> Result<Value, Problem> {
    let name = view.name.as_str();
    let request = uuid::Uuid::now_v7().to_string();
    let done = |outcome: &str| json!({ "request_id": request, "outcome": outcome });
    let in_care = service.fleet.member(name).is_some();
    match verb {
        "start" | "run" => {
            let run = service.fleet.start(name, &caller.name).await?;
            Ok(json!({ "request_id": request, "outcome": "done", "run_id": run }))
        }
        "stop" if in_care => {
            service.fleet.stop(name, &caller.name).await?;
            Ok(done("accepted"))
        }
        _ if view.kind != "stream" => {
            Err(Problem::conflict(format!("`{name}` is a workflow: it can be started and stopped")))
        }
        "pause" => put(service, name, (Verb::Pause, caller)).await,
        "resume" => put(service, name, (Verb::Resume, caller)).await,
        "stop" => put(service, name, (Verb::Stop, caller)).await,
        _ => {
            let table = argument.table.clone();
            let missing = || Problem::out_of_range("say which `table`, as `schema.table`");
            put(service, name, (Verb::Resync { table: table.ok_or_else(missing)? }, caller)).await
        }
    }
}

/// Puts a request into the store, where the stream finds it, and waits a moment for its answer.
async fn put(
    service: &Service,
    name: &str,
    (verb, caller): (Verb, &Caller),
) -> Result<Value, Problem> {
    let by = format!("{} (by HTTP)", caller.name);
    let lasting = matches!(verb, Verb::Pause | Verb::Resume);
    let number = service.store.ask(name, verb, (by, service.clock.now())).await?;
    let told = |outcome: &str, said: &str| json!({ "request_id": number.to_string(), "outcome": outcome, "said": said });
    let pipeline = PipelineId::new(name).map_err(|_bad| crate::fleet::unknown(name))?;
    let since = service.clock.monotonic();
    loop {
        let asked = pipeline.clone();
        let (attended, answer) = service
            .store
            .read(move |reader| {
                // Asked before the answer is read: a process that ends has answered before.
                let attended = reader.attended_run_of(&asked)?.is_some();
                Ok((attended, reader.request(number)?.and_then(|it| it.answer)))
            })
            .await?;
        match answer {
            Some(Said { state: AnswerState::Done, said }) => return Ok(told("done", &said)),
            Some(Said { state: AnswerState::Refused, said }) => {
                return Err(Problem::conflict(said));
            }
            Some(_) | None if !attended => {
                let said = if lasting {
                    Said::done("it does not run; it will be so when it is started")
                } else {
                    Said::refused("it does not run")
                };
                let (done, text) = (lasting, said.said.clone());
                service.store.answer(number, said, service.clock.now()).await?;
                return if done { Ok(told("done", &text)) } else { Err(Problem::conflict(text)) };
            }
            Some(_) | None => {}
        }
        if service.clock.monotonic().saturating_sub(since) >= ANSWER_WITHIN {
            return Ok(told("accepted", "the stream has not answered yet"));
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// The version that a change names. Without one nobody can say that nothing was overwritten.
fn version(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let given = headers.get(header::IF_MATCH).and_then(|it| it.to_str().ok());
    let Some(given) = given else {
        let said = "name the version that is changed with `If-Match`";
        let status = StatusCode::PRECONDITION_REQUIRED;
        return Err(Problem::new(status, "version-required", said)
            .hint("GET the pipeline and give its ETag back, or `*` to change whichever there is"));
    };
    let given = given.trim();
    Ok((given != "*").then(|| given.trim_start_matches("W/").trim_matches('"').to_owned()))
}

async fn change(
    service: &Arc<Service>,
    caller: &Caller,
    (verb, name, change): (&str, &str, Change),
) -> Result<String, Problem> {
    let tenant = service.fleet.member(name).map(|it| it.plan.tenant().to_owned());
    let changed = service.fleet.change(change, &caller.name).await;
    let of = changed.as_deref().unwrap_or(name);
    audit(service, caller, (verb, of), changed.is_ok());
    // A refused manifest names nothing that could carry the number.
    let known = tenant.or_else(|| Some(service.fleet.member(of)?.plan.tenant().to_owned()));
    if let Some(tenant) = known.filter(|_| verb != "delete") {
        count(service, (verb, &tenant, of), changed.is_ok());
    }
    Ok(changed?)
}

async fn shown(service: &Arc<Service>, name: &str, status: StatusCode) -> Answer {
    let view = one(service, name).await?;
    let mut response = super::json_with(status, &view)?;
    if let Ok(tag) = HeaderValue::from_str(&format!("\"{}\"", view.etag)) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    if status == StatusCode::CREATED
        && let Ok(place) = HeaderValue::from_str(&format!("/api/v1/pipelines/{name}"))
    {
        response.headers_mut().insert(header::LOCATION, place);
    }
    Ok(response)
}

/// `POST /api/v1/pipelines`.
pub(crate) async fn create(
    State(service): State<Arc<Service>>,
    Extension(caller): Extension<Caller>,
    body: Body,
) -> Answer {
    let bytes = body_bytes(body, BODY_BYTES_MAX).await?;
    let manifest = String::from_utf8(bytes)
        .map_err(|_bad| Problem::out_of_range("a manifest is UTF-8 text, YAML or JSON"))?;
    let made = change(&service, &caller, ("create", "", Change::Create { manifest })).await?;
    shown(&service, &made, StatusCode::CREATED).await
}

/// `PATCH /api/v1/pipelines/{p}`: a JSON Merge Patch (RFC 7396).
pub(crate) async fn patch(
    State(service): State<Arc<Service>>,
    Path(name): Path<String>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    let version = version(&headers)?;
    let patch: Value = body_json(body).await?;
    if !patch.is_object() {
        return Err(Problem::out_of_range("a merge patch is a JSON object"));
    }
    let replace = Change::Replace { name: name.clone(), patch, version };
    let made = change(&service, &caller, ("patch", &name, replace)).await?;
    shown(&service, &made, StatusCode::OK).await
}

/// `DELETE /api/v1/pipelines/{p}`.
pub(crate) async fn delete(
    State(service): State<Arc<Service>>,
    Path(name): Path<String>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
) -> Answer {
    let version = version(&headers)?;
    let gone = Change::Delete { name: name.clone(), version };
    change(&service, &caller, ("delete", &name, gone)).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}
