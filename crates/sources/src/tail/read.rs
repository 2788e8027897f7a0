//! The source and its reader: looks at the file from time to time, where it may block.

use std::sync::Arc;

use async_trait::async_trait;
use flowglass_connect::stream::{Chunk, Head, Position, Precondition, StreamReader, StreamSource};
use flowglass_connect::{Clock, Fault};
use flowglass_model::{AssetRef, ErrorClass};
use tokio::task::JoinHandle;

use super::config::Settings;
use super::follow::{Now, Tail};

/// A file that is followed.
#[derive(Debug)]
pub(super) struct Source {
    settings: Arc<Settings>,
}

impl Source {
    pub(super) fn new(settings: Settings) -> Self {
        Self { settings: Arc::new(settings) }
    }
}

#[async_trait]
impl StreamSource for Source {
    fn id(&self) -> &str {
        &self.settings.id
    }

    fn asset(&self) -> AssetRef {
        AssetRef::new("file", self.settings.path.display().to_string())
    }

    async fn examine(&self) -> Result<Vec<Precondition>, Fault> {
        let path = self.settings.path.clone();
        let found = tokio::task::spawn_blocking(move || std::fs::File::open(path).map(drop));
        let found = found.await.map_err(|error| {
            Fault::new(ErrorClass::Internal, "looking at the file").because(error)
        })?;
        let path = self.settings.path.display();
        let (fine, said, remedy) = match found {
            Ok(()) => (true, "can be read".to_owned(), None),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let remedy = "Nothing, when whoever writes it will make it; else correct `path`.";
                (false, "is not there yet".to_owned(), Some((remedy, true)))
            }
            Err(error) => {
                let remedy = "Let the account that Flowglass runs under read it.";
                (false, format!("cannot be read: {error}"), Some((remedy, false)))
            }
        };
        Ok(vec![Precondition {
            name: format!("file {path}"),
            fine,
            optional: remedy.is_some_and(|(_, optional)| optional),
            found: said,
            remedy: remedy.map(|(remedy, _)| remedy.to_owned()),
        }])
    }

    async fn open(
        &self,
        from: Option<Position>,
        clock: Arc<dyn Clock>,
    ) -> Result<Box<dyn StreamReader>, Fault> {
        let from = from.filter(|from| *from != Position::ORIGIN);
        let tail = Tail::new(Arc::clone(&self.settings), from);
        let settings = Arc::clone(&self.settings);
        let head = Head { end: tail.figures.end, ..Head::default() };
        Ok(Box::new(Reader { settings, clock, tail: Some(tail), work: None, head }))
    }
}

/// A look that has been finished: the follower back, and what it found.
type Looked = (Tail, Result<Option<Chunk>, Fault>);

/// An open file. Between two looks nothing of it is in memory.
#[derive(Debug)]
struct Reader {
    settings: Arc<Settings>,
    clock: Arc<dyn Clock>,
    tail: Option<Tail>,
    /// The look that is under way, which goes on when nobody waits for it.
    work: Option<JoinHandle<Looked>>,
    head: Head,
}

impl Reader {
    async fn look(&mut self) -> Result<Option<Chunk>, Fault> {
        let lost = || Fault::new(ErrorClass::Internal, "following the file has ended in a panic");
        if self.work.is_none() {
            let mut tail = self.tail.take().ok_or_else(lost)?;
            let now = Now {
                monotonic: self.clock.monotonic(),
                micros: self.clock.now().as_microsecond(),
            };
            self.work = Some(tokio::task::spawn_blocking(move || {
                let found = tail.step(now);
                (tail, found)
            }));
        }
        let Some(work) = &mut self.work else { return Ok(None) };
        let looked = work.await;
        self.work = None;
        let (tail, found) = looked.map_err(|error| lost().because(error))?;
        self.head.end = tail.figures.end;
        self.head.wire_bytes = tail.figures.bytes;
        self.head.seen_at = self.clock.monotonic();
        self.tail = Some(tail);
        found
    }
}

#[async_trait]
impl StreamReader for Reader {
    async fn next(&mut self) -> Result<Option<Chunk>, Fault> {
        loop {
            if let Some(chunk) = self.look().await? {
                return Ok(Some(chunk));
            }
            tokio::time::sleep(self.settings.poll).await;
        }
    }

    fn confirm(&mut self, _position: &Position) {
        // What becomes of the file is not ours to say.
    }

    fn head(&self) -> Head {
        self.head.clone()
    }
}
