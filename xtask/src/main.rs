//! `cargo xtask …`: the one door to everything that is done to this repository.
//!
//! The checks of continuous integration are these commands and no others, so that what fails there
//! fails on a laptop in the same words. This program links no crate of the product: it must run
//! before they compile.

use std::process::ExitCode;

use anyhow::Result;

mod args;
mod bench;
mod deps;
mod generate;
mod layers;
mod licences;
mod metadata;
mod repo;
mod rust_source;
mod say;
mod shell;
mod test;
mod tidy;
mod totals;
mod web;

use args::Args;

const HELP: &str = "\
cargo xtask COMMAND

  deps [--check] [--bench]      install what tests (and benchmarks) need: Debian packages, PyPI into target/venv
  web                           build the dashboard from web/src into web/dist
  test [--fast] [--only STEP]   every check and every test; --fast leaves out what is slow to compile
  layers [--graph]              hold the crates to the architecture; --graph prints the arrows for Mermaid
  tidy                          hold the files to the style
  deny                          licences and duplicate versions of what we depend on, by deny.toml
  generate [--check]            write (or compare) schemas and reference pages printed by the binary
  bench [NAME]                  end-to-end benchmarks against the limits they are held to
  crash [--long]                kill the binary at random instants and compare what is left
  fuzz TARGET [--for 120s]      feed one parser with mutated input
";

fn main() -> ExitCode {
    match run(Args::from_command_line()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            say::talk(&format!("error: {error:#}"));
            ExitCode::from(2)
        }
    }
}

/// True when all is well, false when a check found something, an error when a check could not be
/// made.
fn run(mut args: Args) -> Result<bool> {
    match args.word().as_deref() {
        Some("deps") => deps::command(args),
        Some("test") => test::command(args),
        Some("layers") => layers::command(args),
        Some("tidy") => tidy::command(args),
        Some("deny") => licences::command(args),
        Some("generate") => generate::command(args),
        Some("web") => web::command(args),
        Some("bench") => bench::command(args),
        Some("crash") => bench::crash(args),
        Some("fuzz") => bench::fuzz(args),
        Some("help" | "--help" | "-h") => {
            say::print(HELP);
            Ok(true)
        }
        other => {
            say::talk(HELP);
            anyhow::bail!(other.map_or_else(
                || "which command?".to_owned(),
                |word| format!("there is no command `{word}`")
            ))
        }
    }
}
