//! One connection, kept open, and made anew when it is gone.

use std::sync::Arc;

use bytes::Bytes;
use flowglass_connect::{Fault, Tasks};
use flowglass_model::ErrorClass;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{CONTENT_TYPE, HOST, HeaderName, HeaderValue, RETRY_AFTER, USER_AGENT};
use hyper::{Method, StatusCode, Uri, Version};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use super::config::Settings;
use super::request::Request;
use crate::tls;

/// So much of an answer's body is read, to use the connection again. Nothing of it is kept.
const ANSWER_BYTES_MAX: usize = 64 << 10;

const ID: HeaderName = HeaderName::from_static("webhook-id");
const TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
const SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// What the webhook said.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) retry_after: Option<String>,
}

/// The way to the webhook.
pub(super) struct Client {
    settings: Arc<Settings>,
    open: Option<Open>,
}

struct Open {
    sender: SendRequest<Full<Bytes>>,
    /// Moves the bytes; ends with the connection.
    _tasks: Tasks,
    /// Whether a request was answered on it: the webhook may have closed it since, unseen.
    used: bool,
    /// Whether an answer did not come to its end.
    spent: bool,
}

trait Duplex: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Duplex for T {}

impl Client {
    /// Connects.
    ///
    /// # Errors
    /// What stands in the way.
    pub(super) async fn connect(settings: Arc<Settings>) -> Result<Self, Fault> {
        let mut client = Self { settings, open: None };
        client.open = Some(client.dial().await?);
        Ok(client)
    }

    /// Sends a request and waits for its answer.
    ///
    /// # Errors
    /// When there is none.
    pub(super) async fn send(&mut self, request: &Request) -> Result<Answer, Fault> {
        let limit = self.settings.timeout;
        let sent = tokio::time::timeout(limit, self.exchange(request)).await;
        let sent = sent.unwrap_or_else(|_elapsed| {
            let said = format!("the webhook gave no answer for {} s", limit.as_secs());
            Err(Fault::new(ErrorClass::Timeout, said)
                .hint("Raise `timeout_seconds`, or lower `request_events_max`."))
        });
        if sent.is_err() {
            self.open = None;
        }
        sent
    }

    /// Asks whether there is a server at all, by a request that changes nothing: `OPTIONS *`
    /// (<https://www.rfc-editor.org/rfc/rfc9110#name-options>). Any answer is one.
    ///
    /// # Errors
    /// When there is none.
    pub(super) async fn ping(&mut self) -> Result<(), Fault> {
        let host = HeaderValue::from_str(&self.settings.address.authority());
        let host = host
            .map_err(|error| Fault::new(ErrorClass::Config, "asking the webhook").because(error))?;
        let mut asked = hyper::Request::new(Full::new(Bytes::new()));
        *asked.method_mut() = Method::OPTIONS;
        *asked.uri_mut() = Uri::from_static("*");
        asked.headers_mut().insert(HOST, host);
        let Some(mut open) = self.open.take() else { return Ok(()) };
        let limit = self.settings.timeout;
        match tokio::time::timeout(limit, open.sender.send_request(asked)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => {
                Err(Fault::new(ErrorClass::Unreachable, "asking the webhook").because(error))
            }
            Err(_elapsed) => Err(Fault::new(ErrorClass::Timeout, "asking the webhook")),
        }
    }

    async fn exchange(&mut self, request: &Request) -> Result<Answer, Fault> {
        let fit = |open: &Open| !open.spent && !open.sender.is_closed();
        if let Some(mut open) = self.open.take().filter(fit) {
            match self.attempt(&mut open, request).await {
                Ok(answer) => {
                    self.open = Some(open);
                    return Ok(answer);
                }
                // An idle connection may be closed just as it is used again.
                Err(fault) if !open.used => return Err(fault),
                Err(_closed) => {}
            }
        }
        let mut open = self.dial().await?;
        let answer = self.attempt(&mut open, request).await?;
        self.open = Some(open);
        Ok(answer)
    }

