//! What needs a Redis of its own: passwords, TLS, crashes, full memory.

use std::sync::Arc;

use flowglass_connect::Fault;
use flowglass_connect::stream::{SinkWriter, StreamSink, StreamSinkConnector};
use flowglass_model::ErrorClass;
use flowglass_sinks::redis::Connector;
use flowglass_testkit::stream_sinks::{Progress, feed, pump};
use flowglass_testkit::{Redis, RedisSettings};
use serde_json::{Value, json};

use super::{around, fresh};

fn sink(stream: &str, config: Value) -> Result<Arc<dyn StreamSink>, Fault> {
    Connector.build(stream, config, &around())
}

/// Delivers batches `from..until` of a stream that has come that far.
async fn deliver(sink: &Arc<dyn StreamSink>, (from, until): (u64, u64)) -> Result<(), Fault> {
    let mut writer: Box<dyn SinkWriter> = sink.open().await?;
    let kept = writer.committed().await?;
    assert_eq!(kept, from.checked_sub(1).map(|last| feed(last, "").batch.position().clone()));
    let mut progress = Progress { acknowledged: from, handed: from };
    pump(sink, &mut writer, &mut progress, (until, "")).await
}

#[tokio::test]
async fn a_wrong_password_is_said_and_not_shown() {
    let server = Redis::start(RedisSettings::default().password("right-one"));
    let at = |who: &str| format!("redis://{who}127.0.0.1:{}", server.port());
    let stream = fresh("auth");
    for (who, class) in [
        ("", Some(ErrorClass::Auth)),
        (":wrong-one@", Some(ErrorClass::Auth)),
        ("nobody:wrong-one@", Some(ErrorClass::Auth)),
        (":right-one@", None),
        ("default:right%2Done@", None),
    ] {
        let sink = sink(&stream, json!({ "id": "a", "uri": at(who) })).unwrap();
        let opened = sink.open().await.err();
        assert_eq!(opened.as_ref().map(Fault::class), class, "{who}");
        let said = opened.map(|fault| fault.chain()).unwrap_or_default();
        assert!(!said.contains("-one"), "{said}");
    }
}

#[tokio::test]
async fn a_server_with_tls_is_believed_by_its_certificate() {
    let server = Redis::start(RedisSettings::default().tls());
    let stream = fresh("tls");
    let trusting = json!({
        "id": "a", "uri": server.uri(), "tls_ca_file": server.root_certificate(),
    });
    let trusting = sink(&stream, trusting).unwrap();
    deliver(&trusting, (0, 5)).await.unwrap();
    deliver(&trusting, (5, 7)).await.unwrap();
    let doubting = sink(&stream, json!({ "id": "a", "uri": server.uri() })).unwrap();
    assert!(doubting.open().await.is_err());
}

#[tokio::test]
async fn a_server_that_is_killed_comes_back_with_rows_and_position() {
    let mut server = Redis::start(RedisSettings::default().durable());
    let stream = fresh("killed");
    let sink = sink(&stream, json!({ "id": "a", "uri": server.uri() })).unwrap();
    deliver(&sink, (0, 20)).await.unwrap();
    let mut writer = sink.open().await.unwrap();
    server.kill();
    let number = 1;
    let fed = feed(20, "");
    let delivery = flowglass_connect::stream::Delivery {
        number,
        batch: fed.batch,
        messages: Some(fed.messages),
    };
    let said = match writer.send(delivery).await {
        Ok(()) => writer.acknowledged().await.map(|_| ()),
        Err(fault) => Err(fault),
    };
    assert_eq!(said.unwrap_err().class(), ErrorClass::Unreachable);
    assert_eq!(sink.open().await.err().unwrap().class(), ErrorClass::Unreachable);
    server.restart();
    deliver(&sink, (20, 25)).await.unwrap();
    let found: usize = (0..3).map(|it| server.entries(&format!("t{it}")).len()).sum();
    let expected: usize = (0..25).map(|it| feed(it, "").expected.len()).sum();
    assert_eq!(found, expected);
}

