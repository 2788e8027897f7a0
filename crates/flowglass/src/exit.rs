//! Exit codes. Most runs are started by a script, so the codes are an interface.

/// How the process ended, as the shell sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    /// All that was asked for was done.
    Done = 0,
    /// The work itself failed: a run failed, a check was missed, a blocker was found.
    Failed = 1,
    /// The command line or a manifest could not be used; nothing was started.
    Usage = 2,
    /// Interrupted from the keyboard or by SIGTERM.
    Interrupted = 130,
}

impl Exit {
    /// Every code with its meaning, for the reference page.
    pub(crate) const ALL: [(Self, &'static str); 4] = [
        (Self::Done, "All that was asked for was done."),
        (
            Self::Failed,
            "The work failed: a run failed, an objective was missed, a blocker was found.",
        ),
        (Self::Usage, "The command line or a manifest could not be used. Nothing was started."),
        (
            Self::Interrupted,
            "Interrupted from the keyboard or by SIGTERM. The run says `cancelled`.",
        ),
    ];
}

/// What was asked for cannot be used: says so and ends with [`Exit::Usage`], not with
/// [`Exit::Failed`] as other errors do.
#[derive(Debug)]
pub(crate) struct BadUsage(pub(crate) String);

impl std::fmt::Display for BadUsage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for BadUsage {}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}
