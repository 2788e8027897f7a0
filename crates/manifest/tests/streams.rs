//! Streams: what a plan holds, what it hides, and that no slip in a text makes the reader stumble.

use std::collections::BTreeMap;
use std::time::Duration;

use flowglass_manifest::{
    CommitPolicy, Loaded, Options, Overflow, Severity, Style, Vocabulary, load, processor_schemas,
    to_json, to_text,
};
use proptest::prelude::*;
use serde_json::json;

use crate::support::{Fake, codes, file, load_bytes, load_with, said, stream};

const ORDERS: &str = include_str!("good/stream.yaml");
const EVERYTHING: &str = include_str!("good/stream_everything.yaml");
const SMALL: &str = "apiVersion: flowglass/v1
kind: Stream
metadata: { name: small }
spec:
  source: { type: generator }
  sinks: [{ type: stdout }]
";

fn load_in(vocabulary: &Vocabulary, text: &str) -> Loaded {
    let (lookup, params) = (Fake::usual(), BTreeMap::new());
    let options =
        Options { vocabulary, lookup: &lookup, params: &params, missing: Severity::Error };
    load(&[file("x.yaml", text.as_bytes())], &options)
}

#[test]
fn defaults_are_filled_in() {
    let plan = stream(SMALL);
    assert_eq!(plan.batch().events_max, 8192);
    assert_eq!(plan.batch().bytes_max, 16 << 20);
    assert_eq!(plan.batch().wait_max, Duration::from_millis(50));
    assert!(plan.batch().respect_transactions);
    assert_eq!(plan.commit_policy(), CommitPolicy::Required);
    let dead = plan.dead_letters();
    assert_eq!((dead.entries_max, dead.event_bytes_max), (10_000, 256 << 10));
    assert_eq!((dead.age_max, dead.overflow), (Duration::from_hours(168), Overflow::DropOldest));
    assert_eq!(plan.queue_batches(), 4);
    assert_eq!(plan.grace(), Duration::from_secs(30));
    assert_eq!(plan.stalled_after(), Duration::from_secs(60));
    assert_eq!(plan.restart().first, Duration::from_secs(1));
    assert_eq!(plan.restart().longest, Duration::from_secs(60));
    assert!(plan.restart().jitter && plan.slo().is_empty());
    assert_eq!((plan.tenant(), plan.base_dir().to_str()), ("default", Some("/manifests")));
}

#[test]
fn what_is_said_stands_in_the_plan() {
    let plan = stream(EVERYTHING);
    assert_eq!(plan.commit_policy(), CommitPolicy::Quorum(2));
    assert_eq!(plan.dead_letters().overflow, Overflow::Block);
    assert_eq!(plan.grace(), Duration::ZERO);
    assert_eq!(plan.batch().bytes_max, 1_000_000);
    assert_eq!(plan.slo().lag, Some(Duration::from_secs(30)));
    assert_eq!(plan.params()["table"].expose(), "orders");
    assert_eq!(plan.source().connector.expose()["rate"], 500);
    let processors: Vec<_> =
        plan.processors().iter().map(|it| (it.id.as_str(), it.connector.kind.as_str())).collect();
    assert_eq!(processors[0], ("filter", "filter"));
    assert_eq!(processors[6], ("enrich", "javascript"));
    assert_eq!(
        plan.processors()[0].connector.expose(),
        &json!({ "where": "amount > 0", "tables": ["public.orders"] })
    );
}

/// `id` and `required` are handed on where the connector's own schema has them, and nowhere else.
#[test]
fn a_connector_gets_our_keys_only_when_it_knows_them() {
    let plan = stream(EVERYTHING);
    let sinks = plan.sinks();
    assert_eq!(
        sinks[1].connector.expose(),
        &json!({ "id": "b", "brokers": "x:9092", "required": false })
    );
    assert_eq!((sinks[2].id.as_str(), sinks[2].required), ("stdout", false));
    assert_eq!(sinks[2].connector.expose(), &json!({}));
    assert_eq!((plan.source().id.as_str()), "made-up");
    assert_eq!(plan.source().connector.expose(), &json!({ "rate": 500 }));
    let redis = SMALL.replace("type: stdout", "type: redis, config: { uri: x }");
    let redis = stream(&redis);
    assert_eq!(redis.sinks()[0].connector.expose(), &json!({ "id": "redis", "uri": "x" }));
    assert!(redis.sinks()[0].required);
}

