//! Properties: no bytes panic, order does not matter, every cycle is found.

use std::collections::BTreeSet;

use proptest::prelude::*;

use crate::support::{codes, load_bytes, said, workflow};

/// Bits of manifests, so that random texts get past the parser.
fn fragment() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("apiVersion: flowglass/v1\n".to_owned()),
        Just("kind: Workflow\n".to_owned()),
        Just("kind: Stream\n".to_owned()),
        Just("  source: { type: generator }\n".to_owned()),
        Just(
            "  sinks: [ { type: stdout }, &x { type: redis, config: { uri: x } }, *x ]\n"
                .to_owned()
        ),
        Just("  processors: [ { type: rename, columns: { a: b, c: b } }, *x ]\n".to_owned()),
        Just("metadata: { name: x }\n".to_owned()),
        Just("spec:\n  nodes:\n".to_owned()),
        Just("    - id: a\n      command: [x]\n".to_owned()),
        Just("    - { id: b, needs: [a, b], copy: { from: { type: csv }, to: 1 } }\n".to_owned()),
        Just(
            "    - &x { id: c, check: { asset: a.csv, rules: [*x, { sql: \"\" }] } }\n".to_owned()
        ),
        Just("  <<: *x\n".to_owned()),
        Just("  schedule: \"* * *\"\n".to_owned()),
        Just("---\n".to_owned()),
        "[ \\[\\]{}:,&*!|>'\"%@`#a-c0-9\\n\\t-]{0,20}",
        "  (timeout|retry|schedule|timezone|params|env|secrets|slo|batch|dlq|commit_policy|grace): \\PC{0,12}\n",
        "\\$\\{[a-zA-Z:.{}$-]{0,12}",
        "\\PC{0,12}",
    ]
}

fn command(id: usize, needs: &BTreeSet<usize>) -> String {
    let needs: Vec<String> = needs.iter().map(|need| format!("n{need}")).collect();
    format!("{{ id: n{id}, needs: [{}], command: [\"true\"] }}", needs.join(", "))
}

/// A graph without cycles: each node needs only nodes before it.
fn graph() -> impl Strategy<Value = Vec<BTreeSet<usize>>> {
    prop::collection::vec(prop::collection::btree_set(0_usize..20, 0..4), 1..20).prop_map(
        |mut all| {
            for (index, needs) in all.iter_mut().enumerate() {
                *needs =
                    needs.iter().filter(|_| index > 0).map(|need| need % index.max(1)).collect();
            }
            all
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_answered(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        drop(said(&load_bytes("x.yaml", &bytes, &[])));
    }

    #[test]
    fn any_text_is_answered(parts in prop::collection::vec(fragment(), 0..12)) {
        let loaded = load_bytes("x.yaml", parts.concat().as_bytes(), &[]);
        prop_assert!(!said(&loaded).contains("manifest.internal"), "{}", said(&loaded));
        let made = loaded.plans.len() + loaded.streams.len();
        prop_assert!(loaded.has_errors() || made > 0, "{}", said(&loaded));
        for complaint in &loaded.complaints {
            if let Some(place) = &complaint.place {
                let end = place.column + place.width - 1;
                prop_assert!(end as usize <= place.text.chars().count() + 1, "{complaint:?}");
            }
        }
    }

    #[test]
    fn any_schedule_is_answered(cron in "\\PC{0,20}") {
        let cron = cron.replace('\'', "''");
        let text = workflow(&[command(0, &BTreeSet::new())]).replace("spec:\n", &format!("spec:\n  schedule: '{cron}'\n"));
        drop(said(&load_bytes("x.yaml", text.as_bytes(), &[])));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn the_order_of_nodes_does_not_matter(
        (graph, order) in graph().prop_flat_map(|graph| {
            let order: Vec<usize> = (0..graph.len()).collect();
            (Just(graph), Just(order).prop_shuffle())
        })
    ) {
        let nodes: Vec<String> = graph.iter().enumerate().map(|(id, needs)| command(id, needs)).collect();
        let shuffled: Vec<String> = order.iter().map(|index| nodes[*index].clone()).collect();
        let one = load_bytes("x.yaml", workflow(&nodes).as_bytes(), &[]);
        let other = load_bytes("x.yaml", workflow(&shuffled).as_bytes(), &[]);
        prop_assert!(!one.has_errors(), "{}", said(&one));
        prop_assert_eq!(one.plans[0].to_json(), other.plans[0].to_json());
        let mut seen = BTreeSet::new();
        for node in one.plans[0].nodes() {
            prop_assert!(node.needs.iter().all(|need| seen.contains(need)));
            seen.insert(node.id.clone());
        }
    }

    #[test]
    fn a_cycle_is_always_found(graph in graph(), length in 1_usize..6, noise in any::<prop::sample::Index>()) {
        // A ring of new nodes, one of which needs something of the old graph.
        let mut graph = graph;
        let start = graph.len();
        for step in 0..length {
            graph.push(BTreeSet::from([start + (step + 1) % length]));
        }
        let old = noise.index(start);
        graph[start].insert(old);
        let nodes: Vec<String> = graph.iter().enumerate().map(|(id, needs)| command(id, needs)).collect();
        let loaded = load_bytes("x.yaml", workflow(&nodes).as_bytes(), &[]);
        prop_assert_eq!(codes(&loaded), vec!["manifest.cycle"]);
        prop_assert!(loaded.plans.is_empty());
    }
}
