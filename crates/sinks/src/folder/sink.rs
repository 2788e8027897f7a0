//! The sink: looks at the folder and opens its writer.

use std::sync::Arc;

use async_trait::async_trait;
use flowglass_connect::stream::{Guarantee, Precondition, Reread, SinkWriter, StreamSink, Takes};
use flowglass_connect::{Clock, Fault};
use flowglass_model::AssetRef;

use super::config::{Settings, Writes};
use super::reread::{HeldFiles, keeps};
use super::writer::Writer;
use crate::messages::{Ends, ThreadedSink, ask};

const BATCHES_IN_FLIGHT_MAX: usize = 2;

/// A folder of files.
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
        AssetRef::file(format!("{}/{}", self.settings.shown, self.settings.path))
    }

    fn takes(&self) -> Takes {
        match &self.settings.writes {
            Writes::Lines { form, .. } => Takes::Messages(form.clone()),
            Writes::Rows { .. } => Takes::Rows,
        }
    }

    fn guarantee(&self) -> Guarantee {
        Guarantee::ExactlyOnce
    }

    fn in_flight_batches_max(&self) -> usize {
        BATCHES_IN_FLIGHT_MAX
    }

    fn reread(&self) -> Reread {
        let files = HeldFiles { settings: Arc::clone(&self.settings) };
        Reread::Messages(keeps(&self.settings), Arc::new(files))
    }

    async fn examine(&self) -> Result<Vec<Precondition>, Fault> {
        let settings = Arc::clone(&self.settings);
        ask("files sink", move || Ok(vec![look_at(&settings)])).await
    }

    async fn open(&self) -> Result<Box<dyn SinkWriter>, Fault> {
        let (settings, clock) = (Arc::clone(&self.settings), Arc::clone(&self.clock));
        let open = move || Writer::open(settings, clock);
        let work = |writer: Writer, ends: Ends| writer.run(ends);
        Ok(Box::new(ThreadedSink::open("files sink", BATCHES_IN_FLIGHT_MAX, open, work).await?))
    }
}

/// Whether a file can be made where the files will be.
fn look_at(settings: &Settings) -> Precondition {
    // The nearest folder that is there: the others are made.
    let nearest = settings.folder.ancestors().find(|folder| folder.is_dir());
    let tried = match nearest {
        Some(folder) => tempfile::tempfile_in(folder).map(drop),
        None => Err(std::io::ErrorKind::NotFound.into()),
    };
    Precondition {
        name: "files_folder".to_owned(),
        fine: tried.is_ok(),
        optional: false,
        found: match &tried {
            Ok(()) => format!("`{}` can be written", settings.shown),
            Err(error) => format!("`{}` cannot be written: {error}", settings.shown),
        },
        remedy: tried.is_err().then(|| format!("mkdir -p {0} && chmod u+rwx {0}", settings.shown)),
    }
}
