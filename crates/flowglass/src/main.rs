//! The flowglass binary, where everything meets.

fn main() {}
