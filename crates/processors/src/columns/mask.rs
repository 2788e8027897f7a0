//! `mask`: makes values unreadable, in the row as in the row before it.
//!
//! `hash` puts the SHA-256 of a value's text in its place, as 64 hexadecimal digits; with `key`, its
//! HMAC-SHA-256. The same value has the same sum wherever it stands, so that masked columns still join
//! and a masked key still names its row. Without a key, whoever can list the values that there may be
//! (addresses, telephone numbers) can find a value by trying them all.
//!
//! `redact` puts `***` there. NULL stays NULL, and a large value that was not sent stays unsaid. A rule
//! that takes values away is never skipped: a table that it applies to and that lacks one of its columns
//! stops the stream.

use std::sync::Arc;

use flowglass_connect::stream::{Kind, Processing, ProcessorConnector, Relation, StreamProcessor};
use flowglass_connect::{Fault, Surroundings};
use flowglass_model::ErrorClass;
use hmac::{Hmac, KeyInit, Mac};
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::reshape::{Columns, Planned, Reshape, Reshaping, Take, indices_of, lacks};
use crate::config;
use crate::tables::Tables;

/// The processor `mask`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Connector;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    columns: config::Names,
    #[serde(default)]
    how: How,
    #[serde(default)]
    key: Option<String>,
    #[serde(default)]
    tables: Tables,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum How {
    Hash,
    #[default]
    Redact,
}

impl ProcessorConnector for Connector {
    fn kind(&self) -> &'static str {
        "mask"
    }

    fn build(
        &self,
        id: &str,
        config: serde_json::Value,
        _around: &Surroundings,
    ) -> Result<Arc<dyn StreamProcessor>, Fault> {
        let Config { columns, how, key, tables } = config::read(id, config)?;
        let sum = match (how, key) {
            (How::Redact, None) => None,
            (How::Hash, None) => Some(Sum::Plain),
            (How::Hash, Some(key)) => Some(Sum::keyed(id, &key)?),
            (How::Redact, Some(_)) => {
                let said = format!("processor `{id}`: `key` is for `how: hash` alone");
                return Err(Fault::new(ErrorClass::Config, said));
            }
        };
        Ok(Arc::new(Mask { id: id.into(), columns: columns.0, sum, tables }))
    }
}

/// How a sum is taken.
#[derive(Clone)]
enum Sum {
    Plain,
    /// A state that has taken in the key.
    Keyed(Hmac<Sha256>),
}

impl Sum {
    fn keyed(id: &str, key: &str) -> Result<Self, Fault> {
        if key.len() < KEY_BYTES_MIN {
            let said = format!("processor `{id}`: `key` has fewer than {KEY_BYTES_MIN} bytes");
            return Err(Fault::new(ErrorClass::Config, said)
                .hint("Take a random key from a secret, such as `key: \"${MASK_KEY}\"`."));
        }
        let state = Hmac::new_from_slice(key.as_bytes()).map_err(|cause| {
            Fault::new(ErrorClass::Config, format!("processor `{id}`: `key`")).because(cause)
        })?;
        Ok(Self::Keyed(state))
    }

    fn of(&self, value: &[u8]) -> [u8; 32] {
        match self {
            Self::Plain => Sha256::digest(value).into(),
            Self::Keyed(state) => {
                let mut state = state.clone();
                state.update(value);
                state.finalize().into_bytes().into()
            }
        }
    }
}

/// A shorter key can be tried.
const KEY_BYTES_MIN: usize = 16;

#[derive(Clone)]
struct Mask {
    id: Arc<str>,
    columns: Vec<String>,
    /// `None` redacts.
    sum: Option<Sum>,
    tables: Tables,
}

impl StreamProcessor for Mask {
    fn id(&self) -> &str {
        &self.id
    }

    fn open(&self) -> Result<Box<dyn Processing>, Fault> {
        Ok(Box::new(Columns::new(&self.id, self.clone())))
    }
}

impl Reshaping for Mask {
    fn reshape(&self, relation: &Arc<Relation>) -> Result<Planned, Fault> {
        if !self.tables.take(relation) {
            return Ok(Planned::NotMine);
        }
        let masked = indices_of(&self.columns, relation)
            .map_err(|missing| lacks(&self.id, relation, &missing))?;
        let of_key = masked.iter().find(|index| relation.key.contains(index));
        if let (None, Some(index)) = (&self.sum, of_key) {
            let name = relation.columns.get(*index).map_or("?", |column| column.name.as_str());
            let said = format!(
                "processor `{}`: `redact` would give all rows of {} the same key, `{name}`",
                self.id,
                relation.name()
            );
            return Err(Fault::new(ErrorClass::Config, said)
                .hint("Use `how: hash` for the columns of a key: it keeps keys apart."));
        }
        let mut columns = relation.columns.clone();
        for index in &masked {
            let Some(column) = columns.get_mut(*index) else { continue };
            column.kind = Kind::Text;
            "text".clone_into(&mut column.native);
        }
        let take = |index: usize| match &self.sum {
            _ if !masked.contains(&index) => Take::Same(index),
            Some(_) => Take::Hash(index),
            None => Take::Redact(index),
        };
        let cells = (0..columns.len()).map(take).collect();
        let relation = Relation { columns, ..config::shape_of(relation) };
        Ok(Planned::Reshape(Reshape { relation: Arc::new(relation), cells }))
    }

    fn hash(&self, value: &[u8], out: &mut Vec<u8>) {
        let Some(sum) = &self.sum else { return };
        for byte in sum.of(value) {
            out.extend([byte >> 4, byte & 0xf].map(hex_digit));
        }
    }
}

const fn hex_digit(value: u8) -> u8 {
    if value < 10 { b'0' + value } else { b'a' + value - 10 }
}
