//! `index` and `verify`: folders of evidence.

use flowglass_telemetry::evidence::{FolderIndex, index_folder, verify_folder};

use super::args::{Format, IndexArgs, VerifyArgs};
use super::export::{say_problems, verdict};
use crate::console;
use crate::exit::Exit;

/// What `index --format json` prints: one entry a folder.
#[derive(serde::Serialize)]
struct Indexed {
    passed: bool,
    indexes: Vec<FolderIndex>,
}

pub(super) fn index(args: &IndexArgs) -> anyhow::Result<Exit> {
    let time = args.time.unwrap_or_else(jiff::Timestamp::now);
    let indexes: Vec<FolderIndex> = args
        .folders
        .iter()
        .map(|folder| index_folder(folder, args.release.as_deref(), time, args.strict))
        .collect();
    let passed = indexes.iter().all(|index| index.passed);
    match args.format {
        Format::Md => {
            for index in &indexes {
                console::out(&index.to_markdown())?;
            }
        }
        Format::Json => {
            for index in &indexes {
                say_problems(&index.problems);
            }
            let all = Indexed { passed, indexes };
            console::out(&format!("{}\n", serde_json::to_string_pretty(&all)?))?;
        }
    }
    Ok(verdict(passed))
}

pub(super) fn verify(args: &VerifyArgs) -> anyhow::Result<Exit> {
    let verified = verify_folder(&args.folder, args.digest.as_deref());
    match args.format {
        Format::Md => console::out(&verified.to_markdown())?,
        Format::Json => {
            say_problems(&verified.problems);
            console::out(&verified.to_json())?;
        }
    }
    Ok(verdict(verified.passed))
}
