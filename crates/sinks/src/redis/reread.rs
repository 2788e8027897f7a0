//! Reading streams again, entry by entry, over a connection of its own.
//! <https://redis.io/docs/latest/commands/xrange/>

use std::sync::Arc;

use async_trait::async_trait;
use flowglass_connect::stream::{HeldMessage, HeldMessages, HeldPages, PageSender, message_hash};
use flowglass_connect::{Fault, Tasks};
use flowglass_model::ErrorClass;
use tokio::io::AsyncWriteExt;

use super::command::command;
use super::config::Settings;
use super::connection::Connection;
use super::inbox::{Answer, within};

/// Entries that are asked for at once.
const ENTRIES_MAX: usize = 1_000;

/// The streams of a sink.
#[derive(Debug)]
pub(super) struct Streams {
    pub(super) settings: Arc<Settings>,
}

#[async_trait]
impl HeldMessages for Streams {
    async fn read(&self, destination: &str) -> Result<HeldPages, Fault> {
        let key = format!("{}{destination}", self.settings.prefix);
        let connection = Connection::holding(&key, &self.settings).await?;
        let settings = Arc::clone(&self.settings);
        Ok(HeldPages::new(|send| {
            let mut tasks = Tasks::new();
            tasks.spawn("redis reader", fill(settings, connection, key, send));
            tasks
        }))
    }

    async fn forgets(&self, _destination: &str) -> Result<Option<String>, Fault> {
        Ok(self.settings.maxlen.map(|maxlen| format!("`maxlen` keeps about {maxlen} entries")))
    }
}

async fn fill(settings: Arc<Settings>, mut connection: Connection, key: String, send: PageSender) {
    let mut start = b"-".to_vec();
    loop {
        let said = page(&settings, &mut connection, &key, &start).await;
        let next = said.as_ref().ok().and_then(|it| it.1.clone());
        // Whoever no longer reads has what it wanted.
        if send.send(said.map(|it| it.0)).await.is_err() {
            return;
        }
        match next {
            Some(last) => start = [b"(", last.as_slice()].concat(),
            None => return,
        }
    }
}

/// A page, and the entry to go on behind, where there may be more.
type Page = (Vec<HeldMessage>, Option<Vec<u8>>);

async fn page(
    settings: &Settings,
    connection: &mut Connection,
    key: &str,
    start: &[u8],
) -> Result<Page, Fault> {
    let mut bytes = Vec::new();
    let count = ENTRIES_MAX.to_string();
    command(&mut bytes, &[b"XRANGE", key.as_bytes(), start, b"+", b"COUNT", count.as_bytes()]);
    let doing = "reading a stream of Redis again";
    within(settings.timeout, doing, async {
        connection.outbox.write_all(&bytes).await?;
        connection.outbox.flush().await
    })
    .await?;
    let Part::Parts(entries) = part(settings, connection).await? else { return Err(odd()) };
    let mut page = Vec::with_capacity(entries);
    let mut last = None;
    for _ in 0..entries {
        let (id, message) = entry(settings, connection).await?;
        page.push(message);
        last = Some(id);
    }
    Ok((page, last.filter(|_| entries == ENTRIES_MAX)))
}

/// An entry: its own id, and the message.
async fn entry(
    settings: &Settings,
    connection: &mut Connection,
) -> Result<(Vec<u8>, HeldMessage), Fault> {
    let Part::Parts(2) = part(settings, connection).await? else { return Err(odd()) };
    let Part::Bytes(entry_id) = part(settings, connection).await? else { return Err(odd()) };
    let Part::Parts(words) = part(settings, connection).await? else { return Err(odd()) };
    let (mut id, mut key, mut body) = (None, None, None);
    let mut foreign = false;
    for _ in 0..words / 2 {
        let Part::Bytes(name) = part(settings, connection).await? else { return Err(odd()) };
        let Part::Bytes(value) = part(settings, connection).await? else { return Err(odd()) };
        match name.as_slice() {
            b"id" => id = Some(value),
            b"key" => key = Some(value),
            b"value" => body = Some(value),
            _ => foreign = true,
        }
    }
    let known = id.as_deref().filter(|_| !foreign).and_then(|it| std::str::from_utf8(it).ok());
    let hash = message_hash(id.as_deref().unwrap_or_default(), key.as_deref(), body.as_deref());
    Ok((entry_id, HeldMessage { id: known.and_then(|it| it.parse().ok()), hash }))
}

enum Part {
    Parts(usize),
    Bytes(Vec<u8>),
}

async fn part(settings: &Settings, connection: &mut Connection) -> Result<Part, Fault> {
    let doing = "reading a stream of Redis again";
    let asked = within(settings.timeout, doing, async {
        Ok(match connection.inbox.next().await? {
            Answer::Parts(count) => Ok(Part::Parts(count)),
            Answer::Bytes(bytes) | Answer::Word(bytes) => Ok(Part::Bytes(bytes.to_vec())),
            // A stream that is not there is an empty list; a list that is none, too.
            Answer::Nothing => Ok(Part::Parts(0)),
            Answer::Refused(refusal) => Err(Some(refusal)),
            Answer::Number(_) => Err(None),
        })
    });
    asked.await?.map_err(|refusal| refusal.map_or_else(odd, |it| it.fault(doing)))
}

fn odd() -> Fault {
    Fault::new(ErrorClass::Malformed, "Redis answered XRANGE with something else than entries")
}
