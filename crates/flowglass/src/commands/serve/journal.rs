//! The server's log on standard error: one line a note, as JSON for machines or as text for people.
//!
//! `LOG_FORMAT` and `LOG_LEVEL` choose, in any case; a word that is none of theirs stops the start and
//! names the variable.

use std::io::IsTerminal;

use flowglass_model::LogLevel;
use flowglass_server::{Journal, Note};

use crate::console;
use crate::exit::BadUsage;
use crate::words;

/// How lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Json,
    Console,
}

/// Notes as lines on standard error.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lines {
    format: Format,
    level_min: LogLevel,
}

impl Lines {
    /// As the environment says: `LOG_FORMAT` is `json` or `console` (the latter on a terminal where
    /// nothing is said), `LOG_LEVEL` is `debug`, `info`, `warn`, `warning` or `error`.
    ///
    /// # Errors
    /// [`BadUsage`] names the variable.
    pub(super) fn of_environment() -> Result<Self, BadUsage> {
        let said = |name| std::env::var(name).ok().filter(|it: &String| !it.is_empty());
        Self::of(said("LOG_FORMAT").as_deref(), said("LOG_LEVEL").as_deref())
    }

    fn of(format: Option<&str>, level: Option<&str>) -> Result<Self, BadUsage> {
        let format = match format.map(str::to_ascii_lowercase).as_deref() {
            Some("json") => Format::Json,
            Some("console" | "text") => Format::Console,
            None if std::io::stderr().is_terminal() => Format::Console,
            None => Format::Json,
            Some(_) => return Err(bad("LOG_FORMAT", "`json` or `console`")),
        };
        let level_min = match level.map(str::to_ascii_lowercase).as_deref() {
            Some("debug") => LogLevel::Debug,
            None | Some("info") => LogLevel::Info,
            Some("warn" | "warning") => LogLevel::Warn,
            Some("error") => LogLevel::Error,
            Some(_) => return Err(bad("LOG_LEVEL", "`debug`, `info`, `warn` or `error`")),
        };
        Ok(Self { format, level_min })
    }
}

fn bad(name: &str, words: &str) -> BadUsage {
    BadUsage(format!("the variable {name} cannot be used: it is {words}"))
}

impl Journal for Lines {
    fn note(&self, note: Note) {
        if note.level < self.level_min {
            return;
        }
        match self.format {
            Format::Json => console::say(&note.to_line()),
            Format::Console => console::say(&line(&note)),
        }
    }
}

fn line(note: &Note) -> String {
    let level = match note.level {
        LogLevel::Debug => "debug",
        LogLevel::Info => "info ",
        LogLevel::Warn => "warn ",
        LogLevel::Error => "error",
    };
    let mut text = format!("{} {level} {}", note.time.strftime("%H:%M:%S%.3f"), note.event);
    for (name, value) in &note.fields {
        let value = value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned);
        text.push_str(&format!(" {name}={}", words::printable(&value)));
    }
    if let Some(id) = &note.request_id {
        text.push_str(&format!(" request_id={id}"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_taken_in_any_case_and_a_bad_one_names_its_variable() {
        for word in ["debug", "INFO", "Warn", "warning", "ERROR"] {
            assert!(Lines::of(Some("JSON"), Some(word)).is_ok(), "{word}");
        }
        let error = Lines::of(None, Some("loud")).unwrap_err();
        assert!(error.to_string().contains("LOG_LEVEL"));
        let error = Lines::of(Some("xml"), None).unwrap_err();
        assert!(error.to_string().contains("LOG_FORMAT"));
    }
}
