//! What a position says: bytes over all files, and in which file that is.

use std::sync::Arc;

use flowglass_connect::Fault;
use flowglass_connect::stream::Position;
use flowglass_model::ErrorClass;
use serde::{Deserialize, Serialize};

use super::file::Identity;

/// A place in a file. A position's commit less `base` is its offset; the line is that of `offset`,
/// which is at or before it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Place {
    pub(super) file: Identity,
    /// Bytes of all files before this one.
    pub(super) base: u64,
    pub(super) offset: u64,
    /// Lines of this file before `offset`.
    pub(super) line: u64,
}

#[derive(Debug, Serialize, Deserialize)]
struct Detail {
    file: Place,
}

impl Place {
    /// What positions carry.
    pub(super) fn detail(&self) -> Arc<str> {
        serde_json::json!({ "file": self }).to_string().into()
    }

    /// The place that a position tells, and how far it is in that file.
    pub(super) fn of(position: &Position) -> Result<(Self, u64), Fault> {
        let foreign = || {
            Fault::new(
                ErrorClass::PositionLost,
                format!("the position {position} does not say which file it is in"),
            )
            .hint("It is of another source. Give the sink another `id`, to begin anew.")
        };
        let detail = position.detail.as_deref().ok_or_else(foreign)?;
        let Detail { file } = serde_json::from_str(detail).map_err(|_| foreign())?;
        let offset = position.commit.checked_sub(file.base).ok_or_else(foreign)?;
        if offset < file.offset {
            return Err(foreign());
        }
        Ok((file, offset))
    }
}
