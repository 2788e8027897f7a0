//! Arrows between crates, held against the law table.

use std::collections::BTreeSet;

use super::law::{FREE_ROOMS, NOT_PURE, PURE_ROOMS, ROOMS, SPOKEN};
use crate::metadata::{Metadata, room};

/// One `[dependencies]` line: who asks for whom.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Arrow {
    pub(crate) from: String,
    pub(crate) to: String,
    /// From a test only.
    pub(crate) dev: bool,
    /// The other end is one of our crates.
    pub(crate) ours: bool,
}

/// Every arrow that leaves one of our crates.
pub(crate) fn of(metadata: &Metadata) -> Vec<Arrow> {
    let ours: BTreeSet<&str> = metadata.members().map(|package| package.name.as_str()).collect();
    let mut arrows: Vec<Arrow> = metadata
        .members()
        .flat_map(|package| {
            let ours = &ours;
            package.dependencies.iter().map(move |dependency| Arrow {
                from: package.room().to_owned(),
                to: room(&dependency.name).to_owned(),
                dev: dependency.kind.as_deref() == Some("dev"),
                ours: ours.contains(dependency.name.as_str()),
            })
        })
        .collect();
    arrows.sort();
    arrows.dedup();
    arrows
}

/// What the law says against an arrow, if anything.
pub(crate) fn complaint(arrow: &Arrow) -> Option<String> {
    let Arrow { from, to, dev, ours } = arrow;
    let Some(room) = ROOMS.iter().find(|room| room.name == from) else {
        return Some(format!("the crate {from} is not in the law table (xtask/src/layers/law.rs)"));
    };
    if *ours {
        let allowed =
            room.sees.contains(&to.as_str()) || (*dev && room.tests_see.contains(&to.as_str()));
        let place = if *dev { "the tests of " } else { "" };
        return (!allowed).then(|| format!("{place}{from} must not see {to}"));
    }
    if *dev || FREE_ROOMS.contains(&from.as_str()) {
        return None;
    }
    if PURE_ROOMS.contains(&from.as_str()) && NOT_PURE.iter().any(|pattern| matches(pattern, to)) {
        return Some(format!("{from} must not use {to}: it is pure (no I/O, no async, no clock)"));
    }
    let law = SPOKEN.iter().find(|law| law.crates.iter().any(|pattern| matches(pattern, to)))?;
    (!law.rooms.contains(&from.as_str())).then(|| format!("{from} must not use {to}: {}", law.why))
}

/// The arrows between our crates as a Mermaid picture; those of tests are left out.
pub(crate) fn graph(arrows: &[Arrow]) -> String {
    let mut text = String::from("graph TD\n");
    for arrow in arrows.iter().filter(|arrow| arrow.ours && !arrow.dev) {
        text.push_str(&format!("  {} --> {}\n", arrow.from, arrow.to));
    }
    text
}

fn matches(pattern: &str, name: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(start) => name.starts_with(start),
        None => pattern == name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(from: &str, to: &str, dev: bool, ours: bool) -> String {
        complaint(&Arrow { from: from.into(), to: to.into(), dev, ours }).unwrap_or_default()
    }

    #[test]
    fn an_arrow_between_our_crates_is_allowed_only_by_the_table() {
        assert_eq!(judge("sources", "connect", false, true), "");
        assert_eq!(judge("sources", "sinks", false, true), "sources must not see sinks");
        assert_eq!(
            judge("sources", "sinks", true, true),
            "the tests of sources must not see sinks"
        );
        assert_eq!(judge("engine", "testkit", true, true), "");
        assert_eq!(judge("engine", "testkit", false, true), "engine must not see testkit");
        assert!(judge("utils", "model", false, true).contains("not in the law table"));
    }

    #[test]
    fn an_outside_library_is_spoken_in_its_rooms() {
        assert_eq!(judge("flowglass", "clap", false, false), "");
        assert_eq!(
            judge("engine", "clap_complete", false, false),
            "engine must not use clap_complete: only the binary parses arguments"
        );
        assert!(
            judge("engine", "tokio-postgres", false, false)
                .contains("only connectors hold database clients")
        );
        assert_eq!(judge("engine", "tokio-postgres", true, false), "");
        assert_eq!(judge("benches", "tokio-postgres", false, false), "");
        assert!(judge("model", "tokio", false, false).contains("it is pure"));
        assert!(judge("flowglass", "inventory", false, false).contains("explicit list"));
    }

    #[test]
    fn the_law_table_points_down_only() {
        // A table with a circle in it would allow what Cargo refuses, and hide it until the last
        // arrow is drawn.
        for (index, room) in ROOMS.iter().enumerate() {
            for seen in room.sees {
                let position = ROOMS.iter().position(|other| other.name == *seen);
                assert!(
                    room.name == "testkit"
                        || position.is_some_and(|at| at < index)
                        || *seen == "testkit",
                    "{} → {seen}",
                    room.name
                );
            }
        }
    }
}
