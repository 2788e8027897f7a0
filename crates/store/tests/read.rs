//! Lists, searches, positions, log lines.

use flowglass_model::{LogLevel, NodeId, PipelineId, State};
use flowglass_store::{LogQuery, RunFilter, StoreError};
use flowglass_testkit::Scratch;

use crate::history::{History, open, run_id};

#[tokio::test]
async fn the_list_is_paged_filtered_and_newest_first() {
    let scratch = Scratch::new();
    let store = open(&scratch.path("s.db"));
    let appender = store.appender();
    for number in 1..=30 {
        let pipeline = if number % 3 == 0 { "billing" } else { "orders" };
        let mut history = History::of(number, pipeline);
        let mut events = history.begin();
        match number % 5 {
            0 => events.extend(history.fail()),
            1 => {}
            _ => events.extend(history.complete()),
        }
        appender.append(events).await.unwrap();
    }
    let reader = store.reader().unwrap();
    let all = |filter: &RunFilter| {
        let (mut seen, mut from) = (Vec::new(), None);
        loop {
            let page = reader.list(filter, from, 4).unwrap();
            assert!(page.runs.len() <= 4);
            seen.extend(page.runs.into_iter().map(|it| it.run_id));
            let Some(next) = page.next else { break };
            // As a program would hand it back.
            from = Some(next.to_string().parse().unwrap());
        }
        assert_eq!(reader.count(filter).unwrap(), seen.len() as u64);
        seen
    };
    let expect = |wanted: &dyn Fn(u64) -> bool| -> Vec<_> {
        (1..=30).rev().filter(|it| wanted(*it)).map(run_id).collect()
    };
    let filter = RunFilter::default();
    assert_eq!(all(&filter), expect(&|_| true));
    let pipeline = Some(PipelineId::new("billing").unwrap());
    let filter = RunFilter { pipeline: pipeline.clone(), ..RunFilter::default() };
    assert_eq!(all(&filter), expect(&|it| it % 3 == 0));
    let states = vec![State::Failed, State::Running];
    let filter = RunFilter { pipeline, states, ..RunFilter::default() };
    assert_eq!(all(&filter), expect(&|it| it % 3 == 0 && it % 5 <= 1));
    let filter = RunFilter { text: Some("WAREhouse".to_owned()), ..RunFilter::default() };
    assert_eq!(all(&filter), expect(&|it| it % 5 == 0));
    let since = Some(reader.summary(run_id(20)).unwrap().unwrap().first_seen_at);
    let filter = RunFilter { since, ..RunFilter::default() };
    assert_eq!(all(&filter), expect(&|it| it >= 20));
    let filter = RunFilter { until: since, ..RunFilter::default() };
    assert_eq!(all(&filter), expect(&|it| it < 20));

    let failed = reader.summary(run_id(5)).unwrap().unwrap();
    assert_eq!(failed.error.unwrap().detail, "connecting to Warehouse: refused");
    let done = reader.summary(run_id(2)).unwrap().unwrap();
    assert_eq!((done.counts.extracted, done.duration_seconds), (Some(10), Some(1.5)));
    assert_eq!((done.nodes.total, done.nodes.of(State::Complete)), (1, 1));
}

#[tokio::test]
async fn a_run_is_found_by_prefix_and_as_the_latest() {
    let scratch = Scratch::new();
    let store = open(&scratch.path("s.db"));
    let reader = store.reader().unwrap();
    assert!(matches!(reader.find("latest"), Err(StoreError::UnknownRun { .. })));
    for number in [1, 2, 3] {
        store.appender().append(History::whole(number, 0)).await.unwrap();
    }
    let id = run_id(2).to_string();
    assert_eq!(reader.find(&id).unwrap(), run_id(2));
    assert_eq!(reader.find(&id.to_uppercase()).unwrap(), run_id(2));
    assert_eq!(reader.find(&id.replace('-', "")).unwrap(), run_id(2));
    assert_eq!(reader.find(&id[..13]).unwrap(), run_id(2));
    assert_eq!(reader.find("latest").unwrap(), run_id(3));
    let said = reader.find(&id[..6]).unwrap_err();
    assert!(said.to_string().contains(&run_id(1).to_string()), "{said}");
    for unknown in ["ffff", "no-such-run", "", &"0".repeat(40)] {
        assert!(matches!(reader.find(unknown), Err(StoreError::UnknownRun { .. })), "{unknown}");
    }
}

#[tokio::test]
async fn exporters_read_everything_once_and_remember_where_they_were() {
    let scratch = Scratch::new();
    let path = scratch.path("s.db");
    let store = open(&path);
    for number in [1, 2, 3] {
        store.appender().append(History::whole(number, 20)).await.unwrap();
    }
    let mut seen = Vec::new();
    loop {
        let reader = store.reader().unwrap();
        let part = reader.since(reader.cursor("otlp").unwrap(), 7).unwrap();
        let Some(last) = part.last() else { break };
        store.commit_cursor("otlp", last.pos).await.unwrap();
        seen.extend(part.into_iter().map(|it| it.pos));
    }
    assert_eq!(seen, (1..=78).collect::<Vec<_>>());
    // It never goes back, and outlives the process.
    store.commit_cursor("otlp", 3).await.unwrap();
    store.close();
    let store = open(&path);
    assert_eq!(store.reader().unwrap().cursor("otlp").unwrap(), 78);
    store.drop_cursor("otlp").await.unwrap();
    assert_eq!(store.reader().unwrap().cursor("otlp").unwrap(), 0);
}

#[tokio::test]
async fn log_lines_are_filtered_and_tailed() {
    let scratch = Scratch::new();
    let store = open(&scratch.path("s.db"));
    let mut history = History::new(1);
    let mut events = history.begin();
    for number in 0..3000 {
        let level = if number % 10 == 0 { LogLevel::Error } else { LogLevel::Info };
        let node = if number % 2 == 0 { "load" } else { "check" };
        events.push(history.log(node, level, &format!("Row batch {number}")));
    }
    store.appender().append(events).await.unwrap();
    let reader = store.reader().unwrap();
    let texts = |found: Vec<flowglass_model::Event>| -> Vec<String> {
        found.into_iter().map(|it| it.log.unwrap().text).collect()
    };
    let all = LogQuery::of(history.run());
    assert_eq!(reader.logs(&all, usize::MAX).unwrap().len(), 3000);
    assert_eq!(texts(reader.logs_tail(&all, 2).unwrap()), ["Row batch 2998", "Row batch 2999"]);
    let node = Some(NodeId::new("check").unwrap());
    let of_node = LogQuery { node, ..all.clone() };
    assert_eq!(reader.logs(&of_node, usize::MAX).unwrap().len(), 1500);
    let graver = LogQuery { level_min: Some(LogLevel::Warn), ..all.clone() };
    assert_eq!(reader.logs(&graver, usize::MAX).unwrap().len(), 300);
    let said = LogQuery { text: Some("BATCH 77".to_owned()), ..all.clone() };
    assert_eq!(reader.logs(&said, usize::MAX).unwrap().len(), 11);
    assert_eq!(texts(reader.logs_tail(&said, 1).unwrap()), ["Row batch 779"]);
    let none = LogQuery { attempt: Some(2), ..all.clone() };
    assert!(reader.logs(&none, usize::MAX).unwrap().is_empty());
    let first = reader.logs(&all, 5).unwrap();
    let then = LogQuery { after: first[4].seq, ..all };
    assert_eq!(texts(reader.logs(&then, 1).unwrap()), ["Row batch 5"]);
    assert_eq!(texts(reader.logs_tail(&then, 9999).unwrap()).len(), 2995);
}
