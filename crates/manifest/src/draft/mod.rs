//! The draft: what a manifest says, as plain data, before anything is concluded from it.
//!
//! These types are the one source of truth. Serde reads a checked document into them and schemars
//! derives the JSON Schema from them; the checker, the editor support and the reference page all
//! come from that schema. The comments below are what a user reads there.
//!
//! "Exactly one of these keys" is said once, as a `oneOf` of `required` lists, which editors and
//! our checker both understand.

mod actions;
mod manifest;
mod processors;
mod stream;
mod words;

pub(crate) use self::actions::{
    BatchDraft, CheckDraft, ColumnDraft, CommandDraft, CopyDraft, ExpectDraft, ExpectWord,
    ForeignKeyDraft, OtherColumns, RangeDraft, RuleDraft, SqlDraft, WriteDraft,
};
pub(crate) use self::manifest::{
    ManifestDraft, MetadataDraft, NodeDraft, RetryDraft, SloDraft, SpecDraft,
};
pub use self::processors::processor_schemas;
pub use self::stream::Overflow;
pub(crate) use self::stream::{
    CommitMode, CommitPolicyDraft, DlqDraft, StreamBatchDraft, StreamSpecDraft,
};
pub(crate) use self::words::{DurationText, SizeText, TAKEN_AS_TEXT};
pub use self::words::{RuleSeverity, SchemaChange, Strategy, When};
