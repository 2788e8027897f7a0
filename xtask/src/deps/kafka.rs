//! Apache Kafka for tests: its published jars, copied from Maven Central.
//!
//! They go to the repository's own target folder, whatever folder Cargo builds in, so that they are
//! fetched once. Which jars is written in the test kit's `pom.xml`; the copy of that file beside
//! them is the receipt, written last, so that a broken download is not taken for a whole one.

use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::{repo, say, shell};

const WANTED: &str = include_str!("../../../crates/testkit/kafka/pom.xml");

fn folder() -> PathBuf {
    repo::root().join("target/kafka")
}

/// Whether the jars that are wanted now are there.
pub(super) fn is_there() -> bool {
    std::fs::read_to_string(folder().join("pom.xml")).is_ok_and(|receipt| receipt == WANTED)
}

/// Fetches the jars if they are not there.
pub(super) fn provide() -> Result<()> {
    if is_there() {
        return Ok(());
    }
    let aside = repo::root().join("target/kafka.new");
    say::talk(&format!("deps: Apache Kafka from Maven Central into {}", folder().display()));
    for old in [&aside, &folder()] {
        if old.exists() {
            std::fs::remove_dir_all(old).with_context(|| format!("removing {}", old.display()))?;
        }
    }
    let mut maven = shell::quiet("mvn");
    maven.args(["-B", "-q", "-f", "crates/testkit/kafka/pom.xml", "dependency:copy-dependencies"]);
    maven.arg(format!("-DoutputDirectory={}", aside.display()));
    super::must(&mut maven)?;
    std::fs::write(aside.join("pom.xml"), WANTED).context("noting what was fetched")?;
    std::fs::rename(&aside, folder()).context("putting Kafka's jars in place")
}
