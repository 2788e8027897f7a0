//! A part of a plan: `--select node+`.

use std::collections::{BTreeMap, BTreeSet};

use flowglass_model::NodeId;

use crate::nearest::{are, nearest};

use super::{Edge, Plan};

/// Why nothing can be selected. Says which expression and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot select `{expression}` from pipeline `{pipeline}`: {why}")]
pub struct SelectError {
    /// The part that cannot be used.
    pub expression: String,
    /// The pipeline's name.
    pub pipeline: String,
    /// What is wrong and what to do, as a lower-case fragment.
    pub why: String,
}

impl Plan {
    /// The part of the plan that an expression names: nodes separated by commas; `+node` adds all
    /// that comes before it, `node+` all that comes after, `*` in a name stands for any letters.
    ///
    /// Order is kept: when a node that is left out stood between two selected ones, the later one
    /// then needs the earlier one directly.
    ///
    /// # Errors
    /// Every part of the expression that names no node.
    pub fn select(&self, expression: &str) -> Result<Self, Vec<SelectError>> {
        let mut chosen = BTreeSet::new();
        let mut errors = Vec::new();
        for part in expression.split(',').map(str::trim) {
            match self.part(part) {
                Ok(ids) => chosen.extend(ids),
                Err(why) => errors.push(SelectError {
                    expression: part.to_owned(),
                    pipeline: self.pipeline.to_string(),
                    why,
                }),
            }
        }
        if errors.is_empty() { Ok(self.only(&chosen)) } else { Err(errors) }
    }

    fn part(&self, part: &str) -> Result<BTreeSet<NodeId>, String> {
        let (before, name) = part.strip_prefix('+').map_or((false, part), |name| (true, name));
        let (after, name) = name.strip_suffix('+').map_or((false, name), |name| (true, name));
        let known = || self.nodes.iter().map(|node| node.id.as_str());
        if name.is_empty() {
            return Err(format!("it names no node; there {}", are(known())));
        }
        let mut chosen: BTreeSet<NodeId> = self
            .nodes
            .iter()
            .map(|node| &node.id)
            .filter(|id| fits(name, id.as_str()))
            .cloned()
            .collect();
        if chosen.is_empty() {
            return Err(match nearest(name, known()) {
                Some(near) => format!("there is no such node; did you mean `{near}`?"),
                None => format!("there is no such node; there {}", are(known())),
            });
        }
        // Nodes stand in order, so that one pass in each direction reaches everything.
        let named = chosen.clone();
        if after {
            let mut reached = named.clone();
            for node in &self.nodes {
                if node.needs.iter().any(|need| reached.contains(need)) {
                    reached.insert(node.id.clone());
                }
            }
            chosen.extend(reached);
        }
        if before {
            let mut reached = named;
            for node in self.nodes.iter().rev() {
                if reached.contains(&node.id) {
                    reached.extend(node.needs.iter().cloned());
                }
            }
            chosen.extend(reached);
        }
        Ok(chosen)
    }

    /// The plan with these nodes only.
    fn only(&self, chosen: &BTreeSet<NodeId>) -> Self {
        // For each node, the nearest chosen nodes before it (itself when it is chosen).
        let mut stands_for: BTreeMap<&NodeId, BTreeSet<NodeId>> = BTreeMap::new();
        let mut nodes = Vec::new();
        for node in &self.nodes {
            let needs: BTreeSet<NodeId> = node
                .needs
                .iter()
                .filter_map(|need| stands_for.get(need))
                .flatten()
                .cloned()
                .collect();
            if chosen.contains(&node.id) {
                stands_for.insert(&node.id, BTreeSet::from([node.id.clone()]));
                let mut node = node.clone();
                node.needs = needs.into_iter().collect();
                nodes.push(node);
            } else {
                stands_for.insert(&node.id, needs);
            }
        }
        let mut plan = Self { nodes: Vec::new(), edges: edges(&nodes), ..self.clone() };
        plan.nodes = nodes;
        plan
    }
}

/// The edges of nodes, sorted.
pub(crate) fn edges(nodes: &[super::Node]) -> Vec<Edge> {
    let mut edges: Vec<Edge> = nodes
        .iter()
        .flat_map(|node| {
            node.needs.iter().map(|need| Edge { from: need.clone(), to: node.id.clone() })
        })
        .collect();
    edges.sort();
    edges
}

/// Whether a name with `*` fits an id.
fn fits(pattern: &str, id: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else { return pattern == id };
    let Some(mut left) = id.strip_prefix(first) else { return false };
    let parts: Vec<&str> = rest.split('*').collect();
    let Some((last, middle)) = parts.split_last() else { return true };
    for part in middle {
        match left.find(part) {
            Some(at) => left = left.get(at + part.len()..).unwrap_or_default(),
            None => return false,
        }
    }
    left.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::fits;

    #[test]
    fn stars_stand_for_any_letters() {
        for (pattern, id) in
            [("*", "a"), ("load_*", "load_orders"), ("*_daily_*", "x_daily_y"), ("a*a", "aba")]
        {
            assert!(fits(pattern, id), "{pattern} {id}");
        }
        for (pattern, id) in [("load_*", "unload"), ("a*a", "a"), ("a", "ab")] {
            assert!(!fits(pattern, id), "{pattern} {id}");
        }
    }
}
