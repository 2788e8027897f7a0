//! The files of a folder by destination and number: their names, and what happens when one is closed.

use std::fs::File;
use std::io::{self, BufReader, Write as _};
use std::path::{Path, PathBuf};

use arrow::datatypes::SchemaRef;
use arrow::ipc::reader::StreamReader;
use flowglass_connect::Fault;
use flowglass_model::ErrorClass;
use parquet::arrow::ArrowSchemaConverter;

use super::config::{Settings, Writes};
use super::manifest::{Current, sync_folder};
use crate::parquet::{Encoder, Packing, encode_fault, open_output, properties};

/// What is read ahead of a file that is closed.
const READ_BYTES: usize = 1 << 20;

/// A file while it is written.
pub(super) fn open_path(settings: &Settings, destination: &str, number: u64) -> PathBuf {
    let end = match settings.writes {
        Writes::Lines { .. } => "jsonl.open",
        Writes::Rows { .. } => "arrows.open",
    };
    settings.folder.join(destination).join(format!("{number:08}.{end}"))
}

/// The same when it is closed.
pub(super) fn closed_path(settings: &Settings, destination: &str, number: u64) -> PathBuf {
    let end = match settings.writes {
        Writes::Lines { .. } => "jsonl",
        Writes::Rows { .. } => "parquet",
    };
    settings.folder.join(destination).join(format!("{number:08}.{end}"))
}

/// Opens the file that is written now, and makes it when it is missing.
pub(super) fn open(settings: &Settings, destination: &str, number: u64) -> io::Result<File> {
    let path = open_path(settings, destination, number);
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let file = File::options().create(true).append(true).open(&path)?;
    sync_folder(path.parent())?;
    Ok(file)
}

/// Gives a full file its last form. Doing it again after a crash comes to the same.
///
/// # Errors
/// What the system says.
pub(super) fn close(settings: &Settings, destination: &str, number: u64) -> Result<(), Fault> {
    let doing = || format!("closing a file of `{destination}`");
    let from = open_path(settings, destination, number);
    let to = closed_path(settings, destination, number);
    let failed = |error| Fault::io(doing(), error);
    match &settings.writes {
        Writes::Lines { .. } => std::fs::rename(&from, &to).map_err(failed)?,
        Writes::Rows { packing, .. } => {
            let aside = to.with_extension("parquet.new");
            pack(&from, &aside, *packing)
                .map_err(|fault| Fault::new(fault.class(), doing()).because(fault))?;
            std::fs::rename(&aside, &to).map_err(failed)?;
            sync_folder(to.parent()).map_err(failed)?;
            std::fs::remove_file(&from).map_err(failed)?;
        }
    }
    sync_folder(to.parent()).map_err(failed)
}

/// Writes what was appended as Parquet.
fn pack(from: &Path, to: &Path, packing: Packing) -> Result<(), Fault> {
    let reading = |error| Fault::io("reading back what was written", error);
    let unreadable = |error: arrow::error::ArrowError| {
        Fault::new(ErrorClass::Io, "reading back what was written").because(error)
    };
    let file = File::open(from).map_err(reading)?;
    let reader = BufReader::with_capacity(READ_BYTES, file);
    let mut batches = StreamReader::try_new(reader, None).map_err(unreadable)?;
    let schema = batches.schema();
    let writing = |error| Fault::io("writing the parquet file", error);
    let file = File::create(to).map_err(writing)?;
    let mut encoder: Option<Encoder> = None;
    let mut pending = batches.next().transpose().map_err(unreadable)?;
    while let Some(batch) = pending {
        let open = match encoder.take() {
            Some(open) => open,
            None => {
                let descriptor =
                    ArrowSchemaConverter::new().convert(&schema).map_err(encode_fault)?;
                // The first rows decide how columns are encoded.
                let properties = properties(packing, &schema, Some(&batch));
                let file = file.try_clone().map_err(writing)?;
                let output = open_output(file, descriptor.root_schema_ptr(), properties)?;
                Encoder::new(output, SchemaRef::clone(&schema))
            }
        };
        let open = encoder.insert(open);
        open.write(batch)?;
        pending = batches.next().transpose().map_err(unreadable)?;
    }
    if let Some(encoder) = encoder {
        let mut file = encoder.finish(Vec::new())?;
        file.flush().map_err(writing)?;
    }
    file.sync_all().map_err(writing)
}

/// Brings the files of a destination to where the manifest says: cuts off what it does not count,
/// and finishes closing.
///
/// # Errors
/// What the system says.
pub(super) fn mend(settings: &Settings, destination: &str, current: &Current) -> Result<(), Fault> {
    let failed =
        |error| Fault::io(format!("bringing the files of `{destination}` in order"), error);
    let path = |number| open_path(settings, destination, number);
    cut_off(&path(current.number), current.bytes).map_err(failed)?;
    // A batch that changed the columns had begun these.
    let mut later = current.number + 1;
    while path(later).exists() {
        std::fs::remove_file(path(later)).map_err(failed)?;
        later += 1;
    }
    // They are closed in order, so that those which are not are the last ones.
    let mut earlier = current.number.saturating_sub(1);
    while earlier > 0 && path(earlier).exists() {
        close(settings, destination, earlier)?;
        earlier -= 1;
    }
    Ok(())
}

fn cut_off(open: &Path, bytes: u64) -> io::Result<()> {
    match File::options().write(true).open(open) {
        Ok(file) if bytes == 0 => {
            drop(file);
            std::fs::remove_file(open)
        }
        Ok(file) => {
            file.set_len(bytes)?;
            file.sync_data()
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound && bytes == 0 => Ok(()),
        Err(error) => Err(error),
    }
}
