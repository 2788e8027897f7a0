//! `/metrics`: the registry as Prometheus reads it.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use flowglass_catalog::{Prefix, Registry};
use flowglass_telemetry::exposition::{negotiate, render};
use tokio::net::TcpListener;

use crate::process::Process;

/// Why no address could be listened on.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}")]
pub struct BindError {
    address: String,
    #[source]
    source: std::io::Error,
}

/// A bound address that answers once it is served.
#[derive(Debug)]
pub struct MetricsServer {
    listener: TcpListener,
    address: SocketAddr,
    page: Arc<Page>,
}

#[derive(Debug)]
struct Page {
    registry: Registry,
    prefix: Prefix,
    process: Process,
    /// As long as the last page, so that the next one need not grow to it.
    room: Mutex<usize>,
}

impl MetricsServer {
    /// Takes the address `host:port`; port 0 takes a free one. Metric names begin with `prefix`.
    ///
    /// # Errors
    /// When the address cannot be had.
    pub async fn bind(
        address: &str,
        registry: Registry,
        prefix: Prefix,
    ) -> Result<Self, BindError> {
        let failed = |source| BindError { address: address.to_owned(), source };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let page = Page { registry, prefix, process: Process::new(), room: Mutex::new(0) };
        Ok(Self { listener, address, page: Arc::new(page) })
    }

    /// The address that was taken.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers until `over`; requests that have begun are answered to their end.
    ///
    /// # Errors
    /// When the listener breaks.
    pub async fn serve(
        self,
        over: impl Future<Output = ()> + Send + 'static,
    ) -> Result<(), std::io::Error> {
        let router = Router::new()
            .route("/metrics", get(metrics))
            .route("/health", get(|| async { "ok\n" }))
            .fallback(|| async { (StatusCode::NOT_FOUND, "there is /metrics and /health here\n") })
            .with_state(self.page);
        axum::serve(self.listener, router).with_graceful_shutdown(over).await
    }
}

async fn metrics(State(page): State<Arc<Page>>, headers: HeaderMap) -> Response {
    let accept = headers.get(header::ACCEPT).and_then(|it| it.to_str().ok());
    let format = negotiate(accept);
    page.process.record(&page.registry);
    let room = *page.room.lock().unwrap_or_else(PoisonError::into_inner);
    let mut text = String::with_capacity(room);
    render(&page.registry, &page.prefix, format, &mut text);
    *page.room.lock().unwrap_or_else(PoisonError::into_inner) = text.len();
    ([(header::CONTENT_TYPE, format.content_type())], text).into_response()
}
