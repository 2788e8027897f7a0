//! From an address to an open socket, encrypted where that was asked for.

use std::fmt;
use std::io;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use flowglass_connect::Fault;
use flowglass_model::ErrorClass;
use postgres_protocol::message::frontend;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslNegotiation};
use tokio_rustls::TlsConnector;

use super::binding::server_end_point;
use crate::postgres::Address;
use crate::postgres::tls::{TlsMode, client_config};

/// How long one host may take when the DSN does not say.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// After how long without a byte the kernel asks whether the other side is still there.
const KEEPALIVE: Duration = Duration::from_secs(30);

/// A socket, whatever kind.
pub(super) trait Duplex: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Duplex for T {}

/// An open socket, and what a password exchange can be bound to.
pub(super) struct Opened {
    pub(super) stream: Box<dyn Duplex>,
    pub(super) binding: Option<Vec<u8>>,
}

/// One host of an address.
pub(super) struct Reached {
    name: Option<String>,
    address: Option<IpAddr>,
    path: Option<PathBuf>,
    port: u16,
}

impl fmt::Display for Reached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.name, self.address, &self.path) {
            (Some(name), _, _) => write!(f, "{name}:{}", self.port),
            (None, Some(address), _) => write!(f, "{address}:{}", self.port),
            (None, None, Some(path)) => write!(f, "{}:{}", path.display(), self.port),
            (None, None, None) => write!(f, "port {}", self.port),
        }
    }
}

/// The hosts of an address in their order, each with its port and the name that its certificate
/// must bear.
pub(super) fn hosts(address: &Address) -> Vec<Reached> {
    let config = &address.config;
    let (hosts, addresses, ports) =
        (config.get_hosts(), config.get_hostaddrs(), config.get_ports());
    (0..hosts.len().max(addresses.len()))
        .map(|at| {
            let port = ports.get(at).or_else(|| ports.first()).copied().unwrap_or(5432);
            let name = match hosts.get(at) {
                Some(Host::Tcp(name)) => Some(name.clone()),
                _ => None,
            };
            let path = match hosts.get(at) {
                #[cfg(unix)]
                Some(Host::Unix(path)) => Some(path.clone()),
                _ => None,
            };
            Reached { name, address: addresses.get(at).copied(), path, port }
        })
        .collect()
}

/// Opens a socket to one host.
pub(super) async fn open(address: &Address, host: &Reached) -> Result<Opened, Fault> {
    let within = address.config.get_connect_timeout().copied().unwrap_or(CONNECT_TIMEOUT);
    match tokio::time::timeout(within, reach(address, host)).await {
        Ok(opened) => opened,
        Err(_elapsed) => Err(Fault::new(
            ErrorClass::Timeout,
            format!("connecting to {host} took longer than {} s", within.as_secs()),
        )),
    }
}

async fn reach(address: &Address, host: &Reached) -> Result<Opened, Fault> {
    // A socket that is not there, or a name that does not resolve, may be there in a moment.
    let refused = |error| {
        let fault = Fault::io(format!("connecting to {host}"), error);
        match fault.class() {
            ErrorClass::Io | ErrorClass::NotFound => {
                Fault::new(ErrorClass::Unreachable, fault.chain())
            }
            _ => fault,
        }
    };
    #[cfg(unix)]
    if let Some(path) = &host.path {
        let socket = path.join(format!(".s.PGSQL.{}", host.port));
        let stream = tokio::net::UnixStream::connect(socket).await.map_err(refused)?;
        return Ok(Opened { stream: Box::new(stream), binding: None });
    }
    let stream = match (host.address, &host.name) {
        (Some(ip), _) => TcpStream::connect((ip, host.port)).await,
        (None, Some(name)) => TcpStream::connect((name.as_str(), host.port)).await,
        (None, None) => Err(io::Error::new(io::ErrorKind::NotFound, "there is no host name")),
    };
    let stream = stream.map_err(refused)?;
    settle(&stream, &address.config).map_err(refused)?;
    encrypt(address, host, stream).await
}

/// Small writes go out at once, and a peer that is gone is noticed.
fn settle(stream: &TcpStream, config: &Config) -> io::Result<()> {
    stream.set_nodelay(true)?;
    if config.get_keepalives() {
        let probes = TcpKeepalive::new().with_time(KEEPALIVE);
        SockRef::from(stream).set_tcp_keepalive(&probes)?;
    }
    Ok(())
}

async fn encrypt(address: &Address, host: &Reached, stream: TcpStream) -> Result<Opened, Fault> {
    let Some(config) = client_config(&address.tls)? else {
        return Ok(Opened { stream: Box::new(stream), binding: None });
    };
    let broken = |error| Fault::io(format!("setting up TLS with {host}"), error);
    let mut stream = stream;
    let direct = address.config.get_ssl_negotiation() == SslNegotiation::Direct;
    if !direct && !offered(&mut stream).await.map_err(broken)? {
        if address.tls == TlsMode::Prefer {
            return Ok(Opened { stream: Box::new(stream), binding: None });
        }
        return Err(Fault::new(ErrorClass::Config, format!("{host} does not offer TLS"))
            .hint("Switch `ssl` on at the server, or set `sslmode=prefer` in the DSN."));
    }
    secure(config, host, stream).await
}

/// Whether the server takes up TLS. It answers with a single byte, and nothing may follow it.
async fn offered(stream: &mut TcpStream) -> io::Result<bool> {
    let mut request = BytesMut::new();
    frontend::ssl_request(&mut request);
    stream.write_all(&request).await?;
    Ok(stream.read_u8().await? == b'S')
}

async fn secure(
    mut config: ClientConfig,
    host: &Reached,
    stream: TcpStream,
) -> Result<Opened, Fault> {
    let named = host.name.clone().or_else(|| host.address.map(|ip| ip.to_string()));
    let name = ServerName::try_from(named.unwrap_or_default()).map_err(|error| {
        Fault::new(ErrorClass::Config, format!("{host} has no name for TLS")).because(error)
    })?;
    config.alpn_protocols = vec![b"postgresql".to_vec()];
    let stream =
        TlsConnector::from(Arc::new(config)).connect(name, stream).await.map_err(|error| {
            let class = match error.kind() {
                // The certificate, not the network.
                io::ErrorKind::InvalidData => ErrorClass::Config,
                _ => ErrorClass::Unreachable,
            };
            Fault::new(class, format!("setting up TLS with {host}")).because(error)
        })?;
    let certificate = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
    let binding = certificate.and_then(|it| server_end_point(it.as_ref()));
    Ok(Opened { stream: Box::new(stream), binding })
}
