//! The closed list of error classes, and the one table that says what happens next.
//!
//! Events, metrics, dead letters, problem bodies and the docs page all use these words. The
//! table in [`ErrorClass::policy`] has no catch-all arm on purpose: whoever adds a class must
//! choose what happens.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

macro_rules! classes {
    ($($(#[doc = $doc:literal])+ $variant:ident = $name:literal,)+) => {
        /// What kind of thing went wrong. Decisions branch on this, never on a message.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
        #[serde(rename_all = "snake_case")]
        pub enum ErrorClass { $($(#[doc = $doc])+ $variant,)+ }

        impl ErrorClass {
            /// Every class, in the order of the docs page.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The word used on the wire and in labels.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// One sentence that says what the class means, for the docs page.
            #[must_use]
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$variant => concat!($($doc),+).trim_ascii(),)+ }
            }
        }
    };
}

classes! {
    /// The manifest, an option or a connector's configuration cannot be used.
    Config = "config",
    /// The other side refused who we are.
    Auth = "auth",
    /// The other side knows us but does not let us do this.
    Permission = "permission",
    /// The other side cannot be reached: refused, reset, no route, no such host.
    Unreachable = "unreachable",
    /// It took longer than allowed.
    Timeout = "timeout",
    /// The other side asks us to slow down.
    Throttled = "throttled",
    /// A file, table, column or topic is not there.
    NotFound = "not_found",
    /// Somebody else changed it, or holds it: a lock, a fence, a serialization failure.
    Conflict = "conflict",
    /// The shape of the data differs from what was agreed.
    Schema = "schema",
    /// A value cannot be kept exactly in the target's type.
    Inexact = "inexact",
    /// The input is malformed: a broken row, a bad escape, an unparsable number.
    Malformed = "malformed",
    /// A row or message is larger than the target takes.
    TooLarge = "too_large",
    /// A constraint of the target refused the row: unique, not null, foreign key.
    Constraint = "constraint",
    /// A data check did not hold.
    Check = "check",
    /// A command ended with an exit code that means failure.
    ExitCode = "exit_code",
    /// A command was ended by a signal.
    Signal = "signal",
    /// A command could not be started.
    Spawn = "spawn",
    /// It was stopped on request.
    Cancelled = "cancelled",
    /// The process that did the work went away without a word.
    Lost = "lost",
    /// The disk or a quota is full.
    DiskFull = "disk_full",
    /// Reading or writing a file failed for another reason.
    Io = "io",
    /// The position to read from no longer exists at the source.
    PositionLost = "position_lost",
    /// The system is there but cannot do what was asked.
    Unsupported = "unsupported",
    /// A defect of Flowglass itself.
    Internal = "internal",
}

/// What happens after an error of a class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// Try again with back-off: it may pass by itself.
    Retry,
    /// The single row is set aside as a dead letter and the rest goes on (streams); a copy fails.
    SetAside,
    /// Stop; a person has to act before it can work.
    Stop,
}

impl ErrorClass {
    /// What happens next. A workflow node's `retry` applies to classes that say [`Policy::Retry`];
    /// commands are the exception: their exit codes say too little, so they are always retried
    /// while attempts are left.
    #[must_use]
    pub const fn policy(self) -> Policy {
        match self {
            Self::Unreachable
            | Self::Timeout
            | Self::Throttled
            | Self::Conflict
            | Self::ExitCode
            | Self::Signal
            | Self::Lost
            | Self::Io => Policy::Retry,
            Self::Inexact | Self::Malformed | Self::TooLarge | Self::Constraint => Policy::SetAside,
            Self::Config
            | Self::Auth
            | Self::Permission
            | Self::NotFound
            | Self::Schema
            | Self::Check
            | Self::Spawn
            | Self::Cancelled
            | Self::DiskFull
            | Self::PositionLost
            | Self::Unsupported
            | Self::Internal => Policy::Stop,
        }
    }

    /// Whether a further attempt can help without anybody acting.
    #[must_use]
    pub const fn retryable(self) -> bool {
        matches!(self.policy(), Policy::Retry)
    }

    /// What the operator can do, as one imperative sentence.
    #[must_use]
    pub const fn hint(self) -> &'static str {
        match self {
            Self::Config => {
                "Correct the manifest; `flowglass validate FILE` shows every complaint."
            }
            Self::Auth => "Check the user and the password or token in the connection settings.",
            Self::Permission => "Grant the missing right, then run again.",
            Self::Unreachable => "Check that the host and port are right and the service is up.",
            Self::Timeout => "Raise `timeout`, or find what made it slow in the node's log.",
            Self::Throttled => "Lower the rate or raise the quota at the other side.",
            Self::NotFound => "Create it, or correct the name in the manifest.",
            Self::Conflict => "Look for another writer of the same target, then run again.",
            Self::Schema => "Review the change, then set `schema_change` or alter the target.",
            Self::Inexact => "Declare a wider type for the named column under `columns`.",
            Self::Malformed => "Correct the named row in the input, or declare the column as text.",
            Self::TooLarge => "Raise the target's limit, or leave the column out.",
            Self::Constraint => "Correct the offending rows, or the constraint.",
            Self::Check => "Look at the check's figures; correct the data or the rule.",
            Self::ExitCode => "Read the node's log: `flowglass runs logs RUN --node NODE`.",
            Self::Signal => "Look for the out-of-memory killer or whoever sent the signal.",
            Self::Spawn => "Check that the program exists and may be executed.",
            Self::Cancelled => "Start it again with `flowglass run --resume RUN`.",
            Self::Lost => "Start it again with `flowglass run --resume RUN`.",
            Self::DiskFull => "Free space, then start again with `flowglass run --resume RUN`.",
            Self::Io => "Check the path, its rights and the disk.",
            Self::PositionLost => {
                "Take a new snapshot; rows since the last position are not known."
            }
            Self::Unsupported => "Choose another strategy, connector or type.",
            Self::Internal => "Please report this with the run's evidence bundle.",
        }
    }
}

impl std::fmt::Display for ErrorClass {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}
