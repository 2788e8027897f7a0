//! `/health`, `/ready` and `/startup`: is the process alive, can it work, has it begun.
//!
//! `/health` tells of facts inside the process alone: a database that is down does not make an
//! orchestrator kill us. `/ready` asks what the process depends on, all at once under one deadline,
//! and keeps the answer for a moment, so that a hundred probes a second make one question.

use std::net::ToSocketAddrs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use flowglass_model::LogLevel;
use futures::future::join_all;
use serde::Serialize;
use serde_json::{Value, json};
use tokio::sync::Mutex;

use crate::journal::Note;
use crate::service::Service;

/// One check may take this long; all are asked at once.
const CHECK_WITHIN: Duration = Duration::from_secs(1);
/// How long an answer of `/ready` is good.
const READY_GOOD_FOR: Duration = Duration::from_secs(2);

/// How a component is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Health {
    /// It is not configured, and counts for nothing.
    Skipped,
    /// It works.
    Healthy,
    /// The whole works without it, less well.
    Degraded,
    /// It does not work.
    Unhealthy,
}

/// A component and how it is.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Component {
    /// Its name.
    pub name: String,
    /// How it is.
    pub status: Health,
    /// In words.
    pub detail: String,
    /// How long finding out took.
    pub latency_ms: f64,
}

/// Something outside of the process that it needs, by TCP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dependency {
    /// Its name: `database`, `cache`, `external_api`.
    pub name: String,
    /// `host:port`; absent when it is not configured.
    pub address: Option<String>,
    /// For HTTP, the path to ask for; only 2xx and 3xx are healthy then.
    pub http: Option<String>,
    /// Whether nothing works without it.
    pub required: bool,
}

/// How far the process is, and what it depends on.
#[derive(Debug, Default)]
pub(crate) struct Readiness {
    started: AtomicBool,
    draining: AtomicBool,
    dependencies: RwLock<Vec<Dependency>>,
    /// The last answer and when it was found; held while the next one is found.
    last: Mutex<Option<(Duration, Arc<Vec<Component>>)>>,
    /// The last overall state that was told of.
    told: std::sync::Mutex<Option<Health>>,
}

impl Readiness {
    pub(crate) fn started_up(&self) {
        self.started.store(true, Ordering::Release);
    }

    pub(crate) fn drain(&self) {
        self.draining.store(true, Ordering::Release);
    }
}

impl Service {
    /// Says what `/ready` asks for besides the store.
    pub fn depends_on(&self, dependencies: Vec<Dependency>) {
        *self.readiness.dependencies.write().unwrap_or_else(PoisonError::into_inner) = dependencies;
    }

    fn report(&self, status: Health, components: &[Component]) -> Value {
        json!({
            "status": status, "version": self.build.0, "uptime_seconds": self.uptime_seconds(),
            "components": components,
        })
    }

    /// Facts inside the process.
    fn inside(&self) -> Vec<Component> {
        let (status, detail) = match self.store.is_alive() {
            true => (Health::Healthy, format!("{} events wait", self.store.waiting_events())),
            false => (Health::Unhealthy, "the thread that writes the store has ended".to_owned()),
        };
        let runtime = Component {
            name: "runtime".to_owned(),
            status: Health::Healthy,
            detail: "answers".to_owned(),
            latency_ms: 0.0,
        };
        vec![runtime, Component { name: "store".to_owned(), status, detail, latency_ms: 0.0 }]
    }

    async fn dependencies(&self) -> Arc<Vec<Component>> {
        let mut last = self.readiness.last.lock().await;
        let now = self.clock.monotonic();
        if let Some((at, found)) = &*last
            && now.saturating_sub(*at) < READY_GOOD_FOR
        {
            return Arc::clone(found);
        }
        let wanted =
            self.readiness.dependencies.read().unwrap_or_else(PoisonError::into_inner).clone();
        let (store, mut found) =
            tokio::join!(self.ask_store(), join_all(wanted.iter().map(|it| self.ask(it))));
        found.insert(0, store);
        let found = Arc::new(found);
        *last = Some((self.clock.monotonic(), Arc::clone(&found)));
        found
    }

    async fn ask_store(&self) -> Component {
        let since = self.clock.monotonic();
        let asked =
            tokio::time::timeout(CHECK_WITHIN, self.store.read(flowglass_store::Reader::newest))
                .await;
        let (status, detail) = match asked {
            Ok(Ok(newest)) if self.store.is_alive() => {
                (Health::Healthy, format!("the newest event is at {newest}"))
            }
            Ok(Ok(_)) => (Health::Unhealthy, "nothing can be written".to_owned()),
            Ok(Err(error)) => (Health::Unhealthy, error.hint().to_owned()),
            Err(_elapsed) => (Health::Unhealthy, "no answer in time".to_owned()),
        };
        self.component("store", (status, detail), since)
    }

