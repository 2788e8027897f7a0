//! The catalog read for form: what every name, label, bucket and sentence must keep to.

use std::collections::BTreeSet;

use flowglass_catalog::{
    Kind, LABELS_MAX, LabelKey, Metric, MetricDef, Scale, Surface, Unit, is_snake_case, label,
    offline,
};

fn defs() -> impl Iterator<Item = &'static MetricDef> {
    Metric::all().iter().map(|it| it.def())
}

#[test]
fn names_follow_prometheus() {
    for def in defs() {
        let stem = def.stem;
        assert!(is_snake_case(stem), "{stem}");
        assert_eq!(
            stem.ends_with("_total"),
            def.kind == Kind::Counter,
            "{stem}: `_total` is for counters"
        );
        // Suffixes and words that a type adds or that only a type may have.
        for ending in ["_bucket", "_count", "_sum", "_created", "_gcount", "_gsum"] {
            assert!(!stem.ends_with(ending), "{stem} ends like a sample of a histogram");
        }
        for word in stem.split('_') {
            let types = ["counter", "gauge", "histogram", "summary", "flowglass"];
            let scaled =
                ["ms", "us", "ns", "sec", "kb", "mb", "milliseconds", "megabytes", "percent"];
            assert!(!types.contains(&word) && !scaled.contains(&word), "{stem} holds `{word}`");
        }
    }
}

#[test]
fn names_end_with_their_unit() {
    for def in defs() {
        let base = def.stem.strip_suffix("_total").unwrap_or(def.stem);
        if let Some(unit) = def.unit.suffix() {
            let last = base.rsplit('_').next().unwrap();
            // `batch_bytes` and `bytes_total` too.
            assert_eq!(last, unit, "{}", def.stem);
        }
        let claims = ["seconds", "bytes", "ratio"].iter().find(|unit| base.ends_with(*unit));
        let moment = def.unit == Unit::UnixSeconds;
        assert!(claims.is_none() || moment || def.unit.suffix() == claims.copied(), "{}", def.stem);
        assert_eq!(base.ends_with("_info"), def.unit == Unit::Info, "{}", def.stem);
        let ends_as_moment = base.ends_with("_ts") || base.ends_with("_time_seconds");
        assert_eq!(ends_as_moment, moment, "{}", def.stem);
    }
}

#[test]
fn help_is_one_sentence() {
    for def in defs() {
        let help = def.help;
        assert!(
            help.ends_with('.') && !help.contains('\n') && !help.contains('|'),
            "{}: {help}",
            def.stem
        );
        assert!(
            help.starts_with(|c: char| c.is_uppercase() || c.is_ascii_digit()),
            "{}: {help}",
            def.stem
        );
        assert!(help.len() >= 12 && help.len() <= 120, "{}: {} characters", def.stem, help.len());
    }
}

#[test]
fn labels_are_known_few_and_in_order() {
    for def in defs() {
        assert!(def.labels.len() <= LABELS_MAX, "{}", def.stem);
        let keys: Vec<_> = def.labels.iter().map(|it| it.key).collect();
        let unique: BTreeSet<_> = keys.iter().collect();
        assert_eq!(unique.len(), keys.len(), "{} has a label twice", def.stem);
        assert!(keys.iter().all(|key| LabelKey::ALL.contains(key)), "{}", def.stem);
        let owner = [LabelKey::Tenant, LabelKey::Pipeline];
        assert_eq!(
            keys.starts_with(&owner),
            keys.iter().any(|key| owner.contains(key)),
            "{}",
            def.stem
        );
        for word in def.labels.iter().filter_map(|it| it.values).flatten() {
            // HTTP's methods are upper case by their own standard.
            assert!(
                is_snake_case(word) || label::Method::ALL.iter().any(|it| it.as_str() == *word),
                "{word}"
            );
        }
    }
}

#[test]
fn no_label_can_hold_an_identity_or_free_text() {
    let forbidden = [
        "run_id", "run", "attempt", "file", "filename", "url", "sql", "query", "error", "user",
        "host",
    ];
    for key in LabelKey::ALL {
        assert!(!forbidden.contains(&key.name()), "{}", key.name());
    }
    // `path` is where an Avro schema came from, in two words; nowhere else.
    for def in defs() {
        for it in def.labels.iter().filter(|it| it.key == LabelKey::Path) {
            assert!(it.values.is_some(), "{} has an open `path`", def.stem);
        }
    }
}

#[test]
fn no_name_is_there_twice_or_could_be_taken_for_anothers_sample() {
    let live: Vec<_> = defs().map(|def| def.stem).collect();
    let offline: Vec<_> = offline::METRICS.iter().map(|it| it.stem).collect();
    let all: BTreeSet<_> = live.iter().chain(&offline).collect();
    // One number is told live and of a run that is over, under one name: rows without an account.
    let shared: Vec<_> = live.iter().filter(|it| offline.contains(it)).collect();
    assert_eq!(shared, [&"ledger_unaccounted_rows"]);
    assert_eq!(all.len(), live.len() + offline.len() - shared.len());
    for histogram in defs().filter(|def| def.kind == Kind::Histogram) {
        for ending in ["bucket", "sum", "count"] {
            assert!(
                !all.contains(&format!("{}_{ending}", histogram.stem).as_str()),
                "{}",
                histogram.stem
            );
        }
    }
}

#[test]
fn histograms_and_only_they_have_rising_buckets() {
    for def in defs() {
        assert_eq!(def.kind == Kind::Histogram, !def.buckets.is_empty(), "{}", def.stem);
        assert!(def.buckets.windows(2).all(|pair| pair[0] < pair[1]), "{}", def.stem);
        assert!(def.buckets.len() <= 15, "{}: every bucket is a series", def.stem);
        let timed = def.kind != Kind::Gauge && def.unit == Unit::Seconds;
        assert_eq!(def.scale == Scale::Nanoseconds, timed, "{}", def.stem);
    }
}

#[test]
fn http_requests_have_the_eleven_usual_bounds() {
    let def = Metric::by_stem("http_request_duration_seconds").unwrap().def();
    let bounds: Vec<_> = def.bounds().collect();
    assert_eq!(bounds, [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0]);
}

#[test]
fn only_shared_names_go_without_a_prefix() {
    for def in defs() {
        let shared = def.stem.starts_with("http_")
            || def.stem.starts_with("process_") && def.surface == Surface::Process;
        assert_eq!(def.prefixed, !shared, "{}", def.stem);
    }
}

#[test]
fn every_surface_and_every_label_key_is_used() {
    for surface in Surface::ALL {
        assert!(defs().any(|def| def.surface == *surface), "{surface:?}");
    }
    for key in LabelKey::ALL {
        assert!(defs().any(|def| def.labels.iter().any(|it| it.key == *key)), "{key:?}");
    }
}
