//! Exit codes. Most runs are started by a script, so the codes are an interface.

/// How the process ended, as the shell sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// All that was asked for was done.
    Done = 0,
    /// The work itself failed: a run failed, a check was missed, a blocker was found.
    Failed = 1,
    /// The command line or a manifest could not be used; nothing was started.
    Usage = 2,
    /// Interrupted from the keyboard or by SIGTERM.
    Interrupted = 130,
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}
