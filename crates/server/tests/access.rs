//! Who gets in, and what every answer tells a browser.

use axum::http::Method;
use flowglass_server::{Access, OPERATIONS, Options, ServeError, Server};

use crate::support::{Field, Said, request};

const TOKENS: &str = "viewer read read-0123456789abcdef\nci operate oper-0123456789abcdef\n\
                      ana admin admn-0123456789abcdef\n";

fn field() -> Field {
    Field::with(Access::parse(TOKENS).unwrap(), Options::default())
}

async fn ask(field: &Field, (method, path): (&str, &str), token: Option<&str>) -> Said {
    let mut request = request(method.parse().unwrap(), path, "");
    if let Some(token) = token {
        let value = format!("Bearer {token}").parse().unwrap();
        request.headers_mut().insert("authorization", value);
    }
    field.send(request).await
}

#[tokio::test]
async fn without_a_token_nothing_but_health_answers() {
    let field = field();
    for it in OPERATIONS.iter().filter(|it| it.role.is_some()) {
        let path = it.path.replace("{id}", "x").replace("{p}", "x").replace("{verb}", "pause");
        for token in [None, Some("wrong-0123456789abcdef"), Some("")] {
            let said = ask(&field, (it.method, &path), token).await.expect(401);
            assert_eq!(said.header("www-authenticate"), "Bearer", "{} {path}", it.method);
        }
    }
    for path in ["/", "/metrics", "/api/openapi.json", "/assets-static/x.js", "/nothing"] {
        ask(&field, ("GET", path), None).await.expect(401);
    }
    for path in ["/health", "/ready", "/startup"] {
        ask(&field, ("GET", path), None).await.expect(200);
    }
}

#[tokio::test]
async fn each_role_may_do_what_it_says() {
    let field = field();
    let tokens = ["read-0123456789abcdef", "oper-0123456789abcdef", "admn-0123456789abcdef"];
    for it in OPERATIONS {
        let Some(role) = it.role else { continue };
        let path = it.path.replace("{id}", "x").replace("{p}", "x").replace("{verb}", "pause");
        if it.path.ends_with("/feed") || it.path.ends_with("/insights") {
            continue;
        }
        for (at, token) in tokens.iter().enumerate() {
            let said = ask(&field, (it.method, &path), Some(token)).await;
            let refused = said.status.as_u16() == 403;
            assert_eq!(refused, at < role as usize, "{} {path} as {token}: {said:?}", it.method);
        }
    }
}

#[tokio::test]
async fn a_browser_signs_in_and_carries_a_cookie() {
    let field = field();
    let mut page = request(Method::GET, "/runs", "");
    page.headers_mut().insert("accept", "text/html".parse().unwrap());
    let page = field.send(page).await.expect(401);
    assert!(page.text.contains("<form") && !page.text.contains("<script"), "{page:?}");
    let wrong = field.post("/api/v1/session", "{\"token\":\"nobody-0123456789ab\"}").await;
    assert_eq!(wrong.status, 401);
    let said = field.post("/api/v1/session", "{\"token\":\"read-0123456789abcdef\"}").await;
    let cookie = said.expect(200).header("set-cookie").to_owned();
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"), "{cookie}");
    let cookie = cookie.split(';').next().unwrap();
    let mut with = request(Method::GET, "/api/v1/info", "");
    with.headers_mut().insert("cookie", format!("other=1; {cookie}").parse().unwrap());
    assert_eq!(field.send(with).await.expect(200).json()["role"], "read");
    let mut form = request(Method::POST, "/api/v1/session", "token=read-0123456789abcdef");
    let kind = "application/x-www-form-urlencoded".parse().unwrap();
    form.headers_mut().insert("content-type", kind);
    let said = field.send(form).await.expect(303);
    assert_eq!(said.header("location"), "/");
}

#[tokio::test]
async fn a_page_of_another_origin_cannot_ask() {
    let field = Field::new();
    let path = "/api/v1/pipelines/shop/pause";
    for (name, value) in [
        ("origin", "https://evil.example"),
        ("origin", "null://"),
        ("sec-fetch-site", "cross-site"),
        ("host", "evil.example:8080"),
    ] {
        let mut request = request(Method::POST, path, "");
        request.headers_mut().insert(name, value.parse().unwrap());
        field.send(request).await.expect(403);
    }
    let mut own = request(Method::POST, path, "");
    own.headers_mut().insert("origin", "http://localhost:8080".parse().unwrap());
    field.send(own).await.expect(404);
    // A name that was made to point here must not read either.
    let mut rebound = request(Method::GET, "/api/v1/runs", "");
    rebound.headers_mut().insert("host", "evil.example".parse().unwrap());
    field.send(rebound).await.expect(403);
}

#[tokio::test]
async fn every_answer_has_the_headers_that_a_browser_needs() {
    let field = field();
    for path in ["/health", "/nothing", "/api/v1/runs", "/"] {
        let said = ask(&field, ("GET", path), Some("read-0123456789abcdef")).await;
        let csp = said.header("content-security-policy");
        assert!(csp.contains("default-src 'none'") && !csp.contains("unsafe-eval"), "{csp}");
        assert_eq!(said.header("x-content-type-options"), "nosniff");
        assert_eq!(said.header("x-frame-options"), "DENY");
        assert_eq!(said.header("referrer-policy"), "no-referrer");
    }
}

#[tokio::test]
async fn an_open_address_needs_tokens() {
    let open = Field::new();
    let refused = Server::bind(open.service, "0.0.0.0:0").await.unwrap_err();
    assert!(matches!(refused, ServeError::OpenToAll(_)), "{refused}");
    let guarded = field();
    assert!(Server::bind(guarded.service, "0.0.0.0:0").await.is_ok());
    let meant = Field::with(Access::anonymous(true), Options::default());
    assert!(Server::bind(meant.service, "0.0.0.0:0").await.is_ok());
}

#[tokio::test]
async fn no_path_leads_out_of_the_dashboard() {
    let field = Field::new();
    for path in [
        "/assets-static/../../Cargo.toml",
        "/assets-static/..%2f..%2fCargo.toml",
        "/assets-static/%2e%2e/index.html",
        "/..%2f..%2fetc%2fpasswd",
        "/%2e%2e/%2e%2e/etc/passwd",
    ] {
        let said = field.get(path).await.expect(404);
        assert!(!said.text.contains("root:") && !said.text.contains("[package]"), "{said:?}");
    }
}
