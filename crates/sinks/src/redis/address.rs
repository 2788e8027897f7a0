//! Where a Redis is: its URI in parts. <https://www.iana.org/assignments/uri-schemes/prov/redis>

use std::fmt;
use std::path::PathBuf;

use flowglass_connect::Fault;
use flowglass_model::ErrorClass;

/// How the server is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Way {
    /// A host and port, in the clear or by TLS.
    Tcp { host: String, port: u16, tls: bool },
    /// A socket of this machine.
    Unix(PathBuf),
}

/// A way, and who we are there.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Address {
    pub(super) way: Way,
    pub(super) user: Option<String>,
    pub(super) password: Option<String>,
    pub(super) database: u32,
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Address").field("way", &self.way).field("database", &self.database).finish()
    }
}

impl Address {
    /// Takes a URI apart. What it complains of never holds the URI itself.
    pub(super) fn parse(uri: &str) -> Result<Self, Fault> {
        let bad = |what: &str| {
            Fault::new(ErrorClass::Config, format!("the redis sink's `uri` {what}")).hint(
                "Write `redis://user:password@host:6379/0`, `rediss://…` for TLS, or \
                 `unix:///path?db=0`; a `@`, `:` or `/` in a password is percent-encoded.",
            )
        };
        let (scheme, rest) = uri.split_once("://").ok_or_else(|| bad("has no scheme"))?;
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let mut database = 0;
        let number = |text: &str| text.parse().map_err(|_| bad("names no database by number"));
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            match pair.split_once('=') {
                Some(("db", value)) => database = number(value)?,
                _ => return Err(bad("has a parameter that is not known")),
            }
        }
        let tls = match scheme {
            "redis" => false,
            "rediss" => true,
            "unix" | "redis+unix" => {
                let path = decoded(rest).ok_or_else(|| bad("has a broken escape"))?;
                if path.is_empty() {
                    return Err(bad("names no socket"));
                }
                let way = Way::Unix(path.into());
                return Ok(Self { way, user: None, password: None, database });
            }
            _ => return Err(bad("has a scheme that is not known")),
        };
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        if !path.is_empty() {
            database = number(path)?;
        }
        let (who, place) = match authority.rsplit_once('@') {
            Some((who, place)) => (Some(who), place),
            None => (None, authority),
        };
        let (user, password) = match who.map(|who| who.split_once(':').unwrap_or((who, ""))) {
            None => (None, None),
            Some((user, password)) => {
                let text = |part: &str| decoded(part).ok_or_else(|| bad("has a broken escape"));
                (Some(text(user)?), Some(text(password)?))
            }
        };
        let (host, port) = host_and_port(place).ok_or_else(|| bad("names no host and port"))?;
        let filled = |text: Option<String>| text.filter(|text| !text.is_empty());
        Ok(Self {
            way: Way::Tcp { host, port, tls },
            user: filled(user),
            password: filled(password),
            database,
        })
    }

    /// The same for another node of the cluster, as `MOVED` names it.
    pub(super) fn moved_to(&self, node: &str) -> Option<Self> {
        let (host, port) = host_and_port(node)?;
        let Way::Tcp { host: here, tls, .. } = &self.way else { return None };
        // An empty host is the one that we asked.
        let host = if node.starts_with(':') { here.clone() } else { host };
        Some(Self { way: Way::Tcp { host, port, tls: *tls }, ..self.clone() })
    }

    /// `redis://host:port`, without who we are.
    pub(super) fn namespace(&self) -> String {
        match &self.way {
            Way::Tcp { host, port, tls: false } => format!("redis://{host}:{port}"),
            Way::Tcp { host, port, tls: true } => format!("rediss://{host}:{port}"),
            Way::Unix(path) => format!("unix://{}", path.display()),
        }
    }
}

/// `host`, `host:port`, `[::1]:port`; 6379 without a port, `localhost` without a host.
fn host_and_port(place: &str) -> Option<(String, u16)> {
    let (host, port) = if let Some(rest) = place.strip_prefix('[') {
        let (host, rest) = rest.split_once(']')?;
        let port = if rest.is_empty() { None } else { Some(rest.strip_prefix(':')?) };
        (host, port)
    } else {
        match place.rsplit_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (place, None),
        }
    };
    let port = match port {
        None | Some("") => 6379,
        Some(port) => port.parse().ok()?,
    };
    let host = if host.is_empty() { "localhost" } else { host };
    Some((host.to_owned(), port))
}

/// The text with `%41` as `A`.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
            let value = digit(rest.next())? * 16 + digit(rest.next())?;
            bytes.push(u8::try_from(value).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tcp(host: &str, port: u16, tls: bool) -> Way {
        Way::Tcp { host: host.to_owned(), port, tls }
    }

    #[test]
    fn uris_are_taken_apart() {
        let plain = Address::parse("redis://cache").unwrap();
        assert_eq!(plain.way, tcp("cache", 6379, false));
        assert_eq!((plain.user, plain.password, plain.database), (None, None, 0));
        let full = Address::parse("rediss://me:p%40s%2Fs@cache:7000/3").unwrap();
        assert_eq!(full.way, tcp("cache", 7000, true));
        assert_eq!(full.user.as_deref(), Some("me"));
        assert_eq!(full.password.as_deref(), Some("p@s/s"));
        assert_eq!((full.database, full.namespace()), (3, "rediss://cache:7000".to_owned()));
        let password_alone = Address::parse("redis://:secret@[::1]:1/").unwrap();
        assert_eq!(password_alone.way, tcp("::1", 1, false));
        assert_eq!(password_alone.user, None);
        assert_eq!(password_alone.password.as_deref(), Some("secret"));
        let socket = Address::parse("unix:///run/redis.sock?db=2").unwrap();
        assert_eq!((socket.way, socket.database), (Way::Unix("/run/redis.sock".into()), 2));
    }

    #[test]
    fn another_node_of_the_cluster_keeps_who_we_are() {
        let first = Address::parse("redis://me:secret@one:6379").unwrap();
        let second = first.moved_to("two:6380").unwrap();
        assert_eq!((&second.way, &second.password), (&tcp("two", 6380, false), &first.password));
        assert_eq!(first.moved_to(":6381").unwrap().way, tcp("one", 6381, false));
        assert!(first.moved_to("two:port").is_none());
    }

    #[test]
    fn what_cannot_be_used_is_refused_without_showing_it() {
        for uri in [
            "secret",
            "http://secret",
            "redis://h:secret",
            "redis://h/secret",
            "redis://h?secret=1",
            "redis://u:%zz@secret",
            "unix://",
        ] {
            let fault = Address::parse(uri).unwrap_err();
            assert_eq!(fault.class(), ErrorClass::Config);
            assert!(!fault.chain().contains("secret"), "{}", fault.chain());
        }
        let shown = format!("{:?}", Address::parse("redis://u:secret@h").unwrap());
        assert!(!shown.contains("secret"));
    }
}
