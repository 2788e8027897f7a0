//! An open folder: appends to files, keeps the manifest, closes files.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write as _};
use std::sync::Arc;
use std::sync::mpsc::RecvTimeoutError;
use std::time::Duration;

use flowglass_connect::stream::{Acknowledged, Delivery, Position, Receipt};
use flowglass_connect::{Clock, Fault};

use super::config::{Settings, Writes};
use super::files;
use super::lines::lines;
use super::manifest::{Current, Locked, Manifest};
use super::piece::{Made, Piece, Pieces};
use super::rows::Tables;
use crate::messages::Ends;

/// Between two looks at the age of files while nothing comes.
const LOOK_AT_AGE_EVERY: Duration = Duration::from_secs(1);

/// Files that are held open at once; the others are opened again when they are needed.
const FILES_OPEN_MAX: usize = 64;

/// The one writer of a folder.
pub(super) struct Writer {
    settings: Arc<Settings>,
    clock: Arc<dyn Clock>,
    manifest: Manifest,
    open: BTreeMap<String, File>,
    tables: Option<Tables>,
}

impl Writer {
    /// Takes the folder over, and brings its files to where the manifest says.
    ///
    /// # Errors
    /// What the system says.
    pub(super) fn open(
        settings: Arc<Settings>,
        clock: Arc<dyn Clock>,
    ) -> Result<(Self, Option<Position>), Fault> {
        let doing = || format!("making {}", settings.shown);
        std::fs::create_dir_all(&settings.folder).map_err(|error| Fault::io(doing(), error))?;
        let locked = Locked::wait(&settings.folder.join(&settings.manifest))?;
        let mut manifest = locked.load()?.unwrap_or_default();
        manifest.owner = uuid::Uuid::now_v7().simple().to_string();
        locked.keep(&manifest)?;
        for (destination, current) in &manifest.files {
            files::mend(&settings, destination, current)?;
        }
        drop(locked);
        let position = manifest.position.clone();
        let tables = match &settings.writes {
            Writes::Lines { .. } => None,
            Writes::Rows { path, .. } => Some(Tables::new(path.clone())),
        };
        let writer = Self { settings, clock, manifest, open: BTreeMap::new(), tables };
        Ok((writer, position))
    }

    /// Works until the engine is gone or something is wrong, which is said.
    #[expect(clippy::needless_pass_by_value, reason = "the thread owns its ends")]
    pub(super) fn run(mut self, ends: Ends) {
        loop {
            let said = match ends.orders.recv_timeout(LOOK_AT_AGE_EVERY) {
                Ok(delivery) => self.deliver(&delivery).map(Some),
                Err(RecvTimeoutError::Timeout) => self.close_old().map(|()| None),
                Err(RecvTimeoutError::Disconnected) => return,
            };
            let failed = said.is_err();
            let gone = said.transpose().is_some_and(|said| ends.say.blocking_send(said).is_err());
            if failed || gone {
                return;
            }
        }
    }

    fn pieces(&mut self, delivery: &Delivery) -> Made {
        match (&self.settings.writes, &mut self.tables) {
            (Writes::Lines { line, .. }, _) => lines(delivery, *line),
            (Writes::Rows { .. }, Some(tables)) => tables.rows(delivery),
            (Writes::Rows { .. }, None) => Ok(Pieces::default()),
        }
    }

    fn deliver(&mut self, delivery: &Delivery) -> Result<Acknowledged, Fault> {
        let Pieces { pieces, refused } = self.pieces(delivery)?;
        let mut next = self.manifest.clone();
        next.position = Some(delivery.batch.position().clone());
        let number = delivery.number;
        let receipt = self.tables.is_some().then(|| receipt_of(&pieces));
        let mut acknowledged = Acknowledged { number, refused, receipt, ..Acknowledged::default() };
        // From the first changed byte to the manifest nobody else may come in between.
        let locked = Locked::wait(&self.settings.folder.join(&self.settings.manifest))?;
        locked.check(&self.manifest.owner)?;
        let mut closed = Vec::new();
        for piece in &pieces {
            let current = next.files.entry(piece.destination.clone()).or_default();
            current.number = current.number.max(1);
            if current.rows > 0 && current.shape != piece.shape {
                closed.push((piece.destination.clone(), current.number));
                *current = Current { number: current.number + 1, ..Current::default() };
                self.open.remove(&piece.destination);
            }
            let bytes = self.append(current, piece).map_err(|error| {
                Fault::io(format!("writing to the files of `{}`", piece.destination), error)
            })?;
            current.bytes += bytes;
            current.rows += piece.rows;
            acknowledged.bytes += bytes;
        }
        self.keep(&locked, next, closed)?;
        Ok(acknowledged)
    }

    /// Appends to the current file; how many bytes.
    fn append(&mut self, current: &mut Current, piece: &Piece) -> io::Result<u64> {
        let destination = &piece.destination;
        if !self.open.contains_key(destination) {
            if self.open.len() >= FILES_OPEN_MAX {
                self.open.clear();
            }
            let file = files::open(&self.settings, destination, current.number)?;
            self.open.insert(destination.to_owned(), file);
        }
        if current.begun_at.is_none() {
            current.begun_at = Some(self.clock.now());
            current.shape.clone_from(&piece.shape);
        }
        let Some(file) = self.open.get_mut(destination) else { return Ok(0) };
        let head: &[u8] = if current.bytes == 0 { &piece.head } else { &[] };
        file.write_all(head)?;
        file.write_all(&piece.bytes)?;
        file.sync_data()?;
        Ok((head.len() + piece.bytes.len()) as u64)
    }

    /// Keeps a manifest in which full and old files are closed, then gives them their last form.
    fn keep(
        &mut self,
        locked: &Locked,
        mut next: Manifest,
        mut closed: Vec<(String, u64)>,
    ) -> Result<(), Fault> {
        for (destination, current) in &mut next.files {
            if self.is_full(current) {
                closed.push((destination.clone(), current.number));
                *current = Current { number: current.number + 1, ..Current::default() };
            }
        }
        locked.keep(&next)?;
        self.manifest = next;
        for (destination, number) in closed {
            // The one that is open may be a later one; then it is opened again.
            self.open.remove(&destination);
            files::close(&self.settings, &destination, number)?;
        }
        Ok(())
    }

    fn close_old(&mut self) -> Result<(), Fault> {
        if !self.manifest.files.values().any(|current| self.is_full(current)) {
            return Ok(());
        }
        let locked = Locked::wait(&self.settings.folder.join(&self.settings.manifest))?;
        locked.check(&self.manifest.owner)?;
        let next = self.manifest.clone();
        self.keep(&locked, next, Vec::new())
    }

    fn is_full(&self, current: &Current) -> bool {
        let roll = &self.settings.roll;
        let age = current.begun_at.map(|begun| self.clock.now().duration_since(begun));
        let old = age.is_some_and(|age| age.unsigned_abs() >= self.settings.age_max);
        current.rows > 0 && (current.bytes >= roll.bytes || current.rows >= roll.rows || old)
    }
}

/// What a batch added, by destination.
fn receipt_of(pieces: &[Piece]) -> Receipt {
    let mut receipt = Receipt::default();
    for piece in pieces {
        if let Some(of) = receipt.of(&piece.destination) {
            of.join(piece.sum);
        }
    }
    receipt
}
