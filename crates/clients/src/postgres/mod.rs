//! Postgres from both ends.
