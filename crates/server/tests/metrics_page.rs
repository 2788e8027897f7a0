//! The pages of a running Flowglass, asked for over a socket.

use flowglass_catalog::{Prefix, Registry};
use flowglass_server::MetricsServer;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::oneshot;

/// One request, as plain as a scraper's; head and body of the answer.
async fn ask(server: std::net::SocketAddr, path: &str, accept: &str) -> (String, String) {
    let mut stream = TcpStream::connect(server).await.unwrap();
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: test\r\nAccept: {accept}\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    (head.to_owned(), body.to_owned())
}

#[tokio::test]
async fn a_scraper_reads_what_is_counted_in_the_format_that_it_asks_for() {
    let registry = Registry::default();
    registry.process().panics_total().increment();
    let server = MetricsServer::bind("127.0.0.1:0", registry, Prefix::default()).await.unwrap();
    let address = server.address();
    let (stop, over) = oneshot::channel::<()>();
    let serving = server.serve(async move { over.await.unwrap_or_default() });
    let asking = async {
        let (head, body) = ask(address, "/metrics", "text/plain").await;
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        assert!(head.contains("content-type: text/plain; version=0.0.4; charset=utf-8"), "{head}");
        assert!(body.lines().any(|it| it == "flowglass_panics_total 1"), "{body}");
        let resident =
            body.lines().find_map(|it| it.strip_prefix("process_resident_memory_bytes "));
        assert!(resident.unwrap().parse::<f64>().unwrap() > 1e6, "{body}");

        let open = ask(address, "/metrics", "application/openmetrics-text;version=1.0.0").await;
        assert!(open.0.contains("application/openmetrics-text; version=1.0.0"), "{}", open.0);
        assert!(open.1.ends_with("# EOF\n"), "{}", open.1);

        assert_eq!(ask(address, "/health", "*/*").await.1, "ok\n");
        let (head, body) = ask(address, "/elsewhere", "*/*").await;
        assert!(head.starts_with("HTTP/1.1 404"), "{head}");
        assert!(body.contains("/metrics"), "{body}");

        stop.send(()).unwrap();
    };
    let (served, ()) = tokio::join!(serving, asking);
    served.unwrap();
}

#[tokio::test]
async fn an_address_that_is_taken_is_told_before_anything_is_served() {
    let taken = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let error =
        MetricsServer::bind(&address, Registry::default(), Prefix::default()).await.unwrap_err();
    assert_eq!(error.to_string(), format!("cannot listen on {address}"));
}
