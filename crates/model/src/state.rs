//! The six states, their closed reasons, and the one function that says which move is legal.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where a run, pipeline, node, stage or attempt stands.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Accepted and free to run; no worker yet.
    Queued,
    /// Blocked.
    Waiting,
    /// An attempt is executing.
    Running,
    /// Finished, its outputs committed.
    Complete,
    /// Finished without success.
    Failed,
    /// Never ran, by rule.
    Skipped,
}

impl State {
    /// All six, in the order in which tables show them.
    pub const ALL: [Self; 6] =
        [Self::Queued, Self::Waiting, Self::Running, Self::Complete, Self::Failed, Self::Skipped];

    /// The word on the wire and in labels.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Waiting => "waiting",
            Self::Running => "running",
            Self::Complete => "complete",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
        }
    }

    /// Whether nothing can follow. A re-run is a new run with `parent_run_id`.
    #[must_use]
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Complete | Self::Failed | Self::Skipped)
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

macro_rules! reasons {
    ($($(#[doc = $doc:literal])+ $variant:ident = $name:literal in $state:ident,)+) => {
        /// Why an entity is in its state: a closed list, each word belonging to one state.
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
        )]
        #[serde(rename_all = "snake_case")]
        pub enum Reason { $($(#[doc = $doc])+ $variant,)+ }

        impl Reason {
            /// Every reason.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The word on the wire and in labels.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// The one state that it explains.
            #[must_use]
            pub const fn state(self) -> State {
                match self { $(Self::$variant => State::$state,)+ }
            }
        }
    };
}

reasons! {
    /// A schedule or a request asked for it.
    Scheduled = "scheduled" in Queued,
    /// Waits for a free worker.
    Slot = "slot" in Queued,
    /// A worker is taking it up.
    Starting = "starting" in Queued,
    /// Waits for nodes that it needs.
    Dependency = "dependency" in Waiting,
    /// Waits for the next attempt.
    RetryBackoff = "retry_backoff" in Waiting,
    /// Waits because as many run as may run.
    Concurrency = "concurrency" in Waiting,
    /// Somebody paused it.
    Paused = "paused" in Waiting,
    /// Waits for something outside.
    External = "external" in Waiting,
    /// The work itself.
    Executing = "executing" in Running,
    /// The work is done, its outputs are being committed.
    Finalizing = "finalizing" in Running,
    /// It is being stopped.
    Cancelling = "cancelling" in Running,
    /// All as asked for.
    Ok = "ok" in Complete,
    /// Done, with something to look at.
    Warning = "warning" in Complete,
    /// Done in part, as its rules allow.
    Partial = "partial" in Complete,
    /// The work failed.
    Error = "error" in Failed,
    /// It took longer than allowed.
    Timeout = "timeout" in Failed,
    /// It was stopped on request.
    Cancelled = "cancelled" in Failed,
    /// A data check did not hold.
    Check = "check" in Failed,
    /// Its worker went away without a word.
    Lost = "lost" in Failed,
    /// What it runs on failed: disk, memory, network of our own.
    Infra = "infra" in Failed,
    /// Its condition did not hold.
    Condition = "condition" in Skipped,
    /// A guard kept it from running.
    Guard = "guard" in Skipped,
    /// Its outputs are there already.
    Cached = "cached" in Skipped,
    /// It is switched off or was not selected.
    Disabled = "disabled" in Skipped,
    /// Something that it needs did not complete.
    Upstream = "upstream" in Skipped,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A move that the model does not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IllegalMove {
    /// No such arrow between the two states.
    #[error("illegal move from {} to {to}", from.map_or("nothing", State::name))]
    Arrow {
        /// Where it stood; `None` before its first event.
        from: Option<State>,
        /// Where it was to go.
        to: State,
    },
    /// The reason explains another state.
    #[error("reason `{reason}` does not explain the state {to}")]
    Reason {
        /// The state.
        to: State,
        /// The reason given.
        reason: Reason,
    },
}

/// The one function that moves an entity. Every component that changes a state goes through it.
///
/// `queued → running, waiting, skipped, failed`; `waiting → queued, running, skipped, failed`;
/// `running → complete, failed, waiting`; nothing leaves `complete`, `failed` or `skipped`. An
/// entity enters as `queued`, `waiting`, `running` (other tools tell of a start only) or `skipped`.
/// `running → running` and `waiting → waiting` and `queued → queued` change the reason alone.
///
/// # Errors
/// [`IllegalMove`] when there is no such arrow, or the reason belongs to another state.
pub fn transition(
    from: Option<State>,
    to: State,
    reason: Reason,
) -> Result<(State, Reason), IllegalMove> {
    use State::{Complete, Failed, Queued, Running, Skipped, Waiting};
    if reason.state() != to {
        return Err(IllegalMove::Reason { to, reason });
    }
    let legal = match from {
        None => matches!(to, Queued | Waiting | Running | Skipped),
        Some(Queued | Waiting) => !matches!(to, Complete),
        Some(Running) => matches!(to, Running | Complete | Failed | Waiting),
        Some(Complete | Failed | Skipped) => false,
    };
    if legal { Ok((to, reason)) } else { Err(IllegalMove::Arrow { from, to }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_moves() {
        let mut table = String::new();
        for from in std::iter::once(None).chain(State::ALL.map(Some)) {
            let to: Vec<_> = State::ALL
                .into_iter()
                .filter(|to| {
                    let reason = Reason::ALL.iter().find(|it| it.state() == *to).unwrap();
                    transition(from, *to, *reason).is_ok()
                })
                .map(State::name)
                .collect();
            let line = format!("{} -> {}", from.map_or("-", State::name), to.join(" "));
            table += line.trim_end();
            table += "\n";
        }
        insta::assert_snapshot!(table, @r"
        - -> queued waiting running skipped
        queued -> queued waiting running failed skipped
        waiting -> queued waiting running failed skipped
        running -> waiting running complete failed
        complete ->
        failed ->
        skipped ->
        ");
    }

    #[test]
    fn a_reason_explains_one_state_only() {
        let said = transition(Some(State::Running), State::Complete, Reason::Timeout).unwrap_err();
        assert_eq!(said.to_string(), "reason `timeout` does not explain the state complete");
    }
}
