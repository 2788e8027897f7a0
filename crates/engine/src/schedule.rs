//! Which node goes next: a pure state machine over the graph. It knows neither time nor work; the
//! runner feeds it what happened and carries out what it answers.

use flowglass_model::{NodeId, Reason, State};

/// When a node may run, seen from the nodes that it needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum When {
    /// All of them completed.
    #[default]
    OnSuccess,
    /// At least one of them failed, or was skipped behind a failure.
    OnFailure,
    /// They have ended, however.
    Always,
}

/// A node as the scheduler sees it.
#[derive(Debug, Clone)]
pub struct Task {
    /// The node.
    pub id: NodeId,
    /// Places, in the list of tasks, of the nodes that it needs.
    pub needs: Vec<usize>,
    /// When it may run.
    pub when: When,
    /// Set for a node that must not run: it was not selected, or it completed in the run that is
    /// resumed. What depends on it takes it as completed.
    pub settled: Option<Reason>,
}

/// How a node ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Its outputs are committed.
    Complete,
    /// It failed for good.
    Failed,
}

/// What the runner is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Start the node now.
    Start(usize),
    /// The node may run but has to wait for a free slot.
    Queue(usize),
    /// The node will never run.
    Skip(usize, Reason),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stand {
    Waiting,
    Queued,
    Running,
    BackedOff,
    Ended(State, Option<Reason>),
}

impl Stand {
    fn ended(self) -> bool {
        matches!(self, Self::Ended(..))
    }

    /// Whether a dependent may take it as done well.
    fn good(self) -> bool {
        matches!(
            self,
            Self::Ended(State::Complete, _)
                | Self::Ended(State::Skipped, Some(Reason::Cached | Reason::Disabled))
        )
    }

    /// Whether it failed, or never ran because something before it failed.
    fn bad(self) -> bool {
        matches!(
            self,
            Self::Ended(State::Failed, _) | Self::Ended(State::Skipped, Some(Reason::Upstream))
        )
    }
}

/// The graph on its way from first to last node.
#[derive(Debug)]
pub struct Schedule {
    tasks: Vec<Task>,
    stands: Vec<Stand>,
    dependents: Vec<Vec<usize>>,
    unmet: Vec<usize>,
    running: usize,
    parallel_max: usize,
    queue: std::collections::VecDeque<usize>,
    cancelled: bool,
}

impl Schedule {
    /// A schedule of `tasks`, of which at most `parallel_max` (at least one) run at a time. Tasks
    /// stand in a topological order, so that every need is an earlier place.
    #[must_use]
    pub fn new(tasks: Vec<Task>, parallel_max: usize) -> Self {
        let mut dependents = vec![Vec::new(); tasks.len()];
        for (at, task) in tasks.iter().enumerate() {
            for need in &task.needs {
                if let Some(list) = dependents.get_mut(*need) {
                    list.push(at);
                }
            }
        }
        Self {
            unmet: tasks.iter().map(|it| it.needs.len()).collect(),
            stands: vec![Stand::Waiting; tasks.len()],
            dependents,
            tasks,
            running: 0,
            parallel_max: parallel_max.max(1),
            queue: std::collections::VecDeque::new(),
            cancelled: false,
        }
    }

    /// The first steps.
    pub fn begin(&mut self) -> Vec<Step> {
        let mut steps = Vec::new();
        let free: Vec<usize> = (0..self.tasks.len()).filter(|at| self.no_needs(*at)).collect();
        for at in free {
            self.decide(at, &mut steps);
        }
        self.fill_slots(&mut steps);
        steps
    }

    /// A node gave its slot back to wait for its next attempt.
    pub fn backed_off(&mut self, at: usize) -> Vec<Step> {
        self.running = self.running.saturating_sub(1);
        self.set(at, Stand::BackedOff);
        let mut steps = Vec::new();
        self.fill_slots(&mut steps);
        steps
    }

