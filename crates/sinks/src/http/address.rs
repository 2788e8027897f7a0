//! Where the webhook is: a URL whose path may be a template.
//!
//! The address of a webhook is often its password. What is shown of it is scheme, host and port.

use std::fmt;

use flowglass_connect::Fault;
use flowglass_model::ErrorClass;

/// A URL in parts.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Address {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) tls: bool,
    /// Path and query as a template, without the first `/`.
    pub(super) path: String,
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.namespace())
    }
}

impl Address {
    /// Takes a URL apart. What it complains of never holds the URL itself.
    ///
    /// # Errors
    /// `config`.
    pub(super) fn parse(url: &str) -> Result<Self, Fault> {
        let bad = |what: &str| {
            Fault::new(ErrorClass::Config, format!("the http sink's `url` {what}")).hint(
                "Write `https://host:port/path/{table}`; a name and password go into \
                 `headers: { authorization: … }`.",
            )
        };
        let (scheme, rest) = url.split_once("://").ok_or_else(|| bad("has no scheme"))?;
        let tls = match scheme.to_ascii_lowercase().as_str() {
            "https" => true,
            "http" => false,
            _ => return Err(bad("is neither `http` nor `https`")),
        };
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        if authority.contains(['{', '}', '?', '#']) {
            return Err(bad("has a template or a query before its path"));
        }
        if authority.contains('@') {
            return Err(bad("holds a name and a password"));
        }
        if path.contains('#') {
            return Err(bad("holds a `#`, which is never sent"));
        }
        let (host, port) = match authority.strip_prefix('[') {
            Some(rest) => {
                let (host, port) = rest.split_once(']').ok_or_else(|| bad("has an open `[`"))?;
                (host, port.strip_prefix(':'))
            }
            None => match authority.rsplit_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (authority, None),
            },
        };
        let port = match port {
            None => Some(if tls { 443 } else { 80 }),
            Some(port) => port.parse().ok(),
        };
        let port = port.ok_or_else(|| bad("has a port that is no number"))?;
        if host.is_empty() {
            return Err(bad("names no host"));
        }
        Ok(Self { host: host.to_owned(), port, tls, path: path.to_owned() })
    }

    /// `https://host:port`, without the path.
    pub(super) fn namespace(&self) -> String {
        let scheme = if self.tls { "https" } else { "http" };
        format!("{scheme}://{}", self.authority())
    }

    /// What the header `host` says.
    pub(super) fn authority(&self) -> String {
        let host =
            if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        match (self.tls, self.port) {
            (true, 443) | (false, 80) => host,
            (_, port) => format!("{host}:{port}"),
        }
    }
}

/// The path of a request: a rendered template, in which every character that a URL cannot hold is
/// escaped. Escapes that were written stay what they are.
pub(super) fn path_of(destination: &str) -> String {
    let mut path = String::with_capacity(destination.len() + 1);
    path.push('/');
    for byte in destination.bytes() {
        let plain = byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/?%".contains(&byte);
        if plain {
            path.push(char::from(byte));
        } else {
            path.push_str(&format!("%{byte:02X}"));
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_taken_apart() {
        let of = |url: &str| Address::parse(url).unwrap();
        let full = of("https://hooks.example:8443/cdc/{table}?v=1");
        assert_eq!((full.host.as_str(), full.port, full.tls), ("hooks.example", 8443, true));
        assert_eq!(full.path, "cdc/{table}?v=1");
        assert_eq!(full.namespace(), "https://hooks.example:8443");
        assert_eq!(of("http://h").authority(), "h");
        assert_eq!(of("HTTPS://[::1]/").namespace(), "https://[::1]");
        assert_eq!(of("http://[::1]:81/").authority(), "[::1]:81");
    }

    #[test]
    fn what_cannot_be_used_is_refused_without_showing_it() {
        for url in [
            "secret",
            "ftp://secret",
            "http://u:secret@h/",
            "http://{table}.secret/",
            "http://h:secret/",
            "http:///secret",
            "http://h/secret#x",
        ] {
            let fault = Address::parse(url).unwrap_err();
            assert_eq!(fault.class(), ErrorClass::Config);
            assert!(!fault.chain().contains("secret"), "{}", fault.chain());
        }
        assert!(!format!("{:?}", Address::parse("http://h/secret").unwrap()).contains("secret"));
    }

    #[test]
    fn paths_hold_what_a_url_may_hold() {
        assert_eq!(path_of("cdc/public.orders"), "/cdc/public.orders");
        assert_eq!(path_of("a b/ö%20#\r\n"), "/a%20b/%C3%B6%20%23%0D%0A");
    }
}
