//! End-to-end benchmarks as ratios to a limit measured in the same run.

fn main() {}
