//! A webhook's other end, written by hand: HTTP/1.1 as its specification says, and a check of each
//! signature that knows nothing of the sink's.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// A request as it arrived.
#[derive(Clone, Debug)]
pub(super) struct Got {
    pub(super) path: String,
    pub(super) headers: HashMap<String, String>,
    pub(super) body: Vec<u8>,
    /// What it was answered.
    pub(super) status: u16,
}

type Answer = dyn Fn(&Got, usize) -> (u16, Option<String>) + Send + Sync;

/// A server on a port of its own.
pub(super) struct Receiver {
    port: u16,
    got: Arc<Mutex<Vec<Got>>>,
}

impl Receiver {
    /// Answers each request, which is counted from 0, with a status and a `retry-after`.
    pub(super) fn start(
        answer: impl Fn(&Got, usize) -> (u16, Option<String>) + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let got = Arc::new(Mutex::new(Vec::new()));
        let answer: Arc<Answer> = Arc::new(answer);
        let seen = Arc::clone(&got);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (seen, answer) = (Arc::clone(&seen), Arc::clone(&answer));
                std::thread::spawn(move || serve(&stream, &seen, &*answer));
            }
        });
        Self { port, got }
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// The requests so far.
    pub(super) fn got(&self) -> Vec<Got> {
        self.got.lock().unwrap().clone()
    }
}

fn serve(stream: &TcpStream, seen: &Mutex<Vec<Got>>, answer: &Answer) {
    let mut reader = BufReader::new(stream);
    let mut writer = stream;
    while let Some(mut got) = request(&mut reader) {
        let (status, retry_after) = {
            let mut seen = seen.lock().unwrap();
            let (status, retry_after) = answer(&got, seen.len());
            got.status = status;
            seen.push(got);
            (status, retry_after)
        };
        let retry_after = retry_after.map_or(String::new(), |it| format!("retry-after: {it}\r\n"));
        let body = "values may be here";
        let said = format!(
            "HTTP/1.1 {status} So\r\ncontent-length: {}\r\n{retry_after}\r\n{body}",
            body.len()
        );
        if writer.write_all(said.as_bytes()).is_err() {
            return;
        }
    }
}

/// The next request; none when the connection ends, or is cut in the middle of one.
fn request(reader: &mut BufReader<&TcpStream>) -> Option<Got> {
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let is_ping = line == "OPTIONS * HTTP/1.1\r\n";
    let line = if is_ping { "POST * HTTP/1.1\r\n" } else { &line };
    let path = line.strip_prefix("POST ")?.strip_suffix(" HTTP/1.1\r\n")?.to_owned();
    let mut headers = HashMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        match line.trim_end().split_once(": ") {
            Some((name, value)) => headers.insert(name.to_owned(), value.to_owned()),
            None if line == "\r\n" => break,
            None => return None,
        };
    }
    let length = if is_ping { 0 } else { headers.get("content-length")?.parse().ok()? };
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Got { path, headers, body, status: 0 })
}

impl Got {
    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    /// Whether it was signed with this key, as Standard Webhooks tells a receiver to check.
    pub(super) fn is_signed(&self, key: &[u8]) -> bool {
        let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
        let (id, second) = (self.header("webhook-id"), self.header("webhook-timestamp"));
        mac.update([id.as_bytes(), b".", second.as_bytes(), b".", &self.body].concat().as_slice());
        let Some(signature) = self.header("webhook-signature").strip_prefix("v1,") else {
            return false;
        };
        mac.verify_slice(&STANDARD.decode(signature).unwrap()).is_ok()
    }
}
