//! Prints what is generated from the manifest's types, for `cargo xtask generate`:
//! `print schema` or `print reference`. The connectors are left open; `flowglass schema manifest`
//! prints the schema with those of the binary.

use std::io::Write as _;

use flowglass_manifest::{Vocabulary, reference, schema};

fn main() -> std::io::Result<()> {
    let schema = schema(&Vocabulary::any());
    let text = match std::env::args().nth(1).as_deref() {
        Some("schema") => serde_json::to_string_pretty(&schema)? + "\n",
        Some("reference") => reference(&schema),
        _ => return Err(std::io::Error::other("say `schema` or `reference`")),
    };
    std::io::stdout().write_all(text.as_bytes())
}
