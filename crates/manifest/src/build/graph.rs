//! The graph: ids, needs, cycles, order. It reads the tree itself, so that nodes which are broken
//! elsewhere still stand in it.

use std::collections::{BTreeMap, BTreeSet};

use crate::complaint::Code;
use crate::doc::Doc;
use crate::nearest::{are, nearest};
use crate::path::Path;
use crate::tree::Node;

/// How many cycles are told: breaking one often breaks more.
const CYCLES_MAX: usize = 10;

/// The nodes by their index in the text.
#[derive(Debug, Default)]
pub(super) struct Graph {
    ids: Vec<Option<String>>,
    needs: Vec<BTreeSet<usize>>,
    order: Vec<usize>,
}

impl Graph {
    /// How many nodes there are.
    pub(super) fn len(&self) -> usize {
        self.ids.len()
    }

    /// The id of a node, when it has one.
    pub(super) fn id(&self, index: usize) -> Option<&str> {
        self.ids.get(index)?.as_deref()
    }

    /// What a node needs, directly.
    pub(super) fn needs(&self, index: usize) -> &BTreeSet<usize> {
        static NONE: BTreeSet<usize> = BTreeSet::new();
        self.needs.get(index).unwrap_or(&NONE)
    }

    /// All nodes, each after what it needs; those of cycles last.
    pub(super) fn order(&self) -> &[usize] {
        &self.order
    }

    /// All that comes before a node.
    pub(super) fn before(&self, index: usize) -> BTreeSet<usize> {
        let mut found = BTreeSet::new();
        let mut open: Vec<usize> = self.needs(index).iter().copied().collect();
        while let Some(next) = open.pop() {
            if found.insert(next) {
                open.extend(self.needs(next));
            }
        }
        found
    }
}

/// Reads the graph and complains about it.
pub(super) fn check(doc: &mut Doc<'_>) -> Graph {
    let nodes_path = Path::root().key("spec").key("nodes");
    let count = doc.root.at(&nodes_path).map_or(0, |node| node.items().len());
    let mut graph = Graph::default();
    let mut first: BTreeMap<String, usize> = BTreeMap::new();
    for index in 0..count {
        let path = nodes_path.index(index).key("id");
        let id = doc.root.at(&path).and_then(Node::text).map(str::to_owned);
        if let Some(id) = &id {
            match first.get(id) {
                Some(earlier) => complain_twice(doc, &nodes_path, (id, *earlier, index)),
                None => drop(first.insert(id.clone(), index)),
            }
        }
        graph.ids.push(id);
    }
    // An id that is missing or came to nothing may be the one that is looked for.
    let all_known = graph.ids.iter().all(Option::is_some);
    for index in 0..count {
        let path = nodes_path.index(index).key("needs");
        let needs = needs_of(doc, &path, &first, all_known);
        graph.needs.push(needs);
    }
    graph.order = order(&graph);
    if graph.order.len() < count {
        complain_cycles(doc, &nodes_path, &graph);
        let rest: Vec<usize> = (0..count).filter(|index| !graph.order.contains(index)).collect();
        graph.order.extend(rest);
    }
    graph
}

fn complain_twice(doc: &mut Doc<'_>, nodes: &Path, (id, earlier, index): (&str, usize, usize)) {
    let first = doc.span(&nodes.index(earlier).key("id"));
    let place = doc.report.text.place(first);
    doc.error(Code::DuplicateId, &nodes.index(index).key("id"), format!("the id `{id}` is taken"))
        .advise("give each node an id of its own")
        .note("the first is here", place);
}

fn needs_of(
    doc: &mut Doc<'_>,
    path: &Path,
    first: &BTreeMap<String, usize>,
    all_known: bool,
) -> BTreeSet<usize> {
    let items = doc.root.at(path).map_or(&[][..], Node::items);
    let names: Vec<Option<String>> = items.iter().map(|it| it.text().map(str::to_owned)).collect();
    let mut found = BTreeSet::new();
    for (position, name) in names.into_iter().enumerate() {
        let Some(name) = name else { continue };
        let at = path.index(position);
        match first.get(&name) {
            Some(index) if found.insert(*index) => {}
            Some(_) => {
                let said = format!("`{name}` is needed twice");
                doc.warn_at_key(Code::NoEffect, &at, said).advise("name it once");
            }
            None if all_known => {
                let known = || first.keys().map(String::as_str);
                let help = match nearest(&name, known()) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("there {}", are(known())),
                };
                doc.error(Code::UnknownNeed, &at, format!("there is no node `{name}`"))
                    .advise(help);
            }
            None => {}
        }
    }
    found
}

