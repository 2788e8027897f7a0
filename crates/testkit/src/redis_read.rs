//! Reading streams back by a client that is not ours, so that a mistake in our own protocol cannot
//! hide itself.

use redis::{Connection, Value};

use crate::redis::Redis;
use crate::stream_sinks::Delivered;

impl Redis {
    /// A connection of the client library, for commands of a test's own.
    ///
    /// # Panics
    /// When the server does not answer.
    #[must_use]
    pub fn client(&self) -> Connection {
        redis::Client::open(self.uri())
            .and_then(|client| client.get_connection())
            .expect("cannot connect to the test Redis")
    }

    /// All entries of a stream, in order; none when it is not there.
    ///
    /// # Panics
    /// When an entry has other fields than `id`, `key` and `value`.
    #[must_use]
    pub fn entries(&self, stream: &str) -> Vec<Delivered> {
        let found: Vec<(String, Vec<(String, Value)>)> = redis::cmd("XRANGE")
            .arg(stream)
            .arg("-")
            .arg("+")
            .query(&mut self.client())
            .expect("cannot read a stream");
        let entry = |(_, fields): (String, Vec<(String, Value)>)| {
            let mut told = Delivered {
                destination: stream.to_owned(),
                key: None,
                body: None,
                id: String::new(),
            };
            for (name, value) in fields {
                let Value::BulkString(value) = value else { panic!("a field that is no text") };
                match name.as_str() {
                    "id" => told.id = String::from_utf8(value).expect("an id is text"),
                    "key" => told.key = Some(value),
                    "value" => told.body = Some(value),
                    other => panic!("an unknown field `{other}`"),
                }
            }
            told
        };
        found.into_iter().map(entry).collect()
    }
}
