//! `/metrics`: the registry as Prometheus reads it, on the service's port or alone on its own.

use std::future::Future;
use std::io::Write as _;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use flate2::Compression;
use flate2::write::GzEncoder;
use flowglass_catalog::{Prefix, Registry};
use flowglass_telemetry::exposition::{negotiate, render};
use tokio::net::TcpListener;

use crate::process::Process;
use crate::service::Service;

/// Smaller pages are sent as they are.
const GZIP_FROM_BYTES: usize = 1024;

/// Why no address could be listened on.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}")]
pub struct BindError {
    address: String,
    #[source]
    source: std::io::Error,
}

impl BindError {
    pub(crate) fn new(address: &str, source: std::io::Error) -> Self {
        Self { address: address.to_owned(), source }
    }
}

/// A bound address that answers once it is served.
#[derive(Debug)]
pub struct MetricsServer {
    listener: TcpListener,
    address: SocketAddr,
    page: Arc<Page>,
}

/// The page itself.
#[derive(Debug)]
pub(crate) struct Page {
    registry: Registry,
    prefix: Prefix,
    process: Process,
    /// As long as the last page, so that the next one need not grow to it.
    room: Mutex<usize>,
}

impl Page {
    pub(crate) fn new(registry: Registry, prefix: Prefix) -> Self {
        Self { registry, prefix, process: Process::new(), room: Mutex::new(0) }
    }

    /// The page in the format and the coding that the scraper asks for.
    pub(crate) fn answer(&self, headers: &HeaderMap) -> Response {
        let text = |name| headers.get(name).and_then(|it: &HeaderValue| it.to_str().ok());
        let format = negotiate(text(header::ACCEPT));
        self.process.record(&self.registry);
        let room = *self.room.lock().unwrap_or_else(PoisonError::into_inner);
        let mut page = String::with_capacity(room);
        render(&self.registry, &self.prefix, format, &mut page);
        *self.room.lock().unwrap_or_else(PoisonError::into_inner) = page.len();
        let kind = [(header::CONTENT_TYPE, format.content_type())];
        let packed = text(header::ACCEPT_ENCODING)
            .filter(|it| takes_gzip(it) && page.len() >= GZIP_FROM_BYTES)
            .and_then(|_| gzip(page.as_bytes()));
        let mut response = match packed {
            Some(packed) => {
                let coding = [(header::CONTENT_ENCODING, "gzip")];
                (kind, coding, packed).into_response()
            }
            None => (kind, page).into_response(),
        };
        let vary = HeaderValue::from_static("accept, accept-encoding");
        response.headers_mut().insert(header::VARY, vary);
        response
    }
}

/// Whether `gzip` (or everything) is taken, and not with the weight 0.
pub(crate) fn takes_gzip(accepted: &str) -> bool {
    accepted.split(',').any(|it| {
        let mut parts = it.split(';').map(str::trim);
        let coding = parts.next().unwrap_or_default();
        let weight = parts.find_map(|it| it.strip_prefix("q=")?.parse::<f64>().ok());
        (coding.eq_ignore_ascii_case("gzip") || coding == "*") && weight.is_none_or(|it| it > 0.0)
    })
}

/// The fastest level: a page of numbers shrinks tenfold even so.
pub(crate) fn gzip(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut packer = GzEncoder::new(Vec::with_capacity(bytes.len() / 8), Compression::fast());
    packer.write_all(bytes).ok()?;
    packer.finish().ok()
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
        let failed = |source| BindError::new(address, source);
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        Ok(Self { listener, address, page: Arc::new(Page::new(registry, prefix)) })
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
        let page = |State(page): State<Arc<Page>>, headers: HeaderMap| async move {
            page.answer(&headers)
        };
        let router = Router::new()
            .route("/metrics", get(page))
            .route("/health", get(|| async { "ok\n" }))
            .fallback(|| async { (StatusCode::NOT_FOUND, "there is /metrics and /health here\n") })
            .with_state(self.page);
        axum::serve(self.listener, router).with_graceful_shutdown(over).await
    }
}

/// The page on the service's port.
pub(crate) async fn metrics(State(service): State<Arc<Service>>, headers: HeaderMap) -> Response {
    let shared = Arc::clone(&service);
    let work = move || shared.page.answer(&headers);
    // A hundred thousand series take a while to write: not on a thread that others wait for.
    let written = tokio::task::spawn_blocking(work).await;
    written.unwrap_or_else(|_panicked| crate::problem::Problem::internal().into_response())
}

#[cfg(test)]
mod tests {
    use super::takes_gzip;

    #[test]
    fn gzip_is_taken_unless_it_is_refused() {
        for yes in ["gzip", "deflate, GZIP;q=0.5", "*", "br;q=1, gzip"] {
            assert!(takes_gzip(yes), "{yes}");
        }
        for no in ["", "identity", "gzip;q=0", "br"] {
            assert!(!takes_gzip(no), "{no}");
        }
    }
}
