//! Where a Postgres is and how to get in, read from a DSN.
//!
//! The two options that `tokio-postgres` does not know in full, `sslmode` and `sslrootcert`, are
//! taken out before it reads the rest. The password lives inside its `Config`; our `Debug` and our
//! messages name host, port and database only.

use std::fmt;
use std::path::{Path, PathBuf};

use flowglass_connect::Fault;
use flowglass_model::ErrorClass;
use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode};

use super::tls::{TlsMode, Trust};

/// A Postgres database, by host, port, name and credentials.
#[derive(Clone)]
pub struct Address {
    pub(super) config: Config,
    pub(super) tls: TlsMode,
}

impl Address {
    /// Reads a DSN: `postgres://user:password@host:port/database?option=value`, or the
    /// `key=value` form. `sslmode` is `disable`, `prefer` (default), `require`, `verify-ca` or
    /// `verify-full`; `sslrootcert` names a PEM file, relative to `base_dir`.
    ///
    /// # Errors
    /// `config`, without any part of the DSN in it.
    pub fn parse(dsn: &str, base_dir: &Path) -> Result<Self, Fault> {
        let unreadable = || {
            Fault::new(ErrorClass::Config, "the Postgres DSN cannot be read").hint(
                "Write it as `postgres://user:password@host:5432/database?sslmode=verify-full`; \
                 odd characters of a password are percent-encoded.",
            )
        };
        let (rest, options) = take_tls_options(dsn).ok_or_else(unreadable)?;
        let mut config: Config = rest.parse().map_err(|_may_quote_the_dsn| unreadable())?;
        if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
            config.host("localhost");
        }
        let root = options.root.map(|path| base_dir.join(path));
        let tls = tls_mode(options.mode.as_deref(), root)?;
        config.ssl_mode(match tls {
            TlsMode::Disable => SslMode::Disable,
            TlsMode::Prefer => SslMode::Prefer,
            TlsMode::Require(_) => SslMode::Require,
        });
        Ok(Self { config, tls })
    }

    /// `postgres://host:port`, by the naming convention of `OpenLineage`.
    #[must_use]
    pub fn namespace(&self) -> String {
        let host = match self.config.get_hosts().first() {
            Some(Host::Tcp(host)) => host.clone(),
            #[cfg(unix)]
            Some(Host::Unix(path)) => path.to_string_lossy().replace('/', "%2F"),
            None => self
                .config
                .get_hostaddrs()
                .first()
                .map_or_else(|| "localhost".to_owned(), ToString::to_string),
        };
        let port = self.config.get_ports().first().copied().unwrap_or(5432);
        format!("postgres://{host}:{port}")
    }

    /// The database's name: the DSN's, else the user's as Postgres does.
    #[must_use]
    pub fn database(&self) -> &str {
        self.config.get_dbname().or_else(|| self.config.get_user()).unwrap_or("postgres")
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({}/{})", self.namespace(), self.database())
    }
}

#[derive(Default)]
struct TlsOptions {
    mode: Option<String>,
    root: Option<PathBuf>,
}

impl TlsOptions {
    /// Keeps an option that is ours; `false` when it is not.
    fn take(&mut self, key: &str, value: String) -> bool {
        match key {
            "sslmode" => self.mode = Some(value),
            "sslrootcert" => self.root = Some(PathBuf::from(value)),
            _ => return false,
        }
        true
    }
}

fn tls_mode(mode: Option<&str>, root: Option<PathBuf>) -> Result<TlsMode, Fault> {
    let roots = |root: Option<PathBuf>| root.map_or(Trust::WebRoots, Trust::File);
    Ok(match mode.unwrap_or("prefer") {
        "disable" => TlsMode::Disable,
        "prefer" => TlsMode::Prefer,
        // As libpq does: `require` with a root certificate checks the chain.
        "require" => match root {
            None => TlsMode::Require(Trust::Anyone),
            Some(root) => TlsMode::Require(Trust::AnyNameOf(Box::new(Trust::File(root)))),
        },
        "verify-ca" => TlsMode::Require(Trust::AnyNameOf(Box::new(roots(root)))),
        "verify-full" => TlsMode::Require(roots(root)),
        _ => {
            return Err(Fault::new(
                ErrorClass::Config,
                "the DSN's `sslmode` is none of disable, prefer, require, verify-ca, verify-full",
            ));
        }
    })
}

