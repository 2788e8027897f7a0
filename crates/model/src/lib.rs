//! The nouns and the contract: ids, states and their one transition function, events, and the
//! folds that every surface is made of. No I/O, no async, no clock.

mod asset;
mod error_class;

pub use asset::AssetRef;
pub use error_class::{ErrorClass, Policy};
