//! One type for everything that can be wrong with a manifest.
//!
//! A complaint says where, what, and what to do; it is data, so that the terminal, `--format json`
//! and an editor show the same thing. Codes are stable: scripts may branch on them.

use serde::{Serialize, Serializer};

macro_rules! codes {
    ($($(#[doc = $doc:literal])+ $variant:ident = $name:literal,)+) => {
        /// What kind of complaint it is. The words are stable.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Code { $($(#[doc = $doc])+ $variant,)+ }

        impl Code {
            /// Every code, in the order of the reference page.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The stable word, such as `manifest.unknown_key`.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => concat!("manifest.", $name),)+ }
            }

            /// One sentence for the reference page.
            #[must_use]
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$variant => concat!($($doc),+).trim_ascii(),)+ }
            }
        }
    };
}

codes! {
    /// The text is not YAML.
    Syntax = "syntax",
    /// The file is not UTF-8.
    NotUtf8 = "not_utf8",
    /// The file, its nesting, its aliases or its values are larger than allowed.
    TooLarge = "too_large",
    /// There is nothing in the file.
    Empty = "empty",
    /// A key stands twice in one mapping.
    DuplicateKey = "duplicate_key",
    /// An alias has no anchor, or an anchor contains itself.
    BadAlias = "bad_alias",
    /// This version does not read this `apiVersion`.
    UnsupportedVersion = "unsupported_version",
    /// A key that is not known here.
    UnknownKey = "unknown_key",
    /// A key that is needed is not there.
    MissingKey = "missing_key",
    /// Keys that exclude each other stand together.
    ConflictingKeys = "conflicting_keys",
    /// A value of another type was expected.
    WrongType = "wrong_type",
    /// A word that is not in the closed list of allowed words.
    UnknownValue = "unknown_value",
    /// No connector or processor of this type is in the program.
    UnknownConnector = "unknown_connector",
    /// A number, a length or a count is outside its bounds.
    OutOfRange = "out_of_range",
    /// A text does not have the form that is needed, such as an id or a duration.
    BadFormat = "bad_format",
    /// A `${…}` reference cannot be read.
    BadVariable = "bad_variable",
    /// A variable has no value.
    UnsetVariable = "unset_variable",
    /// A file named by `${file:…}` cannot be read.
    UnreadableFile = "unreadable_file",
    /// A parameter is not declared.
    UnknownParam = "unknown_param",
    /// A parameter has no value, or one that is not allowed.
    BadParam = "bad_param",
    /// A password is written in the manifest itself.
    LiteralSecret = "literal_secret",
    /// Two pipelines have the same name.
    DuplicatePipeline = "duplicate_pipeline",
    /// Two nodes, two sinks or two processors have the same id.
    DuplicateId = "duplicate_id",
    /// A node needs a node that does not exist.
    UnknownNeed = "unknown_need",
    /// Nodes need each other in a circle.
    Cycle = "cycle",
    /// The commit policy contradicts the sinks or itself.
    CommitPolicy = "commit_policy",
    /// The strategy needs another key, or cannot use the one given.
    Strategy = "strategy",
    /// A command has nothing to run.
    EmptyCommand = "empty_command",
    /// A check rule cannot be used.
    BadRule = "bad_rule",
    /// The bounds of a retry contradict each other.
    BadRetry = "bad_retry",
    /// The cron expression or the time zone cannot be used.
    BadSchedule = "bad_schedule",
    /// Two nodes write one asset and nothing says which comes first.
    UnorderedWrites = "unordered_writes",
    /// A node reads what another writes and nothing says which comes first.
    UnorderedRead = "unordered_read",
    /// A setting has no effect.
    NoEffect = "no_effect",
    /// The checker and the reader disagree: a defect of this program.
    Internal = "internal",
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// Whether a complaint stops the manifest from being run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// It cannot be run like this.
    Error,
    /// It can be run, and is probably not what was meant.
    Warning,
}

/// A stretch of one line of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Place {
    /// The file, by the name that the caller gave it.
    pub file: String,
    /// From 1.
    pub line: u32,
    /// From 1, in characters.
    pub column: u32,
    /// In characters, at least 1, never past the end of the line.
    pub width: u32,
    /// The line itself, without its end; secrets are starred out, one star a character.
    pub text: String,
}

/// A second place that belongs to a complaint, such as the first of two equal ids.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Note {
    /// What is to be seen there.
    pub message: String,
    /// Where, when it is in the file.
    pub place: Option<Place>,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Complaint {
    /// Error or warning.
    pub severity: Severity,
    /// The stable code.
    pub code: Code,
    /// What is wrong, as a lower-case fragment. Holds no secret.
    pub message: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
    /// The path of the value, such as `spec.nodes[2].copy`; empty for the whole file.
    pub path: String,
    /// Where it stands; `None` when it is no place in a file, such as an argument.
    pub place: Option<Place>,
    /// Further places.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<Note>,
}

impl Complaint {
    /// A complaint that stops the manifest.
    pub(crate) fn error(code: Code, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            code,
            message: message.into(),
            help: None,
            path: String::new(),
            place: None,
            notes: Vec::new(),
        }
    }

    /// With its place.
    pub(crate) fn place(mut self, place: Place) -> Self {
        self.place = Some(place);
        self
    }

    /// With what to do.
    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}
