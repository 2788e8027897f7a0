//! Saying who we are: SCRAM, MD5, or the password itself, as the server asks.

use bytes::BytesMut;
use flowglass_connect::Fault;
use flowglass_model::ErrorClass;
use postgres_protocol::authentication::{md5_hash, sasl};
use postgres_protocol::message::frontend;
use tokio_postgres::Config;
use tokio_postgres::config::ChannelBinding;

use super::connection::Wire;

/// The server's demands, by number.
/// <https://www.postgresql.org/docs/current/protocol-message-formats.html>
const OK: i32 = 0;
const CLEARTEXT: i32 = 3;
const MD5: i32 = 5;
const SASL: i32 = 10;
const SASL_CONTINUE: i32 = 11;
const SASL_FINAL: i32 = 12;

/// What is needed to answer the server's demands.
pub(super) struct Proof<'a> {
    pub(super) config: &'a Config,
    pub(super) user: &'a str,
    /// What the exchange can be bound to.
    pub(super) binding: Option<Vec<u8>>,
}

impl Proof<'_> {
    /// Answers until the server is content.
    pub(super) async fn give(&self, wire: &mut Wire) -> Result<(), Fault> {
        let (demand, data) = demand(wire).await?;
        let required = self.config.get_channel_binding() == ChannelBinding::Require;
        if demand != SASL && required {
            return Err(unbound());
        }
        match demand {
            OK => return Ok(()),
            CLEARTEXT => self.send(wire, self.password()?).await?,
            MD5 => {
                let salt = data.get(..4).and_then(|it| <[u8; 4]>::try_from(it).ok());
                let salt = salt.ok_or_else(odd)?;
                let hash = md5_hash(self.user.as_bytes(), self.password()?, salt);
                self.send(wire, hash.as_bytes()).await?;
            }
            SASL => self.exchange(wire, &data).await?,
            _ => {
                return Err(Fault::new(
                    ErrorClass::Unsupported,
                    "the server asks for a way of authentication that is not known here",
                )
                .hint("Let the role log in by `scram-sha-256` in the server's `pg_hba.conf`."));
            }
        }
        match self::demand(wire).await? {
            (OK, _) => Ok(()),
            _ => Err(odd()),
        }
    }

    fn password(&self) -> Result<&[u8], Fault> {
        self.config.get_password().ok_or_else(|| {
            Fault::new(ErrorClass::Auth, "the server asks for a password and the DSN has none")
        })
    }

    async fn send(&self, wire: &mut Wire, password: &[u8]) -> Result<(), Fault> {
        let mut out = BytesMut::new();
        frontend::password_message(password, &mut out).map_err(unusable)?;
        wire.send(&out).await
    }

    /// SCRAM-SHA-256, bound to the server's certificate where both sides can (RFC 5802, 7677).
    async fn exchange(&self, wire: &mut Wire, offered: &[u8]) -> Result<(), Fault> {
        let offers = |name: &str| offered.split(|it| *it == 0).any(|it| it == name.as_bytes());
        let wanted = self.config.get_channel_binding();
        let binding = self.binding.clone().filter(|_| wanted != ChannelBinding::Disable);
        let (binding, mechanism) = match binding {
            Some(hash) if offers(sasl::SCRAM_SHA_256_PLUS) => {
                (sasl::ChannelBinding::tls_server_end_point(hash), sasl::SCRAM_SHA_256_PLUS)
            }
            // "We could, you did not offer": the server notices when somebody took its offer away.
            Some(_) => (sasl::ChannelBinding::unrequested(), sasl::SCRAM_SHA_256),
            None => (sasl::ChannelBinding::unsupported(), sasl::SCRAM_SHA_256),
        };
        if !offers(mechanism) {
            return Err(Fault::new(ErrorClass::Unsupported, "the server does not offer SCRAM"));
        }
        if mechanism != sasl::SCRAM_SHA_256_PLUS && wanted == ChannelBinding::Require {
            return Err(unbound());
        }
        let mut scram = sasl::ScramSha256::new(self.password()?, binding);
        let mut out = BytesMut::new();
        frontend::sasl_initial_response(mechanism, scram.message(), &mut out).map_err(unusable)?;
        wire.send(&out).await?;
        let challenge = expect(wire, SASL_CONTINUE).await?;
        scram.update(&challenge).map_err(unproved)?;
        out.clear();
        frontend::sasl_response(scram.message(), &mut out).map_err(unusable)?;
        wire.send(&out).await?;
        let verdict = expect(wire, SASL_FINAL).await?;
        scram.finish(&verdict).map_err(unproved)
    }
}

async fn expect(wire: &mut Wire, wanted: i32) -> Result<Vec<u8>, Fault> {
    match demand(wire).await? {
        (number, data) if number == wanted => Ok(data),
        _ => Err(odd()),
    }
}

/// The next demand of the server and what comes with it.
async fn demand(wire: &mut Wire) -> Result<(i32, Vec<u8>), Fault> {
    let (tag, body) = wire.message("authenticating").await?;
    let (number, data) = body.split_first_chunk::<4>().filter(|_| tag == b'R').ok_or_else(odd)?;
    Ok((i32::from_be_bytes(*number), data.to_vec()))
}

fn odd() -> Fault {
    Fault::new(ErrorClass::Internal, "the server's way of authenticating makes no sense")
}

fn unbound() -> Fault {
    Fault::new(
        ErrorClass::Auth,
        "the DSN requires `channel_binding`, and the server cannot bind the exchange",
    )
}

fn unusable(error: std::io::Error) -> Fault {
    Fault::new(ErrorClass::Config, "the DSN's password cannot be sent").because(error)
}

fn unproved(error: std::io::Error) -> Fault {
    Fault::new(ErrorClass::Auth, "the server could not prove that it knows the password")
        .because(error)
}
