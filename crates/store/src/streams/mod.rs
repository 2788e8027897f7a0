//! What streams keep beside their sinks: positions, the rows that were set aside, and requests from
//! other processes.
//!
//! What changes something goes through the store's one writer, each call as one transaction that is
//! on the disk when it is answered. What a running stream looks at again and again is read beside the
//! writer.

mod checkpoints;
mod doorframe;
mod filter;
mod hold;
mod letters;
mod marking;
mod reading;
mod receipts;
mod requests;

pub use reading::StreamFacts;
pub use receipts::StoredReceipt;
pub use requests::RequestView;
