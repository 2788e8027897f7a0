//! The service by TLS, on a real socket.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use flowglass_connect::Tasks;
use flowglass_server::{Certificate, Server};
use flowglass_testkit::Certificates;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::support::Field;

/// What the server says to `GET /health`; an error when it takes no such connection.
async fn ask(port: u16, authority: &Path) -> std::io::Result<String> {
    let mut roots = rustls::RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(authority).unwrap() {
        roots.add(certificate.unwrap()).unwrap();
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = TcpStream::connect(("127.0.0.1", port)).await?;
    let name = ServerName::try_from("localhost").unwrap();
    let mut stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await?;
    let request = b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    stream.write_all(request).await?;
    let mut said = String::new();
    stream.read_to_string(&mut said).await?;
    Ok(said)
}

#[tokio::test]
async fn requests_come_in_by_tls_alone_and_one_that_is_silent_keeps_nobody_out() {
    let folder = tempfile::tempdir().unwrap();
    let files = Certificates::in_folder(folder.path());
    files.make();
    let field = Field::new();
    let certificate = Certificate::read(&files.server, &files.key).unwrap();
    let server = Server::bind(Arc::clone(&field.service), "127.0.0.1:0").await.unwrap();
    let server = server.with_tls(Some(certificate));
    let port = server.address().port();
    let mut tasks = Tasks::new();
    tasks.spawn("https", async move { server.serve(std::future::pending()).await.unwrap() });

    let silent: Vec<_> =
        futures::future::join_all((0..20).map(|_| TcpStream::connect(("127.0.0.1", port)))).await;
    let said = tokio::time::timeout(Duration::from_secs(5), ask(port, &files.authority)).await;
    let said = said.expect("somebody who is silent keeps others out").unwrap();
    assert!(said.starts_with("HTTP/1.1 200") && said.contains("\"status\""), "{said}");
    // Who asks is known behind TLS too.
    assert!(format!("{:?}", field.journal.notes()).contains("127.0.0.1:"), "{:?}", field.journal);
    drop(silent);

    let mut plain = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    plain.write_all(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    let mut said = Vec::new();
    drop(plain.read_to_end(&mut said).await);
    assert!(!said.starts_with(b"HTTP"), "it answers without TLS");
}

#[test]
fn a_certificate_that_cannot_be_used_names_its_file() {
    let folder = tempfile::tempdir().unwrap();
    let files = Certificates::in_folder(folder.path());
    files.make();
    let says = |chain: &Path, key: &Path| Certificate::read(chain, key).unwrap_err().to_string();
    let absent = folder.path().join("absent.pem");
    assert!(says(&absent, &files.key).contains("absent.pem"));
    assert!(says(&files.server, &absent).contains("absent.pem"));
    assert!(says(&files.key, &files.key).contains("a certificate"));
    assert!(says(&files.server, &files.server).contains("a private key"));
    let other = files.key.with_file_name("ca.key");
    assert!(says(&files.server, &other).contains("cannot be used"));
}
