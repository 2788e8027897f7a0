//! Text of decimals, dates and times that keeps every digit, and the way back.
//!
//! Arrow's own casts round and wrap on purpose in places; a copy must refuse instead.

mod calendar;
mod decimal;

pub use calendar::{
    Civil, Moment, civil_of, days_of, parse_date, parse_moment, parse_time, write_date,
    write_fraction, write_time_of_day,
};
pub use decimal::{
    Decimal, NotExact, digits_of_i256, parse_scaled, parse_scaled_wide, write_scaled,
};
