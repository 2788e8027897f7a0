//! What a condition can come to when not every value is known: a set of SQL's three truth values.
//!
//! With all values known the set has one member, and the operations are those of SQL. A value that the
//! source did not send leaves several open. The set may be larger than what is truly possible (`a AND
//! NOT a` is taken for undecided), and is never smaller: a row is left out only when the condition
//! cannot hold.

/// A set of truth values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Truth(u8);

impl Truth {
    /// It holds.
    pub(super) const TRUE: Self = Self(1);
    /// It does not hold.
    pub(super) const FALSE: Self = Self(2);
    /// SQL does not know: NULL takes part.
    pub(super) const NULL: Self = Self(4);
    /// It holds or does not, and a value decides that was not sent.
    pub(super) const EITHER: Self = Self(3);
    /// The same, and the value may be NULL too.
    pub(super) const ANY: Self = Self(7);

    pub(super) const fn of(holds: bool) -> Self {
        if holds { Self::TRUE } else { Self::FALSE }
    }

    /// Whether it may hold.
    pub(super) const fn may_hold(self) -> bool {
        self.0 & Self::TRUE.0 != 0
    }

    const fn may_be(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    const fn from_parts(holds: bool, fails: bool, null: bool) -> Self {
        Self(holds as u8 | (fails as u8) << 1 | (null as u8) << 2)
    }

    pub(super) const fn not(self) -> Self {
        let Self(set) = self;
        Self(set & 4 | (set & 1) << 1 | (set & 2) >> 1)
    }

    pub(super) const fn and(self, other: Self) -> Self {
        let holds = self.may_hold() && other.may_hold();
        let fails = self.may_be(Self::FALSE) || other.may_be(Self::FALSE);
        let not_false = Self(5);
        let null = self.may_be(Self::NULL) && other.may_be(not_false)
            || other.may_be(Self::NULL) && self.may_be(not_false);
        Self::from_parts(holds, fails, null)
    }

    pub(super) const fn or(self, other: Self) -> Self {
        self.not().and(other.not()).not()
    }

    /// `IS TRUE`, `IS FALSE`, `IS UNKNOWN`: whether it is that one value.
    pub(super) const fn is(self, one: Self) -> Self {
        Self::from_parts(self.may_be(one), self.0 & !one.0 != 0, false)
    }
}

#[cfg(test)]
mod tests {
    use super::Truth;

    /// SQL's own tables over one value each.
    const ONE: [Option<bool>; 3] = [Some(true), Some(false), None];

    fn and(a: Option<bool>, b: Option<bool>) -> Option<bool> {
        match (a, b) {
            (Some(false), _) | (_, Some(false)) => Some(false),
            (Some(true), Some(true)) => Some(true),
            _ => None,
        }
    }

    fn members(set: Truth) -> Vec<Option<bool>> {
        ONE.into_iter().filter(|one| set.may_be(single(*one))).collect()
    }

    fn single(one: Option<bool>) -> Truth {
        one.map_or(Truth::NULL, Truth::of)
    }

    fn set(members: impl Iterator<Item = Option<bool>>) -> Truth {
        Truth(members.fold(0, |set, one| set | single(one).0))
    }

    #[test]
    fn operations_on_sets_are_those_on_their_members() {
        for (a, b) in (1..8).flat_map(|a| (1..8).map(move |b| (Truth(a), Truth(b)))) {
            let pairs =
                members(a).into_iter().flat_map(|x| members(b).into_iter().map(move |y| (x, y)));
            let wanted = set(pairs.clone().map(|(x, y)| and(x, y)));
            assert_eq!(a.and(b), wanted, "{a:?} AND {b:?}");
            let wanted = set(pairs.map(|(x, y)| and(x.map(|x| !x), y.map(|y| !y)).map(|it| !it)));
            assert_eq!(a.or(b), wanted, "{a:?} OR {b:?}");
            assert_eq!(a.not(), set(members(a).into_iter().map(|x| x.map(|x| !x))));
            for one in ONE {
                let wanted = set(members(a).into_iter().map(|x| Some(x == one)));
                assert_eq!(a.is(single(one)), wanted, "{a:?} IS {one:?}");
            }
        }
    }
}