fn take_tls_options(dsn: &str) -> Option<(String, TlsOptions)> {
    let dsn = dsn.trim();
    if dsn.starts_with("postgres://") || dsn.starts_with("postgresql://") {
        from_url(dsn)
    } else {
        from_pairs(dsn)
    }
}

fn from_url(dsn: &str) -> Option<(String, TlsOptions)> {
    let mut options = TlsOptions::default();
    let Some((base, query)) = dsn.split_once('?') else {
        return Some((dsn.to_owned(), options));
    };
    let mut kept = Vec::new();
    for pair in query.split('&') {
        let (key, value) = pair.split_once('=')?;
        if !options.take(key, percent_decode(value)?) {
            kept.push(pair);
        }
    }
    let rest = if kept.is_empty() { base.to_owned() } else { format!("{base}?{}", kept.join("&")) };
    Some((rest, options))
}

fn percent_decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((byte, behind)) = rest.split_first() {
        rest = behind;
        if *byte == b'%' {
            let (hex, behind) = rest.split_at_checked(2)?;
            bytes.push(u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok()?);
            rest = behind;
        } else {
            bytes.push(*byte);
        }
    }
    String::from_utf8(bytes).ok()
}

/// `key=value key='quoted \' value'`, as libpq reads it.
fn from_pairs(dsn: &str) -> Option<(String, TlsOptions)> {
    let mut options = TlsOptions::default();
    let mut kept = Vec::new();
    let mut rest = dsn;
    while !rest.is_empty() {
        let (key, behind) = rest.split_once('=')?;
        let behind = behind.trim_start();
        let (value, length) = pair_value(behind)?;
        let (raw, behind) = behind.split_at_checked(length)?;
        if !options.take(key.trim(), value) {
            kept.push(format!("{}={raw}", key.trim()));
        }
        rest = behind.trim_start();
    }
    Some((kept.join(" "), options))
}

/// A value's text and how many bytes of the input it takes.
fn pair_value(text: &str) -> Option<(String, usize)> {
    let mut value = String::new();
    let mut characters = text.char_indices();
    let quoted = text.starts_with('\'');
    if quoted {
        characters.next();
    }
    while let Some((at, character)) = characters.next() {
        match character {
            '\'' if quoted => return Some((value, at + 1)),
            '\\' => value.push(characters.next()?.1),
            other if !quoted && other.is_whitespace() => return Some((value, at)),
            other => value.push(other),
        }
    }
    (!quoted).then_some((value, text.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(dsn: &str) -> Result<Address, Fault> {
        Address::parse(dsn, Path::new("/base"))
    }

    #[test]
    fn both_forms_and_all_modes() {
        let url = parse("postgres://me:s3cret@db:6432/shop?sslmode=verify-full&sslrootcert=a%20b.pem&connect_timeout=3").unwrap();
        assert_eq!((url.namespace().as_str(), url.database()), ("postgres://db:6432", "shop"));
        assert_eq!(url.tls, TlsMode::Require(Trust::File("/base/a b.pem".into())));
        let pairs =
            parse(r"host=/run/pg dbname=shop user=me password='s3\'cret' sslmode=disable").unwrap();
        assert_eq!(pairs.namespace(), "postgres://%2Frun%2Fpg:5432");
        assert_eq!(pairs.config.get_password(), Some(b"s3'cret".as_slice()));
        assert_eq!(pairs.tls, TlsMode::Disable);
        assert_eq!(parse("postgres://h/d").unwrap().tls, TlsMode::Prefer);
        assert_eq!(
            parse("postgres://h/d?sslmode=require").unwrap().tls,
            TlsMode::Require(Trust::Anyone)
        );
    }

    #[test]
    fn no_message_and_no_debug_holds_the_password() {
        let address = parse("postgres://me:s3cret@db/shop").unwrap();
        assert_eq!(format!("{address:?}"), "Address(postgres://db:5432/shop)");
        for wrong in [
            "postgres://me:s3cret@db:port/shop",
            "postgres://me:s3cret@db/shop?nonsense=s3cret",
            "postgres://me:s3cret@db/shop?sslmode=s3cret",
            "host=db password='s3cret",
            "s3cret",
        ] {
            let fault = parse(wrong).unwrap_err();
            assert_eq!(fault.class(), ErrorClass::Config);
            assert!(!format!("{fault:?} {} {}", fault.chain(), fault.advice()).contains("s3cret"));
        }
    }
}