/// The word is YAML's for no value, and a connector's.
#[test]
fn a_sink_may_be_called_null() {
    for word in ["null", "\"null\""] {
        let plan = stream(&SMALL.replace("type: stdout", &format!("type: {word}")));
        assert_eq!(plan.sinks()[0].id, "null");
        assert_eq!(plan.sinks()[0].connector.kind, "null");
    }
}

#[test]
fn a_build_without_parts_says_so() {
    let text = SMALL.replace("  sinks", "  processors: [{ type: filter, where: a }]\n  sinks");
    let bare = load_in(&Vocabulary::new(BTreeMap::new(), BTreeMap::new()), &text);
    let messages: Vec<&str> = bare.complaints.iter().map(|it| it.message.as_str()).collect();
    assert_eq!(
        messages,
        [
            "this build has no stream source `generator`",
            "this build has no processor `filter`",
            "this build has no stream sink `stdout`",
        ]
    );
    let only: BTreeMap<_, _> =
        processor_schemas().into_iter().filter(|(kind, _)| kind == "mask").collect();
    let some = load_in(&Vocabulary::default().with_processors(only), &text);
    let message = "this build has no processor `filter`";
    let found = some.complaints.iter().find(|it| it.message == message).expect(message);
    assert_eq!(found.help.as_deref(), Some("there is only `mask`"));
    assert_eq!(found.code.name(), "manifest.unknown_connector");
}

#[test]
fn any_vocabulary_takes_any_part_and_still_our_keys() {
    let text = SMALL.replace("type: stdout", "type: pigeon, config: { id: coop, seeds: 3 }");
    let loaded = load_in(&Vocabulary::any(), &text);
    assert!(loaded.complaints.is_empty(), "{}", said(&loaded));
    let sink = &loaded.streams[0].sinks()[0];
    assert_eq!(
        (sink.id.as_str(), sink.connector.expose()),
        ("coop", &json!({ "id": "coop", "required": true, "seeds": 3 }))
    );
    let wrong = text.replace("coop", "The Coop").replace("seeds: 3", "required: 3");
    assert_eq!(
        codes(&load_in(&Vocabulary::any(), &wrong)),
        ["manifest.bad_format", "manifest.wrong_type"]
    );
}

#[test]
fn the_digest_ignores_the_order_of_sinks_and_keeps_that_of_processors() {
    let with = |processors: &str, sinks: &str| {
        let spec = format!("  processors: [{processors}]\n  sinks: [{sinks}]");
        stream(&SMALL.replace("  sinks: [{ type: stdout }]", &spec)).digest().to_owned()
    };
    let (one, two) = ("{ type: stdout }", "{ type: redis, config: { uri: x } }");
    let (first, second) = ("{ type: filter, where: a }", "{ type: mask, columns: b }");
    let usual = with(&format!("{first}, {second}"), &format!("{one}, {two}"));
    assert_eq!(usual, with(&format!("{first}, {second}"), &format!("{two}, {one}")));
    assert_ne!(usual, with(&format!("{second}, {first}"), &format!("{one}, {two}")));
    assert_ne!(usual, with(first, &format!("{one}, {two}")));
}

#[test]
fn both_kinds_come_out_of_one_file() {
    let small = include_str!("good/stream_small.yaml");
    let all = load_bytes("x.yaml", small.as_bytes(), &[]).into_pipelines().expect("sound");
    assert_eq!((all.plans.len(), all.streams.len(), all.warnings.len()), (1, 1, 0));
    let refused = load_bytes("x.yaml", SMALL.replace("stdout", "x").as_bytes(), &[]);
    let refused = refused.into_pipelines().expect_err("an unknown sink");
    assert_eq!(refused.to_string(), "the manifest cannot be used: 1 error");
}