#[tokio::test]
async fn full_memory_stops_everything_behind_it() {
    let server = Redis::start(RedisSettings::default());
    let stream = fresh("full");
    let sink = sink(&stream, json!({ "id": "a", "uri": server.uri() })).unwrap();
    deliver(&sink, (0, 3)).await.unwrap();
    let limit = |bytes: &str| {
        let words = ["SET", "maxmemory", bytes];
        let () = redis::cmd("CONFIG").arg(&words).query(&mut server.client()).unwrap();
    };
    limit("1");
    let fault = deliver(&sink, (3, 9)).await.unwrap_err();
    assert_eq!(fault.class(), ErrorClass::Throttled, "{}", fault.chain());
    assert!(fault.advice().contains("maxmemory"), "{}", fault.advice());
    limit("0");
    // Not one row of the batches behind the one that failed is there.
    let found: usize = (0..3).map(|it| server.entries(&format!("t{it}")).len()).sum();
    assert_eq!(found, (0..3).map(|it| feed(it, "").expected.len()).sum::<usize>());
    deliver(&sink, (3, 9)).await.unwrap();
}

#[tokio::test]
async fn old_entries_go_when_a_length_is_given() {
    let server = Redis::start(RedisSettings::default().set("stream-node-max-entries", "10"));
    let config = json!({ "id": "a", "uri": server.uri(), "maxlen": 20 });
    deliver(&sink(&fresh("short"), config).unwrap(), (0, 60)).await.unwrap();
    for stream in ["t0", "t1", "t2"] {
        let left = server.entries(stream).len();
        assert!((20..=40).contains(&left), "{stream}: {left}");
    }
}

#[tokio::test]
async fn a_cluster_is_written_in_one_slot() {
    let server = Redis::start(RedisSettings::default().set("cluster-enabled", "yes"));
    let words = ["ADDSLOTSRANGE", "0", "16383"];
    let () = redis::cmd("CLUSTER").arg(&words).query(&mut server.client()).unwrap();
    flowglass_testkit::wait_for("the cluster", std::time::Duration::from_secs(30), || {
        let info: String = redis::cmd("CLUSTER").arg("INFO").query(&mut server.client()).ok()?;
        info.contains("cluster_state:ok").then_some(())
    });
    let stream = fresh("cluster");
    let plain = sink(&stream, json!({ "id": "a", "uri": server.uri() })).unwrap();
    let found = plain.examine().await.unwrap();
    assert!(found.iter().any(|it| it.name == "redis_cluster" && !it.fine), "{found:?}");
    let fault = deliver(&plain, (0, 5)).await.unwrap_err();
    assert_eq!(fault.class(), ErrorClass::Config, "{}", fault.chain());
    assert!(fault.advice().contains("cluster_tag"), "{}", fault.advice());
    let config = json!({ "id": "b", "uri": server.uri(), "cluster_tag": "cdc" });
    let tagged = sink(&stream, config).unwrap();
    assert!(tagged.examine().await.unwrap().iter().all(|it| it.fine || it.optional));
    deliver(&tagged, (0, 5)).await.unwrap();
    assert!(!server.entries("{cdc}:t0").is_empty());
}

#[test]
fn what_cannot_be_used_is_refused() {
    for (config, said) in [
        (json!({ "uri": "redis://h" }), "missing field `id`"),
        (json!({ "id": "a", "uri": "redis://h", "strem": "x" }), "unknown field `strem`"),
        (json!({ "id": "a", "uri": "redis://h", "maxlen": 0 }), "maxlen: 0"),
        (json!({ "id": "a", "uri": "redis://h", "cluster_tag": "{x}" }), "without braces"),
        (json!({ "id": "a", "uri": "h" }), "no scheme"),
        (json!({ "id": "a", "uri": "redis://h", "envelope": "xml" }), "unknown variant `xml`"),
    ] {
        let fault = sink("s", config).err().unwrap();
        assert_eq!(fault.class(), ErrorClass::Config);
        assert!(fault.chain().contains(said), "{}", fault.chain());
    }
}
