//! Following a run: each event once, in order, up to its end.

use std::task::Poll;

use flowglass_store::{Follow, FollowEnd, Followed, Reader};
use flowglass_testkit::Scratch;

use crate::history::{History, open, run_id};

async fn to_the_end(mut follow: Follow) -> (Vec<u64>, FollowEnd) {
    let mut seen = Vec::new();
    loop {
        match follow.next().await.unwrap() {
            Followed::Lines(lines) => seen.extend(lines.into_iter().map(|it| it.seq)),
            Followed::End(end) => return (seen, end),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn followers_see_each_event_once_also_without_being_woken() {
    let scratch = Scratch::new();
    let path = scratch.path("s.db");
    let store = open(&path);
    let mut history = History::new(1);
    let run = history.run();
    let appender = store.appender();
    appender.append(history.begin()).await.unwrap();
    let woken = to_the_end(store.follow(run, 0).unwrap());
    // As another process would: its own connection, and nobody who wakes it.
    let looking = to_the_end(Follow::new(Reader::open(&path).unwrap(), run, 2, None));
    let writing = async {
        for _part in 0..300 {
            appender.append(history.lines(7)).await.unwrap();
        }
        appender.append(history.complete()).await.unwrap();
    };
    let (woken, looking, ()) = tokio::join!(woken, looking, writing);
    let last = 4 + 2100 + 2;
    assert_eq!(woken, ((1..=last).collect(), FollowEnd::Finished));
    assert_eq!(looking, ((3..=last).collect(), FollowEnd::Finished));
}

#[tokio::test]
async fn a_run_that_is_not_there_ends_at_once() {
    let scratch = Scratch::new();
    let store = open(&scratch.path("s.db"));
    assert_eq!(to_the_end(store.follow(run_id(1), 0).unwrap()).await, (vec![], FollowEnd::Gone));
}

#[tokio::test]
async fn a_follow_that_was_given_up_goes_on_without_a_gap() {
    let scratch = Scratch::new();
    let store = open(&scratch.path("s.db"));
    let events = History::whole(1, 3000);
    let last = events.len() as u64;
    store.appender().append(events).await.unwrap();
    let mut follow = store.follow(run_id(1), 0).unwrap();
    let mut seen = Vec::new();
    let mut given_up = 0;
    loop {
        // Polled once and dropped, wherever it was; then asked in earnest. A thread that is done
        // before the poll leaves nothing to give up.
        let followed = match polled_once(follow.next()).await {
            Poll::Ready(followed) => followed.unwrap(),
            Poll::Pending => {
                given_up += 1;
                follow.next().await.unwrap()
            }
        };
        match followed {
            Followed::Lines(lines) => seen.extend(lines.into_iter().map(|it| it.seq)),
            Followed::End(_) => break,
        }
    }
    assert!(given_up > 0);
    assert_eq!(seen, (1..=last).collect::<Vec<_>>());
}

/// What the first poll says; then the future is dropped.
async fn polled_once<F: Future>(future: F) -> Poll<F::Output> {
    let mut future = std::pin::pin!(future);
    std::future::poll_fn(|context| Poll::Ready(future.as_mut().poll(context))).await
}