#[test]
fn a_variable_without_a_value_can_be_a_warning() {
    let text = SMALL.replace("type: generator", "type: generator, config: { rate: \"${NOPE}\" }");
    let loaded =
        load_with(&Fake::usual(), &[file("x.yaml", text.as_bytes())], &[], Severity::Warning);
    assert!(!loaded.has_errors() && loaded.streams.is_empty(), "{}", said(&loaded));
    assert_eq!(codes(&loaded), ["manifest.unset_variable"]);
}

#[test]
fn no_view_of_a_stream_shows_a_secret() {
    let loaded = load_bytes("x.yaml", ORDERS.as_bytes(), &[]);
    assert!(loaded.complaints.is_empty(), "{}", said(&loaded));
    let plan = &loaded.streams[0];
    for view in
        [format!("{plan:?}"), format!("{loaded:?}"), plan.to_text(), plan.to_json().to_string()]
    {
        for secret in ["s3cr3t", "r3d1s-pw", "r3g1stry-pw"] {
            assert!(!view.contains(secret), "{view}");
        }
        assert!(view.contains("***"), "{view}");
    }
    let dsn = &plan.source().connector.expose()["dsn"];
    assert_eq!(dsn, "postgres://shop:s3cr3t%21@db:5432/shop");
    let all: Vec<&str> = plan.secrets().expose().collect();
    assert!(all.contains(&"s3cr3t!") && all.contains(&"r3d1s-pw"), "the redactor knows them");
    // A named secret is starred wherever it stands.
    let hidden = stream(EVERYTHING);
    assert_eq!(hidden.sinks()[0].connector.shown()["brokers"], "***");
    assert_eq!(hidden.sinks()[0].connector.expose()["brokers"], "one:9092,two:9092");
}

#[test]
fn no_complaint_about_a_stream_shows_a_secret() {
    const MARK: &str = "hunter2-mark";
    let mut fake = Fake::usual();
    fake.variables.insert("NAMED".to_owned(), MARK.to_owned());
    let places = [
        "source: { type: \"${NAMED}\" }",
        "source: { type: generator, config: { id: \"X ${NAMED}\" } }",
        "source: { type: generator, config: { rate: \"${NAMED}\" } }",
        "source: { type: postgres, config: { dsn: 'postgres://u:hunter2-mark@h/x', table: t } }",
        "source: { type: generator }, processors: [{ type: \"${NAMED}\" }]",
        "source: { type: generator }, processors: [{ type: filter, id: \"${NAMED}\", where: a }, { type: mask, id: \"${NAMED}\", columns: a }]",
        "source: { type: generator }, batch: { max_bytes: \"${NAMED}\" }",
        "source: { type: generator }, grace: \"${NAMED}\"",
        "source: { type: generator }, commit_policy: { mode: \"${NAMED}\" }",
    ];
    for place in places {
        let text = format!(
            "apiVersion: flowglass/v1\nkind: Stream\nmetadata: {{ name: x }}\nspec: {{ secrets: [NAMED], sinks: [{{ type: stdout }}], {place} }}\n"
        );
        let loaded = load_with(&fake, &[file("x.yaml", text.as_bytes())], &[], Severity::Error);
        assert!(loaded.has_errors(), "{place}");
        for view in
            [to_text(&loaded.complaints, Style::Plain), to_json(&loaded.complaints).to_string()]
        {
            assert!(!view.contains(MARK), "{place}\n{view}");
        }
        // Nothing is known of parts without a name either.
        let bare = Vocabulary::new(BTreeMap::new(), BTreeMap::new());
        let options = Options {
            vocabulary: &bare,
            lookup: &fake,
            params: &BTreeMap::new(),
            missing: Severity::Error,
        };
        let loaded = load(&[file("x.yaml", text.as_bytes())], &options);
        assert!(!said(&loaded).contains(MARK), "{place}\n{}", said(&loaded));
    }
}

