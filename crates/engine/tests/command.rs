//! Commands as real processes: how they end, what they are handed, what they tell, and that nothing
//! of it is lost, unbounded or secret.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use flowglass_connect::{Clock, SystemClock};
use flowglass_engine::{BuiltNode, CommandSpec, CommandWork, Stop, StopCause};
use flowglass_model::{
    AssetRef, Counts, ErrorClass, EventKind, LogStream, Reason, Redactor, RunReport, State,
};

use crate::support::{MemoryLog, Played, around, node, pipeline, play, play_node};

fn spec(script: &str) -> CommandSpec {
    CommandSpec {
        program: "/bin/sh".into(),
        args: vec!["-c".into(), script.into()],
        env: BTreeMap::new(),
        cwd: None,
        success_codes: [0].into(),
        warning_codes: [9].into(),
        stop_grace: Duration::from_millis(300),
        through: None,
    }
}

fn command(spec: CommandSpec) -> BuiltNode {
    node("n", Arc::new(CommandWork::new(spec)))
}

async fn sh(script: &str) -> Played {
    play_node(command(spec(script)), MemoryLog::default(), Stop::new()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn exit_codes_and_signals_are_told_as_they_are() {
    let ends = [
        ("exit 0", State::Complete, Reason::Ok, Some(0), None, None),
        ("exit 9", State::Complete, Reason::Warning, Some(9), None, None),
        ("exit 3", State::Failed, Reason::Error, Some(3), None, Some(ErrorClass::ExitCode)),
        (
            "kill -KILL $$",
            State::Failed,
            Reason::Error,
            None,
            Some("SIGKILL"),
            Some(ErrorClass::Signal),
        ),
        (
            "kill -TERM $$",
            State::Failed,
            Reason::Error,
            None,
            Some("SIGTERM"),
            Some(ErrorClass::Signal),
        ),
    ];
    for (script, state, reason, code, signal, class) in ends {
        let played = sh(script).await;
        let end = played.attempt_end();
        assert_eq!((end.to, end.reason), (Some(state), Some(reason)), "{script}");
        assert_eq!((end.exit_code, end.signal.as_deref()), (code, signal), "{script}");
        assert_eq!(end.error.as_ref().map(|it| it.class), class, "{script}");
        let report = RunReport::of(&played.snapshot());
        assert_eq!((report.nodes[0].exit_code, report.nodes[0].signal.as_deref()), (code, signal));
        let running = played.events.iter().filter(|it| it.to == Some(State::Running));
        assert!(running.into_iter().all(|it| it.exit_code.is_none() && it.signal.is_none()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_started_says_which_program() {
    let missing = CommandSpec { program: "no-such-program".into(), ..spec("") };
    let played = play_node(command(missing), MemoryLog::default(), Stop::new()).await;
    let error = played.attempt_end().error.clone().unwrap();
    assert_eq!(error.class, ErrorClass::Spawn);
    assert!(error.detail.contains("`no-such-program`"), "{error:?}");
    let gone = CommandSpec { cwd: Some("/no/such/folder".into()), ..spec("true") };
    let played = play_node(command(gone), MemoryLog::default(), Stop::new()).await;
    let error = played.attempt_end().error.clone().unwrap();
    assert!(error.detail.contains("/no/such/folder"), "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_knows_where_it_runs() {
    let script = r#"echo "$TRACEPARENT"; echo "$FLOWGLASS_RUN_ID"; echo "$FLOWGLASS_PIPELINE";
        echo "$FLOWGLASS_NODE"; echo "$FLOWGLASS_ATTEMPT"; test -p "$FLOWGLASS_EVENTS" && echo pipe;
        echo "$OWN"; pwd"#;
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().canonicalize().unwrap();
    let own = BTreeMap::from([("OWN".to_owned(), "two words".to_owned())]);
    let with = CommandSpec { env: own, cwd: Some(folder.clone()), ..spec(script) };
    let played = play_node(command(with), MemoryLog::default(), Stop::new()).await;
    let end = played.attempt_end();
    let traceparent = format!("00-{}-{}-01", end.trace.trace_id, end.trace.span_id);
    let run = end.run_id.to_string();
    let folder = folder.display().to_string();
    let told = [traceparent.as_str(), &run, "p", "n", "1", "pipe", "two words", &folder];
    assert_eq!(played.lines(LogStream::Stdout), told);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_told_on_the_channel_arrives_every_time() {
    let script = r#"
        echo '{"progress": {"done": 40, "expected": 100}}' > "$FLOWGLASS_EVENTS"
        {
            echo '{"counts": {"extracted": 100, "inserted": 98}, "attributes": {"model": "v3", "n": 7}}'
            echo 'this is no JSON'
            echo '{"unknown": 1}'
            echo ''
            echo '{"inputs": ["in/a b.txt"], "outputs": ["out/ü.txt", {"namespace": "s3://bucket", "name": "k"}]}'
        } > "$FLOWGLASS_EVENTS"
        printf '{"log": {"level": "error", "text": "the last word"}}' > "$FLOWGLASS_EVENTS""#;
    for turn in 0..200 {
        let played = sh(script).await;
        let end = played.attempt_end();
        let counts = Counts { extracted: Some(100), inserted: Some(98), ..Counts::default() };
        assert_eq!(end.counts, Some(counts), "turn {turn}");
        assert_eq!(end.inputs, [AssetRef::file("in/a b.txt")], "turn {turn}");
        let outputs = [AssetRef::file("out/ü.txt"), AssetRef::new("s3://bucket", "k")];
        assert_eq!(end.outputs, outputs, "turn {turn}");
        let attributes = &end.attributes;
        assert_eq!((attributes["model"].as_str(), attributes["n"].as_str()), ("v3", "7"));
        let said = played.lines(LogStream::Engine);
        assert_eq!(said[0], "the last word", "turn {turn}: {said:?}");
        assert!(said[1].starts_with("2 lines written to FLOWGLASS_EVENTS were passed over"));
        let progress = played.events.iter().filter(|it| it.kind == EventKind::Progress);
        let done: Vec<_> = progress.map(|it| it.counts.unwrap().extracted).collect();
        assert_eq!(done, [Some(40), Some(100)], "turn {turn}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_megabyte_of_output_arrives_whole() {
    // 20,000 lines of 52 bytes, and one line of 100,000 that is told in pieces.
    let script = r#"i=0; while [ $i -lt 9990 ]; do printf '%05d %s\n' $i 1234567890123456789012345678901234567890123456; i=$((i+1)); done
        head -c 600000 /dev/zero | tr '\0' x"#;
    let played = sh(script).await;
    let lines = played.lines(LogStream::Stdout);
    let whole: String = lines[9990..].concat();
    assert_eq!((whole.len(), whole.bytes().all(|it| it == b'x')), (600_000, true));
    for (at, line) in lines[..9990].iter().enumerate() {
        assert!(line.starts_with(&format!("{at:05} ")), "line {at} is `{line}`");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_log_loses_no_line_of_a_command_that_has_ended() {
    // The command is long gone when its last lines are read from the pipe.
    let script = "i=0; while [ $i -lt 12000 ]; do echo line $i; i=$((i+1)); done";
    let log = MemoryLog { takes: Duration::from_millis(150), ..MemoryLog::default() };
    let played = play_node(command(spec(script)), log, Stop::new()).await;
    let lines = played.lines(LogStream::Stdout);
    assert_eq!(lines.len(), 12_000, "the last is {:?}", lines.last());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_is_bounded_and_says_what_it_left_out() {
    let played = sh("yes 'a line of the flood' | head -n 200000").await;
    let kept = played.lines(LogStream::Stdout).len();
    let said = played.lines(LogStream::Engine);
    let left_out: usize = said
        .iter()
        .filter_map(|it| it.split_once(" lines of stdout left out")?.0.parse::<usize>().ok())
        .sum();
    assert_eq!(kept + left_out, 200_000, "{said:?}");
    assert!(kept < 150_000, "{kept} lines were kept");
    assert_eq!(played.attempt_end().to, Some(State::Complete));
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_are_no_text_are_kept_exactly() {
    let played = sh(r"printf 'caf\351 \000 \377\n' >&2; printf 'no end'").await;
    let line = |stream| {
        let mut lines = played.events.iter().filter_map(|it| it.log.clone());
        lines.find(|it| it.stream == stream).unwrap()
    };
    let odd = line(LogStream::Stderr);
    assert_eq!(odd.text, "caf\u{fffd} \0 \u{fffd}");
    assert_eq!(odd.base64.as_deref(), Some("Y2Fm6SAAIP8="));
    assert_eq!(line(LogStream::Stdout).text, "no end");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_left_in_the_background_neither_lives_on_nor_holds_the_run_up() {
    let clock = SystemClock::new();
    let since = clock.monotonic();
    let played = sh("sleep 300 & echo $!; exit 0").await;
    assert_eq!(played.attempt_end().to, Some(State::Complete));
    let pid = played.lines(LogStream::Stdout)[0].clone();
    gone(&pid);
    // One that left the group keeps the pipe open; the run does not wait for it.
    let played = sh("setsid sleep 4 & echo started").await;
    assert_eq!(played.lines(LogStream::Stdout), ["started"]);
    assert_eq!(played.attempt_end().to, Some(State::Complete));
    let took = clock.monotonic().saturating_sub(since);
    assert!(took < Duration::from_millis(3_500), "took {took:?}");
}

/// Waits until a process that was killed has gone: the kernel takes a moment.
fn gone(pid: &str) {
    let look = || (!is_alive(pid)).then_some(());
    flowglass_testkit::wait_for(&format!("process {pid} is gone"), Duration::from_secs(5), look);
}

/// Whether the process is there and no corpse that nobody has buried.
fn is_alive(pid: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat.rsplit_once(')').and_then(|(_, rest)| rest.trim().chars().next());
    state.is_some_and(|it| it != 'Z' && it != 'X')
}

#[tokio::test(flavor = "multi_thread")]
async fn a_timeout_asks_first_and_then_ends_the_whole_group() {
    // Hears TERM and takes its leave.
    let mut polite =
        command(spec("trap 'echo bye; exit 0' TERM; echo up; while :; do sleep 0.05; done"));
    polite.timeout = Some(Duration::from_millis(400));
    let played = play_node(polite, MemoryLog::default(), Stop::new()).await;
    assert_eq!(played.lines(LogStream::Stdout), ["up", "bye"]);
    // Does not, and has a child that does not either.
    let deaf = "trap '' TERM; (trap '' TERM; while :; do sleep 0.05; done) & echo $!; while :; do sleep 0.05; done";
    let mut deaf = command(spec(deaf));
    deaf.timeout = Some(Duration::from_millis(300));
    let played = play_node(deaf, MemoryLog::default(), Stop::new()).await;
    let end = played.attempt_end();
    assert_eq!((end.to, end.reason), (Some(State::Failed), Some(Reason::Timeout)));
    assert_eq!(end.signal.as_deref(), Some("SIGKILL"));
    assert_eq!(end.error.as_ref().unwrap().class, ErrorClass::Timeout);
    let seconds = end.duration_seconds.unwrap();
    assert!((0.6..3.0).contains(&seconds), "300 ms and 300 ms of grace took {seconds} s");
    let child = played.lines(LogStream::Stdout)[0].clone();
    gone(&child);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_command_ends_and_is_not_tried_again() {
    let stop = Stop::new();
    let folder = tempfile::tempdir().unwrap();
    let sign = folder.path().join("up");
    let mut work = command(spec(&format!("touch '{}'; sleep 300", sign.display())));
    work.retry.attempts_max = 3;
    let cancel = async {
        let look = async || sign.exists().then_some(());
        flowglass_testkit::wait_for_async("the command is up", Duration::from_secs(20), look).await;
        stop.ask(StopCause::Cancelled);
    };
    let (played, ()) = tokio::join!(play_node(work, MemoryLog::default(), stop.clone()), cancel);
    let end = played.end.as_ref().unwrap();
    assert_eq!((end.state, end.reason), (State::Failed, Reason::Cancelled));
    let snapshot = played.snapshot();
    let node = &snapshot.pipelines[0].nodes[0];
    assert_eq!((node.attempts.len(), node.times.reason), (1, Some(Reason::Cancelled)));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_kernel_says_what_a_command_took() {
    // 60 MB in memory at once, and some counting.
    let script = "head -c 60000000 /dev/zero | tail -c 60000000 | wc -c; i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done";
    let report = RunReport::of(&sh(script).await.snapshot());
    let peak = report.nodes[0].peak_rss_bytes.unwrap();
    assert!((50_000_000..400_000_000).contains(&peak), "{peak} bytes");
    let cpu = report.nodes[0].cpu_seconds.unwrap();
    assert!(cpu > 0.01 && cpu < 60.0, "{cpu} s");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_appears_in_no_event() {
    let secret = "hunter/22 pass%word";
    let script = r#"echo "out $PASSWORD"; echo "err $PASSWORD" >&2; echo "arg $0"
        printf 'bytes \377 %s\n' "$PASSWORD"
        printf '{"log": {"text": "told %s"}, "attributes": {"key": "%s"}, "outputs": ["out/%s"]}\n' "$PASSWORD" "$PASSWORD" "$PASSWORD" > "$FLOWGLASS_EVENTS"
        exit 3"#;
    let mut with = spec(script);
    with.args.push(secret.into());
    with.env.insert("PASSWORD".to_owned(), secret.to_owned());
    let mut work = command(with);
    work.action.argv = vec!["sh".to_owned(), "-c".to_owned(), format!("--password={secret}")];
    let folder = tempfile::tempdir().unwrap();
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let mut built = pipeline("p", vec![work], around(folder.path(), Arc::clone(&clock)));
    built.labels.insert("note".to_owned(), format!("uses {secret}"));
    let asks = (Stop::new(), Redactor::new([secret]));
    let played = play(vec![built], MemoryLog::default(), clock, asks).await;
    assert!(played.lines(LogStream::Stdout).contains(&"out ***".to_owned()));
    assert!(played.lines(LogStream::Stdout).contains(&"arg ***".to_owned()));
    assert!(played.lines(LogStream::Engine).contains(&"told ***".to_owned()));
    for event in &played.events {
        let line = event.to_line();
        for part in [secret, "hunter", "pass%word", "aHVudGVy"] {
            assert!(!line.contains(part), "{:?} tells it: {line}", event.kind);
        }
    }
    let snapshot = serde_json::to_string(&played.snapshot()).unwrap();
    assert!(snapshot.contains("***") && !snapshot.contains("hunter"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_across_the_cut_of_an_overlong_line_appears_in_no_event() {
    let secret = "hunter/22 pass%word";
    // Each line has the secret one byte later than the line before, over the first cut and the
    // second; the last line comes in two writes with the cut and the secret between them.
    let script = r#"
        for n in $(seq 16362 16386) $(seq 32740 32771); do
            head -c "$n" /dev/zero | tr '\0' x; printf '%s, the end\n' "$PASSWORD"
        done
        head -c 16380 /dev/zero | tr '\0' x; printf 'hunter/'; sleep 0.1; printf '22 pass%%word'"#;
    let mut with = spec(script);
    with.env.insert("PASSWORD".to_owned(), secret.to_owned());
    let folder = tempfile::tempdir().unwrap();
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let built = pipeline("p", vec![command(with)], around(folder.path(), Arc::clone(&clock)));
    let asks = (Stop::new(), Redactor::new([secret]));
    let played = play(vec![built], MemoryLog::default(), clock, asks).await;
    let lines = played.lines(LogStream::Stdout);
    assert!(lines.iter().all(|it| it.len() <= 16 << 10), "a line is too long for one event");
    let whole = lines.concat();
    assert_eq!(whole.matches("***").count(), 25 + 32 + 1);
    assert_eq!(whole.matches(", the end").count(), 25 + 32);
    for part in ["hunter", "pass%word", "22 pass"] {
        assert!(!whole.contains(part), "half a secret is told: {part}");
    }
}
