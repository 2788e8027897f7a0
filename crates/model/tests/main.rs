//! The contract, held from outside: random legal histories and what every fold makes of them, the
//! saved samples of each wire type, and the generated schemas.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test ends where something is not as expected"
)]

mod folds;
mod histories;
mod recount;
mod schemas;
mod spans;
mod wire;
