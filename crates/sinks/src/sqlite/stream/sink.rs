//! The sink: looks at the file and opens its writer.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use flowglass_clients::sqlite::open_reader;
use flowglass_connect::stream::{Guarantee, Precondition, Reread, SinkWriter, StreamSink, Takes};
use flowglass_connect::{Clock, Fault};
use flowglass_model::AssetRef;

use super::config::Settings;
use super::reread::Held;
use super::writer::Writer;
use crate::messages::{Ends, ThreadedSink, ask};

/// One that is written, and one that waits for its turn.
const BATCHES_IN_FLIGHT_MAX: usize = 2;

/// Tables of a SQLite file.
#[derive(Debug)]
pub(super) struct Sink {
    settings: Arc<Settings>,
    clock: Arc<dyn Clock>,
}

impl Sink {
    pub(super) fn new(settings: Settings, clock: Arc<dyn Clock>) -> Self {
        Self { settings: Arc::new(settings), clock }
    }
}

#[async_trait]
impl StreamSink for Sink {
    fn id(&self) -> &str {
        &self.settings.id
    }

    fn asset(&self) -> AssetRef {
        let name = format!("{}#{}", self.settings.shown, self.settings.table.written());
        AssetRef::new("sqlite", name)
    }

    fn takes(&self) -> Takes {
        Takes::Rows
    }

    fn guarantee(&self) -> Guarantee {
        Guarantee::ExactlyOnce
    }

    fn in_flight_batches_max(&self) -> usize {
        BATCHES_IN_FLIGHT_MAX
    }

    fn reread(&self) -> Reread {
        Reread::Tables(Arc::new(Held { settings: Arc::clone(&self.settings) }))
    }

    async fn examine(&self) -> Result<Vec<Precondition>, Fault> {
        let settings = Arc::clone(&self.settings);
        ask("sqlite sink", move || Ok(vec![look_at(&settings)])).await
    }

    async fn open(&self) -> Result<Box<dyn SinkWriter>, Fault> {
        let (settings, clock) = (Arc::clone(&self.settings), Arc::clone(&self.clock));
        let open = move || Writer::open(settings, clock);
        let work = |writer: Writer, ends: Ends| writer.run(&ends);
        Ok(Box::new(ThreadedSink::open("sqlite sink", BATCHES_IN_FLIGHT_MAX, open, work).await?))
    }
}

/// Whether the file is a database that can be written, or can be made.
fn look_at(settings: &Settings) -> Precondition {
    let shown = &settings.shown;
    let tried = if settings.file.exists() {
        let writable = std::fs::OpenOptions::new().append(true).open(&settings.file).map(drop);
        let writable =
            writable.map_err(|error| Fault::io(format!("opening {shown} to write"), error));
        writable.and_then(|()| open_reader(&settings.file).map(drop))
    } else {
        // The nearest folder that is there: the others are made.
        let nearest = settings.file.ancestors().skip(1).find(|folder| folder.is_dir());
        let nearest = nearest.unwrap_or_else(|| Path::new("/"));
        tempfile::tempfile_in(nearest)
            .map(drop)
            .map_err(|error| Fault::io(format!("making a file in {}", nearest.display()), error))
    };
    let (fine, found, remedy) = match tried {
        Ok(()) => (true, format!("`{shown}` can be written"), None),
        Err(fault) => (false, fault.chain(), Some(fault.advice().to_owned())),
    };
    Precondition { name: "sqlite_file".to_owned(), fine, optional: false, found, remedy }
}
