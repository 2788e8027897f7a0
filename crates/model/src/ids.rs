//! Identities. A run's 16 bytes are also its trace id, so that a log line, a span and a row in the
//! run list are joined by eye; span ids can be recomputed by anyone from the ids of the entity.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

/// The longest pipeline, node or stage id, in characters.
pub const SLUG_LENGTH_MAX: usize = 63;

/// An id that does not fit its alphabet.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{given}` is no {what}: use 1 to 63 of a-z, 0-9, `_` and `-`, beginning with a letter or digit"
)]
pub struct BadSlug {
    /// What it should have been.
    pub what: &'static str,
    /// What was given, cut to 100 characters.
    pub given: String,
}

fn check_slug(what: &'static str, text: &str) -> Result<(), BadSlug> {
    let mut bytes = text.bytes();
    let first = bytes.next().is_some_and(|it| it.is_ascii_lowercase() || it.is_ascii_digit());
    let rest =
        bytes.all(|it| it.is_ascii_lowercase() || it.is_ascii_digit() || matches!(it, b'_' | b'-'));
    if first && rest && text.len() <= SLUG_LENGTH_MAX {
        return Ok(());
    }
    Err(BadSlug { what, given: text.chars().take(100).collect() })
}

macro_rules! slug {
    ($(#[doc = $doc:literal])+ $name:ident, $what:literal) => {
        $(#[doc = $doc])+
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
        #[serde(try_from = "String", into = "String")]
        #[schemars(extend("pattern" = "^[a-z0-9][a-z0-9_-]{0,62}$"))]
        pub struct $name(String);

        impl $name {
            /// Checks the alphabet and the length.
            ///
            /// # Errors
            /// [`BadSlug`] when it does not fit.
            pub fn new(text: impl Into<String>) -> Result<Self, BadSlug> {
                let text = text.into();
                check_slug($what, &text)?;
                Ok(Self(text))
            }

            /// Makes an id of any text, for names that other tools chose: lower case, odd
            /// characters become `-`, and a text that had to be changed gets eight hex digits of
            /// its SHA-256, so that different names stay different.
            #[must_use]
            pub fn from_foreign(text: &str) -> Self {
                Self::new(text).unwrap_or_else(|_changed| Self(slugify(text)))
            }

            /// The id as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl FromStr for $name {
            type Err = BadSlug;

            fn from_str(text: &str) -> Result<Self, BadSlug> {
                Self::new(text)
            }
        }

        impl TryFrom<String> for $name {
            type Error = BadSlug;

            fn try_from(text: String) -> Result<Self, BadSlug> {
                Self::new(text)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0
            }
        }
    };
}

slug!(
    /// The name of a pipeline, as its manifest says.
    PipelineId,
    "pipeline id"
);
slug!(
    /// A step in a pipeline's graph, unique in the pipeline.
    NodeId,
    "node id"
);
slug!(
    /// A phase inside a node: `extract`, `transform`, `load`, `verify`, `command`; in streams
    /// `source`, `process`, `deliver`, `checkpoint`.
    StageId,
    "stage id"
);

fn slugify(text: &str) -> String {
    let mut slug: String = text
        .chars()
        .flat_map(char::to_lowercase)
        .map(
            |it| if it.is_ascii_lowercase() || it.is_ascii_digit() || it == '_' { it } else { '-' },
        )
        .take(SLUG_LENGTH_MAX - 9)
        .collect();
    slug = slug.trim_matches(['-', '_']).to_owned();
    if slug.is_empty() {
        slug.push('x');
    }
    let digest = Sha256::digest(text.as_bytes());
    slug.push('-');
    for byte in digest.iter().take(4) {
        slug.push_str(&format!("{byte:02x}"));
    }
    slug
}

/// A run: a UUID, version 7 for our own, kept as given for other tools' runs.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct RunId(Uuid);

impl RunId {
    /// A run id from its parts: milliseconds since the epoch and 10 random bytes.
    #[must_use]
    pub fn from_parts(unix_millis: u64, random: [u8; 10]) -> Self {
        Self(uuid::Builder::from_unix_timestamp_millis(unix_millis, &random).into_uuid())
    }

    /// Any UUID; the all-zero one is refused because it is no valid trace id.
    #[must_use]
    pub fn from_uuid(uuid: Uuid) -> Option<Self> {
        (!uuid.is_nil()).then_some(Self(uuid))
    }

    /// The UUID.
    #[must_use]
    pub fn uuid(self) -> Uuid {
        self.0
    }

    /// The trace id of this run: the same 16 bytes.
    #[must_use]
    pub fn trace_id(self) -> TraceId {
        TraceId(self.0.into_bytes())
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for RunId {
    type Err = BadRunId;

    fn from_str(text: &str) -> Result<Self, BadRunId> {
        Uuid::parse_str(text).ok().and_then(Self::from_uuid).ok_or(BadRunId)
    }
}

/// A text that is no UUID, or the all-zero one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a run id is a UUID that is not all zero")]
pub struct BadRunId;

/// One execution of a node: `<node_id>#<n>`, counted from 1.
#[derive(
    Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String", extend("pattern" = "^[a-z0-9][a-z0-9_-]{0,62}#[1-9][0-9]*$"))]
pub struct AttemptId {
    /// The node.
    pub node: NodeId,
    /// Which attempt, from 1.
    pub number: u32,
}

impl AttemptId {
    /// The `number`th attempt of `node`, counted from 1.
    #[must_use]
    pub fn new(node: NodeId, number: u32) -> Self {
        Self { node, number: number.max(1) }
    }
}

impl fmt::Display for AttemptId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}", self.node, self.number)
    }
}

impl TryFrom<String> for AttemptId {
    type Error = BadSlug;

    fn try_from(text: String) -> Result<Self, BadSlug> {
        let bad = || BadSlug { what: "attempt id", given: text.chars().take(100).collect() };
        let (node, number) = text.rsplit_once('#').ok_or_else(bad)?;
        let number = number.parse().ok().filter(|it| *it > 0).ok_or_else(bad)?;
        Ok(Self { node: NodeId::new(node)?, number })
    }
}

impl From<AttemptId> for String {
    fn from(id: AttemptId) -> Self {
        id.to_string()
    }
}

macro_rules! hex_id {
    ($(#[doc = $doc:literal])+ $name:ident, $bytes:literal, $pattern:literal) => {
        $(#[doc = $doc])+
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
        #[serde(try_from = "String", into = "String")]
        #[schemars(with = "String", extend("pattern" = $pattern))]
        pub struct $name(pub(crate) [u8; $bytes]);

        impl $name {
            /// The bytes, as OTLP wants them.
            #[must_use]
            pub const fn bytes(self) -> [u8; $bytes] {
                self.0
            }

            /// From bytes; all zero is refused, as W3C Trace Context does.
            #[must_use]
            pub fn from_bytes(bytes: [u8; $bytes]) -> Option<Self> {
                (bytes != [0; $bytes]).then_some(Self(bytes))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{self}")
            }
        }

        impl TryFrom<String> for $name {
            type Error = BadHexId;

            fn try_from(text: String) -> Result<Self, BadHexId> {
                let mut bytes = [0_u8; $bytes];
                decode_lower_hex(&text, &mut bytes)?;
                Self::from_bytes(bytes).ok_or(BadHexId)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.to_string()
            }
        }
    };
}

hex_id!(
    /// A W3C trace id: 32 lower-case hex digits, not all zero.
    TraceId,
    16,
    "^[0-9a-f]{32}$"
);
hex_id!(
    /// A W3C span id: 16 lower-case hex digits, not all zero.
    SpanId,
    8,
    "^[0-9a-f]{16}$"
);

/// A text that is no trace or span id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a trace id is 32 and a span id 16 lower-case hex digits, not all zero")]
pub struct BadHexId;

fn decode_lower_hex(text: &str, into: &mut [u8]) -> Result<(), BadHexId> {
    let digit = |it: u8| match it {
        b'0'..=b'9' => Ok(it - b'0'),
        b'a'..=b'f' => Ok(it - b'a' + 10),
        _ => Err(BadHexId),
    };
    if text.len() != into.len() * 2 {
        return Err(BadHexId);
    }
    for (byte, pair) in into.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        let [high, low] = pair else { return Err(BadHexId) };
        *byte = digit(*high)? << 4 | digit(*low)?;
    }
    Ok(())
}

impl SpanId {
    /// The span of an entity: the first 8 bytes of SHA-256 over the run id and the path of ids
    /// below it, joined by `/` (no id holds a slash). Hashed again in the one case in 2^64 that
    /// gives zero.
    #[must_use]
    pub fn derive(run: RunId, path: &[&str]) -> Self {
        let mut text = run.to_string();
        for part in path {
            text.push('/');
            text.push_str(part);
        }
        loop {
            let digest = Sha256::digest(text.as_bytes());
            let mut bytes = [0; 8];
            for (to, from) in bytes.iter_mut().zip(digest.iter()) {
                *to = *from;
            }
            if let Some(id) = Self::from_bytes(bytes) {
                return id;
            }
            text.push('/');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slugs_keep_to_their_alphabet() {
        for good in ["a", "0", "load_orders", "a-b_c9", &"x".repeat(63)] {
            assert_eq!(NodeId::new(good).unwrap().as_str(), good);
        }
        for bad in ["", "-a", "_a", "A", "a b", "ä", "a/b", &"x".repeat(64)] {
            assert!(NodeId::new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn foreign_names_become_ids_and_stay_different() {
        let one = PipelineId::from_foreign("My DAG.task");
        let two = PipelineId::from_foreign("my dag.task");
        assert_ne!(one, two);
        assert!(PipelineId::new(one.as_str()).is_ok(), "{one}");
        assert!(PipelineId::new(PipelineId::from_foreign("日本語").as_str()).is_ok());
    }

    #[test]
    fn a_run_id_is_its_trace_id() {
        let run = RunId::from_parts(1_700_000_000_000, [7; 10]);
        assert_eq!(run.trace_id().to_string(), run.uuid().simple().to_string());
        assert_eq!(run.uuid().get_version_num(), 7);
    }

    #[test]
    fn span_ids_can_be_recomputed_by_anyone() {
        let run: RunId = "018f3b5e-7a3c-7000-8000-000000000001".parse().unwrap();
        let digest = Sha256::digest(b"018f3b5e-7a3c-7000-8000-000000000001/orders/load/1");
        let hex: String = digest[..8].iter().map(|it| format!("{it:02x}")).collect();
        assert_eq!(SpanId::derive(run, &["orders", "load", "1"]).to_string(), hex);
    }

    #[test]
    fn attempt_ids_read_back() {
        let id = AttemptId::new(NodeId::new("load").unwrap(), 3);
        assert_eq!(AttemptId::try_from(id.to_string()), Ok(id));
        for bad in ["load", "load#0", "load#x", "#1", "Load#1"] {
            assert!(AttemptId::try_from(bad.to_owned()).is_err(), "{bad}");
        }
    }
}
