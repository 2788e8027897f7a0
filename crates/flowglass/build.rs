//! Tells the binary which revision it is built from: `FLOWGLASS_REVISION` where it is set (a source
//! tree without its history), else what git says. A debug build does not ask, so that a commit does
//! not make it stale.

use std::env;
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-env-changed=FLOWGLASS_REVISION");
    let release = env::var("PROFILE").is_ok_and(|it| it == "release");
    let told = env::var("FLOWGLASS_REVISION").ok().filter(|it| !it.is_empty());
    let asked = || release.then(head).flatten();
    let revision = told.or_else(asked).unwrap_or_else(|| "unknown".to_owned());
    println!("cargo::rustc-env=FLOWGLASS_REVISION={revision}");
}

/// The commit that is checked out, with `-dirty` behind it when files differ from it.
fn head() -> Option<String> {
    // Where the history keeps what it has checked out: another folder in a linked working tree.
    println!("cargo::rerun-if-changed={}/logs/HEAD", git(&["rev-parse", "--absolute-git-dir"])?);
    git(&["describe", "--always", "--dirty", "--exclude", "*", "--abbrev=12"])
}

fn git(args: &[&str]) -> Option<String> {
    let said = Command::new("git").args(args).output().ok().filter(|it| it.status.success())?;
    let text = String::from_utf8(said.stdout).ok()?;
    Some(text.trim().to_owned()).filter(|it| !it.is_empty())
}
