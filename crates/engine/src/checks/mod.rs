//! Data checks: rules about a dataset, asked as SQL and answered with figures, never with a cell's
//! value.
//!
//! What a rule means where the data leaves room:
//!
//! * **Null.** Only `not_null` is about nulls. `accepted_values`, `range` and `foreign_key` pass over
//!   nulls, `unique` over rows with a null in its columns, as constraints of databases do.
//! * **No rows.** A rule about rows holds when there are none; `row_count` is judged by its bounds,
//!   `freshness` is broken (nothing is fresh), `sql` is judged by what it expects.
//! * **Unknown column.** The rule is broken and says which column comes nearest; the other rules are
//!   still asked.
//! * **Not a number** breaks every `range`.
//!
//! All rules that look at one row at a time are asked in one scan. `unique`, `foreign_key`, `sql`
//! and rules that first have to convert text are asked one by one: the first because grouping can
//! spill to disk where counting distinct values cannot, the last so that a text that cannot be
//! converted breaks its own rule only.

mod ask;
mod evaluate;
mod literal;
mod rule;
#[cfg(test)]
mod tests;

pub(crate) use evaluate::evaluate;
pub(crate) use rule::{CheckResult, Expect, ForeignKey, Rule, RuleKind, Severity};
