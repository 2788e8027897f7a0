//! Who may do what: bearer tokens with roles, compared in constant time.
//!
//! Without any token only a loopback address may be listened on, and everybody who reaches it may do
//! everything; `--insecure-allow-anonymous` says that this is meant elsewhere too. A token is kept as
//! its SHA-256 digest: comparing digests of one length takes the same time wherever they differ, and
//! a look into memory shows no token.

use std::net::SocketAddr;

use serde::Serialize;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// The shortest token that is taken, in bytes: shorter ones can be guessed.
pub const TOKEN_BYTES_MIN: usize = 16;

/// What a caller may do. Each role may do what the ones before it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Look at everything.
    Read,
    /// Also pause, resume, stop, start, deal with dead letters, and hand in events.
    Operate,
    /// Also make, change and delete pipelines.
    Admin,
}

impl Role {
    /// The role with that word.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Read, Self::Operate, Self::Admin].into_iter().find(|it| it.name() == name)
    }

    /// The word for it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Operate => "operate",
            Self::Admin => "admin",
        }
    }
}

/// A caller that has been let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The token's name, or `anonymous`. Shown in the audit; never the token.
    pub name: String,
    /// What it may do.
    pub role: Role,
}

/// A line of the tokens that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line} of the tokens: {why}")]
pub struct BadToken {
    line: usize,
    why: &'static str,
}

/// Why an address may not be listened on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0} can be reached from other machines and there are no tokens: give some with `--tokens FILE`, \
     listen on 127.0.0.1, or say `--insecure-allow-anonymous`"
)]
pub struct OpenToAll(SocketAddr);

#[derive(Clone)]
struct Token {
    name: String,
    role: Role,
    digest: [u8; 32],
}

/// The tokens, and what happens without one.
#[derive(Clone, Default)]
pub struct Access {
    tokens: Vec<Token>,
    insecure: bool,
}

impl std::fmt::Debug for Access {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Access").field("tokens", &self.tokens.len()).finish_non_exhaustive()
    }
}

impl Access {
    /// No tokens: everybody may do everything, on a loopback address alone unless `insecure`.
    #[must_use]
    pub const fn anonymous(insecure: bool) -> Self {
        Self { tokens: Vec::new(), insecure }
    }

    /// Reads tokens: one a line as `NAME ROLE TOKEN`; empty lines and lines that begin with `#` are
    /// left out.
    ///
    /// # Errors
    /// [`BadToken`] names the line, and never what stands there.
    pub fn parse(text: &str) -> Result<Self, BadToken> {
        let mut tokens: Vec<Token> = Vec::new();
        for (at, line) in text.lines().enumerate() {
            let bad = |why| BadToken { line: at + 1, why };
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let mut parts = line.split_whitespace();
            let (Some(name), Some(role), Some(token), None) =
                (parts.next(), parts.next(), parts.next(), parts.next())
            else {
                return Err(bad("write `NAME ROLE TOKEN`"));
            };
            let role = Role::from_name(role);
            let role = role.ok_or_else(|| bad("the role is `read`, `operate` or `admin`"))?;
            if token.len() < TOKEN_BYTES_MIN {
                return Err(bad("the token is shorter than 16 characters"));
            }
            if tokens.iter().any(|it| it.name == name) {
                return Err(bad("another token has this name"));
            }
            tokens.push(Token { name: name.to_owned(), role, digest: digest(token) });
        }
        Ok(Self { tokens, insecure: false })
    }

    /// Whether nobody needs a token.
    #[must_use]
    pub const fn is_anonymous(&self) -> bool {
        self.tokens.is_empty()
    }

    /// Whether only requests that name this machine itself are answered: a page of another origin
    /// that rebinds its name to 127.0.0.1 must not get through.
    pub(crate) const fn is_for_this_machine(&self) -> bool {
        self.tokens.is_empty() && !self.insecure
    }

    /// Whether the address may be listened on.
    ///
    /// # Errors
    /// [`OpenToAll`]: others could reach it, and nothing would keep them out.
    pub fn check_address(&self, address: SocketAddr) -> Result<(), OpenToAll> {
        if address.ip().is_loopback() || self.insecure || !self.tokens.is_empty() {
            return Ok(());
        }
        Err(OpenToAll(address))
    }

    /// Who the caller with this token is; nothing for a wrong or missing one. Every token is looked
    /// at, whichever fits.
    #[must_use]
    pub fn caller(&self, given: Option<&str>) -> Option<Caller> {
        if self.tokens.is_empty() {
            return Some(Caller { name: "anonymous".to_owned(), role: Role::Admin });
        }
        let given = digest(given?);
        let mut found = None;
        for token in &self.tokens {
            if bool::from(token.digest.ct_eq(&given)) {
                found = Some(token);
            }
        }
        found.map(|it| Caller { name: it.name.clone(), role: it.role })
    }
}

fn digest(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_have_names_and_roles() {
        let text = "# who may\n\nci operate 0123456789abcdef\nana admin fedcba9876543210\n";
        let access = Access::parse(text).unwrap();
        let ci = access.caller(Some("0123456789abcdef")).unwrap();
        assert_eq!((ci.name.as_str(), ci.role), ("ci", Role::Operate));
        assert_eq!(access.caller(Some("0123456789abcdeF")), None);
        assert_eq!(access.caller(Some("")), None);
        assert_eq!(access.caller(None), None);
    }

    #[test]
    fn a_bad_line_is_named_and_not_shown() {
        for bad in ["ana", "ana admin", "ana root 0123456789abcdef", "ana admin short", "a b c d"] {
            let error = Access::parse(&format!("# first\n{bad}")).unwrap_err().to_string();
            assert!(error.contains("line 2") && !error.contains("0123456789abcdef"), "{error}");
        }
        let twice = "a read 0123456789abcdef\na read 1123456789abcdef";
        assert!(Access::parse(twice).is_err());
    }

    #[test]
    fn without_tokens_only_this_machine_is_answered() {
        let (near, far) = ("127.0.0.1:1".parse().unwrap(), "0.0.0.0:1".parse().unwrap());
        assert!(Access::anonymous(false).check_address(near).is_ok());
        assert!(Access::anonymous(false).check_address(far).is_err());
        assert!(Access::anonymous(true).check_address(far).is_ok());
        let some = Access::parse("a read 0123456789abcdef").unwrap();
        assert!(some.check_address(far).is_ok());
    }
}
