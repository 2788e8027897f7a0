//! Kill −9 in the middle of appends, several processes at one file, and who counts as gone.
//!
//! The other process is this test binary, told to run the test `a_process_that_appends` alone.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use flowglass_store::{Follow, FollowEnd, Followed, Reader, RunFilter};
use flowglass_testkit::{Dice, Fate, Scratch, Victim, wait_for};

use crate::history::{History, PATIENCE, open, run_id};

const STORE: &str = "FLOWGLASS_TEST_STORE";
const RUNS: &str = "FLOWGLASS_TEST_RUNS";

/// Events that the other process appends to each of its runs, in parts of different lengths.
const LINES: u64 = 2000;

fn other_process(store: &Path, runs: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["crash::a_process_that_appends", "--exact", "--ignored", "--nocapture"])
        .env(STORE, store)
        .env(RUNS, runs)
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command
}

#[test]
#[ignore = "the other process of the tests beside it, which start it"]
fn a_process_that_appends() {
    let store = std::env::var(STORE).expect("started by the tests beside it");
    let runs = std::env::var(RUNS).unwrap();
    let store = open(Path::new(&store));
    let appender = store.appender();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        for number in runs.split(',').map(|it| it.parse().unwrap()) {
            let mut rest = History::whole(number, LINES);
            let mut part = 1;
            while !rest.is_empty() {
                let after = rest.split_off(part.min(rest.len()));
                appender.append(rest).await.unwrap();
                rest = after;
                part = part % 13 + 1;
            }
        }
    });
}

#[test]
fn whatever_instant_it_is_killed_at_the_log_is_a_whole_prefix() {
    let mut dice = Dice::from_seed(20_261_121);
    let mut killed = 0;
    for _round in 0..8 {
        let scratch = Scratch::new();
        let path = scratch.path("s.db");
        let victim = Victim::spawn(&mut other_process(&path, "1,2,3,4,5,6,7,8,9")).unwrap();
        wait_for("the first run is in the list", PATIENCE, || {
            let reader = Reader::open(&path).ok()?;
            reader.summary(run_id(1)).ok()?.map(drop)
        });
        let delay = dice.duration(Duration::ZERO..Duration::from_millis(400));
        killed += u32::from(victim.kill_after(delay) == Fate::Killed);
        let reader = Reader::open(&path).unwrap();
        assert_eq!(reader.check().unwrap(), Vec::<String>::new());
        for summary in reader.list(&RunFilter::default(), None, 99).unwrap().runs {
            let number = (1..=9).find(|it| run_id(*it) == summary.run_id).unwrap();
            let sent = History::whole(number, LINES);
            let stored = reader.events(summary.run_id, 0, 9999).unwrap();
            assert_eq!(stored[..], sent[..stored.len()]);
            assert_eq!(summary.last_seq, stored.len() as u64);
        }
        // The next process goes on with it.
        let store = open(&path);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(store.appender().append(History::whole(1, LINES))).unwrap();
        assert!(store.reader().unwrap().check().unwrap().is_empty());
    }
    assert!(killed > 0, "no process was killed while it worked");
}

#[test]
fn two_processes_append_at_once() {
    let scratch = Scratch::new();
    let path = scratch.path("s.db");
    let mut one = other_process(&path, "1,3,5").spawn().unwrap();
    let mut two = other_process(&path, "2,4,6").spawn().unwrap();
    assert!(one.wait().unwrap().success());
    assert!(two.wait().unwrap().success());
    let reader = Reader::open(&path).unwrap();
    assert!(reader.check().unwrap().is_empty());
    for number in 1..=6 {
        let sent = History::whole(number, LINES);
        assert_eq!(reader.events(run_id(number), 0, 9999).unwrap(), sent);
    }
    let all = i64::try_from(LINES + 6).unwrap() * 6;
    let positions: Vec<i64> = reader.since(0, 99_999).unwrap().iter().map(|it| it.pos).collect();
    assert_eq!(positions, (1..=all).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_run_is_lost_when_its_process_is_gone_and_not_before() {
    let scratch = Scratch::new();
    let path = scratch.path("s.db");
    let victim = Victim::spawn(&mut other_process(&path, "1")).unwrap();
    wait_for("the run is in the list", PATIENCE, || {
        let reader = Reader::open(&path).ok()?;
        reader.summary(run_id(1)).ok()?.map(drop)
    });
    let store = open(&path);
    let reader = store.reader().unwrap();
    // Its own run is attended as long as it lives, and so is this process's.
    let mut mine = History::new(50);
    store.appender().append(mine.begin()).await.unwrap();
    assert!(reader.is_attended(mine.run()).unwrap());
    let attended_or_over = reader.is_attended(run_id(1)).unwrap()
        || reader.summary(run_id(1)).unwrap().unwrap().is_final();
    assert!(attended_or_over);
    let mut follow = Follow::new(Reader::open(&path).unwrap(), run_id(1), 0, None);
    let fate = victim.kill_after(Duration::ZERO);
    let summary = reader.summary(run_id(1)).unwrap().unwrap();
    let end = loop {
        if let Followed::End(end) = follow.next().await.unwrap() {
            break end;
        }
    };
    if summary.is_final() {
        assert_eq!((end, fate), (FollowEnd::Finished, fate));
        return;
    }
    assert_eq!(end, FollowEnd::Abandoned);
    let left: Vec<_> =
        reader.runs_left_running().unwrap().into_iter().map(|it| it.run_id).collect();
    assert_eq!(left, [run_id(1)]);
    assert!(!store.adopt(mine.run()).await.unwrap());
    assert!(store.adopt(run_id(1)).await.unwrap());
    assert!(reader.runs_left_running().unwrap().is_empty());
    assert!(!store.adopt(run_id(1)).await.unwrap(), "it is attended now");
}

/// The limit of `append::a_full_disk_is_told_and_leaves_whole_appends` is SQLite's own; this is a
/// disk that is full for the write-ahead log and the shared memory too.
#[test]
#[ignore = "mounts a file system: run it as root with `--ignored`"]
fn a_disk_that_is_really_full_keeps_a_whole_prefix() {
    let scratch = Scratch::new();
    let disk = scratch.folder();
    let mount =
        Command::new("mount").args(["-t", "tmpfs", "-o", "size=2m", "tmpfs"]).arg(disk).status();
    assert!(mount.unwrap().success(), "mounting takes root");
    let path = scratch.path("s.db");
    // It ends by itself, with the error.
    let ended = other_process(&path, "1,2,3,4").status().unwrap();
    let reader = Reader::open(&path).unwrap();
    let complaints = reader.check().unwrap();
    let stored = reader.events(run_id(1), 0, 9999).unwrap();
    drop(reader);
    Command::new("umount").arg(disk).status().unwrap();
    assert!(!ended.success());
    assert_eq!(complaints, Vec::<String>::new());
    assert!(!stored.is_empty());
    assert_eq!(stored[..], History::whole(1, LINES)[..stored.len()]);
}
