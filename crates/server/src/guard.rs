//! The inner layers: how many requests at once, how large, how long, and by whom.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use flowglass_catalog::label::ExceptionType;
use flowglass_catalog::signals::{RequestBroke, Signal};

use crate::access::Role;
use crate::dashboard;
use crate::observe::Broken;
use crate::problem::Problem;
use crate::service::Service;

/// The cookie that a browser shows its token in.
pub(crate) const COOKIE: &str = "flowglass_token";

/// Refuses what comes beyond the limit of requests that are worked on at once. Probes always get
/// through: a busy server is alive.
pub(crate) async fn crowd(
    State(service): State<Arc<Service>>,
    request: Request,
    next: Next,
) -> Response {
    if is_probe(request.uri().path()) {
        return next.run(request).await;
    }
    let Ok(_place) = service.places.try_acquire() else {
        let said = "more requests are being worked on than this server takes";
        let problem = Problem::new(StatusCode::TOO_MANY_REQUESTS, "too-many-requests", said);
        return problem.retry_after(1).into_response();
    };
    next.run(request).await
}

/// Refuses a body that says it is too large, and stops reading one that turns out to be.
pub(crate) async fn body_limit(
    State(service): State<Arc<Service>>,
    request: Request,
    next: Next,
) -> Response {
    let max = service.options.body_bytes_max;
    let length = request.headers().get(header::CONTENT_LENGTH);
    let length = length.and_then(|it| it.to_str().ok()).and_then(|it| it.parse::<u64>().ok());
    if length.is_some_and(|it| it > max as u64) {
        return Problem::of_status(StatusCode::PAYLOAD_TOO_LARGE).into_response();
    }
    next.run(request.map(|body| Body::new(http_body_util::Limited::new(body, max)))).await
}

/// Ends a request whose answer does not begin in time. Streams may last as long as they like: their
/// answer begins at once.
pub(crate) async fn timeout(
    State(service): State<Arc<Service>>,
    request: Request,
    next: Next,
) -> Response {
    let limit = service.options.answer_within;
    if let Ok(response) = tokio::time::timeout(limit, next.run(request)).await {
        return response;
    }
    RequestBroke { exception: ExceptionType::Timeout }.count(&service.meters.process());
    let said = format!("no answer within {} s", limit.as_secs());
    let problem = Problem::new(StatusCode::GATEWAY_TIMEOUT, "timeout", said);
    let mut response = problem.into_response();
    response.extensions_mut().insert(Broken(ExceptionType::Timeout));
    response
}

/// Lets in who may do what the request asks for.
pub(crate) async fn enter(
    State(service): State<Arc<Service>>,
    mut request: Request,
    next: Next,
) -> Response {
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    if is_probe(&path) {
        return next.run(request).await;
    }
    if let Some(problem) = foreign(&service, &method, request.uri(), request.headers()) {
        return problem.into_response();
    }
    if path == "/api/v1/session" {
        return next.run(request).await;
    }
    let Some(caller) = service.access.caller(given_token(request.headers())) else {
        if wants_page(request.headers()) && !path.starts_with("/api/") {
            return dashboard::sign_in();
        }
        let said = "a token is needed: give it as `Authorization: Bearer TOKEN`";
        return Problem::new(StatusCode::UNAUTHORIZED, "unauthorized", said).into_response();
    };
    let needed = needed(&method, &path);
    if caller.role < needed {
        let said = format!("this needs the role `{}`", needed.name());
        return Problem::new(StatusCode::FORBIDDEN, "forbidden", said).into_response();
    }
    request.extensions_mut().insert(caller);
    next.run(request).await
}

fn is_probe(path: &str) -> bool {
    matches!(path, "/health" | "/ready" | "/startup")
}

/// Whether a person looks at it with a browser.
pub(crate) fn wants_page(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT).and_then(|it| it.to_str().ok());
    accept.is_some_and(|it| it.contains("text/html"))
}

/// What the request asks for is one of three. Making pipelines is the administrator's: a manifest
/// names hosts, files and commands.
fn needed(method: &Method, path: &str) -> Role {
    if matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS) {
        return Role::Read;
    }
    let below = path.strip_prefix("/api/v1/pipelines").map(|it| it.trim_matches('/'));
    match below {
        // The list itself, or a pipeline without a verb.
        Some(rest) if !rest.contains('/') => Role::Admin,
        _ => Role::Operate,
    }
}

/// A request that a page of another origin makes a browser send.
fn foreign(service: &Service, method: &Method, uri: &Uri, headers: &HeaderMap) -> Option<Problem> {
    let text = |name| headers.get(name).and_then(|it| it.to_str().ok());
    let host = text(header::HOST).or_else(|| uri.host());
    let refused = |said: &str| Some(Problem::new(StatusCode::FORBIDDEN, "foreign-origin", said));
    if service.access.is_for_this_machine() && !host.is_none_or(is_this_machine) {
        return refused(
            "this server has no tokens and answers under the names of this machine alone",
        );
    }
    if matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS) {
        return None;
    }
    let origin = text(header::ORIGIN).and_then(|it| it.split_once("://")).map(|it| it.1);
    let other = origin.is_some_and(|it| Some(it) != host);
    let cross = text(header::HeaderName::from_static("sec-fetch-site")) == Some("cross-site");
    if other || cross { refused("a page of another origin may not ask for this") } else { None }
}

fn is_this_machine(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|it| it.is_ascii_digit()) => name,
        _ => host,
    };
    let name = name.trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost")
        || name.parse::<std::net::IpAddr>().is_ok_and(|it| it.is_loopback())
}

/// The caller's token: of the header, else of the cookie.
fn given_token(headers: &HeaderMap) -> Option<&str> {
    let bearer = headers.get(header::AUTHORIZATION).and_then(|it| it.to_str().ok());
    let bearer = bearer.and_then(|it| it.split_once(' ')).filter(|(scheme, _)| {
        // The scheme is read in any case (RFC 9110, section 11.1).
        scheme.eq_ignore_ascii_case("bearer")
    });
    if let Some((_scheme, token)) = bearer {
        return Some(token.trim());
    }
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|it| it.to_str().ok());
    cookies
        .flat_map(|it| it.split(';'))
        .filter_map(|it| it.trim().split_once('='))
        .find_map(|(name, value)| (name == COOKIE).then_some(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn making_a_pipeline_is_the_administrators() {
        let of = |method: Method, path| needed(&method, path);
        assert_eq!(of(Method::GET, "/api/v1/pipelines"), Role::Read);
        assert_eq!(of(Method::POST, "/api/v1/pipelines"), Role::Admin);
        assert_eq!(of(Method::POST, "/api/v1/pipelines/"), Role::Admin);
        assert_eq!(of(Method::PATCH, "/api/v1/pipelines/shop"), Role::Admin);
        assert_eq!(of(Method::DELETE, "/api/v1/pipelines/shop"), Role::Admin);
        assert_eq!(of(Method::POST, "/api/v1/pipelines/shop/pause"), Role::Operate);
        assert_eq!(of(Method::POST, "/api/v1/events"), Role::Operate);
    }

    #[test]
    fn only_names_of_this_machine_are_its_own() {
        for own in ["localhost", "localhost:8080", "LOCALHOST:1", "127.0.0.1:8080", "[::1]:80"] {
            assert!(is_this_machine(own), "{own}");
        }
        for other in ["evil.example", "evil.example:8080", "localhost.evil.example", "10.0.0.1:80"]
        {
            assert!(!is_this_machine(other), "{other}");
        }
    }
}
