//! What Cargo knows of our crates and of those we depend on.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use serde::Deserialize;

use crate::shell;

/// The part of `cargo metadata` that we read.
#[derive(Debug, Deserialize)]
pub(crate) struct Metadata {
    pub(crate) packages: Vec<Package>,
    pub(crate) workspace_members: Vec<String>,
    /// Only there when the graph was asked for.
    pub(crate) resolve: Option<Resolve>,
}

/// One version of one package.
#[derive(Debug, Deserialize)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) id: String,
    pub(crate) license: Option<String>,
    pub(crate) license_file: Option<String>,
    pub(crate) dependencies: Vec<Dependency>,
}

/// What a package asks for in its `Cargo.toml`.
#[derive(Debug, Deserialize)]
pub(crate) struct Dependency {
    pub(crate) name: String,
    /// Nothing for a normal one, else `dev` or `build`.
    pub(crate) kind: Option<String>,
}

/// The graph of packages as Cargo resolved it.
#[derive(Debug, Deserialize)]
pub(crate) struct Resolve {
    pub(crate) nodes: Vec<Node>,
}

/// One package of the graph and what it links.
#[derive(Debug, Deserialize)]
pub(crate) struct Node {
    pub(crate) id: String,
    pub(crate) deps: Vec<NodeDep>,
}

/// An arrow of the graph.
#[derive(Debug, Deserialize)]
pub(crate) struct NodeDep {
    pub(crate) pkg: String,
    pub(crate) dep_kinds: Vec<DepKind>,
}

/// Why the arrow is there.
#[derive(Debug, Deserialize)]
pub(crate) struct DepKind {
    pub(crate) kind: Option<String>,
}

impl Metadata {
    /// Our own crates alone: quick, and no network.
    pub(crate) fn ours() -> Result<Self> {
        Self::read(&["metadata", "--format-version", "1", "--no-deps"])
    }

    /// The whole graph, for the platform that we build on and ship for.
    pub(crate) fn whole() -> Result<Self> {
        let platform = "x86_64-unknown-linux-gnu";
        Self::read(&[
            "metadata",
            "--format-version",
            "1",
            "--all-features",
            "--filter-platform",
            platform,
        ])
    }

    fn read(args: &[&str]) -> Result<Self> {
        let text = shell::output(&mut shell::cargo(args))?;
        serde_json::from_str(&text).context("cannot read what `cargo metadata` printed")
    }

    /// The packages of this workspace.
    pub(crate) fn members(&self) -> impl Iterator<Item = &Package> {
        self.packages.iter().filter(|package| self.workspace_members.contains(&package.id))
    }

    /// Packages by the id that the graph uses.
    pub(crate) fn by_id(&self) -> BTreeMap<&str, &Package> {
        self.packages.iter().map(|package| (package.id.as_str(), package)).collect()
    }
}

impl Package {
    /// The room's name: the package's without our prefix.
    pub(crate) fn room(&self) -> &str {
        room(&self.name)
    }
}

/// `flowglass-model` is the room `model`; the binary is `flowglass`.
pub(crate) fn room(package: &str) -> &str {
    package.strip_prefix("flowglass-").unwrap_or(package)
}