    /// A node that had backed off wants to go on. `Start` or `Queue` of that node.
    pub fn again(&mut self, at: usize) -> Vec<Step> {
        let mut steps = Vec::new();
        self.queue.push_back(at);
        self.set(at, Stand::Queued);
        self.fill_slots(&mut steps);
        if !steps.contains(&Step::Start(at)) {
            steps.push(Step::Queue(at));
        }
        steps
    }

    /// A running node ended.
    pub fn ended(&mut self, at: usize, end: End) -> Vec<Step> {
        self.running = self.running.saturating_sub(1);
        let state = match end {
            End::Complete => State::Complete,
            End::Failed => State::Failed,
        };
        let mut steps = Vec::new();
        self.settle(at, state, None, &mut steps);
        self.fill_slots(&mut steps);
        steps
    }

    /// Nothing new starts any more. Answers the nodes that neither run nor have ended, which the
    /// runner ends as cancelled.
    pub fn cancel(&mut self) -> Vec<usize> {
        self.cancelled = true;
        self.queue.clear();
        let waiting =
            |stand: &Stand| matches!(stand, Stand::Waiting | Stand::Queued | Stand::BackedOff);
        let left: Vec<usize> = self
            .stands
            .iter()
            .enumerate()
            .filter(|(_, it)| waiting(it))
            .map(|(at, _)| at)
            .collect();
        for at in &left {
            self.set(*at, Stand::Ended(State::Failed, Some(Reason::Cancelled)));
        }
        left
    }

