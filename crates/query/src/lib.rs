//! SQL over any sources, by Apache DataFusion: the built-in [`flowglass_connect::QueryEngine`].
//!
//! What a query may rely on:
//!
//! * **One query, nothing else.** A text holds exactly one `SELECT`, `WITH … SELECT` or `VALUES`.
//!   Statements that change anything (`CREATE`, `INSERT`, `COPY`, `SET` …) are refused with their
//!   place before anything is opened. A query reaches the tables it was given and nothing else.
//! * **Names.** An unquoted name finds a column or table whatever the case of its ASCII letters; a
//!   quoted name must be written exactly. Where a table has two columns that differ in case only,
//!   both need quotes. Result columns keep the spelling of the alias or of the source's column.
//! * **Exact numbers.** `0.1` is a decimal, decimals stay decimals, and integer sums, differences
//!   and products that leave their type are faults of class `inexact` instead of wrapping around.
//! * **Bounded memory.** All queries of a process share one pool; sorts, groupings and sort-merge
//!   joins spill to the scratch folder. A query that outgrows the pool before its first row was given
//!   out, as a hash join does, is planned again with operators that spill and smaller batches.
//! * **Reading.** A table is looked at once for its columns and then read once per scan of the plan,
//!   only the columns that the plan needs. Dropping the reader ends the query and its reads.

mod arithmetic;
mod bound;
mod engine;
mod error;
mod names;
mod parse;
mod plan;
mod reader;
mod session;
mod spill;
mod sum;
mod table;

pub use engine::DataFusion;
