//! What sinks of rows share: the words of their configuration, the name of a row's table, the cells
//! of a row and what names it, and the shape of a table in Arrow's types.
//!
//! A sink of rows gets no messages: it reads the cells where the source left them and writes them
//! into tables. What decides whether a row can be written at all is decided here, once for all of
//! them.

mod arrow;
mod cells;
#[cfg(feature = "folder")]
mod columns;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod config;
mod name;

#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub(crate) use arrow::plan_of;
#[cfg(feature = "folder")]
pub(crate) use arrow::{arrow_type, field_of};
#[cfg(any(feature = "folder", feature = "sqlite"))]
pub(crate) use cells::unhex;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub(crate) use cells::{Key, keyless, missing_row};
pub(crate) use cells::{Keys, Row, keys_of};
#[cfg(feature = "folder")]
pub(crate) use columns::{Filling, Value, read};
#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub(crate) use config::{OnTruncate, Tables, WithoutKey};
pub(crate) use name::Template;