    /// Whether every node has ended.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.stands.iter().all(|it| it.ended())
    }

    fn no_needs(&self, at: usize) -> bool {
        self.unmet.get(at).is_some_and(|it| *it == 0)
    }

    fn set(&mut self, at: usize, stand: Stand) {
        if let Some(slot) = self.stands.get_mut(at) {
            *slot = stand;
        }
    }

    fn fill_slots(&mut self, steps: &mut Vec<Step>) {
        while self.running < self.parallel_max && !self.cancelled {
            let Some(at) = self.queue.pop_front() else { break };
            self.set(at, Stand::Running);
            self.running += 1;
            steps.retain(|it| *it != Step::Queue(at));
            steps.push(Step::Start(at));
        }
    }

    /// All that the node needs has ended: may it run?
    fn decide(&mut self, at: usize, steps: &mut Vec<Step>) {
        if self.cancelled {
            return;
        }
        let Some(task) = self.tasks.get(at) else { return };
        let needs: Vec<Stand> =
            task.needs.iter().filter_map(|it| self.stands.get(*it).copied()).collect();
        let skip = match (task.settled, task.when) {
            (Some(reason), _) => Some(reason),
            (None, When::Always) => None,
            (None, When::OnSuccess) => {
                (!needs.iter().all(|it| it.good())).then_some(Reason::Upstream)
            }
            (None, When::OnFailure) => {
                (!needs.iter().any(|it| it.bad())).then_some(Reason::Condition)
            }
        };
        if let Some(reason) = skip {
            steps.push(Step::Skip(at, reason));
            self.settle(at, State::Skipped, Some(reason), steps);
            return;
        }
        self.set(at, Stand::Queued);
        self.queue.push_back(at);
        steps.push(Step::Queue(at));
    }

    fn settle(&mut self, at: usize, state: State, why: Option<Reason>, steps: &mut Vec<Step>) {
        self.set(at, Stand::Ended(state, why));
        for next in self.dependents.get(at).cloned().unwrap_or_default() {
            if let Some(unmet) = self.unmet.get_mut(next) {
                *unmet = unmet.saturating_sub(1);
            }
            if self.no_needs(next) && self.stands.get(next) == Some(&Stand::Waiting) {
                self.decide(next, steps);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn task(id: &str, needs: &[usize], when: When) -> Task {
        Task { id: NodeId::new(id).unwrap(), needs: needs.to_vec(), when, settled: None }
    }

    #[test]
    fn a_failure_skips_what_depends_on_it_and_lets_the_rest_go_on() {
        let tasks = vec![
            task("a", &[], When::OnSuccess),
            task("b", &[], When::OnSuccess),
            task("c", &[0], When::OnSuccess),
            task("d", &[2], When::OnSuccess),
            task("e", &[2], When::OnFailure),
            task("f", &[1], When::OnFailure),
            task("g", &[2, 1], When::Always),
        ];
        let mut schedule = Schedule::new(tasks, 4);
        assert_eq!(schedule.begin(), [Step::Start(0), Step::Start(1)]);
        assert_eq!(
            schedule.ended(0, End::Failed),
            [Step::Skip(2, Reason::Upstream), Step::Skip(3, Reason::Upstream), Step::Start(4)]
        );
        assert_eq!(
            schedule.ended(1, End::Complete),
            [Step::Skip(5, Reason::Condition), Step::Start(6)]
        );
        assert!(!schedule.is_done());
        schedule.ended(4, End::Complete);
        schedule.ended(6, End::Complete);
        assert!(schedule.is_done());
    }

    #[test]
    fn a_back_off_gives_the_slot_away_and_queues_for_another() {
        let tasks = vec![task("a", &[], When::OnSuccess), task("b", &[], When::OnSuccess)];
        let mut schedule = Schedule::new(tasks, 1);
        assert_eq!(schedule.begin(), [Step::Queue(1), Step::Start(0)]);
        assert_eq!(schedule.backed_off(0), [Step::Start(1)]);
        assert_eq!(schedule.again(0), [Step::Queue(0)]);
        assert_eq!(schedule.ended(1, End::Complete), [Step::Start(0)]);
        schedule.ended(0, End::Complete);
        assert!(schedule.is_done());
    }

    /// Runs a random graph to its end, ending running nodes in a random order.
    fn drive(needs: &[Vec<usize>], fails: &[bool], parallel: usize, picks: &[usize]) {
        let when = [When::OnSuccess, When::OnFailure, When::Always];
        let tasks: Vec<Task> = needs
            .iter()
            .enumerate()
            .map(|(at, needs)| task(&format!("n{at}"), needs, when[at % 7 % 3]))
            .collect();
        let total = tasks.len();
        let mut schedule = Schedule::new(tasks, parallel);
        let (mut running, mut ended) = (Vec::new(), vec![0; total]);
        let mut steps = schedule.begin();
        for turn in 0.. {
            for step in steps.drain(..) {
                match step {
                    Step::Start(at) => running.push(at),
                    Step::Skip(at, _) => ended[at] += 1,
                    Step::Queue(_) => {}
                }
            }
            assert!(running.len() <= parallel);
            if running.is_empty() {
                break;
            }
            let at = running.swap_remove(picks[turn % picks.len()] % running.len());
            ended[at] += 1;
            assert!(needs[at].iter().all(|it| ended[*it] == 1), "a need had not ended");
            let end = if fails[at % fails.len()] { End::Failed } else { End::Complete };
            steps = schedule.ended(at, end);
        }
        assert!(schedule.is_done(), "nodes are left over");
        assert!(ended.iter().all(|it| *it == 1), "each node ends once: {ended:?}");
    }

    proptest! {
        #[test]
        fn every_graph_ends_and_every_node_ends_once(
            raw in prop::collection::vec(prop::collection::vec(any::<usize>(), 0..4), 1..40),
            fails in prop::collection::vec(any::<bool>(), 1..20),
            parallel in 1_usize..6,
            picks in prop::collection::vec(any::<usize>(), 1..50),
        ) {
            let needs: Vec<Vec<usize>> = raw.iter().enumerate().map(|(at, needs)| {
                let mut needs: Vec<usize> = needs.iter().filter(|_| at > 0).map(|it| it % at.max(1)).collect();
                needs.sort_unstable();
                needs.dedup();
                needs
            }).collect();
            drive(&needs, &fails, parallel, &picks);
        }
    }
}
