//! Span ids: anyone can compute them, one entity has one, and no two entities of a run share one.

use std::collections::BTreeMap;

use flowglass_model::{Entity, Event, SpanId};
use proptest::prelude::*;

use crate::histories::histories;

/// The ids from the run inwards, as far as the entity of the event reaches.
fn path(event: &Event) -> Vec<String> {
    let node = event.node_id.as_ref().map(ToString::to_string);
    let attempt = event.attempt_id.as_ref().map(|it| it.number.to_string());
    let stage = event.stage_id.as_ref().map(ToString::to_string);
    let all = [Some(event.pipeline_id.to_string()), node, attempt, stage];
    let depth = match event.entity {
        Entity::Run => 0,
        Entity::Pipeline => 1,
        Entity::Node => 2,
        Entity::Attempt => 3,
        Entity::Stage | Entity::Asset => 4,
    };
    all.into_iter().take(depth).flatten().collect()
}

fn span(event: &Event, path: &[String]) -> SpanId {
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    SpanId::derive(event.run_id, &path)
}

proptest! {
    #[test]
    fn each_entity_has_a_span_of_its_own(history in histories()) {
        let mut owners: BTreeMap<SpanId, Vec<String>> = BTreeMap::new();
        for event in &history {
            let path = path(event);
            prop_assert_eq!(event.trace.trace_id.bytes(), *event.run_id.uuid().as_bytes());
            prop_assert_eq!(event.trace.span_id, span(event, &path));
            let parent = path.split_last().map(|(_, above)| span(event, above));
            prop_assert_eq!(event.trace.parent_span_id, parent);
            let owner = owners.entry(event.trace.span_id).or_insert_with(|| path.clone());
            prop_assert_eq!(&*owner, &path, "two entities share a span");
        }
    }
}
