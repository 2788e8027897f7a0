//! The replication slot: what it still has, and whether that reaches back to where we are.

use flowglass_clients::postgres::{Wire, literal, quote};
use flowglass_connect::Fault;
use flowglass_connect::stream::Position;
use flowglass_model::ErrorClass;

/// A slot as the server describes it. Only columns that PostgreSQL 13 has are read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Slot {
    pub(super) plugin: Option<String>,
    pub(super) database: Option<String>,
    /// Who reads from it.
    pub(super) active: Option<String>,
    /// Up to here the server was told to forget.
    pub(super) confirmed: Option<u64>,
    /// `reserved`, `extended`, `unreserved`, `lost`.
    pub(super) state: Option<String>,
}

/// What the slot's row is read by; the name comes behind it.
pub(super) const COLUMNS: &str = "SELECT plugin::text, database::text, active_pid::text, \
    confirmed_flush_lsn::text, wal_status, restart_lsn::text FROM pg_catalog.pg_replication_slots \
    WHERE slot_name = ";

impl Slot {
    /// Asks for the slot of that name.
    pub(super) async fn find(wire: &mut Wire, name: &str) -> Result<Option<Self>, Fault> {
        let sql = format!("{COLUMNS}{}", literal(name));
        let rows = wire.rows("looking for the slot", &sql).await?;
        Ok(rows.into_iter().next().map(Self::from_row))
    }

    pub(super) fn from_row(row: Vec<Option<String>>) -> Self {
        let mut cells = row.into_iter();
        let mut next = || cells.next().flatten();
        let (plugin, database, active) = (next(), next(), next());
        Self { plugin, database, active, confirmed: next().as_deref().and_then(lsn), state: next() }
    }

    /// Makes a slot, which goes with the connection when it is a passing one. It begins at the moment
    /// of the answer: its consistent point.
    pub(super) async fn make(
        wire: &mut Wire,
        (name, passing): (&str, bool),
        snapshot: bool,
    ) -> Result<Made, Fault> {
        let kind = if passing { "TEMPORARY LOGICAL" } else { "LOGICAL" };
        let word = if snapshot { "EXPORT_SNAPSHOT" } else { "NOEXPORT_SNAPSHOT" };
        let sql = format!("CREATE_REPLICATION_SLOT {} {kind} pgoutput {word}", quote(name));
        let rows = wire.rows(&format!("making the slot {name}"), &sql).await?;
        let mut cells = rows.into_iter().next().unwrap_or_default().into_iter().skip(1);
        let point = cells.next().flatten().as_deref().and_then(lsn).ok_or_else(|| {
            Fault::new(ErrorClass::Internal, "the server did not say where the new slot begins")
        })?;
        Ok(Made { point, snapshot: cells.next().flatten() })
    }

    /// Where the stream has to begin for `from`, when the slot still has all of it.
    pub(super) fn begin(&self, name: &str, from: &Position) -> Result<u64, Fault> {
        if self.state.as_deref() == Some("lost") {
            return Err(Fault::new(
                ErrorClass::PositionLost,
                format!("the slot {name} is invalid: the server has removed log that it needed"),
            )
            .hint(format!(
                "Raise `max_slot_wal_keep_size`, run `SELECT pg_drop_replication_slot({})`, and \
                 take a new snapshot; changes since {from} are not known.",
                literal(name)
            )));
        }
        let begin = first_needed(from);
        match self.confirmed {
            Some(confirmed) if confirmed > begin => Err(Fault::new(
                ErrorClass::PositionLost,
                format!(
                    "the slot {name} is at {} and no longer has what comes after {from}",
                    Position::after(confirmed)
                ),
            )
            .hint(
                "Somebody else has read from the slot, or the position is an old copy. Give each \
                 stream its own slot, and take a new snapshot.",
            )),
            _ => Ok(begin),
        }
    }

    /// Whether it can carry a stream of this database at all.
    pub(super) fn fits(&self, name: &str, database: &str) -> Result<(), Fault> {
        let other = |what: &str| {
            Fault::new(ErrorClass::Conflict, format!("the slot {name} is {what}"))
                .hint("Choose another name under `slot`.")
        };
        match (self.plugin.as_deref(), self.database.as_deref()) {
            (Some("pgoutput"), Some(its)) if its == database => Ok(()),
            (Some("pgoutput"), _) => Err(other("of another database")),
            (None, _) => Err(other("a physical one")),
            (Some(_), _) => Err(other("of another output plugin")),
        }
    }
}

/// What making a slot gave.
#[derive(Debug)]
pub(super) struct Made {
    /// Everything committed before is in the snapshot; everything after will be streamed.
    pub(super) point: u64,
    /// The snapshot's name, when one was asked for.
    pub(super) snapshot: Option<String>,
}

/// The first place of the log that may still be needed behind `position`. The server leaves out the
/// transactions whose commit record begins before it.
pub(super) const fn first_needed(position: &Position) -> u64 {
    if position.is_between_transactions() {
        position.commit.saturating_add(1)
    } else {
        position.commit
    }
}

/// The fault of a slot that is not there.
pub(super) fn missing(name: &str, from: &Position) -> Fault {
    Fault::new(
        ErrorClass::PositionLost,
        format!("the slot {name} does not exist, and the stream has to go on from {from}"),
    )
    .hint(
        "It was dropped, or this is another server. Take a new snapshot; changes since that position \
         are not known.",
    )
}

/// A place in the log as Postgres writes it.
pub(super) fn lsn(text: &str) -> Option<u64> {
    text.parse::<Position>().ok().map(|position| position.commit)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slot(confirmed: u64, state: &str) -> Slot {
        Slot {
            plugin: Some("pgoutput".into()),
            database: Some("d".into()),
            active: None,
            confirmed: Some(confirmed),
            state: Some(state.into()),
        }
    }

    #[test]
    fn a_slot_that_is_ahead_of_us_has_lost_something() {
        let begin = |slot: Slot, from| slot.begin("s", &from).map_err(|fault| fault.class());
        assert_eq!(begin(slot(10, "reserved"), Position::after(9)), Ok(10));
        assert_eq!(begin(slot(10, "reserved"), Position::inside(10, 3)), Ok(10));
        let lost = Err(ErrorClass::PositionLost);
        assert_eq!(begin(slot(10, "reserved"), Position::inside(9, 3)), lost);
        assert_eq!(begin(slot(11, "reserved"), Position::after(9)), lost);
        assert_eq!(begin(slot(1, "lost"), Position::after(9)), lost);
    }

    #[test]
    fn a_slot_of_something_else_is_not_ours() {
        assert!(slot(1, "reserved").fits("s", "d").is_ok());
        assert!(slot(1, "reserved").fits("s", "e").is_err());
        assert!(Slot { plugin: None, ..slot(1, "reserved") }.fits("s", "d").is_err());
    }
}
