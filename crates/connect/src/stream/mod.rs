//! The doorframes of streams: changes in the order of their commits, in the source's own bytes.
//!
//! A source fills [`Chunk`]s: one block of bytes as they came over the wire, and ranges into it.
//! Nothing is parsed, copied or allocated per cell on the way; an encoder reads each cell through a
//! [`Datum`] and writes straight into one buffer. The contract, which the acceptance suites of
//! `testkit` hold every connector to:
//!
//! * **Reading.** A reader gives changes in the order of their commits, and all of one transaction
//!   together. From a position it gives exactly what comes after it: the rest of a transaction that
//!   was taken in part, then the next ones. What a reader gives for the same log is the same each
//!   time, so that `position/row` names a change for ever.
//! * **Confirming.** The source may forget what is before a confirmed position and nothing else. A
//!   reader stays alive (answers keep-alives, notices a lost connection) while nobody asks it for
//!   more.
//! * **Delivering.** A sink takes batches in order and acknowledges them in order. An acknowledged
//!   batch is durable. A sink that can, keeps the position in the same transaction as the rows, and
//!   says where it stands when it is opened: that answer, and nothing else, is where it goes on.
//! * **Refusing.** A row that can never be delivered is named in the acknowledgement, with its
//!   reason; the rest of its batch is delivered.
//! * **Processing.** Between source and sinks a row may be left out, refused or changed, and is never
//!   lost from the count: see [`StreamProcessor`].

mod batch;
mod change;
mod chunk;
mod control;
mod datum;
mod letter;
mod message;
mod overlay;
mod position;
mod processor;
mod ready;
mod receipt;
mod relation;
mod reread;
mod saved;
mod sink;
mod source;
mod state;
mod trial;

pub use batch::{RefusedRow, Slice, StreamBatch};
pub use change::{Change, ChangeRef, Identity, Op, Transaction};
pub use chunk::{CellStart, Chunk, ChunkBuilder, Mark, NewChange};
pub use control::{Answer, AnswerState, Asked, Begin, Begun, Desired, Hold, StreamRequest, Verb};
pub use datum::{Cell, Datum, RowRef};
pub use letter::{DeadLetter, LetterFigures, LetterFilter, LetterState, StoredLetter};
pub use message::{Message, Messages, Span};
pub use overlay::{ChunkOverlay, Replaced};
pub use position::{ParsePositionError, Position};
pub use processor::{Processing, ProcessorConnector, StreamProcessor};
pub use ready::Ready;
pub use receipt::{
    Account, DESTINATIONS_MAX, LateReceipt, MessageId, ParseMessageIdError, Receipt, TableTally,
    Tally, body_hash, message_hash,
};
pub use relation::{Column, Kind, Relation};
pub use reread::{
    HeldMessage, HeldMessages, HeldPages, HeldTables, Keeps, PAGE_MESSAGES_MAX, PageSender, Reread,
};
pub use saved::{SavedChange, chunk_of};
pub use sink::{
    Acknowledged, Delivery, Guarantee, Refused, SinkWriter, StreamSink, StreamSinkConnector, Takes,
};
pub use source::{
    Head, Precondition, StreamReader, StreamSource, StreamSourceConnector, TableProgress,
};
pub use state::{
    Checkpoint, DeadLetterLimits, FailedAgain, LetterBox, Overflow, SetAside, StreamState,
};
pub use trial::{Trial, TrialPlaces};
