//! Manifest files from the command line to plans: reads files and the environment, and says what
//! is wrong with them.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use clap::Args;
use flowglass_connect::Registry;
use flowglass_manifest::{
    Complaint, Loaded, Lookup, ManifestFile, Options, Severity, Style, Vocabulary, load,
    processor_schemas, to_text,
};

use crate::console;
use crate::exit::BadUsage;

/// The largest manifest that is read.
const MANIFEST_BYTES_MAX: u64 = 16 << 20;

/// Files and parameters, as several commands take them.
#[derive(Debug, Clone, Args)]
pub(crate) struct ManifestArgs {
    /// Manifest files (YAML).
    #[arg(value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// Gives a parameter a value; may be repeated.
    #[arg(long = "param", value_name = "NAME=VALUE", value_parser = parse_param)]
    pub(crate) params: Vec<(String, String)>,
}

/// Reads `NAME=VALUE`.
pub(crate) fn parse_param(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("write it as NAME=VALUE")?;
    Ok((name.trim().to_owned(), value.to_owned()))
}

/// The environment and the disk of this process.
struct Surrounding;

impl Lookup for Surrounding {
    fn variable(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }

    fn file(&self, path: &Path) -> Result<String, String> {
        std::fs::read_to_string(path).map_err(|error| error.kind().to_string())
    }
}

/// What manifests may say in this build.
pub(crate) fn vocabulary(registry: &Registry) -> Vocabulary {
    let mut processors = processor_schemas();
    let known = registry.processor_kinds();
    processors.retain(|kind, _| known.contains(&kind.as_str()));
    Vocabulary::new(registry.source_schemas(), registry.target_schemas())
        .with_streams(registry.stream_source_schemas(), registry.stream_sink_schemas())
        .with_processors(processors)
}

/// Reads and checks the files. `missing` says how grave an unset variable is.
///
/// # Errors
/// [`BadUsage`]: a file that cannot be read, by name.
pub(crate) fn check(
    args: &ManifestArgs,
    registry: &Registry,
    missing: Severity,
) -> anyhow::Result<Loaded> {
    if args.files.is_empty() {
        return Err(BadUsage("no manifest is named: give at least one FILE".to_owned()).into());
    }
    let files = args.files.iter().map(|it| read(it)).collect::<Result<Vec<_>, _>>();
    let files = files.map_err(BadUsage)?;
    let params: BTreeMap<String, String> = args.params.iter().cloned().collect();
    let vocabulary = vocabulary(registry);
    let options =
        Options { vocabulary: &vocabulary, lookup: &Surrounding, params: &params, missing };
    Ok(load(&files, &options))
}

/// Says complaints to people.
pub(crate) fn complain(complaints: &[Complaint]) {
    if complaints.is_empty() {
        return;
    }
    let colour = std::io::stderr().is_terminal() && console::colour_wanted();
    let style = if colour { Style::Colour } else { Style::Plain };
    console::say(to_text(complaints, style).trim_end());
}

fn read(path: &Path) -> Result<ManifestFile, String> {
    let failed = |error: std::io::Error| format!("reading {}: {error}", path.display());
    let length = std::fs::metadata(path).map_err(failed)?.len();
    if length > MANIFEST_BYTES_MAX {
        let name = path.display();
        return Err(format!(
            "reading {name}: {length} bytes are no manifest (at most {MANIFEST_BYTES_MAX})"
        ));
    }
    let bytes = std::fs::read(path).map_err(failed)?;
    let base_dir = path.parent().filter(|it| !it.as_os_str().is_empty());
    Ok(ManifestFile {
        name: path.display().to_string(),
        bytes,
        base_dir: base_dir.unwrap_or(Path::new(".")).to_path_buf(),
    })
}
