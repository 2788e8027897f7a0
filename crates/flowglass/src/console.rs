//! The only place that writes to the terminal: stdout is data, stderr is talk.
//!
//! A reader that closes the pipe early (`flowglass … | head`) is no error: writing stops quietly.

use std::io::{ErrorKind, Write};

/// Writes `text` to stdout as it is. A closed pipe is ignored.
///
/// # Errors
/// Any other failure to write, such as a full disk behind a redirection.
pub(crate) fn out(text: &str) -> anyhow::Result<()> {
    quiet_on_closed_pipe(std::io::stdout().lock(), text)
}

/// Writes `text` to stdout and says whether anybody still reads: `false` after a closed pipe, so that
/// whoever has more to say can stop.
///
/// # Errors
/// As [`out`].
pub(crate) fn offer(text: &str) -> anyhow::Result<bool> {
    let mut stdout = std::io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(error.into()),
        Ok(()) => Ok(true),
    }
}

/// Writes `text` and a newline to stderr. Failures are ignored: there is nobody left to tell.
pub(crate) fn say(text: &str) {
    drop(quiet_on_closed_pipe(std::io::stderr().lock(), &format!("{text}\n")));
}

fn quiet_on_closed_pipe(mut to: impl Write, text: &str) -> anyhow::Result<()> {
    match to.write_all(text.as_bytes()).and_then(|()| to.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        other => Ok(other?),
    }
}
