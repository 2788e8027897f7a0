//! The frame of binary `COPY`: a header, rows of length-prefixed fields, a trailer.
//! <https://www.postgresql.org/docs/current/sql-copy.html> ("Binary Format")

use flowglass_connect::Fault;
use flowglass_model::ErrorClass;

const SIGNATURE: &[u8; 11] = b"PGCOPY\n\xff\r\n\0";

/// What stands at the front of the bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Front {
    /// A whole row of so many bytes.
    Row(usize),
    /// The trailer.
    End,
    /// Not enough bytes to tell.
    More,
}

pub(super) fn broken(what: &str) -> Fault {
    Fault::new(ErrorClass::Malformed, format!("the server's COPY stream is broken: {what}"))
}

/// How long the header is; `None` when more bytes are needed.
pub(super) fn header(bytes: &[u8]) -> Result<Option<usize>, Fault> {
    let Some((head, _rows)) = bytes.split_first_chunk::<19>() else {
        return Ok(None);
    };
    let (signature, rest) = head.split_at(SIGNATURE.len());
    if signature != SIGNATURE {
        return Err(broken("it does not begin as a COPY does"));
    }
    let extension = rest.last_chunk::<4>().map_or(0, |length| u32::from_be_bytes(*length));
    let length = 19 + usize::try_from(extension).unwrap_or(usize::MAX);
    Ok((bytes.len() >= length).then_some(length))
}

/// Looks at the row at the front by its lengths only.
#[inline]
pub(super) fn front(bytes: &[u8], columns: usize) -> Result<Front, Fault> {
    let Some((count, mut rest)) = bytes.split_first_chunk::<2>() else {
        return Ok(Front::More);
    };
    let count = i16::from_be_bytes(*count);
    if count == -1 {
        return Ok(Front::End);
    }
    if usize::try_from(count) != Ok(columns) {
        return Err(broken("a row has another number of fields"));
    }
    for _ in 0..columns {
        let Some((length, behind)) = rest.split_first_chunk::<4>() else {
            return Ok(Front::More);
        };
        let length = i32::from_be_bytes(*length);
        rest = match usize::try_from(length) {
            Ok(length) => match behind.get(length..) {
                Some(behind) => behind,
                None => return Ok(Front::More),
            },
            Err(_negative) if length == -1 => behind,
            Err(_negative) => return Err(broken("a field has a length below zero")),
        };
    }
    Ok(Front::Row(bytes.len() - rest.len()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn row(fields: &[Option<Vec<u8>>]) -> Vec<u8> {
        let mut bytes = i16::try_from(fields.len()).unwrap().to_be_bytes().to_vec();
        for field in fields {
            match field {
                None => bytes.extend((-1i32).to_be_bytes()),
                Some(field) => {
                    bytes.extend(i32::try_from(field.len()).unwrap().to_be_bytes());
                    bytes.extend(field);
                }
            }
        }
        bytes
    }

    proptest! {
        #[test]
        fn a_row_ends_where_it_ends(
            fields in prop::collection::vec(prop::option::of(prop::collection::vec(any::<u8>(), 0..20)), 0..6),
            behind in prop::collection::vec(any::<u8>(), 0..9),
        ) {
            let row = row(&fields);
            let mut bytes = row.clone();
            bytes.extend(&behind);
            prop_assert_eq!(front(&bytes, fields.len()).unwrap(), Front::Row(row.len()));
            for cut in 0..row.len() {
                prop_assert_eq!(front(&row[..cut], fields.len()).unwrap(), Front::More);
            }
        }

        #[test]
        fn any_bytes_are_told_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..64), columns in 0usize..4) {
            if let Ok(Front::Row(length)) = front(&bytes, columns) {
                prop_assert!(length <= bytes.len());
            }
            prop_assert!(header(&bytes).is_err() || bytes.len() < 19 || bytes.starts_with(SIGNATURE));
        }
    }
}
