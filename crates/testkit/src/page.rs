//! Reads a page of a server on this machine, as plainly as a scraper does.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};

/// The body of the answer to `GET path` at that port; empty when nobody answers there with `200 OK`,
/// so that a test can wait until somebody does.
#[must_use]
pub fn get(port: u16, path: &str) -> String {
    let Ok(mut stream) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)) else {
        return String::new();
    };
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    let mut answer = String::new();
    let asked =
        stream.write_all(request.as_bytes()).and_then(|()| stream.read_to_string(&mut answer));
    if asked.is_err() {
        return String::new();
    }
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_default();
    if head.starts_with("HTTP/1.1 200") { body.to_owned() } else { String::new() }
}
