//! What stands behind the `?` of a request, read with one voice: a value that cannot be read is said
//! by name.

use std::str::FromStr;

use axum::extract::{FromRequestParts, Query};
use axum::http::request::Parts;
use flowglass_model::{RunId, State};
use jiff::Timestamp;

use crate::problem::Problem;

/// Items of a page that nobody asked to be longer or shorter.
const LIMIT: usize = 100;
/// The longest page.
const LIMIT_MAX: usize = 1_000;

/// The names and values behind the `?`.
#[derive(Debug, Default)]
pub(crate) struct Ask(Vec<(String, String)>);

impl<S: Send + Sync> FromRequestParts<S> for Ask {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        let read = Query::<Vec<(String, String)>>::try_from_uri(&parts.uri);
        let Query(pairs) =
            read.map_err(|_bad| Problem::bad_request("the query of the address cannot be read"))?;
        Ok(Self(pairs))
    }
}

impl Ask {
    /// The last value under a name; an empty one counts as none.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().rev().find(|(it, _)| it == name);
        found.map(|it| it.1.as_str()).filter(|it| !it.is_empty())
    }

    /// Every value under a name; commas part values too.
    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let given = self.0.iter().filter(move |(it, _)| it == name);
        given.flat_map(|it| it.1.split(',')).map(str::trim).filter(|it| !it.is_empty())
    }

    /// A value of a type that reads itself.
    pub(crate) fn read<T: FromStr>(&self, name: &str) -> Result<Option<T>, Problem> {
        let Some(text) = self.text(name) else { return Ok(None) };
        let bad = |_unread| Problem::out_of_range(format!("`{name}` cannot be read"));
        text.parse().map(Some).map_err(bad)
    }

    /// `true` or `false`.
    pub(crate) fn flag(&self, name: &str) -> Result<bool, Problem> {
        Ok(self.read::<bool>(name)?.unwrap_or(false))
    }

    /// How many items a page may have, from 1.
    pub(crate) fn limit(&self) -> Result<usize, Problem> {
        let limit = self.read::<usize>("limit")?.unwrap_or(LIMIT);
        if limit == 0 {
            return Err(Problem::out_of_range("`limit` is at least 1"));
        }
        Ok(limit.min(LIMIT_MAX))
    }

    /// A moment in RFC 3339.
    pub(crate) fn time(&self, name: &str) -> Result<Option<Timestamp>, Problem> {
        let read = self.read::<Timestamp>(name);
        read.map_err(|it| it.hint("write an RFC 3339 moment such as `2026-11-21T00:00:00Z`"))
    }

    /// States of runs.
    pub(crate) fn states(&self) -> Result<Vec<State>, Problem> {
        let one = |word: &str| {
            let found = State::ALL.into_iter().find(|it| it.name() == word);
            let names = State::ALL.map(State::name).join("`, `");
            found.ok_or_else(|| Problem::out_of_range(format!("a state is one of `{names}`")))
        };
        self.all("state").map(one).collect()
    }
}

/// The run of a path.
pub(crate) fn run_id(text: &str) -> Result<RunId, Problem> {
    text.parse().map_err(|_bad| Problem::not_found("there is no run of this id"))
}
