//! pgoutput, protocols 1 and 2: a reader over the bytes of one message.
//! <https://www.postgresql.org/docs/current/protocol-logicalrep-message-formats.html>

use flowglass_clients::postgres::POSTGRES_EPOCH_MICROS;
use flowglass_connect::stream::Transaction;

use super::broken::Broken;

/// Reads numbers and names off the front of a part of a buffer. `at` counts from the buffer's
/// beginning, so that cells can be told as ranges of it.
pub(super) struct Parts<'a> {
    buffer: &'a [u8],
    at: usize,
    end: usize,
}

const CUT: Broken = Broken("a message is cut");

impl<'a> Parts<'a> {
    pub(super) const fn new(buffer: &'a [u8], at: usize, end: usize) -> Self {
        Self { buffer, at, end }
    }

    pub(super) const fn at(&self) -> usize {
        self.at
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.at >= self.end
    }

    /// The next `count` bytes.
    pub(super) fn take(&mut self, count: usize) -> Result<&'a [u8], Broken> {
        let to = self.at.checked_add(count).filter(|to| *to <= self.end).ok_or(CUT)?;
        let bytes = self.buffer.get(self.at..to).ok_or(CUT)?;
        self.at = to;
        Ok(bytes)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Broken> {
        self.take(N)?.try_into().map_err(|_| CUT)
    }

    pub(super) fn byte(&mut self) -> Result<u8, Broken> {
        self.array::<1>().map(|[byte]| byte)
    }

    pub(super) fn u16(&mut self) -> Result<u16, Broken> {
        self.array().map(u16::from_be_bytes)
    }

    pub(super) fn u32(&mut self) -> Result<u32, Broken> {
        self.array().map(u32::from_be_bytes)
    }

    pub(super) fn i32(&mut self) -> Result<i32, Broken> {
        self.array().map(i32::from_be_bytes)
    }

    pub(super) fn u64(&mut self) -> Result<u64, Broken> {
        self.array().map(u64::from_be_bytes)
    }

    pub(super) fn i64(&mut self) -> Result<i64, Broken> {
        self.array().map(i64::from_be_bytes)
    }

    /// A length that may not be negative.
    pub(super) fn length(&mut self) -> Result<usize, Broken> {
        usize::try_from(self.i32()?).map_err(|_| Broken("a length is negative"))
    }

    /// A text that ends with a null byte.
    pub(super) fn name(&mut self) -> Result<String, Broken> {
        let rest = self.buffer.get(self.at..self.end).ok_or(CUT)?;
        let length = rest.iter().position(|byte| *byte == 0).ok_or(CUT)?;
        let name = self.take(length)?;
        self.byte()?;
        Ok(String::from_utf8_lossy(name).into_owned())
    }
}

/// A table as the log describes it, before anybody asked the catalog.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Shape {
    pub(super) id: u32,
    pub(super) schema: String,
    pub(super) table: String,
    /// `d` default, `n` nothing, `f` full, `i` index.
    pub(super) identity: u8,
    pub(super) columns: Vec<ShapeColumn>,
}

/// A column of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ShapeColumn {
    pub(super) name: String,
    /// It is part of the replica identity.
    pub(super) identifies: bool,
    pub(super) type_id: u32,
    pub(super) modifier: i32,
}

impl Shape {
    pub(super) fn read(parts: &mut Parts<'_>) -> Result<Self, Broken> {
        let id = parts.u32()?;
        let schema = parts.name()?;
        let table = parts.name()?;
        let identity = parts.byte()?;
        let count = parts.u16()?;
        let columns = (0..count).map(|_| {
            Ok(ShapeColumn {
                identifies: parts.byte()? & 1 != 0,
                name: parts.name()?,
                type_id: parts.u32()?,
                modifier: parts.i32()?,
            })
        });
        let columns = columns.collect::<Result<_, Broken>>()?;
        // pg_catalog is sent as an empty name.
        let schema = if schema.is_empty() { "pg_catalog".to_owned() } else { schema };
        Ok(Self { id, schema, table, identity, columns })
    }
}

/// A message of `pg_logical_emit_message`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Said {
    pub(super) transactional: bool,
    /// The last byte of its record. The server tells the place behind the record, where the next
    /// record may begin, and with it the commit of a transaction that has not been sent.
    pub(super) place: u64,
    pub(super) prefix: String,
    pub(super) content: Vec<u8>,
}

impl Said {
    pub(super) fn read(parts: &mut Parts<'_>) -> Result<Self, Broken> {
        let transactional = parts.byte()? & 1 != 0;
        let place = parts.u64()?.saturating_sub(1);
        let prefix = parts.name()?;
        let length = parts.length()?;
        Ok(Self { transactional, place, prefix, content: parts.take(length)?.to_vec() })
    }
}

/// `c`, behind the kind: a transaction that was sent before its commit is committed.
pub(super) fn stream_commit(parts: &mut Parts<'_>) -> Result<Transaction, Broken> {
    let id = u64::from(parts.u32()?);
    parts.byte()?;
    let commit = parts.u64()?;
    // Where the commit's record ends.
    parts.u64()?;
    let committed_at_micros = parts.i64()?.saturating_add(POSTGRES_EPOCH_MICROS);
    Ok(Transaction { id, commit, committed_at_micros })
}
