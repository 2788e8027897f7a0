//! Dead letters: rows that a sink could not take, with all that is needed to send them again.

use flowglass_model::ErrorClass;
use jiff::Timestamp;

use super::change::Op;
use super::saved::SavedChange;

/// A row that a sink could not take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// The stream.
    pub stream: String,
    /// The sink that does not have it.
    pub sink: String,
    /// The processor that refused it, when one did: then it never came to the sink.
    pub processor: Option<String>,
    /// `schema.table`.
    pub table: String,
    /// What happened to the row.
    pub op: Op,
    /// `0/16B3748/12`: names the change for ever. With the sink it names the letter: the same one
    /// again replaces it.
    pub id: String,
    /// Its key, as JSON.
    pub key: Option<String>,
    /// Why.
    pub class: ErrorClass,
    /// Why, in words; never with the row's values.
    pub detail: String,
    /// The row as JSON, cut off where it is longer than the limit.
    pub row: String,
    /// Whether `row` was cut off, or `change` left out, for the limit on a letter's size.
    pub truncated: bool,
    /// The change with the shape of its table, to be encoded again. `None` where it would be larger
    /// than the limit, and in letters that an older flowglass kept.
    pub change: Option<SavedChange>,
    /// When, by the wall clock.
    pub at: Timestamp,
}

/// What became of a letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LetterState {
    /// Nobody has dealt with it. Only these take room.
    Open,
    /// Somebody has seen it and wants nothing more done.
    Acknowledged,
    /// It was sent again, and its sink has acknowledged it.
    Replayed,
}

impl LetterState {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Open, Self::Acknowledged, Self::Replayed];

    /// The word for it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Acknowledged => "acknowledged",
            Self::Replayed => "replayed",
        }
    }

    /// The state with that word.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.name() == name)
    }
}

/// A letter as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredLetter {
    /// Its number in the store, growing with each letter and never given twice.
    pub number: u64,
    /// What became of it.
    pub state: LetterState,
    /// How often its row was tried at its sink, from 1.
    pub attempts: u64,
    /// When `state` or `attempts` changed last.
    pub changed_at: Timestamp,
    /// What was set aside.
    pub letter: DeadLetter,
}

/// Which letters are meant: those that fit everything that is said here.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LetterFilter {
    /// Only these numbers; empty for all.
    pub numbers: Vec<u64>,
    /// Only letters of these changes ([`DeadLetter::id`]); empty for all.
    pub ids: Vec<String>,
    /// Only letters of this sink.
    pub sink: Option<String>,
    /// Only letters of this table, as `schema.table`.
    pub table: Option<String>,
    /// Only this class.
    pub class: Option<ErrorClass>,
    /// Only letters that were set aside at this time or later.
    pub since: Option<Timestamp>,
    /// Only letters that were set aside before.
    pub until: Option<Timestamp>,
    /// Only letters in these states; empty for all.
    pub states: Vec<LetterState>,
}

/// How many letters a stream has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LetterFigures {
    /// Open ones: those that take room.
    pub open: u64,
    /// Acknowledged ones that are still kept.
    pub acknowledged: u64,
    /// Replayed ones that are still kept.
    pub replayed: u64,
    /// When the oldest open one was set aside.
    pub oldest: Option<Timestamp>,
}
