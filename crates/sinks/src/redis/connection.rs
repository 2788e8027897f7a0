//! A connection: reached, encrypted, logged in, asked.

use std::io;
use std::time::Duration;

use flowglass_connect::Fault;
use flowglass_model::ErrorClass;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::net::{TcpStream, UnixStream};

use super::address::{Address, Way};
use super::command::command;
use super::config::Settings;
use super::errors::Refusal;
use super::inbox::{Answer, Inbox, within};
use crate::tls;

/// Redirections that are followed in a row.
const MOVES_MAX: u32 = 5;

/// Both directions of whatever carries the bytes.
pub(super) trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// A connection that is logged in.
pub(super) struct Connection {
    pub(super) inbox: Inbox<ReadHalf<Box<dyn Duplex>>>,
    pub(super) outbox: WriteHalf<Box<dyn Duplex>>,
    timeout: Duration,
}

/// What the server answered, as far as we ask for it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Told {
    /// A word, a text or a number.
    Text(String),
    /// No value.
    Nothing,
}

impl Connection {
    /// Connects to the server of the settings.
    ///
    /// # Errors
    /// `unreachable`, `timeout`, `auth`, `config`.
    pub(super) async fn open(settings: &Settings) -> Result<Self, Fault> {
        Self::to(&settings.address, settings).await
    }

    /// Connects to the node that holds `key`: the server of the settings, or where a cluster sends
    /// us from there.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub(super) async fn holding(key: &str, settings: &Settings) -> Result<Self, Fault> {
        let mut address = settings.address.clone();
        for _ in 0..MOVES_MAX {
            let mut connection = Self::to(&address, settings).await?;
            match connection.ask(&[b"TYPE", key.as_bytes()]).await? {
                Ok(_) => return Ok(connection),
                Err(refusal) => {
                    let next = refusal.moved_to().and_then(|node| address.moved_to(node));
                    let Some(next) = next else {
                        return Err(refusal.fault("asking Redis for the position"));
                    };
                    address = next;
                }
            }
        }
        Err(Fault::new(ErrorClass::Unreachable, "the nodes of the Redis cluster name each other"))
    }

    async fn to(address: &Address, settings: &Settings) -> Result<Self, Fault> {
        let doing = format!("connecting to {}", address.namespace());
        let stream = within(settings.timeout, &doing, reach(address)).await?;
        let stream = match &address.way {
            Way::Tcp { host, tls: true, .. } => {
                let connector = tls::connector(settings.tls_ca_file.as_deref())?;
                let name = ServerName::try_from(host.clone()).map_err(|error| {
                    Fault::new(ErrorClass::Config, doing.clone()).because(error)
                })?;
                let handshake = connector.connect(name, stream);
                let stream = within(settings.timeout, &doing, handshake).await?;
                Box::new(stream) as Box<dyn Duplex>
            }
            _ => stream,
        };
        let (read, outbox) = tokio::io::split(stream);
        let mut connection = Self { inbox: Inbox::new(read), outbox, timeout: settings.timeout };
        connection.log_in(address).await?;
        Ok(connection)
    }

    async fn log_in(&mut self, address: &Address) -> Result<(), Fault> {
        if let Some(password) = &address.password {
            let mut words = vec![&b"AUTH"[..]];
            words.extend(address.user.as_ref().map(String::as_bytes));
            words.push(password.as_bytes());
            // The server's words about a failed login are few and hold neither name nor password.
            self.ask(&words).await?.map_err(|refusal| match refusal.class() {
                ErrorClass::Unsupported => {
                    Fault::new(ErrorClass::Auth, "logging in to Redis: it refused")
                }
                _ => refusal.fault("logging in to Redis"),
            })?;
        }
        if address.database != 0 {
            let number = address.database.to_string();
            let asked = self.ask(&[b"SELECT", number.as_bytes()]).await?;
            asked.map_err(|_| {
                let what = format!("Redis has no database {number}");
                Fault::new(ErrorClass::Config, what)
            })?;
        }
        Ok(())
    }

    /// One command and its answer.
    ///
    /// # Errors
    /// When there is no answer; what the server refuses is the inner one.
    pub(super) async fn ask(&mut self, words: &[&[u8]]) -> Result<Result<Told, Refusal>, Fault> {
        let mut bytes = Vec::new();
        command(&mut bytes, words);
        let exchange = async {
            self.outbox.write_all(&bytes).await?;
            self.outbox.flush().await?;
            let text = |bytes: &[u8]| Told::Text(String::from_utf8_lossy(bytes).into_owned());
            Ok(match self.inbox.next().await? {
                Answer::Word(bytes) | Answer::Bytes(bytes) => Ok(text(bytes)),
                Answer::Number(number) => Ok(Told::Text(number.to_string())),
                Answer::Nothing => Ok(Told::Nothing),
                Answer::Refused(refusal) => Err(refusal),
                Answer::Parts(_) => {
                    return Err(io::Error::new(
                        io::ErrorKind::InvalidData,
                        "a list was not asked for",
                    ));
                }
            })
        };
        within(self.timeout, "asking Redis", exchange).await
    }
}

async fn reach(address: &Address) -> io::Result<Box<dyn Duplex>> {
    match &address.way {
        Way::Tcp { host, port, .. } => {
            let stream = TcpStream::connect((host.as_str(), *port)).await?;
            // The end of a batch must not wait for an answer to its beginning.
            stream.set_nodelay(true)?;
            Ok(Box::new(stream))
        }
        Way::Unix(path) => Ok(Box::new(UnixStream::connect(path).await?)),
    }
}
