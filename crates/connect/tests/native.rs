//! Golden messages of the native envelope, one per operation and identity.

use flowglass_connect::encode::{Envelope, KeyRule};
use flowglass_connect::stream::{Identity, Transaction};

use crate::support::V::{Null, Same, T};
use crate::support::{COMMITTED_AT_MICROS, Feed, orders, settings, shown};

#[test]
fn each_operation() {
    let table = orders();
    let row = [T("1"), T("Ann \"A\"\n"), T("12.50"), T("{\"a\": [1, 2]}")];
    let batch = Feed::of(&table)
        .insert(&row)
        .update(&[T("1"), T("Ann"), T("12.50"), Null])
        .delete(Identity::Key, &[T("1"), Null, Null, Null])
        .truncate()
        .read(&row)
        .batch();
    insta::assert_snapshot!(shown(settings(Envelope::Native), &batch));
}

#[test]
fn what_is_known_of_the_row_before() {
    let table = orders();
    let old = [T("1"), T("Ann"), Null, T("{}")];
    let new = [T("1"), T("Bob"), T("1.00"), T("{}")];
    let batch = Feed::of(&table)
        .update_of(Identity::Full, &old, &new)
        .update_of(Identity::Key, &[T("1"), Null, Null, Null], &[T("2"), T("Bob"), Null, Null])
        .delete(Identity::Full, &old)
        .batch();
    insta::assert_snapshot!(shown(settings(Envelope::Native), &batch));
}

#[test]
fn a_value_that_was_not_sent_is_named_and_never_null() {
    let table = orders();
    let batch = Feed::of(&table)
        .update(&[T("1"), Same, T("1.00"), Same])
        // The whole row before has it, so that nothing is missing.
        .update_of(
            Identity::Full,
            &[T("1"), T("Ann"), T("1.00"), T("{\"large\": true}")],
            &[T("1"), T("Bob"), T("1.00"), Same],
        )
        .update(&[Same, Same, Same, Same])
        .batch();
    let mut no_key = settings(Envelope::Native);
    no_key.key = KeyRule::None;
    insta::assert_snapshot!(shown(no_key, &batch));
}

#[test]
fn tombstones_where_they_are_asked_for() {
    let table = orders();
    let batch = Feed::of(&table)
        .update_of(Identity::Key, &[T("1"), Null, Null, Null], &[T("2"), T("Bob"), Null, Null])
        .delete(Identity::Key, &[T("2"), Null, Null, Null])
        .batch();
    let mut with_tombstones = settings(Envelope::Native);
    with_tombstones.tombstones = Some(true);
    insta::assert_snapshot!(shown(with_tombstones, &batch));
}

#[test]
fn each_transaction_has_its_own_head() {
    let table = orders();
    let row = [T("1"), Null, Null, Null];
    let at = |id, commit, micros| Transaction { id, commit, committed_at_micros: micros };
    let batch = Feed::of(&table)
        .insert(&row)
        .insert(&row)
        .commit(at(740, 0x1_0000_0000, COMMITTED_AT_MICROS + 1))
        .insert(&row)
        .commit(at(u64::MAX, u64::MAX, 0))
        .insert(&row)
        // No calendar has this moment.
        .commit(at(0, 0, i64::MAX))
        .insert(&row)
        .batch();
    insta::assert_snapshot!(shown(settings(Envelope::Native), &batch));
}
