//! All tests of this crate that are too large to sit beside the code, in one binary: linking
//! dominates.
