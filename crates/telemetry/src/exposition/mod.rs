//! The page that Prometheus scrapes: text 0.0.4 and OpenMetrics 1.0, from one pass over the
//! registry.
//!
//! [`negotiate()`] chooses the format for an `Accept` header, [`render`] writes the page. The writer
//! is our own because the page is most of what a scrape costs: labels are written once per series
//! and kept with it, and everything else is copying (the figures are in the decision record on the
//! registry).

mod format;
mod negotiate;
mod number;
mod page;

pub use format::Format;
pub use negotiate::negotiate;
pub use page::render;
