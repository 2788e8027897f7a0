//! The only place that writes to the terminal: stdout is data, stderr is talk.
//!
//! A reader that closes the pipe early (`flowglass … | head`) is no error: writing stops quietly.

use std::io::{ErrorKind, IsTerminal, Write};

use crate::exit::Exit;

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

/// Writes bytes of a command to one of its streams, as they are.
///
/// # Errors
/// Any failure to write but a closed pipe.
pub(crate) fn pass(to_stderr: bool, bytes: &[u8]) -> std::io::Result<()> {
    let written = if to_stderr {
        std::io::stderr().lock().write_all(bytes)
    } else {
        let mut stdout = std::io::stdout().lock();
        stdout.write_all(bytes).and_then(|()| stdout.flush())
    };
    match written {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

/// Ends the process at once.
#[expect(clippy::exit, reason = "a second Ctrl-C must not wait for anything")]
pub(crate) fn leave(exit: Exit) -> ! {
    std::process::exit(i32::from(exit as u8))
}

/// Whether colour is wanted at all: `NO_COLOR` (<https://no-color.org>) is not set.
pub(crate) fn colour_wanted() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|it| it.is_empty())
}

/// Whether standard output takes colour.
pub(crate) fn stdout_colour() -> bool {
    std::io::stdout().is_terminal() && colour_wanted()
}

/// Whether a live view can be drawn: on a terminal that can move its cursor, and not with
/// `NO_COLOR`, which stands for plain output.
pub(crate) fn is_live() -> bool {
    let dumb = std::env::var_os("TERM").is_none_or(|it| it == "dumb");
    std::io::stderr().is_terminal() && colour_wanted() && !dumb
}

/// Columns and lines of the terminal.
pub(crate) fn terminal_size() -> (usize, usize) {
    let (height, width) = ::console::Term::stderr().size();
    (usize::from(width), usize::from(height))
}

/// The line, cut to a width on the screen; escape sequences take none.
pub(crate) fn cut(line: &str, width: usize) -> String {
    ::console::truncate_str(line, width, "…").into_owned()
}