    async fn attempt(&self, open: &mut Open, request: &Request) -> Result<Answer, Fault> {
        let lost = |error: hyper::Error| {
            Fault::new(ErrorClass::Unreachable, "sending to the webhook").because(error)
        };
        open.sender.ready().await.map_err(lost)?;
        let built = self.build(request)?;
        let response = open.sender.send_request(built).await.map_err(lost)?;
        let (head, body) = response.into_parts();
        let retry_after = head.headers.get(RETRY_AFTER).and_then(|it| it.to_str().ok());
        let answer = Answer { status: head.status, retry_after: retry_after.map(str::to_owned) };
        // Without the end of the body the answer counts, and the connection does not.
        open.used = true;
        open.spent = Limited::new(body, ANSWER_BYTES_MAX).collect().await.is_err();
        Ok(answer)
    }

    fn build(&self, request: &Request) -> Result<hyper::Request<Full<Bytes>>, Fault> {
        let settings = &self.settings;
        let text = |text: &str| {
            HeaderValue::from_str(text).map_err(|error| {
                Fault::new(ErrorClass::Internal, "making a request's headers").because(error)
            })
        };
        let body = Bytes::copy_from_slice(&request.body);
        let mut built = hyper::Request::new(Full::new(body));
        *built.method_mut() = Method::POST;
        *built.version_mut() = Version::HTTP_11;
        // The path may hold what nobody else is to see: the cause is not told.
        *built.uri_mut() = request.path.parse().map_err(|_may_quote_it| {
            Fault::new(ErrorClass::Malformed, "the row's path is no path of a URL")
        })?;
        let headers = built.headers_mut();
        headers.insert(HOST, text(&settings.address.authority())?);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(settings.content_type()));
        let agent = concat!("flowglass/", env!("CARGO_PKG_VERSION"));
        headers.insert(USER_AGENT, HeaderValue::from_static(agent));
        for (name, value) in &settings.headers {
            headers.insert(name.clone(), value.clone());
        }
        headers.insert(ID, text(&request.id)?);
        headers.insert(IDEMPOTENCY_KEY, text(&request.id)?);
        let second = settings.clock.now().as_second();
        headers.insert(TIMESTAMP, text(&second.to_string())?);
        if let Some(signer) = &settings.signer {
            let signature = signer.signature(&request.id, second, &request.body)?;
            headers.insert(SIGNATURE, text(&signature)?);
        }
        Ok(built)
    }

    async fn dial(&self) -> Result<Open, Fault> {
        let limit = self.settings.timeout;
        let doing = format!("connecting to {}", self.settings.address.namespace());
        match tokio::time::timeout(limit, self.reach(&doing)).await {
            Ok(open) => open,
            Err(_elapsed) => {
                let said = format!("{doing}: no answer for {} s", limit.as_secs());
                Err(Fault::new(ErrorClass::Timeout, said))
            }
        }
    }

    async fn reach(&self, doing: &str) -> Result<Open, Fault> {
        let address = &self.settings.address;
        let failed = |error| unreachable(doing, error);
        let stream = TcpStream::connect((address.host.as_str(), address.port)).await;
        let stream = stream.map_err(failed)?;
        stream.set_nodelay(true).map_err(failed)?;
        let stream: Box<dyn Duplex> = if address.tls {
            let connector = tls::connector(self.settings.tls_ca_file.as_deref())?;
            let name = ServerName::try_from(address.host.clone())
                .map_err(|error| Fault::new(ErrorClass::Config, doing).because(error))?;
            Box::new(connector.connect(name, stream).await.map_err(failed)?)
        } else {
            Box::new(stream)
        };
        let (sender, connection) = handshake(TokioIo::new(stream))
            .await
            .map_err(|error| Fault::new(ErrorClass::Unreachable, doing).because(error))?;
        let mut tasks = Tasks::new();
        // Its error is also what the request in flight is told.
        tasks.spawn("http-connection", async move { drop(connection.await) });
        Ok(Open { sender, _tasks: tasks, used: false, spent: false })
    }
}

/// Nobody is there under this name: that passes. A certificate that is not believed does not.
fn unreachable(doing: &str, error: std::io::Error) -> Fault {
    let is_tls =
        error.get_ref().is_some_and(<dyn std::error::Error + Send + Sync>::is::<rustls::Error>);
    if is_tls {
        return Fault::new(ErrorClass::Config, doing)
            .because(error)
            .hint("Name the webhook's authority as `tls_ca_file`, or mend its certificate.");
    }
    let class = match error.kind() {
        std::io::ErrorKind::TimedOut => ErrorClass::Timeout,
        _ => ErrorClass::Unreachable,
    };
    Fault::new(class, doing).because(error)
}
