//! HTTPS by rustls, with `ring` as the only provider of cryptography.
//!
//! Handshakes go on side by side, each with a bound on its time, so that a connection that says nothing
//! keeps nobody out.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::Request;
use axum::extract::connect_info::{ConnectInfo, Connected};
use axum::middleware::Next;
use axum::response::Response;
use axum::serve::{IncomingStream, Listener};
use futures::StreamExt as _;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// How long a handshake may take.
const HANDSHAKE_WITHIN: Duration = Duration::from_secs(10);

/// Handshakes that go on at once; further connections wait in the system's own queue.
const HANDSHAKES_MAX: usize = 256;

/// Between two tries when the system gives no connection, as when it has no file left.
const PAUSE: Duration = Duration::from_secs(1);

/// A certificate that cannot be shown.
#[derive(Debug, thiserror::Error)]
pub enum BadCertificate {
    /// A file cannot be read, or holds nothing of that kind.
    #[error("{what} cannot be read from {file}: {why}")]
    Unreadable {
        /// The certificates or the key.
        what: &'static str,
        /// The file.
        file: String,
        /// Why.
        why: String,
    },
    /// Certificate and key do not belong together, or are of no use.
    #[error("the certificate and the key cannot be used")]
    Unfit(#[source] rustls::Error),
}

/// What the server shows to whoever connects.
#[derive(Clone)]
pub struct Certificate(TlsAcceptor);

impl std::fmt::Debug for Certificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Certificate")
    }
}

impl Certificate {
    /// Reads a chain of certificates, the server's own first, and the private key of that one; both are
    /// PEM.
    ///
    /// # Errors
    /// [`BadCertificate`], which names the file.
    pub fn read(chain: &Path, key: &Path) -> Result<Self, BadCertificate> {
        let unreadable = |what, file: &Path, why: String| BadCertificate::Unreadable {
            what,
            file: file.display().to_string(),
            why,
        };
        let bad_chain = |why: String| unreadable("a certificate", chain, why);
        let certificates: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(chain)
            .and_then(Iterator::collect)
            .map_err(|error| bad_chain(error.to_string()))?;
        if certificates.is_empty() {
            return Err(bad_chain("there is none in it".to_owned()));
        }
        let private = PrivateKeyDer::from_pem_file(key)
            .map_err(|error| unreadable("a private key", key, error.to_string()))?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(BadCertificate::Unfit)?
            .with_no_client_auth()
            .with_single_cert(certificates, private)
            .map_err(BadCertificate::Unfit)?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self(TlsAcceptor::from(Arc::new(config))))
    }
}

type Shaken = Option<(TlsStream<TcpStream>, SocketAddr)>;

/// Connections whose handshake is done.
pub(crate) struct TlsListener {
    tcp: TcpListener,
    certificate: Certificate,
    shaking: FuturesUnordered<BoxFuture<'static, Shaken>>,
}

impl TlsListener {
    pub(crate) fn new(tcp: TcpListener, certificate: Certificate) -> Self {
        Self { tcp, certificate, shaking: FuturesUnordered::new() }
    }

    fn shake(&self, stream: TcpStream, from: SocketAddr) -> BoxFuture<'static, Shaken> {
        let handshake = self.certificate.0.accept(stream);
        Box::pin(async move {
            // Whoever does not come to its end is of no interest: every port is knocked at.
            let done = tokio::time::timeout(HANDSHAKE_WITHIN, handshake).await.ok()?;
            done.ok().map(|stream| (stream, from))
        })
    }
}

impl Listener for TlsListener {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            tokio::select! {
                accepted = self.tcp.accept(), if self.shaking.len() < HANDSHAKES_MAX => match accepted {
                    Ok((stream, from)) => self.shaking.push(self.shake(stream, from)),
                    Err(_none) => tokio::time::sleep(PAUSE).await,
                },
                Some(shaken) = self.shaking.next() => {
                    if let Some(connection) = shaken {
                        return connection;
                    }
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.tcp.local_addr()
    }
}

/// Who is at the other end.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer(SocketAddr);

impl Connected<IncomingStream<'_, TlsListener>> for Peer {
    fn connect_info(stream: IncomingStream<'_, TlsListener>) -> Self {
        Self(*stream.remote_addr())
    }
}

/// Tells the layers who asks, as they are told without TLS.
pub(crate) async fn introduce(mut request: Request, next: Next) -> Response {
    if let Some(ConnectInfo(Peer(address))) =
        request.extensions().get::<ConnectInfo<Peer>>().copied()
    {
        request.extensions_mut().insert(ConnectInfo(address));
    }
    next.run(request).await
}