/// Kahn's algorithm; of all nodes that could come next, the one with the least id does.
fn order(graph: &Graph) -> Vec<usize> {
    let count = graph.ids.len();
    let mut waits: Vec<usize> = graph.needs.iter().map(BTreeSet::len).collect();
    let mut after: Vec<Vec<usize>> = vec![Vec::new(); count];
    for (index, needs) in graph.needs.iter().enumerate() {
        for need in needs {
            if let Some(after) = after.get_mut(*need) {
                after.push(index);
            }
        }
    }
    let key = |index: usize| (graph.id(index).unwrap_or_default().to_owned(), index);
    let mut ready: BTreeSet<(String, usize)> =
        (0..count).filter(|index| graph.needs(*index).is_empty()).map(key).collect();
    let mut order = Vec::with_capacity(count);
    while let Some((_, next)) = ready.pop_first() {
        order.push(next);
        for later in after.get(next).into_iter().flatten() {
            if let Some(wait) = waits.get_mut(*later) {
                *wait -= 1;
                if *wait == 0 {
                    ready.insert(key(*later));
                }
            }
        }
    }
    order
}

/// Finds cycles among the nodes that have no place in the order, and spells each out.
fn complain_cycles(doc: &mut Doc<'_>, nodes: &Path, graph: &Graph) {
    let placed: BTreeSet<usize> = graph.order.iter().copied().collect();
    let mut left: BTreeSet<usize> = (0..graph.len()).filter(|it| !placed.contains(it)).collect();
    for _ in 0..CYCLES_MAX {
        // Nodes that only wait for a cycle are no part of it.
        loop {
            let free: Vec<usize> = left
                .iter()
                .filter(|index| graph.needs(**index).is_disjoint(&left))
                .copied()
                .collect();
            if free.is_empty() {
                break;
            }
            left.retain(|index| !free.contains(index));
        }
        let Some(cycle) = cycle_in(graph, &left) else { return };
        complain_cycle(doc, nodes, graph, &cycle);
        left.retain(|index| !cycle.contains(index));
    }
}

/// Follows needs inside `left`, each of which needs another of it, until a node comes again.
fn cycle_in(graph: &Graph, left: &BTreeSet<usize>) -> Option<Vec<usize>> {
    let by_id = |index: &usize| (graph.id(*index).unwrap_or_default().to_owned(), *index);
    let mut next = *left.iter().min_by_key(|index| by_id(index))?;
    let mut way = Vec::new();
    let mut seen = BTreeMap::new();
    loop {
        if let Some(start) = seen.insert(next, way.len()) {
            let mut cycle = way.split_off(start);
            // Begin with the least id, so that the words do not depend on where we came from.
            let least = cycle.iter().enumerate().min_by_key(|(_, index)| by_id(index))?.0;
            cycle.rotate_left(least);
            return Some(cycle);
        }
        way.push(next);
        next = *graph.needs(next).intersection(left).min_by_key(|index| by_id(index))?;
    }
}

fn complain_cycle(doc: &mut Doc<'_>, nodes: &Path, graph: &Graph, cycle: &[usize]) {
    const SHOWN_MAX: usize = 12;
    let (Some(first), Some(second)) = (cycle.first(), cycle.get(1).or(cycle.first())) else {
        return;
    };
    let name = |index: usize| format!("`{}`", graph.id(index).unwrap_or_default());
    let mut way: Vec<String> = cycle.iter().take(SHOWN_MAX).map(|index| name(*index)).collect();
    if cycle.len() > SHOWN_MAX {
        way.push(format!("… ({} more)", cycle.len() - SHOWN_MAX));
    }
    way.push(name(*first));
    // Point at the need that leads to the next node of the circle.
    let needs = nodes.index(*first).key("needs");
    let target = graph.id(*second).unwrap_or_default();
    let items = doc.root.at(&needs).map_or(&[][..], Node::items);
    let position = items.iter().position(|item| item.text() == Some(target));
    let at = position.map_or(needs.clone(), |position| needs.index(position));
    let said = match cycle.len() {
        1 => format!("{} needs itself", name(*first)),
        _ => format!("nodes need each other in a circle: {}", way.join(" needs ")),
    };
    doc.error(Code::Cycle, &at, said).advise("remove one of these needs");
}
