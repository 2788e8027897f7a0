//! `command` nodes.

use std::time::Duration;

use crate::complaint::Code;
use crate::doc::Doc;
use crate::draft::CommandDraft;
use crate::path::Path;
use crate::plan::{Command, CommandLine, Program};
use crate::secret::GuardedText;

use super::builder::duration;
use super::spec;

/// The time between TERM and KILL when the manifest says nothing.
const STOP_GRACE: Duration = Duration::from_secs(10);

/// Checks a command.
pub(super) fn build(doc: &mut Doc<'_>, draft: &CommandDraft, path: &Path) -> Option<Command> {
    let bare = |line| Command {
        line,
        env: std::collections::BTreeMap::new(),
        cwd: None,
        success_codes: [0].into(),
        warning_codes: [].into(),
        stop_grace: STOP_GRACE,
    };
    let full = match draft {
        CommandDraft::Argv(words) => return argv(doc, words.len(), path).map(bare),
        CommandDraft::Full(full) => full,
    };
    let line = match (&full.argv, &full.shell) {
        (Some(words), _) => argv(doc, words.len(), &path.key("argv")),
        (None, Some(script)) if script.trim().is_empty() => empty(doc, &path.key("shell")),
        (None, _) => Some(CommandLine::Shell(doc.guarded(&path.key("shell")))),
    };
    let env = spec::environment(doc, &path.key("env"));
    let cwd = full.cwd.as_ref().map(|_| doc.guarded(&path.key("cwd")));
    let codes = full.exit_codes.as_ref();
    let success = codes.and_then(|it| it.success.clone()).unwrap_or_else(|| vec![0]);
    let warning = codes.map(|it| it.warning.clone()).unwrap_or_default();
    if let Some(both) = success.iter().find(|code| warning.contains(code)) {
        let said = format!("the exit code {both} is both success and warning");
        doc.error(Code::ConflictingKeys, &path.key("exit_codes"), said).advise("name it once");
    }
    let grace = duration(doc, full.stop_grace.as_ref(), &path.key("stop_grace"));
    Some(Command {
        env,
        cwd,
        success_codes: success.into_iter().collect(),
        warning_codes: warning.into_iter().collect(),
        stop_grace: grace.unwrap_or(STOP_GRACE),
        ..bare(line?)
    })
}

fn argv(doc: &mut Doc<'_>, count: usize, path: &Path) -> Option<CommandLine> {
    let mut words = (0..count).map(|index| doc.guarded(&path.index(index)));
    match words.next() {
        Some(program) if !program.expose().trim().is_empty() => {
            let args: Vec<GuardedText> = words.collect();
            Some(CommandLine::Argv(Program { program, args }))
        }
        _ => empty(doc, path),
    }
}

fn empty<T>(doc: &mut Doc<'_>, path: &Path) -> Option<T> {
    doc.error(Code::EmptyCommand, path, "there is nothing to run")
        .advise("name a program: `command: [\"python3\", \"notify.py\"]`");
    None
}
