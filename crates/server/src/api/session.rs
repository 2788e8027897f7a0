//! `POST /api/v1/session`: a browser shows its token once and carries it in a cookie from then on,
//! since an `EventSource` cannot set a header.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::IntoResponse;
use serde_json::json;

use super::commands::body_bytes;
use super::{Answer, json};
use crate::guard::COOKIE;
use crate::problem::Problem;
use crate::service::Service;

/// The longest body: a token and what is around it.
const BODY_BYTES_MAX: usize = 4 << 10;

pub(crate) async fn open(
    State(service): State<Arc<Service>>,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    let bytes = body_bytes(body, BODY_BYTES_MAX).await?;
    let kind = headers.get(header::CONTENT_TYPE).and_then(|it| it.to_str().ok());
    let from_form = kind.is_some_and(|it| it.starts_with("application/x-www-form-urlencoded"));
    let token = if from_form { form_token(&bytes) } else { json_token(&bytes) };
    let token = token.filter(|it| it.bytes().all(|it| it.is_ascii_graphic() && it != b';'));
    let caller = service.access.caller(token.as_deref());
    let Some(caller) = caller else {
        if from_form {
            return Ok(crate::dashboard::sign_in());
        }
        let said = "this token is not known here";
        return Err(Problem::new(StatusCode::UNAUTHORIZED, "unauthorized", said));
    };
    let mut response = if from_form {
        (StatusCode::SEE_OTHER, [(header::LOCATION, "/")]).into_response()
    } else {
        json(&json!({ "role": caller.role, "name": caller.name }))?
    };
    let forwarded = headers.get("x-forwarded-proto").and_then(|it| it.to_str().ok());
    let secure = if forwarded == Some("https") { "; Secure" } else { "" };
    let token = token.unwrap_or_default();
    let cookie = format!("{COOKIE}={token}; Path=/; HttpOnly; SameSite=Strict{secure}");
    if let Ok(cookie) = HeaderValue::from_str(&cookie) {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    Ok(response)
}

fn json_token(bytes: &[u8]) -> Option<String> {
    let body: serde_json::Value = serde_json::from_slice(bytes).ok()?;
    Some(body.get("token")?.as_str()?.to_owned())
}

/// A form's fields are written like a query.
fn form_token(bytes: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(bytes).ok()?;
    let uri = format!("/?{text}").parse().ok()?;
    let axum::extract::Query(pairs) =
        axum::extract::Query::<Vec<(String, String)>>::try_from_uri(&uri).ok()?;
    pairs.into_iter().find(|it| it.0 == "token").map(|it| it.1)
}
