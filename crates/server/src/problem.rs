//! What an error looks like to a client: RFC 9457 `application/problem+json`, one shape everywhere.
//!
//! A handler answers with a [`Problem`]; the outermost layer, which alone knows the request's id and
//! path, writes the body. An error answer that some library made is turned into the same shape there,
//! so that a 404 of the router and a 413 of the body limit look like ours.

use axum::http::header::{ALLOW, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use flowglass_connect::Fault;
use flowglass_model::ErrorClass;
use flowglass_store::StoreError;
use serde::Serialize;
use serde_json::{Map, Value};

/// The media type of RFC 9457.
pub(crate) const PROBLEM_JSON: &str = "application/problem+json";

/// Where the kinds of problems are described; the last part is the kind.
const TYPES: &str = "https://flowglass.dev/problems/";

/// An error for a client.
#[derive(Debug, Clone)]
pub struct Problem {
    status: StatusCode,
    kind: &'static str,
    detail: String,
    hint: Option<String>,
    retry_after_seconds: Option<u64>,
    more: Map<String, Value>,
}

/// The body as RFC 9457 writes it, with two members of ours.
#[derive(Debug, Serialize)]
struct Body<'a> {
    r#type: String,
    title: &'a str,
    status: u16,
    detail: &'a str,
    instance: &'a str,
    request_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<&'a str>,
    #[serde(flatten)]
    more: &'a Map<String, Value>,
}

impl Problem {
    /// A problem of this kind (kebab case), in a whole sentence or a lower-case fragment.
    pub fn new(status: StatusCode, kind: &'static str, detail: impl Into<String>) -> Self {
        let (detail, more) = (detail.into(), Map::new());
        Self { status, kind, detail, hint: None, retry_after_seconds: None, more }
    }

    /// 400: the request cannot be understood.
    pub fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad-request", detail)
    }

    /// 422: it was understood, and a value is out of its range.
    pub fn out_of_range(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "out-of-range", detail)
    }

    /// 404: there is no such thing.
    pub fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", detail)
    }

    /// 409: it does not fit to how things are.
    pub fn conflict(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, "conflict", detail)
    }

    /// 500 without a word about the inside.
    #[must_use]
    pub fn internal() -> Self {
        let said =
            "the request ended in a fault of the server; its log has more under the request id";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", said)
    }

    /// What to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// When to ask again.
    #[must_use]
    pub fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_after_seconds = Some(seconds);
        self
    }

    /// A further member of the body.
    #[must_use]
    pub fn with(mut self, name: &str, value: Value) -> Self {
        self.more.insert(name.to_owned(), value);
        self
    }

    /// The status.
    #[must_use]
    pub const fn status(&self) -> StatusCode {
        self.status
    }

    /// What is said.
    #[must_use]
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// The problem that stands for a status which some library answered.
    pub(crate) fn of_status(status: StatusCode) -> Self {
        let (kind, detail) = match status {
            StatusCode::NOT_FOUND => ("not-found", "there is nothing at this path"),
            StatusCode::METHOD_NOT_ALLOWED => {
                ("method-not-allowed", "this path does not take this method; see `Allow`")
            }
            StatusCode::PAYLOAD_TOO_LARGE => ("too-large", "the body is larger than is taken here"),
            StatusCode::UNSUPPORTED_MEDIA_TYPE => {
                ("unsupported-media-type", "the body is of a type that is not taken here")
            }
            it if it.is_client_error() => ("bad-request", "the request cannot be understood"),
            _ => return Self { status, ..Self::internal() },
        };
        Self::new(status, kind, detail)
    }

    /// The answer, once the request's id and path are known.
    pub(crate) fn write(&self, request_id: &str, path: &str) -> Response {
        let body = Body {
            r#type: format!("{TYPES}{}", self.kind),
            title: self.status.canonical_reason().unwrap_or("Error"),
            status: self.status.as_u16(),
            detail: &self.detail,
            instance: path,
            request_id,
            hint: self.hint.as_deref(),
            more: &self.more,
        };
        // Text and numbers with string keys: serializing cannot fail.
        let text = serde_json::to_string(&body).unwrap_or_default();
        let mut response = (self.status, text).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
        if let Some(seconds) = self.retry_after_seconds {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

/// The response carries the problem outwards; its body is written where the request's id is known.
impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// Writes the body of an error answer that has none of its own yet. Pages for people stay.
pub(crate) fn finished(response: Response, request_id: &str, path: &str) -> Response {
    let status = response.status();
    if !status.is_client_error() && !status.is_server_error() {
        return response;
    }
    let kind = response.headers().get(CONTENT_TYPE).and_then(|it| it.to_str().ok());
    let told = kind.is_some_and(|it| it.starts_with(PROBLEM_JSON) || it.starts_with("text/html"));
    let own = response.extensions().get::<Problem>().cloned();
    let is_health = kind.is_some_and(|it| it.starts_with("application/json"));
    let problem = match own {
        Some(problem) => problem,
        None if told || is_health => return response,
        None => Problem::of_status(status),
    };
    let mut written = problem.write(request_id, path);
    if let Some(allow) = response.headers().get(ALLOW) {
        written.headers_mut().insert(ALLOW, allow.clone());
    }
    written
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error.class() {
            ErrorClass::NotFound => Self::not_found(error.to_string()).hint(error.hint()),
            ErrorClass::Internal => Self::internal(),
            _ => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "store-unavailable",
                "the store did not answer",
            )
            .hint(error.hint())
            .retry_after(1),
        }
    }
}

impl From<Fault> for Problem {
    fn from(fault: Fault) -> Self {
        let (status, kind) = match fault.class() {
            ErrorClass::NotFound => (StatusCode::NOT_FOUND, "not-found"),
            ErrorClass::Conflict => (StatusCode::CONFLICT, "conflict"),
            ErrorClass::Config | ErrorClass::Unsupported => {
                (StatusCode::UNPROCESSABLE_ENTITY, "unusable")
            }
            ErrorClass::Internal => return Self::internal(),
            _ => (StatusCode::SERVICE_UNAVAILABLE, "unavailable"),
        };
        Self::new(status, kind, fault.chain()).hint(fault.advice())
    }
}
