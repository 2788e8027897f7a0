//! Server-Sent Events with a bound: what a viewer has not taken yet is at most a few parts, and one
//! that takes nothing for a while is cut off.
//!
//! <https://html.spec.whatwg.org/multipage/server-sent-events.html>

use std::convert::Infallible;
use std::future::Future;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use axum::body::Body;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::{FutureExt, stream};
use tokio::sync::{OwnedSemaphorePermit, mpsc, watch};

use crate::problem::Problem;
use crate::service::Service;

/// Parts that wait for a viewer.
const PARTS_WAITING_MAX: usize = 4;
/// When a browser that lost its connection comes again, in milliseconds.
const COME_AGAIN_MS: u32 = 1_000;

/// The way to one viewer.
#[derive(Debug)]
pub(crate) struct Viewer {
    parts: mpsc::Sender<Bytes>,
    patience: Duration,
    pub(crate) heartbeat: Duration,
    closing: watch::Receiver<bool>,
    _place: OwnedSemaphorePermit,
}

/// The viewer is gone, too slow, or the server closes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Gone;

impl Viewer {
    /// Sends a part; waits while the viewer is slow.
    pub(crate) async fn send(&mut self, part: impl Into<Bytes>) -> Result<(), Gone> {
        if *self.closing.borrow() {
            return Err(Gone);
        }
        let sent = self.parts.send_timeout(part.into(), self.patience).await;
        sent.map_err(|_gone_or_slow| Gone)
    }

    /// A comment, which keeps proxies from closing a silent connection.
    pub(crate) async fn say_alive(&mut self) -> Result<(), Gone> {
        self.send(": keep-alive\n\n").await
    }

    /// Waits until the viewer is gone or the server closes.
    pub(crate) async fn gone(&mut self) {
        let closing = self.closing.wait_for(|it| *it);
        tokio::select! {
            () = self.parts.closed() => {}
            _closed = closing => {}
        }
    }
}

/// Answers with events that `feed` sends; it is stopped when the viewer goes.
pub(crate) fn answer<F: Future<Output = Result<(), Gone>> + Send + 'static>(
    service: &Service,
    feed: impl FnOnce(Viewer) -> F + Send + 'static,
) -> Response {
    let Ok(place) = Arc::clone(&service.viewers).try_acquire_owned() else {
        let said = "as many viewers are connected as this server takes";
        let problem = Problem::new(StatusCode::TOO_MANY_REQUESTS, "too-many-viewers", said);
        return problem.retry_after(5).into_response();
    };
    let (parts, taken) = mpsc::channel(PARTS_WAITING_MAX);
    let viewer = Viewer {
        parts: parts.clone(),
        patience: service.options.viewer_patience,
        heartbeat: service.options.heartbeat,
        closing: service.closing.subscribe(),
        _place: place,
    };
    // The first bytes go at once, so that the viewer and every proxy between see that it works.
    parts.try_send(Bytes::from(format!("retry: {COME_AGAIN_MS}\n\n"))).unwrap_or_default();
    spawn(service, async move {
        let fed = feed(viewer);
        tokio::select! {
            _fed = fed => {}
            () = parts.closed() => {}
        }
    });
    let body = stream::unfold(taken, |mut taken| async {
        taken.recv().await.map(|part| (Ok::<_, Infallible>(part), taken))
    });
    let headers = [
        (header::CONTENT_TYPE, "text/event-stream; charset=utf-8"),
        (header::CACHE_CONTROL, "no-store, no-transform"),
        // nginx would otherwise hold events back.
        (header::HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    (headers, Body::from_stream(body)).into_response()
}

fn spawn(service: &Service, work: impl Future<Output = ()> + Send + 'static) {
    let mut tasks = service.feeders.lock().unwrap_or_else(PoisonError::into_inner);
    // Those that have ended are forgotten here, so that they do not gather.
    while tasks.next().now_or_never().flatten().is_some() {}
    tasks.spawn("viewer", work);
}

/// One event of the stream. `data` must have no line end, as JSON has none.
pub(crate) fn event(id: Option<&str>, name: &str, data: &str) -> String {
    let mut text = String::with_capacity(data.len() + 48);
    if let Some(id) = id {
        text.push_str("id: ");
        text.push_str(id);
        text.push('\n');
    }
    text.push_str("event: ");
    text.push_str(name);
    text.push_str("\ndata: ");
    text.push_str(data);
    text.push_str("\n\n");
    text
}
