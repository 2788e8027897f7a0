//! The dashboard's files, embedded in the binary: one page for every path that is no API, and files
//! whose names hold their content's hash, which never change.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};

use crate::guard::wants_page;
use crate::metrics::{gzip, takes_gzip};
use crate::problem::Problem;
use crate::service::Service;

mod embedded {
    include!(concat!(env!("OUT_DIR"), "/dashboard.rs"));
}

/// What stands at `/` of a build without the dashboard.
const NO_DASHBOARD: &str = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\">\
    <title>Flowglass</title><style>body{font:16px/1.5 system-ui;max-width:40em;margin:3em auto;\
    padding:0 1em;color-scheme:light dark}</style><h1>Flowglass runs</h1>\
    <p>This build holds no dashboard: <code>web/dist</code> was not there when it was made.</p>\
    <ul><li><a href=\"/api/v1/overview\">overview</a></li><li><a href=\"/api/v1/pipelines\">\
    pipelines</a></li><li><a href=\"/api/v1/runs\">runs</a></li><li><a href=\"/api/openapi.json\">\
    the API</a></li><li><a href=\"/ready\">readiness</a></li><li><a href=\"/metrics\">metrics</a>\
    </li></ul></html>";

/// What a browser without a token sees.
const SIGN_IN: &str = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\">\
    <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\
    <title>Sign in - Flowglass</title><style>:root{color-scheme:light dark}body{font:16px/1.5 \
    system-ui;max-width:22em;margin:18vh auto 0;padding:0 1em}label,input,button{display:block;\
    width:100%;box-sizing:border-box;font:inherit}input,button{padding:.5em;margin:.3em 0 1em}\
    </style><main><h1>Flowglass</h1><form method=\"post\" action=\"/api/v1/session\">\
    <label for=\"token\">Token</label><input id=\"token\" name=\"token\" type=\"password\" \
    autocomplete=\"current-password\" required autofocus><button>Sign in</button></form></main>\
    </html>";

fn find(name: &str) -> Option<&'static [u8]> {
    embedded::FILES.iter().find(|(it, _)| *it == name).map(|(_, bytes)| *bytes)
}

/// The place in [`offline_page`] that takes a run's snapshot as JSON.
pub const SNAPSHOT_PLACE: &str = "__FLOWGLASS_SNAPSHOT__";

/// The dashboard's page of one run as a single file that asks nobody for anything; it holds
/// [`SNAPSHOT_PLACE`] once, in a script element of type `application/json`. `None` in a build without
/// the dashboard.
#[must_use]
pub fn offline_page() -> Option<&'static str> {
    find("offline.html").and_then(|bytes| std::str::from_utf8(bytes).ok())
}

/// The one page.
pub(crate) async fn page(headers: HeaderMap) -> Response {
    index(&headers)
}

fn index(headers: &HeaderMap) -> Response {
    match find("index.html") {
        Some(bytes) => file("index.html", bytes, headers),
        None => html(StatusCode::OK, NO_DASHBOARD),
    }
}

/// A page on which a token can be given; it needs no script.
pub(crate) fn sign_in() -> Response {
    html(StatusCode::UNAUTHORIZED, SIGN_IN)
}

fn html(status: StatusCode, text: &'static str) -> Response {
    let kind = [(header::CONTENT_TYPE, "text/html; charset=utf-8")];
    (status, kind, text).into_response()
}

/// A file whose name holds its hash.
pub(crate) async fn asset(Path(name): Path<String>, headers: HeaderMap) -> Response {
    let name = format!("assets-static/{name}");
    let Some(bytes) = find(&name) else {
        return Problem::of_status(StatusCode::NOT_FOUND).into_response();
    };
    let mut response = file(&name, bytes, &headers);
    let forever = HeaderValue::from_static("public, max-age=31536000, immutable");
    response.headers_mut().insert(header::CACHE_CONTROL, forever);
    response
}

/// Every path that no route has: a file of the dashboard's root, its page for a person, else 404.
pub(crate) async fn fallback(
    State(_service): State<Arc<Service>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    let path = uri.path().trim_start_matches('/');
    if matches!(method, Method::GET | Method::HEAD) && !path.starts_with("api/") {
        if let Some(bytes) = find(path) {
            return file(path, bytes, &headers);
        }
        if wants_page(&headers) {
            return index(&headers);
        }
    }
    Problem::of_status(StatusCode::NOT_FOUND).into_response()
}

fn file(name: &str, bytes: &'static [u8], headers: &HeaderMap) -> Response {
    let kind = match name.rsplit_once('.').map(|it| it.1) {
        Some("html") => "text/html; charset=utf-8",
        Some("js" | "mjs") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("json" | "webmanifest") => "application/json",
        Some("png") => "image/png",
        Some("ico") => "image/x-icon",
        Some("woff2") => "font/woff2",
        Some("txt") => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    };
    let accepts = headers.get(header::ACCEPT_ENCODING).and_then(|it| it.to_str().ok());
    let text = kind.starts_with("text/") || kind.ends_with("json") || kind.ends_with("xml");
    let packed = accepts.filter(|it| text && takes_gzip(it)).and_then(|_| gzip(bytes));
    let vary = (header::VARY, "accept-encoding");
    match packed {
        Some(packed) => {
            let coding = (header::CONTENT_ENCODING, "gzip");
            ([(header::CONTENT_TYPE, kind), vary, coding], packed).into_response()
        }
        None => ([(header::CONTENT_TYPE, kind), vary], Bytes::from_static(bytes)).into_response(),
    }
}
