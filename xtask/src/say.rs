//! The only place that prints. Standard output is data that a program may read; standard error is
//! talk.

/// A piece of data, with its own line ends.
#[expect(clippy::print_stdout, reason = "this is the one function that writes data")]
pub(crate) fn print(text: &str) {
    print!("{text}");
}

/// A line for people.
#[expect(clippy::print_stderr, reason = "this is the one function that talks")]
pub(crate) fn talk(text: &str) {
    eprintln!("{}", text.trim_end());
}
