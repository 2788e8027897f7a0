//! Cells as a parameter: an array of text, written straight from where the source left them.
//! <https://github.com/postgres/postgres/blob/master/src/backend/utils/adt/arrayfuncs.c> (`array_recv`)

use std::error::Error;
use std::fmt;

use bytes::BytesMut;
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};

/// A column of a statement: text, or null.
pub(super) struct Texts<'a>(Vec<Option<&'a [u8]>>);

impl<'a> Texts<'a> {
    /// No cells, room for some.
    pub(super) fn with_capacity(cells: usize) -> Self {
        Self(Vec::with_capacity(cells))
    }

    /// Adds a cell.
    pub(super) fn push(&mut self, cell: Option<&'a [u8]>) {
        self.0.push(cell);
    }

    /// Bytes of all cells.
    pub(super) fn bytes(&self) -> u64 {
        self.0.iter().flatten().map(|text| text.len() as u64).sum()
    }
}

/// A size and no values.
impl fmt::Debug for Texts<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Texts({})", self.0.len())
    }
}

impl ToSql for Texts<'_> {
    fn to_sql(
        &self,
        _ty: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        let count = i32::try_from(self.0.len())?;
        let bytes: usize = self.0.iter().map(|cell| 4 + cell.map_or(0, <[u8]>::len)).sum();
        out.reserve(20 + bytes);
        let has_null = i32::from(self.0.iter().any(Option::is_none));
        // One dimension that counts from 1; of no cells there is none.
        let dimensions = i32::from(count > 0);
        for head in [dimensions, has_null] {
            out.extend_from_slice(&head.to_be_bytes());
        }
        out.extend_from_slice(&Type::TEXT.oid().to_be_bytes());
        if count > 0 {
            out.extend_from_slice(&count.to_be_bytes());
            out.extend_from_slice(&1_i32.to_be_bytes());
        }
        for cell in &self.0 {
            match cell {
                None => out.extend_from_slice(&(-1_i32).to_be_bytes()),
                Some(text) => {
                    out.extend_from_slice(&i32::try_from(text.len())?.to_be_bytes());
                    out.extend_from_slice(text);
                }
            }
        }
        Ok(IsNull::No)
    }

    fn accepts(ty: &Type) -> bool {
        *ty == Type::TEXT_ARRAY
    }

    to_sql_checked!();
}
