//! The doorframes that sources, sinks, stores and clocks implement.
