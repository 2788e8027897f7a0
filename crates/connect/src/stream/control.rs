//! What can be asked of a stream that runs in another process, and what it answers.

use flowglass_model::ErrorClass;
use jiff::Timestamp;

use super::letter::LetterFigures;
use super::state::DeadLetterLimits;
use crate::fault::Fault;

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verb {
    /// Read nothing more, deliver what was read, and stay so over restarts.
    Pause,
    /// Read again.
    Resume,
    /// Deliver what was read, and end.
    Stop,
    /// Read the rows of a table again, beside the log.
    Resync {
        /// `schema.table`.
        table: String,
    },
}

impl Verb {
    /// The word that is stored.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::Stop => "stop",
            Self::Resync { .. } => "resync",
        }
    }

    /// What belongs to the word: the table of a resync, else nothing.
    #[must_use]
    pub fn argument(&self) -> &str {
        match self {
            Self::Pause | Self::Resume | Self::Stop => "",
            Self::Resync { table } => table,
        }
    }

    /// The way back from [`Verb::name`] and [`Verb::argument`].
    #[must_use]
    pub fn parse(name: &str, argument: &str) -> Option<Self> {
        match name {
            "pause" => Some(Self::Pause),
            "resume" => Some(Self::Resume),
            "stop" => Some(Self::Stop),
            "resync" => Some(Self::Resync { table: argument.to_owned() }),
            _ => None,
        }
    }
}

/// A request as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamRequest {
    /// Names it, growing with each request.
    pub number: u64,
    /// What is asked.
    pub verb: Verb,
    /// Who asks, such as `ana@host (process 4711)`.
    pub asked_by: String,
    /// When, by the wall clock.
    pub asked_at: Timestamp,
}

/// How far an answer goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AnswerState {
    /// It is being done; another answer follows.
    Accepted,
    /// It is done.
    Done,
    /// It is not done, and will not be.
    Refused,
}

impl AnswerState {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Accepted, Self::Done, Self::Refused];

    /// The word that is stored.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Done => "done",
            Self::Refused => "refused",
        }
    }

    /// The state with that word.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.name() == name)
    }
}

/// What a stream answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// How far it goes.
    pub state: AnswerState,
    /// What happened, or why it does not: a lower-case fragment.
    pub said: String,
}

impl Answer {
    /// It is being done.
    pub fn accepted(said: impl Into<String>) -> Self {
        Self { state: AnswerState::Accepted, said: said.into() }
    }

    /// It is done.
    pub fn done(said: impl Into<String>) -> Self {
        Self { state: AnswerState::Done, said: said.into() }
    }

    /// It is not done.
    pub fn refused(said: impl Into<String>) -> Self {
        Self { state: AnswerState::Refused, said: said.into() }
    }
}

/// How a stream is meant to be, over restarts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Desired {
    /// It reads.
    #[default]
    Running,
    /// It is open, keeps its place, and reads nothing.
    Paused,
}

impl Desired {
    /// The word that is stored.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Paused => "paused",
        }
    }
}

/// A stream says that it runs now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Begin {
    /// The stream.
    pub stream: String,
    /// Its room for dead letters, for whoever lists them without the manifest.
    pub limits: DeadLetterLimits,
    /// When, by the wall clock.
    pub at: Timestamp,
}

/// What a stream that begins is told.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Begun {
    /// How it is meant to be.
    pub desired: Desired,
    /// Its letters of earlier runs.
    pub letters: LetterFigures,
}

/// What a running stream finds when it looks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Asked {
    /// Requests that have no answer, in the order in which they were made.
    pub requests: Vec<StreamRequest>,
    /// Its letters, which others may have dealt with.
    pub letters: LetterFigures,
}

/// The proof that a stream is in one process's hands. Dropping it lets go.
pub struct Hold(Option<Box<dyn Send + Sync>>);

impl Hold {
    /// A hold that lasts as long as `proof`.
    #[must_use]
    pub fn new(proof: Box<dyn Send + Sync>) -> Self {
        Self(Some(proof))
    }

    /// A hold over a stream that nobody else can reach, such as one whose state is in memory.
    #[must_use]
    pub const fn alone() -> Self {
        Self(None)
    }

    /// The fault of a stream that is in somebody else's hands.
    #[must_use]
    pub fn taken(stream: &str, by: &str) -> Fault {
        let said = format!("the stream `{stream}` is in the hands of {by}");
        Fault::new(ErrorClass::Conflict, said)
            .hint(format!("Wait until that process ends, or run `flowglass stop {stream}`."))
    }
}

impl std::fmt::Debug for Hold {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hold").field("alone", &self.0.is_none()).finish()
    }
}
