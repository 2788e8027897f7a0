//! An open folder: appends lines, keeps the manifest, closes files.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::RecvTimeoutError;
use std::time::Duration;

use flowglass_connect::stream::{Acknowledged, Delivery, Position};
use flowglass_connect::{Clock, Fault};
use flowglass_model::ErrorClass;

use super::config::Settings;
use super::lines::{is_inside, push};
use super::manifest::{Current, Locked, Manifest, sync_folder};
use crate::messages::{Ends, is_refused, refuse};

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
        let writer = Self { settings, clock, manifest, open: BTreeMap::new() };
        for (destination, current) in &writer.manifest.files {
            writer.mend(destination, current).map_err(|error| {
                Fault::io(format!("bringing the files of `{destination}` in order"), error)
            })?;
        }
        drop(locked);
        let position = writer.manifest.position.clone();
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

    /// Cuts off what the manifest does not count, and finishes closing.
    fn mend(&self, destination: &str, current: &Current) -> io::Result<()> {
        let open = self.path(destination, current.number, true);
        match File::options().write(true).open(&open) {
            Ok(file) if current.bytes == 0 => {
                drop(file);
                std::fs::remove_file(&open)?;
            }
            Ok(file) => {
                file.set_len(current.bytes)?;
                file.sync_data()?;
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound && current.bytes == 0 => {}
            Err(error) => return Err(error),
        }
        let before = current.number.saturating_sub(1);
        let unfinished = self.path(destination, before, true);
        if before > 0 && unfinished.exists() {
            std::fs::rename(unfinished, self.path(destination, before, false))?;
        }
        Ok(())
    }

    fn deliver(&mut self, delivery: &Delivery) -> Result<Acknowledged, Fault> {
        let mut next = self.manifest.clone();
        next.position = Some(delivery.batch.position().clone());
        let mut acknowledged = Acknowledged { number: delivery.number, ..Default::default() };
        let mut lines: BTreeMap<&str, (Vec<u8>, u64)> = BTreeMap::new();
        if let Some(messages) = &delivery.messages {
            acknowledged.refused = refuse(messages, |message| {
                let what = "the row's path leads out of the folder, or is no path";
                (!is_inside(messages.destination_of(message)))
                    .then(|| Fault::new(ErrorClass::Malformed, what))
            });
            for message in messages.items() {
                if !is_refused(&acknowledged.refused, message) {
                    let (out, rows) = lines.entry(messages.destination_of(message)).or_default();
                    push(out, self.settings.line, delivery, (messages, message))?;
                    *rows += 1;
                }
            }
        }
        // From the first changed byte to the manifest nobody else may come in between.
        let locked = Locked::wait(&self.settings.folder.join(&self.settings.manifest))?;
        locked.check(&self.manifest.owner)?;
        for (destination, (bytes, rows)) in lines {
            let current = next.files.entry(destination.to_owned()).or_default();
            current.number = current.number.max(1);
            self.append(destination, current, &bytes).map_err(|error| {
                Fault::io(format!("writing to the files of `{destination}`"), error)
            })?;
            current.bytes += bytes.len() as u64;
            current.rows += rows;
            acknowledged.bytes += bytes.len() as u64;
        }
        self.keep(&locked, next)?;
        Ok(acknowledged)
    }

    fn append(&mut self, destination: &str, current: &mut Current, bytes: &[u8]) -> io::Result<()> {
        if !self.open.contains_key(destination) {
            if self.open.len() >= FILES_OPEN_MAX {
                self.open.clear();
            }
            let path = self.path(destination, current.number, true);
            if let Some(folder) = path.parent() {
                std::fs::create_dir_all(folder)?;
            }
            let file = File::options().create(true).append(true).open(&path)?;
            sync_folder(path.parent())?;
            self.open.insert(destination.to_owned(), file);
        }
        if current.begun_at.is_none() {
            current.begun_at = Some(self.clock.now());
        }
        let Some(file) = self.open.get_mut(destination) else { return Ok(()) };
        file.write_all(bytes)?;
        file.sync_data()
    }

    /// Keeps a manifest in which full and old files are closed, then gives them their names.
    fn keep(&mut self, locked: &Locked, mut next: Manifest) -> Result<(), Fault> {
        let mut closed = Vec::new();
        for (destination, current) in &mut next.files {
            if self.is_full(current) {
                closed.push((destination.clone(), current.number));
                *current = Current { number: current.number + 1, ..Current::default() };
            }
        }
        locked.keep(&next)?;
        self.manifest = next;
        for (destination, number) in closed {
            self.open.remove(&destination);
            let (from, to) =
                (self.path(&destination, number, true), self.path(&destination, number, false));
            std::fs::rename(from, &to)
                .and_then(|()| sync_folder(to.parent()))
                .map_err(|error| Fault::io(format!("closing a file of `{destination}`"), error))?;
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
        self.keep(&locked, next)
    }

    fn is_full(&self, current: &Current) -> bool {
        let roll = &self.settings.roll;
        let age = current.begun_at.map(|begun| self.clock.now().duration_since(begun));
        let old = age.is_some_and(|age| age.unsigned_abs() >= self.settings.age_max);
        current.rows > 0 && (current.bytes >= roll.bytes || current.rows >= roll.rows || old)
    }

    fn path(&self, destination: &str, number: u64, open: bool) -> PathBuf {
        let end = if open { ".open" } else { "" };
        self.settings.folder.join(destination).join(format!("{number:08}.jsonl{end}"))
    }
}
