//! `cargo xtask deny`: licences and duplicate versions of what we depend on, by the rules in
//! `deny.toml`.
//!
//! `deny.toml` is the file of cargo-deny, and who has that tool may run it. It is not asked for
//! here: it takes longer to compile than our own tests take to run, and its list of advisories
//! comes from a place that a closed network does not reach. The two rules that matter on each
//! commit are small enough to hold by ourselves.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};
use serde::Deserialize;

use crate::args::Args;
use crate::metadata::{Metadata, Package};
use crate::{repo, say};

/// The part of `deny.toml` that is held here.
#[derive(Debug, Deserialize)]
struct Rules {
    licenses: Licences,
    bans: Bans,
}

#[derive(Debug, Deserialize)]
struct Licences {
    allow: Vec<String>,
    #[serde(default)]
    exceptions: Vec<LicenceException>,
}

#[derive(Debug, Deserialize)]
struct LicenceException {
    #[serde(rename = "crate")]
    package: String,
    allow: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct Bans {
    #[serde(default)]
    deny: Vec<Banned>,
    #[serde(default)]
    skip: Vec<Skip>,
}

#[derive(Debug, Deserialize)]
struct Banned {
    #[serde(rename = "crate")]
    package: String,
    reason: String,
}

/// An older version that we cannot get rid of, as `name@version`; the version may be cut short
/// after a dot.
#[derive(Debug, Deserialize)]
struct Skip {
    #[serde(rename = "crate")]
    package: String,
    reason: String,
}

/// `deny`.
pub(crate) fn command(args: Args) -> Result<bool> {
    args.finish()?;
    let fine = check()?;
    if fine {
        say::talk("deny: licences and versions are as deny.toml allows");
    }
    Ok(fine)
}

/// Prints what the rules are against; true when nothing.
pub(crate) fn check() -> Result<bool> {
    let text =
        std::fs::read_to_string(repo::root().join("deny.toml")).context("cannot read deny.toml")?;
    let rules: Rules = toml::from_str(&text).context("cannot read deny.toml")?;
    let metadata = Metadata::whole()?;
    let shipped = shipped(&metadata);
    let mut complaints = licence_complaints(&rules.licenses, &shipped);
    complaints.extend(ban_complaints(&rules.bans, &shipped));
    for complaint in &complaints {
        say::talk(&format!("deny: {complaint}"));
    }
    Ok(complaints.is_empty())
}

/// Our crates that are in no binary that anybody is given.
const TOOLS: &[&str] = &["testkit", "benches", "xtask"];

/// What the binary is made of: reached from our crates by normal and build dependencies. Tools of
/// tests are not shipped.
fn shipped(metadata: &Metadata) -> Vec<&Package> {
    let by_id = metadata.by_id();
    let arrows: BTreeMap<&str, Vec<&str>> = metadata
        .resolve
        .iter()
        .flat_map(|resolve| &resolve.nodes)
        .map(|node| {
            let shipped = |dep: &&crate::metadata::NodeDep| {
                dep.dep_kinds.iter().any(|it| it.kind.as_deref() != Some("dev"))
            };
            (
                node.id.as_str(),
                node.deps.iter().filter(shipped).map(|dep| dep.pkg.as_str()).collect(),
            )
        })
        .collect();
    let is_tool = |package: &Package| TOOLS.contains(&package.room());
    let mut ahead: Vec<&str> =
        metadata.members().filter(|it| !is_tool(it)).map(|it| it.id.as_str()).collect();
    let mut seen = BTreeSet::new();
    while let Some(id) = ahead.pop() {
        if seen.insert(id) {
            ahead.extend(arrows.get(id).into_iter().flatten());
        }
    }
    let ours: BTreeSet<&str> = metadata.members().map(|it| it.id.as_str()).collect();
    seen.difference(&ours).filter_map(|id| by_id.get(id).copied()).collect()
}

fn licence_complaints(rules: &Licences, packages: &[&Package]) -> Vec<String> {
    let judge = |package: &&Package| {
        let Some(licence) = &package.license else {
            let file = package.license_file.as_deref().unwrap_or("no licence at all");
            return Some(format!(
                "{} {}: no licence expression ({file})",
                package.name, package.version
            ));
        };
        let mut allowed: Vec<&str> = rules.allow.iter().map(String::as_str).collect();
        let exceptions = rules.exceptions.iter().filter(|it| it.package == package.name);
        allowed.extend(exceptions.flat_map(|it| it.allow.iter().map(String::as_str)));
        (!satisfied(licence, &allowed)).then(|| {
            format!("{} {}: the licence `{licence}` is not allowed", package.name, package.version)
        })
    };
    packages.iter().filter_map(judge).collect()
}

fn ban_complaints(rules: &Bans, packages: &[&Package]) -> Vec<String> {
    let mut versions: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for package in packages {
        versions.entry(&package.name).or_default().insert(&package.version);
    }
    let mut found = Vec::new();
    for banned in rules.deny.iter().filter(|it| versions.contains_key(it.package.as_str())) {
        found.push(format!("{}: {}", banned.package, banned.reason));
    }
    let is_skipped = |name: &str, version: &str| {
        rules.skip.iter().any(|it| {
            it.package
                .split_once('@')
                .is_some_and(|(of, part)| of == name && is_version(version, part))
        })
    };
    for (name, versions) in &versions {
        let left: Vec<&str> =
            versions.iter().filter(|version| !is_skipped(name, version)).copied().collect();
        if left.len() > 1 {
            found.push(format!(
                "{name} is linked in versions {}; get rid of one, or skip it with a reason",
                left.join(", ")
            ));
        }
    }
    for skip in &rules.skip {
        let (name, version) = skip.package.split_once('@').unwrap_or((&skip.package, ""));
        let needed = versions
            .get(name)
            .is_some_and(|them| them.len() > 1 && them.iter().any(|it| is_version(it, version)));
        if !needed || skip.reason.trim().is_empty() {
            found.push(format!(
                "the skip of {} is not needed (any more), or has no reason; remove it",
                skip.package
            ));
        }
    }
    found
}

/// Whether `0.22.1` is meant by `0.22.1`, `0.22` or `0`.
fn is_version(version: &str, part: &str) -> bool {
    version.strip_prefix(part).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// Whether a licence expression can be met by these licences alone.
///
/// The grammar is that of SPDX (annex D of the specification: `AND` binds closer than `OR`, `WITH`
/// closest), and the old `A/B` of Cargo, which means `A OR B`.
fn satisfied(expression: &str, allowed: &[&str]) -> bool {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut reader = Expression { words: &words, allowed };
    let met = reader.any();
    met && reader.words.is_empty()
}

struct Expression<'a> {
    words: &'a [&'a str],
    allowed: &'a [&'a str],
}

