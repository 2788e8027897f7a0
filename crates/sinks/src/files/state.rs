//! Cursor and tokens as a file target keeps them: with the data, one entry per owner.

use flowglass_connect::{CursorState, Outcome, Strategy, WriteOwner};
use serde::{Deserialize, Serialize};

/// Tokens that are remembered per owner: the runs that can still be resumed.
const COMMITS_MAX: usize = 16;

/// All that a target remembers about its writers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct KeptStates {
    owners: Vec<OwnerState>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct OwnerState {
    owner: WriteOwner,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cursor: Option<CursorState>,
    commits: Vec<Commit>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Commit {
    token: String,
    outcome: Outcome,
}

impl KeptStates {
    /// The owner's cursor.
    pub(crate) fn cursor(&self, owner: &WriteOwner) -> Option<CursorState> {
        self.of(owner)?.cursor.clone()
    }

    /// What the work of this token came to.
    pub(crate) fn outcome(&self, owner: &WriteOwner, token: &str) -> Option<Outcome> {
        let commit = self.of(owner)?.commits.iter().find(|commit| commit.token == token)?;
        Some(commit.outcome.clone())
    }

    /// Adds a commit. A full refresh without cursor forgets the old one; every other strategy
    /// keeps it.
    pub(crate) fn record(
        &mut self,
        owner: &WriteOwner,
        commit: (&str, &Outcome),
        cursor: Option<CursorState>,
        strategy: Strategy,
    ) {
        let at = self.owners.iter().position(|it| it.owner == *owner).unwrap_or_else(|| {
            self.owners.push(OwnerState {
                owner: owner.clone(),
                cursor: None,
                commits: Vec::new(),
            });
            self.owners.len() - 1
        });
        let Some(state) = self.owners.get_mut(at) else { return };
        if cursor.is_some() || strategy == Strategy::FullRefresh {
            state.cursor = cursor;
        }
        let (token, outcome) = commit;
        state.commits.retain(|it| it.token != token);
        state.commits.push(Commit { token: token.to_owned(), outcome: outcome.clone() });
        let surplus = state.commits.len().saturating_sub(COMMITS_MAX);
        state.commits.drain(..surplus);
    }

    fn of(&self, owner: &WriteOwner) -> Option<&OwnerState> {
        self.owners.iter().find(|it| it.owner == *owner)
    }
}
