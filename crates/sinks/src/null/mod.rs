//! Takes encoded messages and forgets them: what is left of a stream's cost when the sink costs
//! nothing. For benchmarks and for trying out a source.

mod sink;

pub use sink::{Config, Connector};
