//! The end of a run's log as the writer holds it: the next `seq`, where each entity stands, the
//! summary. It is what a new event is checked against.

use std::collections::HashMap;

use flowglass_model::{Entity, Event, EventKind, Reason, State, transition};

use crate::error::StoreError;
use crate::summary::RunSummary;

/// The end of one run's log.
#[derive(Debug)]
pub(crate) struct Head {
    /// The run's number in the tables.
    pub(crate) run_no: i64,
    /// What the list shows.
    pub(crate) summary: RunSummary,
    /// How many of the summary's pipelines are written to the side table.
    pub(crate) pipelines_written: usize,
    standing: HashMap<String, State>,
}

/// What it takes to make a head forget the events of a refused append.
#[derive(Debug)]
pub(crate) struct Bookmark {
    summary: RunSummary,
    moved: Vec<(String, Option<State>)>,
}

impl Head {
    pub(crate) fn new(run_no: i64, summary: RunSummary) -> Self {
        Self { run_no, summary, pipelines_written: 0, standing: HashMap::new() }
    }

    /// A run that is continued after its head was forgotten.
    pub(crate) fn restored(run_no: i64, summary: RunSummary) -> Self {
        let pipelines_written = summary.pipelines.len();
        Self { run_no, summary, pipelines_written, standing: HashMap::new() }
    }

    /// Learns again where an entity stands, from a stored transition.
    pub(crate) fn recall(&mut self, event: &Event) {
        if let Some(to) = moves_to(event) {
            self.standing.insert(entity_key(event), to);
        }
    }

    pub(crate) fn bookmark(&self) -> Bookmark {
        Bookmark { summary: self.summary.clone(), moved: Vec::new() }
    }

    pub(crate) fn go_back_to(&mut self, mark: Bookmark) {
        self.summary = mark.summary;
        for (key, before) in mark.moved.into_iter().rev() {
            match before {
                Some(state) => self.standing.insert(key, state),
                None => self.standing.remove(&key),
            };
        }
    }

    /// Takes the event that follows the last one.
    ///
    /// # Errors
    /// [`StoreError::Gap`] and [`StoreError::Illegal`]; then the head is as it was.
    pub(crate) fn take(&mut self, event: &Event, mark: &mut Bookmark) -> Result<(), StoreError> {
        let expected = self.summary.last_seq + 1;
        if event.seq != expected {
            return Err(StoreError::Gap { run: event.run_id, expected, given: event.seq });
        }
        let mut before = None;
        if let Some(to) = moves_to(event) {
            let key = entity_key(event);
            before = self.standing.get(&key).copied();
            check(event, before, to)?;
            self.standing.insert(key.clone(), to);
            mark.moved.push((key, before));
        }
        self.summary.apply(event, before);
        Ok(())
    }
}

/// Datasets are left out: what they tell are facts of whoever wrote them, not moves of their own.
fn moves_to(event: &Event) -> Option<State> {
    event.to.filter(|_to| event.kind == EventKind::Transition && event.entity != Entity::Asset)
}

/// The model's one function decides. An event that believes the entity stood elsewhere is refused
/// as the move that it tells of, from where the entity really stands.
fn check(event: &Event, standing: Option<State>, to: State) -> Result<(), StoreError> {
    let refused = |cause| StoreError::Illegal { run: event.run_id, seq: event.seq, cause };
    // Without a reason the arrow alone is checked, by a reason that does belong to the state.
    let any = || Reason::ALL.iter().copied().find(|it| it.state() == to);
    if let Some(reason) = event.reason.or_else(any) {
        transition(standing, to, reason).map_err(refused)?;
    }
    if event.from.is_some() && event.from != standing {
        let cause = flowglass_model::IllegalMove::Arrow { from: event.from, to };
        return Err(refused(cause));
    }
    Ok(())
}

/// The ids that name the entity that an event is about, inside its run.
fn entity_key(event: &Event) -> String {
    let node = event.node_id.as_ref().map_or("", |it| it.as_str());
    let attempt = event.attempt_id.as_ref().map_or(0, |it| it.number);
    let stage = event.stage_id.as_ref().map_or("", |it| it.as_str());
    let pipeline = event.pipeline_id.as_str();
    match event.entity {
        Entity::Run => "run".to_owned(),
        Entity::Pipeline => pipeline.to_owned(),
        Entity::Node => format!("{pipeline}/{node}"),
        Entity::Attempt => format!("{pipeline}/{node}/{attempt}"),
        Entity::Stage => format!("{pipeline}/{node}/{attempt}/{stage}"),
        // Never asked for, see `moves_to`.
        Entity::Asset => String::new(),
    }
}
