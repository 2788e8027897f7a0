//! The only place that prints: tables to standard output, talk to standard error.

/// A piece of the result, with its own line ends.
#[expect(clippy::print_stdout, reason = "this is the one function that writes results")]
pub(crate) fn print(text: &str) {
    print!("{text}");
}

/// A line for whoever waits.
#[expect(clippy::print_stderr, reason = "this is the one function that talks")]
pub(crate) fn talk(text: &str) {
    eprintln!("{}", text.trim_end());
}
