//! A service over a store in a scratch folder, and requests to it without a socket.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Method, Request, StatusCode};
use flowglass_catalog::Registry;
use flowglass_connect::{Clock, SystemClock};
use flowglass_model::{
    Entity, Event, EventKind, NodeId, PipelineId, Reason, RunId, Scope, Stamp, State,
};
use flowglass_server::{Access, Fleet, Kept, NoFleet, Options, Parts, Service};
use flowglass_store::{Store, StoreOptions};
use serde_json::Value;
use tower::ServiceExt as _;

/// What a test holds.
pub(crate) struct Field {
    pub(crate) service: Arc<Service>,
    pub(crate) router: Router,
    pub(crate) store: Arc<Store>,
    pub(crate) meters: Registry,
    pub(crate) journal: Kept,
    _folder: tempfile::TempDir,
}

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Said {
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|it| it.to_str().ok()).unwrap_or_default()
    }

    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status.as_u16(), status, "{self:?}");
        self
    }
}

impl Field {
    pub(crate) fn new() -> Self {
        Self::with(Access::anonymous(false), Options::default())
    }

    pub(crate) fn with(access: Access, options: Options) -> Self {
        Self::of(access, options, Arc::new(NoFleet))
    }

    pub(crate) fn of(access: Access, options: Options, fleet: Arc<dyn Fleet>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let path = folder.path().join("flowglass.db");
        let store = Store::open(path, &StoreOptions::default(), clock.as_ref()).unwrap();
        let (store, meters, journal) = (Arc::new(store), Registry::default(), Kept::default());
        let parts = Parts {
            store: Arc::clone(&store),
            meters: meters.clone(),
            clock,
            fleet,
            journal: Arc::new(journal.clone()),
            access,
            build: ("1.2.3", "abc"),
        };
        let service = Service::new(parts, options);
        service.started_up();
        let router = service.router();
        Self { service, router, store, meters, journal, _folder: folder }
    }

    /// Sends a request and reads the whole answer.
    pub(crate) async fn send(&self, request: Request<Body>) -> Said {
        send(&self.router, request).await
    }

    pub(crate) async fn get(&self, path: &str) -> Said {
        self.send(request(Method::GET, path, "")).await
    }

    pub(crate) async fn post(&self, path: &str, body: &str) -> Said {
        self.send(request(Method::POST, path, body)).await
    }

    /// Stores a run of one node to its end or to its middle.
    pub(crate) async fn store_run(&self, pipeline: &str, end: Option<State>) -> RunId {
        let run = RunId::from_uuid(uuid::Uuid::now_v7()).unwrap();
        self.store.appender().append(history(run, pipeline, end)).await.unwrap();
        run
    }

    /// The page of metrics.
    pub(crate) async fn page(&self) -> String {
        self.get("/metrics").await.expect(200).text
    }
}

/// Sends a request to a router and reads the whole answer.
pub(crate) async fn send(router: &Router, request: Request<Body>) -> Said {
    let response = router.clone().oneshot(request).await.unwrap();
    let (head, body) = response.into_parts();
    let read = axum::body::to_bytes(body, 64 << 20).await;
    let text = read.map(|it| String::from_utf8_lossy(&it).into_owned()).unwrap_or_default();
    Said { status: head.status, headers: head.headers, text }
}

pub(crate) fn request(method: Method, path: &str, body: &str) -> Request<Body> {
    let builder = Request::builder().method(method).uri(path).header("host", "localhost:8080");
    builder.body(Body::from(body.to_owned())).unwrap()
}

/// The events of a run of one node `load`.
pub(crate) fn history(run: RunId, pipeline: &str, end: Option<State>) -> Vec<Event> {
    let scope = Scope::pipeline("acme", run, PipelineId::new(pipeline).unwrap());
    let node = scope.node(NodeId::new("load").unwrap());
    let mut events = Vec::new();
    let mut add = |scope: &Scope, entity, from, to: State, reason| {
        let id = uuid::Uuid::now_v7();
        let stamp = Stamp { id, seq: events.len() as u64 + 1, time: SystemClock::new().now() };
        let mut event = Event::new(stamp, scope, EventKind::Transition, entity);
        (event.from, event.to, event.reason) = (from, Some(to), Some(reason));
        events.push(event);
    };
    add(&scope, Entity::Run, None, State::Queued, Reason::Starting);
    add(&scope, Entity::Run, Some(State::Queued), State::Running, Reason::Executing);
    add(&scope, Entity::Pipeline, None, State::Queued, Reason::Starting);
    add(&scope, Entity::Pipeline, Some(State::Queued), State::Running, Reason::Executing);
    add(&node, Entity::Node, None, State::Queued, Reason::Slot);
    add(&node, Entity::Node, Some(State::Queued), State::Running, Reason::Executing);
    let Some(end) = end else { return events };
    let reason = if end == State::Complete { Reason::Ok } else { Reason::Error };
    let running = Some(State::Running);
    add(&node, Entity::Node, running, end, reason);
    add(&scope, Entity::Pipeline, running, end, reason);
    add(&scope, Entity::Run, running, end, reason);
    events
}

/// Waits for a state that comes by itself.
pub(crate) async fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    for _ in 0..2_000 {
        if let Some(found) = look() {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("{what} did not come");
}
