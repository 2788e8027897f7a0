//! Rows are written without allocating: the claim that the speed of a stream rests on, counted.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use flowglass_connect::encode::Envelope;
use flowglass_connect::stream::{Identity, Kind, Messages, Transaction};

use crate::support::V::{Null, Same, T};
use crate::support::{Feed, column, encoder, relation, settings};

thread_local! {
    static COUNT: Cell<usize> = const { Cell::new(0) };
}

/// The system's allocator, which counts what each thread asks of it.
struct Counting;

#[expect(
    unsafe_code,
    reason = "an allocator can be written in no other way; it hands everything on"
)]
// SAFETY: every call goes to the system's allocator unchanged; counting touches only a cell of the
// thread that needs neither allocation nor destructor.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.with(|count| count.set(count.get() + 1));
        // SAFETY: the caller's promises are those that the system's allocator asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn realloc(&self, old: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        COUNT.with(|count| count.set(count.get() + 1));
        // SAFETY: as above.
        unsafe { System.realloc(old, layout, size) }
    }

    unsafe fn dealloc(&self, old: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(old, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn feed() -> Feed {
    let array = |element: Kind| Kind::Array(Box::new(element));
    let table = relation(
        vec![
            column("id", Kind::Int64, "bigint"),
            column("text", Kind::Text, "text"),
            column("amount", Kind::Decimal(Some((40, 2))), "numeric(40,2)"),
            column("free", Kind::Decimal(None), "numeric"),
            column("bytes", Kind::Bytes, "bytea"),
            column("json", Kind::Json, "jsonb"),
            column("texts", array(Kind::Text), "text[]"),
            column("pairs", Kind::Hstore, "hstore"),
            column("many_pairs", array(Kind::Hstore), "hstore[]"),
            column("bits", Kind::Bits(9), "bit(9)"),
            column("at", Kind::TimestampTz, "timestamp with time zone"),
            column("local", Kind::Timestamp(6), "timestamp without time zone"),
            column("lasting", Kind::Interval, "interval"),
            column("money", Kind::Money, "money"),
        ],
        vec![0],
    );
    let row = |id: &'static str| {
        [
            T(id),
            T("žš \"quoted\"\n"),
            T("12345678901234567890123456789012345678.90"),
            T("0.000000000000000000000000000000000000000000001"),
            T("\\x00010203"),
            T("{\"a\":\n[1, {\"b\": null}]}"),
            T("{one,\"t\\\"wo\",NULL}"),
            T("\"a\"=>\"1\", \"b\"=>NULL"),
            T("{\"\\\"a\\\"=>\\\"1\\\"\"}"),
            T("101010101"),
            T("2024-02-29 23:59:59.123456+00"),
            T("2024-02-29 23:59:59.123456"),
            T("1 mon 04:05:06"),
            T("$1,234.50"),
        ]
    };
    let mut key = [Null; 14];
    key[0] = T("1");
    let mut toasted = row("1");
    toasted[1] = Same;
    toasted[5] = Same;
    (0..20).fold(Feed::of(&table), |feed, round| {
        let transaction = Transaction { id: round, commit: round, committed_at_micros: 0 };
        feed.commit(transaction)
            .insert(&row("1"))
            .update_of(Identity::Full, &row("1"), &row("1"))
            .update(&toasted)
            .update_of(Identity::Key, &key, &row("2"))
            .read(&row("3"))
            .delete(Identity::Key, &key)
            .truncate()
    })
}

#[test]
fn rows_of_every_type_are_written_without_allocating() {
    let batch = feed().batch();
    let rows = batch.spanned();
    for envelope in [Envelope::Native, Envelope::Debezium, Envelope::CloudEvents] {
        let mut encoder = encoder(settings(envelope));
        let mut messages = Messages::default();
        assert!(encoder.encode(&batch, &mut messages).is_empty());
        messages.rewind(0, 0);
        let before = COUNT.get();
        let refused = encoder.encode(&batch, &mut messages);
        let allocated = COUNT.get() - before;
        assert!(refused.is_empty() && messages.len() >= rows);
        assert_eq!(allocated, 0, "{envelope:?}: for {rows} rows");
    }
}

#[test]
fn a_route_by_column_allocates_once_for_each_destination() {
    let table = relation(vec![column("tenant", Kind::Text, "text")], Vec::new());
    let names = ["a", "b", "c"];
    let feed = (0..300).fold(Feed::of(&table), |feed, row| feed.insert(&[T(names[row % 3])]));
    let batch = feed.batch();
    let mut by_tenant = settings(Envelope::Native);
    by_tenant.route = "to.{col:tenant}".to_owned();
    let mut encoder = encoder(by_tenant);
    let mut messages = Messages::default();
    encoder.encode(&batch, &mut messages);
    messages.rewind(0, 0);
    let before = COUNT.get();
    encoder.encode(&batch, &mut messages);
    assert_eq!(COUNT.get() - before, 0);
    assert_eq!(messages.destinations().len(), 3);
}