    async fn ask(&self, it: &Dependency) -> Component {
        let since = self.clock.monotonic();
        let Some(address) = it.address.clone() else {
            return self.component(&it.name, (Health::Skipped, "not configured".to_owned()), since);
        };
        let bad = if it.required { Health::Unhealthy } else { Health::Degraded };
        let asked = tokio::time::timeout(CHECK_WITHIN, reach(address, it.http.as_deref())).await;
        let verdict = match asked {
            Ok(Ok(said)) => (Health::Healthy, said),
            Ok(Err(said)) => (bad, said),
            Err(_elapsed) => (bad, format!("no answer within {} s", CHECK_WITHIN.as_secs())),
        };
        self.component(&it.name, verdict, since)
    }

    fn component(&self, name: &str, verdict: (Health, String), since: Duration) -> Component {
        let took = self.clock.monotonic().saturating_sub(since);
        let (status, detail) = verdict;
        Component { name: name.to_owned(), status, detail, latency_ms: took.as_secs_f64() * 1e3 }
    }

    /// Tells once when readiness changes, with every pipeline's state.
    fn tell_change(&self, now: Health, components: &[Component]) {
        let mut told = self.readiness.told.lock().unwrap_or_else(PoisonError::into_inner);
        if *told == Some(now) {
            return;
        }
        let before = told.replace(now);
        drop(told);
        let level = if now == Health::Unhealthy { LogLevel::Warn } else { LogLevel::Info };
        let pipelines: Vec<Value> = crate::api::pipelines::states(self)
            .into_iter()
            .map(|(name, state)| json!({ "pipeline": name, "state": state }))
            .collect();
        let note = Note::new(self.clock.now(), level, "readiness_changed")
            .with("from", json!(before))
            .with("to", json!(now))
            .with("components", json!(components))
            .with("pipelines", pipelines.len())
            .with("pipeline_states", pipelines);
        self.journal.note(note);
    }
}

/// Connects, and for HTTP asks.
async fn reach(address: String, path: Option<&str>) -> Result<String, String> {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let named = address.clone();
    let resolved = tokio::task::spawn_blocking(move || named.to_socket_addrs()).await;
    let resolved: Vec<_> = match resolved {
        Ok(Ok(found)) => found.collect(),
        Ok(Err(_)) | Err(_) => return Err("its name cannot be resolved".to_owned()),
    };
    let mut stream = tokio::net::TcpStream::connect(&*resolved)
        .await
        .map_err(|error| format!("cannot be reached: {}", error.kind()))?;
    let Some(path) = path else { return Ok("takes connections".to_owned()) };
    let broke = |error: std::io::Error| format!("broke off: {}", error.kind());
    let ask = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(ask.as_bytes()).await.map_err(broke)?;
    // `HTTP/1.1 200` is all that is needed.
    let mut head = [0; 12];
    stream.read_exact(&mut head).await.map_err(broke)?;
    let status = std::str::from_utf8(&head).ok().and_then(|it| it.get(9..)).unwrap_or_default();
    match status.parse::<u16>() {
        Ok(200..=399) => Ok(format!("answers {status}")),
        Ok(_) => Err(format!("answers {status}")),
        Err(_) => Err("does not speak HTTP".to_owned()),
    }
}

fn worst(components: &[Component]) -> Health {
    let counted = components.iter().map(|it| it.status).filter(|it| *it != Health::Skipped);
    counted.max().unwrap_or(Health::Healthy)
}

fn answer(status: StatusCode, body: &Value) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], body.to_string()).into_response()
}

fn status_of(health: Health) -> StatusCode {
    match health {
        Health::Unhealthy => StatusCode::SERVICE_UNAVAILABLE,
        Health::Healthy | Health::Degraded | Health::Skipped => StatusCode::OK,
    }
}

/// `/health`.
pub(crate) async fn health(State(service): State<Arc<Service>>) -> Response {
    let components = service.inside();
    let whole = worst(&components);
    answer(status_of(whole), &service.report(whole, &components))
}

/// `/ready`.
pub(crate) async fn ready(State(service): State<Arc<Service>>) -> Response {
    let mut components = Vec::clone(&*service.dependencies().await);
    let own = |name: &str, detail: &str| Component {
        name: name.to_owned(),
        status: Health::Unhealthy,
        detail: detail.to_owned(),
        latency_ms: 0.0,
    };
    if !service.readiness.started.load(Ordering::Acquire) {
        components.push(own("startup", "not everything has been started yet"));
    }
    if service.readiness.draining.load(Ordering::Acquire) {
        components.push(own("lifecycle", "shutting down: what runs is being drained"));
    }
    let whole = worst(&components);
    service.tell_change(whole, &components);
    answer(status_of(whole), &service.report(whole, &components))
}

/// `/startup`.
pub(crate) async fn startup(State(service): State<Arc<Service>>) -> Response {
    let done = service.readiness.started.load(Ordering::Acquire);
    let whole = if done { Health::Healthy } else { Health::Unhealthy };
    let component = Component {
        name: "startup".to_owned(),
        status: whole,
        detail: if done { "done" } else { "manifests are being loaded" }.to_owned(),
        latency_ms: 0.0,
    };
    answer(status_of(whole), &service.report(whole, &[component]))
}
