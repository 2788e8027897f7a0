//! How long a row takes. Not a test of the tier that runs always: a machine that does other things
//! would make it fail. Run it alone, built for release:
//! `cargo test --release -p flowglass-connect -- --ignored --nocapture nanoseconds`.

use std::sync::Arc;

use flowglass_connect::encode::{EncoderSettings, Envelope};
use flowglass_connect::stream::{Kind, Messages, StreamBatch};
use flowglass_connect::{Clock, SystemClock};

use crate::support::V::T;
use crate::support::{Feed, column, encoder, relation, settings};

const ROWS: usize = 1_000;
const PASSES: usize = 3_000;

/// The table that the streams are measured with: about 254 bytes of log a row.
fn batch() -> StreamBatch {
    let columns = vec![
        column("id", Kind::Int64, "bigint"),
        column("customer", Kind::Text, "text"),
        column("amount", Kind::Decimal(Some((12, 2))), "numeric(12,2)"),
        column("status", Kind::Text, "text"),
        column("payload", Kind::Json, "jsonb"),
        column("updated_at", Kind::TimestampTz, "timestamp with time zone"),
    ];
    let payload = "{\"sku\": \"SKU-000123\", \"qty\": 3, \"note\": \"lorem ipsum dolor sit amet\", \
                   \"tags\": [\"alpha\", \"beta\"], \"address\": {\"zip\": \"12345\", \"city\": \"Springfield\"}}";
    let mut feed = Feed::of(&relation(columns, vec![0]));
    for row in 0..ROWS {
        let id = (1_000_000 + row).to_string();
        let customer = format!("customer-{row:05}");
        let amount = format!("{row}.50");
        let at = format!("2024-02-29 23:59:59.{row:06}+00");
        let cells = [T(&id), T(&customer), T(&amount), T("paid"), T(payload), T(&at)];
        feed = feed.insert(&cells);
    }
    feed.batch()
}

/// Nanoseconds a row in the best and in the middle one of many passes, and bytes a row. The best pass
/// is one that nothing else on the machine interrupted.
fn measure(settings: &EncoderSettings, batch: &StreamBatch) -> (f64, f64, usize) {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let mut encoder = encoder(settings.clone());
    let mut messages = Messages::with_capacity(ROWS, 1 << 20);
    let mut passes = Vec::with_capacity(PASSES);
    for _ in 0..PASSES {
        messages.rewind(0, 0);
        let began = clock.monotonic();
        assert!(encoder.encode(batch, &mut messages).is_empty());
        passes.push((clock.monotonic() - began).as_secs_f64() * 1e9 / ROWS as f64);
    }
    passes.sort_by(f64::total_cmp);
    (passes[0], passes[PASSES / 2], messages.buffer.len() / ROWS)
}

#[test]
#[ignore = "measures; see the head of the file"]
fn nanoseconds_a_row() {
    let batch = batch();
    for envelope in [Envelope::Native, Envelope::Debezium, Envelope::CloudEvents] {
        let (best, middle, bytes) = measure(&settings(envelope), &batch);
        println!(
            "{envelope:?}: {best:.0} ns at best, {middle:.0} in the middle, {bytes} bytes a row"
        );
    }
}
