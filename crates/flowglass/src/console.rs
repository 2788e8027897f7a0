//! The only place that writes to the terminal: stdout is data, stderr is talk.
//!
//! A reader that closes the pipe early (`flowglass … | head`) is no error: writing stops quietly.

use std::io::{ErrorKind, Write};

/// Writes `text` to stdout as it is. A closed pipe is ignored.
///
/// # Errors
/// Any other failure to write, such as a full disk behind a redirection.
pub fn out(text: &str) -> anyhow::Result<()> {
    quiet_on_closed_pipe(std::io::stdout().lock(), text)
}

/// Writes `text` and a newline to stderr. Failures are ignored: there is nobody left to tell.
pub fn say(text: &str) {
    drop(quiet_on_closed_pipe(std::io::stderr().lock(), &format!("{text}\n")));
}

fn quiet_on_closed_pipe(mut to: impl Write, text: &str) -> anyhow::Result<()> {
    match to.write_all(text.as_bytes()).and_then(|()| to.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        other => Ok(other?),
    }
}
