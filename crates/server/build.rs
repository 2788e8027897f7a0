//! Embeds the dashboard: every file under `web/dist`, which is checked in beside its sources. Without
//! that folder the server is whole all the same and says where its API is.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = Path::new(&std::env::var("CARGO_MANIFEST_DIR")?).join("../../web/dist");
    println!("cargo::rerun-if-changed={}", folder.display());
    let mut files = Vec::new();
    walk(&folder, &mut files)?;
    files.sort();
    // Copied first: a dashboard that is built anew meanwhile must not pull its files away.
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    let mut table = "pub(super) static FILES: &[(&str, &[u8])] = &[\n".to_owned();
    for (number, file) in files.iter().enumerate() {
        let name = file.strip_prefix(&folder)?.to_string_lossy().replace('\\', "/");
        println!("cargo::rerun-if-changed={}", file.display());
        let copy = format!("dashboard-{number}");
        std::fs::copy(file, out.join(&copy))?;
        writeln!(table, "    ({name:?}, include_bytes!({copy:?})),")?;
    }
    table.push_str("];\n");
    std::fs::write(out.join("dashboard.rs"), table)?;
    Ok(())
}

fn walk(folder: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Ok(()) };
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() {
            walk(&path, files)?;
        } else {
            files.push(path);
        }
    }
    Ok(())
}
