//! Automation: dependencies, tests, layers, tidiness, generated files.

fn main() {}
