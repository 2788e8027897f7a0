//! What `top` says of a store while something runs, and when nothing does.

use std::time::Duration;

use flowglass_testkit::{Scratch, wait_for};

use crate::support::{Stream, flowglass};

const STREAM: &str = "apiVersion: flowglass/v1\nkind: Stream\nmetadata: { name: made-up }\nspec:\n  \
    source: { type: generator, config: { id: shop, rate: 200 } }\n  \
    sinks: [ { type: \"null\", config: { id: nowhere } } ]\n";

#[test]
fn top_shows_what_runs_with_its_rate_and_what_ended() {
    let scratch = Scratch::project(&[("stream.yaml", STREAM)]);
    let top = || flowglass(&scratch, &["top", "--once"]).run();
    let absent = top().expect_code(2);
    assert!(absent.stderr.contains("hint: "), "{absent}");
    drop(
        flowglass(&scratch, &["exec", "--pipeline", "nightly", "--", "false"]).run().expect_code(1),
    );
    let quiet = top().ok().stdout;
    assert!(quiet.contains("nothing runs") && quiet.contains("nightly"), "{quiet}");
    let stream = Stream::start(&scratch, "stream.yaml", &[]);
    wait_for("the stream's rows", Duration::from_secs(30), || {
        let said = top().ok().stdout;
        let line = said.lines().find(|it| it.starts_with("made-up"))?.to_owned();
        let cells: Vec<&str> = line.split_whitespace().collect();
        cells.iter().any(|it| it.parse::<u64>().is_ok_and(|it| it >= 100)).then_some(())
    });
    drop(stream);
}
