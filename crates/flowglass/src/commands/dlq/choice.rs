//! Which letters a person means.

use std::str::FromStr;

use clap::Args;
use flowglass_connect::stream::{LetterFilter, LetterState};
use flowglass_connect::{Clock, SystemClock};
use flowglass_model::ErrorClass;

use crate::exit::BadUsage;
use crate::words;

/// Filters of letters: those that fit all of them.
#[derive(Debug, Clone, Args)]
pub(super) struct Choice {
    /// Only this letter: its number in the list, or the change's id such as `0/16B3748/12`; may be
    /// repeated.
    #[arg(long = "id", value_name = "NUMBER|ID")]
    ids: Vec<String>,
    /// Only letters of this sink.
    #[arg(long, value_name = "ID")]
    sink: Option<String>,
    /// Only letters of this table, as `schema.table`.
    #[arg(long, value_name = "TABLE")]
    table: Option<String>,
    /// Only letters of this error class.
    #[arg(long, value_name = "CLASS", value_parser = parse_class)]
    class: Option<ErrorClass>,
    /// Only letters set aside since: `24h`, `7d`, `2026-11-21` or an RFC 3339 instant.
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Only letters set aside before: `7d` means older than seven days.
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
}

/// A state, or each of them.
#[derive(Debug, Clone, Copy)]
pub(super) struct StateChoice(Option<LetterState>);

impl StateChoice {
    /// As a filter takes it.
    pub(super) fn states(self) -> Vec<LetterState> {
        self.0.into_iter().collect()
    }
}

impl FromStr for StateChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "all" {
            return Ok(Self(None));
        }
        let names = LetterState::ALL.map(LetterState::name).join(", ");
        let state = LetterState::from_name(text);
        let said = || format!("a letter is one of {names}; `all` means each of them");
        state.map(|it| Self(Some(it))).ok_or_else(said)
    }
}

fn parse_class(text: &str) -> Result<ErrorClass, String> {
    let found = ErrorClass::ALL.iter().copied().find(|it| it.name() == text);
    found.ok_or_else(|| {
        let names: Vec<&str> = ErrorClass::ALL.iter().map(|it| it.name()).collect();
        format!("a class is one of {}", names.join(", "))
    })
}

impl Choice {
    /// The filter, with these states.
    ///
    /// # Errors
    /// [`BadUsage`] for a time that is none.
    pub(super) fn filter(&self, states: Vec<LetterState>) -> anyhow::Result<LetterFilter> {
        let now = SystemClock::new().now();
        let time = |given: &Option<String>| {
            let read = given.as_deref().map(|it| words::parse_since(it, now)).transpose();
            read.map_err(BadUsage)
        };
        let number = |it: &String| it.trim_start_matches('#').parse::<u64>().ok();
        let (numbers, ids): (Vec<_>, Vec<_>) = self.ids.iter().partition(|it| number(it).is_some());
        if !numbers.is_empty() && !ids.is_empty() {
            let said = "give either numbers or ids of changes with `--id`, not both";
            return Err(BadUsage(said.to_owned()).into());
        }
        Ok(LetterFilter {
            numbers: numbers.into_iter().filter_map(number).collect(),
            ids: ids.into_iter().cloned().collect(),
            sink: self.sink.clone(),
            table: self.table.clone(),
            class: self.class,
            since: time(&self.since)?,
            until: time(&self.until)?,
            states,
        })
    }

    /// Whether it leaves anything out.
    pub(super) fn says_something(&self) -> bool {
        let Self { ids, sink, table, class, since, until } = self;
        !ids.is_empty()
            || sink.is_some()
            || table.is_some()
            || class.is_some()
            || since.is_some()
            || until.is_some()
    }
}

/// A choice for a command that changes something: nobody should mean all letters by accident.
#[derive(Debug, Clone, Args)]
pub(super) struct Deed {
    #[command(flatten)]
    pub(super) choice: Choice,
    /// Means every letter.
    #[arg(long, conflicts_with_all = ["ids", "sink", "table", "class", "since", "until"])]
    all: bool,
    /// Only say what would be done.
    #[arg(long)]
    pub(super) dry_run: bool,
}

impl Deed {
    /// Refuses to mean all letters without a word.
    ///
    /// # Errors
    /// [`BadUsage`].
    pub(super) fn refuse_silence(&self) -> anyhow::Result<()> {
        if self.all || self.choice.says_something() {
            return Ok(());
        }
        let said = "say which letters: `--id`, `--sink`, `--table`, `--class`, `--since`, `--until`, \
                    or `--all`";
        Err(BadUsage(said.to_owned()).into())
    }
}
