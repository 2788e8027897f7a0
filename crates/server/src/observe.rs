//! The outermost layer: names each request, tells its start and its end, counts it, and catches a
//! panic.
//!
//! What is told at the end has to be told however the end comes: by an answer, by its body's last
//! byte, by a panic, by a client that goes away before or while it is answered. So a [`Watched`] is
//! made when the request comes, travels with the response's body, and tells when it is dropped.

use std::any::Any;
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use axum::extract::{ConnectInfo, MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use flowglass_catalog::label::ExceptionType;
use flowglass_catalog::signals::{RequestAnswered, RequestBroke, Signal};
use flowglass_catalog::{Held, ProcessScope};
use flowglass_model::LogLevel;
use futures::FutureExt;
use http_body::{Body as HttpBody, Frame, SizeHint};

use crate::ids::{Ids, REQUEST_ID};
use crate::journal::Note;
use crate::problem::{Problem, finished};
use crate::service::Service;

/// The label of a request that no route matched.
const UNMATCHED: &str = "unmatched";
/// The status of a request whose client went away before it was answered, as nginx has it.
const CLIENT_GONE: u16 = 499;
/// Characters of a path that are told.
const PATH_CHARS_MAX: usize = 512;

/// What pages of ours may load: nothing from anywhere else.
const CSP: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
                   img-src 'self' data:; font-src 'self'; connect-src 'self'; \
                   manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// The layer.
pub(crate) async fn observe(
    State(service): State<Arc<Service>>,
    mut request: Request,
    next: Next,
) -> Response {
    let ids = Ids::of(request.headers());
    let endpoint =
        request.extensions().get::<MatchedPath>().map(|it| Arc::<str>::from(it.as_str()));
    let endpoint = endpoint.unwrap_or_else(|| UNMATCHED.into());
    let path: String = request.uri().path().chars().take(PATH_CHARS_MAX).collect();
    let head_only = request.method() == Method::HEAD;
    // A scrape is neither counted nor told of: it would measure itself.
    let mut watched = (&*endpoint != "/metrics")
        .then(|| Watched::begin(&service, (&ids, &request), (endpoint, path.clone())));
    request.extensions_mut().insert(ids.clone());
    let answered = AssertUnwindSafe(next.run(request)).catch_unwind().await;
    let response = answered.unwrap_or_else(|panic| {
        drop(panic);
        let broke = RequestBroke { exception: ExceptionType::Panic };
        broke.count(&service.meters.process());
        if let Some(watched) = &mut watched {
            watched.failure = Some(ExceptionType::Panic);
        }
        Problem::internal().into_response()
    });
    let broken = response.extensions().get::<Broken>().map(|it| it.0);
    let mut response = finished(response, &ids.request, &path);
    dress(response.headers_mut(), &ids);
    let Some(mut watched) = watched else { return response };
    watched.failure = watched.failure.or(broken);
    watched.status = Some(response.status().as_u16());
    response.map(|body| {
        watched.whole = head_only || body.is_end_stream();
        Body::new(Observed { body, watched })
    })
}

/// On a response: why no handler answered for it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Broken(pub(crate) ExceptionType);

/// Headers that every answer has.
fn dress(headers: &mut HeaderMap, ids: &Ids) {
    if let Ok(id) = HeaderValue::from_str(&ids.request) {
        headers.insert(HeaderName::from_static(REQUEST_ID), id);
    }
    // The way back of <https://w3c.github.io/trace-context/#trace-context-http-response-headers-format>.
    if let Ok(trace) = HeaderValue::from_str(&ids.traceparent()) {
        headers.insert(HeaderName::from_static("traceresponse"), trace);
    }
    let fixed = [
        ("content-security-policy", CSP),
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        ("referrer-policy", "no-referrer"),
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
        ("permissions-policy", "camera=(), geolocation=(), microphone=()"),
    ];
    for (name, value) in fixed {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    // What is told changes; a file with a hash in its name says otherwise itself.
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
}

/// A request from its head to the last byte of its answer.
struct Watched {
    service: Arc<Service>,
    process: ProcessScope,
    ids: Ids,
    method: Method,
    endpoint: Arc<str>,
    path: String,
    began: Duration,
    status: Option<u16>,
    failure: Option<ExceptionType>,
    /// Whether the last byte of the answer was handed over.
    whole: bool,
    sent_bytes: u64,
    _in_flight: Held,
}

impl Watched {
    fn begin(
        service: &Arc<Service>,
        (ids, request): (&Ids, &Request),
        (endpoint, path): (Arc<str>, String),
    ) -> Self {
        let process = service.meters.process();
        let watched = Self {
            _in_flight: process.http_requests_in_flight().hold(),
            service: Arc::clone(service),
            process,
            ids: ids.clone(),
            method: request.method().clone(),
            endpoint,
            path,
            began: service.clock.monotonic(),
            status: None,
            failure: None,
            whole: false,
            sent_bytes: 0,
        };
        let note = watched.note(watched.level(), "request_started");
        let client =
            request.extensions().get::<ConnectInfo<SocketAddr>>().map(|it| it.0.to_string());
        service.journal.note(note.with("client", client));
        watched
    }

    /// Probes and the dashboard's files are told of only to whoever looks for faults.
    fn level(&self) -> LogLevel {
        let probe = matches!(&*self.endpoint, "/health" | "/ready" | "/startup");
        let file = self.endpoint.starts_with("/assets-static/");
        if probe || file { LogLevel::Debug } else { LogLevel::Info }
    }

    fn note(&self, level: LogLevel, event: &'static str) -> Note {
        let note = Note::new(self.service.clock.now(), level, event);
        let note = note.with("method", self.method.as_str().chars().take(16).collect::<String>());
        self.ids.sign(note).with("path", self.path.as_str()).with("route", &*self.endpoint)
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        let took = self.service.clock.monotonic().saturating_sub(self.began);
        let status = self.status.unwrap_or(CLIENT_GONE);
        let at = u64::try_from(self.service.clock.now().as_nanosecond()).unwrap_or(0);
        let answered = RequestAnswered {
            method: self.method.as_str(),
            endpoint: &self.endpoint,
            status,
            took,
            control: self.endpoint.starts_with("/api/"),
            trace: self.ids.trace_id().map(|it| (it, at)),
        };
        answered.count(&self.process);
        let (event, level) = match (self.failure, status) {
            (Some(_broke), _) => ("request_failed", LogLevel::Error),
            (None, 500..) => ("request_completed", LogLevel::Error),
            (None, _) => ("request_completed", self.level()),
        };
        let gone = self.failure.is_none() && !self.whole;
        let mut note = self
            .note(level, event)
            .with("status_code", status)
            .with("duration_seconds", took.as_secs_f64())
            .with("sent_bytes", self.sent_bytes);
        if let Some(failure) = self.failure {
            note = note.with("exception_type", failure.as_str());
        }
        if gone {
            note = note.with("client_gone", true);
        }
        self.service.journal.note(note);
    }
}

/// A body that tells when it ends.
struct Observed {
    body: Body,
    watched: Watched,
}

impl Observed {
    fn broke(&mut self, exception: ExceptionType) {
        self.watched.failure = Some(exception);
        RequestBroke { exception }.count(&self.watched.process);
    }
}

impl HttpBody for Observed {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = &mut *self;
        let polled = std::panic::catch_unwind(AssertUnwindSafe(|| {
            Pin::new(&mut this.body).poll_frame(context)
        }));
        match polled {
            Err(panic) => {
                this.broke(ExceptionType::Panic);
                Poll::Ready(Some(Err(axum::Error::new(Panicked::of(&*panic)))))
            }
            Ok(Poll::Ready(Some(Err(error)))) => {
                this.broke(ExceptionType::BodyStream);
                Poll::Ready(Some(Err(error)))
            }
            Ok(Poll::Ready(None)) => {
                this.watched.whole = true;
                Poll::Ready(None)
            }
            Ok(Poll::Ready(Some(Ok(frame)))) => {
                let bytes = frame.data_ref().map_or(0, Bytes::len);
                this.watched.sent_bytes += bytes as u64;
                // A body of known length is not asked for its end.
                this.watched.whole = this.body.is_end_stream();
                Poll::Ready(Some(Ok(frame)))
            }
            Ok(Poll::Pending) => Poll::Pending,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A body whose maker panicked.
#[derive(Debug, thiserror::Error)]
#[error("the maker of the body panicked")]
struct Panicked;

impl Panicked {
    /// What a panic says may hold anything: it stays in the process's own panic hook.
    fn of(_said: &(dyn Any + Send)) -> Self {
        Self
    }
}