impl Expression<'_> {
    fn any(&mut self) -> bool {
        let mut met = self.all();
        while self.skip("OR") {
            met |= self.all();
        }
        met
    }

    fn all(&mut self) -> bool {
        let mut met = self.one();
        while self.skip("AND") {
            met &= self.one();
        }
        met
    }

    fn one(&mut self) -> bool {
        if self.skip("(") {
            let met = self.any();
            return self.skip(")") && met;
        }
        let Some((word, rest)) = self.words.split_first() else { return false };
        self.words = rest;
        if self.skip("WITH") {
            let Some((exception, rest)) = self.words.split_first() else { return false };
            self.words = rest;
            return self.allowed.contains(&format!("{word} WITH {exception}").as_str());
        }
        self.allowed.contains(word)
    }

    fn skip(&mut self, word: &str) -> bool {
        match self.words.split_first() {
            Some((first, rest)) if *first == word => {
                self.words = rest;
                true
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_are_met_as_spdx_says() {
        let allowed = ["MIT", "Apache-2.0", "Apache-2.0 WITH LLVM-exception", "Unicode-3.0"];
        for (expression, met) in [
            ("MIT", true),
            ("GPL-3.0", false),
            ("MIT OR GPL-3.0", true),
            ("MIT AND GPL-3.0", false),
            ("MIT/GPL-3.0", true),
            ("(MIT OR Apache-2.0) AND Unicode-3.0", true),
            ("GPL-3.0 OR MIT AND MPL-2.0", false),
            ("Apache-2.0 WITH LLVM-exception", true),
            ("MIT WITH LLVM-exception", false),
            ("MIT )", false),
            ("(MIT", false),
            ("", false),
        ] {
            assert_eq!(satisfied(expression, &allowed), met, "{expression}");
        }
    }

    fn package(name: &str, version: &str) -> Package {
        let text = format!(
            r#"{{"name": "{name}", "version": "{version}", "id": "{name} {version}", "license": "MIT",
                "license_file": null, "dependencies": []}}"#
        );
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn duplicates_need_a_skip_and_a_skip_needs_a_duplicate() {
        let packages = [package("a", "1.0.0"), package("a", "2.0.0"), package("b", "1.0.0")];
        let packages: Vec<&Package> = packages.iter().collect();
        let skip =
            |it: &str| Skip { package: it.to_owned(), reason: "someone needs it".to_owned() };
        let said = |skips: &[&str]| {
            let skip = skips.iter().map(|it| skip(it)).collect();
            ban_complaints(&Bans { deny: Vec::new(), skip }, &packages)
        };
        assert!(said(&[])[0].starts_with("a is linked in versions 1.0.0, 2.0.0"));
        assert_eq!(said(&["a@1.0.0"]), [""; 0]);
        assert_eq!(said(&["a@1"]), [""; 0]);
        assert!(said(&["a@1.0.0", "b@1.0.0"])[0].starts_with("the skip of b@1.0.0 is not needed"));
        let deny = vec![Banned { package: "b".to_owned(), reason: "no".to_owned() }];
        assert_eq!(
            ban_complaints(&Bans { deny, skip: vec![skip("a@1.0.0")] }, &packages),
            ["b: no"]
        );
    }
}
