//! `cargo xtask generate`: files that the binary prints of itself, written here or compared with
//! what is here.
//!
//! A schema or a reference page that a person keeps by hand drifts from the code within weeks. The
//! binary is asked and not linked, so that this program stays free of the product, and what is
//! written is what a user would get.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::args::Args;
use crate::{repo, say, shell};

/// One printed file: what the binary is asked, and where its answer is kept.
struct Printed {
    args: &'static [&'static str],
    path: &'static str,
}

/// Everything that is printed. A new entry is one line here; `generate` then writes the file.
const PRINTED: &[Printed] = &[
    Printed { args: &["schema", "manifest"], path: "schemas/manifest.v1.json" },
    Printed { args: &["schema", "event"], path: "schemas/event.v1.json" },
    Printed { args: &["schema", "snapshot"], path: "schemas/snapshot.v1.json" },
    Printed { args: &["schema", "run-report"], path: "schemas/run-report.v1.json" },
    Printed { args: &["schema", "openapi"], path: "schemas/openapi.v1.json" },
    Printed { args: &["generate", "docs", "cli"], path: "docs/src/reference/cli.md" },
    Printed { args: &["generate", "docs", "manifest"], path: "docs/src/reference/manifest.md" },
    Printed { args: &["generate", "docs", "metrics"], path: "docs/src/reference/metrics.md" },
    Printed { args: &["generate", "docs", "exit-codes"], path: "docs/src/reference/exit-codes.md" },
    Printed { args: &["generate", "docs", "errors"], path: "docs/src/reference/errors.md" },
];

/// `generate [--check]`.
pub(crate) fn command(mut args: Args) -> Result<bool> {
    let only_check = args.flag("--check");
    args.finish()?;
    if !shell::show(&mut shell::cargo(&["build", "--quiet", "--package", "flowglass"]))? {
        bail!("the binary does not compile, so it cannot be asked");
    }
    let fine = if only_check { check(&built_binary())? } else { write(&built_binary())? };
    if fine {
        say::talk(&format!("generate: {} files are up to date", PRINTED.len()));
    }
    Ok(fine)
}

/// The binary of the last build.
pub(crate) fn built_binary() -> PathBuf {
    repo::target().join("debug/flowglass")
}

/// Compares; true when nothing differs.
pub(crate) fn check(binary: &Path) -> Result<bool> {
    let mut fine = true;
    for printed in PRINTED {
        let now = ask(binary, printed)?;
        let before = std::fs::read_to_string(repo::root().join(printed.path)).unwrap_or_default();
        if now != before {
            fine = false;
            let line = first_difference(&before, &now);
            say::talk(&format!(
                "generate: {}:{line} is not what the code says; run `cargo xtask generate`",
                printed.path
            ));
        }
    }
    Ok(fine)
}

fn write(binary: &Path) -> Result<bool> {
    for printed in PRINTED {
        let text = ask(binary, printed)?;
        let path = repo::root().join(printed.path);
        if std::fs::read_to_string(&path).is_ok_and(|before| before == text) {
            continue;
        }
        let folder = path.parent().context("a printed file lies in a folder")?;
        std::fs::create_dir_all(folder)?;
        let aside = path.with_extension("new");
        std::fs::write(&aside, text).with_context(|| format!("cannot write {}", printed.path))?;
        std::fs::rename(&aside, &path).with_context(|| format!("cannot write {}", printed.path))?;
        say::talk(&format!("generate: wrote {}", printed.path));
    }
    Ok(true)
}

fn ask(binary: &Path, printed: &Printed) -> Result<String> {
    let mut command = shell::quiet(binary);
    // What is printed must not depend on whose terminal it is printed in.
    command
        .args(printed.args)
        .env("NO_COLOR", "1")
        .env("COLUMNS", "100")
        .env_remove("FLOWGLASS_LOG");
    let text =
        shell::output(&mut command).with_context(|| format!("cannot print {}", printed.path))?;
    if text.trim().is_empty() {
        bail!("`flowglass {}` printed nothing for {}", printed.args.join(" "), printed.path);
    }
    Ok(text.trim_end().to_owned() + "\n")
}

fn first_difference(before: &str, now: &str) -> usize {
    let same = before.lines().zip(now.lines()).take_while(|(one, other)| one == other).count();
    same + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_that_differs_is_named() {
        assert_eq!(first_difference("a\nb\nc\n", "a\nx\nc\n"), 2);
        assert_eq!(first_difference("a\n", "a\nb\n"), 2);
        assert_eq!(first_difference("", "a\n"), 1);
    }

    #[test]
    fn no_file_is_printed_twice() {
        let mut paths: Vec<&str> = PRINTED.iter().map(|it| it.path).collect();
        paths.sort_unstable();
        paths.dedup();
        assert_eq!(paths.len(), PRINTED.len());
    }
}
