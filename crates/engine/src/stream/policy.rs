//! Which position the source may forget: a policy over the sinks' positions.
//!
//! A sink that may not be waited for still has to find its rows when it is slow, so the source is
//! asked to keep them for it too: what a policy decides is how far the stream counts as committed,
//! and what the source may forget is the least position of all.

use flowglass_connect::stream::Position;

/// When a batch counts as committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CommitPolicy {
    /// Every sink has it.
    All,
    /// Every required sink has it.
    #[default]
    Required,
    /// That many sinks have it, the required ones among them.
    Quorum(usize),
}

/// Where a sink stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SinkPosition {
    /// Whether the stream waits for it.
    pub(super) required: bool,
    /// Behind what it has acknowledged; `None` before its first acknowledgement.
    pub(super) position: Option<Position>,
}

impl CommitPolicy {
    /// How far the stream counts as committed; `None` when it does not yet.
    #[must_use]
    pub(super) fn committed(self, sinks: &[SinkPosition]) -> Option<Position> {
        let least = |wanted: &dyn Fn(&&SinkPosition) -> bool| {
            sinks.iter().filter(wanted).map(|it| it.position.clone()).min().flatten()
        };
        let any_required = sinks.iter().any(|it| it.required);
        match self {
            Self::All => least(&|_| true),
            Self::Required if any_required => least(&|it| it.required),
            // A stream of optional sinks only has nobody to wait for but them.
            Self::Required => least(&|_| true),
            Self::Quorum(count) => {
                let mut positions: Vec<_> = sinks.iter().map(|it| it.position.clone()).collect();
                positions.sort_unstable_by(|left, right| right.cmp(left));
                let quorum = positions.get(count.max(1) - 1)?.clone()?;
                if any_required {
                    Some(quorum.min(least(&|it| it.required)?))
                } else {
                    Some(quorum)
                }
            }
        }
    }

    /// What the source may forget: the least position of all sinks.
    #[must_use]
    pub(super) fn forgettable(sinks: &[SinkPosition]) -> Option<Position> {
        sinks.iter().map(|it| it.position.clone()).min().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sinks(list: &[(bool, Option<u64>)]) -> Vec<SinkPosition> {
        list.iter()
            .map(|(required, at)| SinkPosition {
                required: *required,
                position: at.map(Position::after),
            })
            .collect()
    }

    #[test]
    fn each_policy_waits_for_its_own() {
        let three = sinks(&[(true, Some(5)), (false, Some(2)), (false, Some(9))]);
        let at = |policy: CommitPolicy| policy.committed(&three).map(|it| it.commit);
        assert_eq!(at(CommitPolicy::All), Some(2));
        assert_eq!(at(CommitPolicy::Required), Some(5));
        assert_eq!(at(CommitPolicy::Quorum(1)), Some(5));
        assert_eq!(at(CommitPolicy::Quorum(3)), Some(2));
        assert_eq!(at(CommitPolicy::Quorum(4)), None);
        assert_eq!(CommitPolicy::forgettable(&three).map(|it| it.commit), Some(2));
    }

    #[test]
    fn a_sink_that_has_nothing_holds_its_policy() {
        let fresh = sinks(&[(true, None), (false, Some(9))]);
        assert_eq!(CommitPolicy::Required.committed(&fresh), None);
        assert_eq!(CommitPolicy::Quorum(1).committed(&fresh), None);
        assert_eq!(CommitPolicy::forgettable(&fresh), None);
        let optional = sinks(&[(false, Some(3)), (false, Some(9))]);
        assert_eq!(CommitPolicy::Required.committed(&optional).map(|it| it.commit), Some(3));
    }
}
