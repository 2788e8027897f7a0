//! The open connection: messages while it is being set up, raw bytes afterwards.

use std::fmt;
use std::io;

use bytes::{Bytes, BytesMut};
use flowglass_connect::Fault;
use flowglass_model::ErrorClass;
use futures::FutureExt;
use postgres_protocol::message::frontend;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_postgres::config::TargetSessionAttrs;

use super::authenticate::Proof;
use super::connect::{Duplex, Reached, hosts, open};
use crate::postgres::{Address, fault_of_response};

/// The largest answer to a statement of ours.
const MESSAGE_BYTES_MAX: usize = 16 << 20;

/// The session speaks as the rest of Flowglass expects to hear it. Given at the start, so that they
/// also hold for what the server writes into the stream of changes.
const SETTINGS: [(&str, &str); 11] = [
    ("client_encoding", "UTF8"),
    ("datestyle", "ISO, YMD"),
    ("intervalstyle", "postgres"),
    ("timezone", "UTC"),
    ("bytea_output", "hex"),
    ("extra_float_digits", "1"),
    ("xmloption", "content"),
    ("lc_monetary", "C"),
    ("search_path", "pg_catalog"),
    ("statement_timeout", "0"),
    // An exported snapshot is an idle transaction.
    ("idle_in_transaction_session_timeout", "0"),
];

/// A connection that is read by hand. Plain statements work on it in either mode. Dropping it closes
/// it.
pub struct Wire {
    stream: Box<dyn Duplex>,
    buffer: BytesMut,
    host: String,
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Wire({}, {} bytes unread)", self.host, self.buffer.len())
    }
}

impl Wire {
    /// Connects in replication mode to the first host that is fit. `purpose` is shown in
    /// `pg_stat_replication`.
    ///
    /// # Errors
    /// `unreachable`, `timeout`, `auth`, `config` or what else the last host said.
    pub async fn replication(address: &Address, purpose: &str) -> Result<Self, Fault> {
        Self::first_fit(address, &[("replication", "database")], purpose).await
    }

    /// The same without replication, for reading large answers without a copy of every row.
    ///
    /// # Errors
    /// As for [`Wire::replication`].
    pub async fn plain(address: &Address, purpose: &str) -> Result<Self, Fault> {
        Self::first_fit(address, &[], purpose).await
    }

    async fn first_fit(
        address: &Address,
        mode: &[(&str, &str)],
        purpose: &str,
    ) -> Result<Self, Fault> {
        let mut last = Fault::new(ErrorClass::Config, "the DSN names no host");
        for host in hosts(address) {
            match Self::connect(address, &host, (mode, purpose)).await {
                Ok(wire) => return Ok(wire),
                Err(fault) => last = fault,
            }
        }
        Err(last)
    }

    async fn connect(
        address: &Address,
        host: &Reached,
        (mode, purpose): (&[(&str, &str)], &str),
    ) -> Result<Self, Fault> {
        let opened = open(address, host).await?;
        let mut wire =
            Self { stream: opened.stream, buffer: BytesMut::new(), host: host.to_string() };
        let config = &address.config;
        let user = config.get_user().ok_or_else(|| {
            Fault::new(ErrorClass::Config, "the DSN names no user, which replication needs")
        })?;
        let name = format!("flowglass {purpose}");
        let mut parameters = vec![
            ("user", user),
            ("database", address.database()),
            ("application_name", config.get_application_name().unwrap_or(&name)),
        ];
        parameters.extend(config.get_options().map(|options| ("options", options)));
        parameters.extend(mode);
        parameters.extend(SETTINGS);
        let mut out = BytesMut::new();
        frontend::startup_message(parameters, &mut out).map_err(|error| {
            Fault::new(ErrorClass::Config, "the DSN cannot be sent").because(error)
        })?;
        wire.send(&out).await?;
        Proof { config, user, binding: opened.binding }.give(&mut wire).await?;
        wire.ready("starting the session").await?;
        if config.get_target_session_attrs() == TargetSessionAttrs::ReadWrite {
            let read_only = wire.rows("asking for the server's role", "SELECT pg_is_in_recovery()");
            if read_only.await?.first().and_then(|row| row.first()?.as_deref()) == Some("t") {
                let said = format!("{} is a standby and takes no writes", wire.host);
                return Err(Fault::new(ErrorClass::Unreachable, said));
            }
        }
        Ok(wire)
    }

    /// Runs one statement by the simple protocol, and answers its rows as text.
    ///
    /// # Errors
    /// What the server says, with `doing` before it.
    pub async fn rows(
        &mut self,
        doing: &str,
        sql: &str,
    ) -> Result<Vec<Vec<Option<String>>>, Fault> {
        self.query(sql).await?;
        let mut rows = Vec::new();
        let mut failed = None;
        loop {
            match self.any_message(doing).await? {
                (b'D', body) => rows.push(cells(&body).ok_or_else(|| odd(doing))?),
                (b'E', body) => failed = Some(fault_of_response(doing, &body)),
                (b'Z', _) => break,
                _ => {}
            }
        }
        match failed {
            Some(fault) => Err(fault),
            None => Ok(rows),
        }
    }