/// A slip in a text that was right.
#[derive(Clone, Debug)]
enum Slip {
    Remove(prop::sample::Index, usize),
    Put(prop::sample::Index, String),
    Twice(prop::sample::Index),
    Swap(prop::sample::Index, prop::sample::Index),
    Indent(prop::sample::Index),
}

fn slip() -> impl Strategy<Value = Slip> {
    let index = any::<prop::sample::Index>;
    prop_oneof![
        (index(), 1_usize..12).prop_map(|(at, count)| Slip::Remove(at, count)),
        (index(), "[ \\[\\]{}:,&*!|>'\"%@#a-c0-9\\n~-]{1,4}")
            .prop_map(|(at, it)| Slip::Put(at, it)),
        (
            index(),
            prop::sample::select(vec![
                "null", "[]", "{}", "true", "-1", "1e400", "${NOPE}", "&a", "*a"
            ])
        )
            .prop_map(|(at, it)| Slip::Put(at, it.to_owned())),
        index().prop_map(Slip::Twice),
        (index(), index()).prop_map(|(one, other)| Slip::Swap(one, other)),
        index().prop_map(Slip::Indent),
    ]
}

fn slipped(text: &str, slips: &[Slip]) -> String {
    let mut characters: Vec<char> = text.chars().collect();
    for slip in slips {
        match slip {
            Slip::Remove(at, count) if !characters.is_empty() => {
                let from = at.index(characters.len());
                let to = (from + count).min(characters.len());
                characters.drain(from..to);
            }
            Slip::Put(at, what) => {
                let at = at.index(characters.len() + 1);
                characters.splice(at..at, what.chars());
            }
            Slip::Remove(..) => {}
            Slip::Twice(..) | Slip::Swap(..) | Slip::Indent(..) => {
                let text: String = characters.iter().collect();
                let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
                let count = lines.len().max(1);
                match slip {
                    Slip::Twice(at) => {
                        lines.extend(lines.get(at.index(count)).cloned());
                        lines.rotate_right(1);
                    }
                    Slip::Swap(one, other) if !lines.is_empty() => {
                        lines.swap(one.index(count), other.index(count));
                    }
                    Slip::Indent(at) => {
                        if let Some(line) = lines.get_mut(at.index(count)) {
                            line.insert_str(0, "  ");
                        }
                    }
                    _ => {}
                }
                characters = (lines.join("\n") + "\n").chars().collect();
            }
        }
    }
    characters.into_iter().collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn a_stream_with_slips_is_answered(
        whole in prop::sample::select(vec![ORDERS, EVERYTHING]),
        slips in prop::collection::vec(slip(), 1..5),
        warns in any::<bool>(),
    ) {
        let text = slipped(whole, &slips);
        let missing = if warns { Severity::Warning } else { Severity::Error };
        let loaded = load_with(&Fake::usual(), &[file("x.yaml", text.as_bytes())], &[], missing);
        let shown = said(&loaded);
        prop_assert!(!shown.contains("manifest.internal"), "{shown}\n{text}");
        let made = loaded.plans.len() + loaded.streams.len();
        prop_assert!(made > 0 || !loaded.complaints.is_empty(), "neither plan nor complaint\n{text}");
        for plan in &loaded.streams {
            prop_assert!(!plan.sinks().is_empty());
            let mut ids: Vec<&str> = plan.sinks().iter().map(|it| it.id.as_str()).collect();
            ids.sort_unstable();
            ids.dedup();
            prop_assert_eq!(ids.len(), plan.sinks().len(), "{}", text);
            if let CommitPolicy::Quorum(count) = plan.commit_policy() {
                prop_assert!((1..=plan.sinks().len()).contains(&(count as usize)));
            }
            drop((plan.to_text(), plan.to_json()));
        }
    }
}