    /// Runs the statement after which both sides send whenever they like. What the server sends is
    /// in [`Wire::buffer`] from then on.
    ///
    /// # Errors
    /// What the server says, with `doing` before it.
    pub async fn start_copy_both(&mut self, doing: &str, sql: &str) -> Result<(), Fault> {
        self.start(doing, sql, b'W').await
    }

    /// Runs a `COPY … TO STDOUT`. Its rows are in [`Wire::buffer`] from then on, one `CopyData` each,
    /// up to the `ReadyForQuery`.
    ///
    /// # Errors
    /// What the server says, with `doing` before it.
    pub async fn start_copy_out(&mut self, doing: &str, sql: &str) -> Result<(), Fault> {
        self.start(doing, sql, b'H').await
    }

    async fn start(&mut self, doing: &str, sql: &str, begun: u8) -> Result<(), Fault> {
        self.query(sql).await?;
        loop {
            match self.message(doing).await? {
                (tag, _) if tag == begun => return Ok(()),
                (b'Z' | b'C', _) => return Err(odd(doing)),
                _ => {}
            }
        }
    }

    /// What has been read and not been taken out.
    #[must_use]
    pub const fn buffer(&self) -> &BytesMut {
        &self.buffer
    }

    /// The same, to take out of.
    pub const fn buffer_mut(&mut self) -> &mut BytesMut {
        &mut self.buffer
    }

    /// Adds what the socket has to the buffer, without waiting: `None` when it has nothing, 0 when
    /// it was closed. The buffer must have room.
    pub fn try_read(&mut self) -> Option<io::Result<usize>> {
        self.stream.read_buf(&mut self.buffer).now_or_never()
    }

    /// Waits for bytes and adds them to the buffer, which must have room; 0 when the socket was
    /// closed. May be dropped while it waits, without losing anything.
    ///
    /// # Errors
    /// What the socket says.
    pub async fn read(&mut self) -> io::Result<usize> {
        self.stream.read_buf(&mut self.buffer).await
    }

    /// Sends bytes, whole.
    ///
    /// # Errors
    /// `unreachable` when the connection is gone.
    pub async fn send(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        let sent = async {
            self.stream.write_all(bytes).await?;
            self.stream.flush().await
        };
        sent.await.map_err(|error| self.gone("sending to", &error))
    }

    /// The fault of a connection that broke.
    #[must_use]
    pub fn gone(&self, doing: &str, error: &io::Error) -> Fault {
        Fault::new(ErrorClass::Unreachable, format!("{doing} {}: {error}", self.host))
    }

    async fn query(&mut self, sql: &str) -> Result<(), Fault> {
        let mut out = BytesMut::new();
        frontend::query(sql, &mut out).map_err(|error| {
            Fault::new(ErrorClass::Config, "a name holds a null byte").because(error)
        })?;
        self.send(&out).await
    }

    /// The next message; an error that the server tells is ours.
    pub(super) async fn message(&mut self, doing: &str) -> Result<(u8, Bytes), Fault> {
        match self.any_message(doing).await? {
            (b'E', body) => Err(fault_of_response(doing, &body)),
            other => Ok(other),
        }
    }

    async fn any_message(&mut self, doing: &str) -> Result<(u8, Bytes), Fault> {
        loop {
            if let Some((head, _)) = self.buffer.split_first_chunk::<5>() {
                let [tag, length @ ..] = *head;
                let length = u32::from_be_bytes(length) as usize;
                if !(4..=MESSAGE_BYTES_MAX).contains(&length) {
                    return Err(odd(doing));
                }
                if self.buffer.len() > length {
                    let mut message = self.buffer.split_to(length + 1);
                    return Ok((tag, message.split_off(5).freeze()));
                }
            }
            self.buffer.reserve(8 << 10);
            match self.read().await {
                Ok(0) => {
                    let closed = io::Error::new(io::ErrorKind::UnexpectedEof, "it hung up");
                    return Err(self.gone(&format!("{doing} at"), &closed));
                }
                Ok(_) => {}
                Err(error) => return Err(self.gone(&format!("{doing} at"), &error)),
            }
        }
    }

    async fn ready(&mut self, doing: &str) -> Result<(), Fault> {
        while self.message(doing).await?.0 != b'Z' {}
        Ok(())
    }
}

/// The cells of a `DataRow`.
fn cells(body: &[u8]) -> Option<Vec<Option<String>>> {
    let (count, mut rest) = body.split_first_chunk::<2>()?;
    let mut cells = Vec::with_capacity(usize::from(u16::from_be_bytes(*count)));
    for _ in 0..u16::from_be_bytes(*count) {
        let (length, behind) = rest.split_first_chunk::<4>()?;
        rest = behind;
        cells.push(match usize::try_from(i32::from_be_bytes(*length)) {
            Ok(length) => {
                let (text, behind) = rest.split_at_checked(length)?;
                rest = behind;
                Some(String::from_utf8_lossy(text).into_owned())
            }
            Err(_negative_is_null) => None,
        });
    }
    Some(cells)
}

fn odd(doing: &str) -> Fault {
    Fault::new(ErrorClass::Internal, format!("{doing}: the server's answer makes no sense"))
}
