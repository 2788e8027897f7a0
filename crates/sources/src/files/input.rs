//! Opening a file to read: counted, and unpacked when its name says that it is compressed.

use std::fs::File;
use std::io::{Error, ErrorKind, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flowglass_connect::Fault;
use flowglass_model::ErrorClass;

use super::paths::Found;

/// Counts the bytes that leave the disk, before they are unpacked.
struct Counted {
    file: File,
    bytes: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let got = self.file.read(buffer)?;
        self.bytes.fetch_add(got as u64, Ordering::Relaxed);
        Ok(got)
    }
}

/// Opens a text file; `.gz` and `.zst` are unpacked on the way.
pub(crate) fn open_text(
    found: &Found,
    bytes: &Arc<AtomicU64>,
) -> Result<Box<dyn Read + Send>, Fault> {
    let file = File::open(&found.path)
        .map_err(|error| Fault::io(format!("opening `{}`", found.name), error))?;
    let counted = Counted { file, bytes: Arc::clone(bytes) };
    if found.name.ends_with(".gz") {
        return Ok(Box::new(flate2::read::MultiGzDecoder::new(counted)));
    }
    if found.name.ends_with(".zst") {
        let unpacked = zstd::stream::read::Decoder::new(counted)
            .map_err(|error| read_fault(&found.name, error))?;
        return Ok(Box::new(unpacked));
    }
    Ok(Box::new(counted))
}

/// The fault of a failed read. A broken or cut-off compressed stream is the input's fault, not
/// the disk's.
pub(crate) fn read_fault(name: &str, error: Error) -> Fault {
    match error.kind() {
        ErrorKind::UnexpectedEof | ErrorKind::InvalidData | ErrorKind::InvalidInput => {
            Fault::new(ErrorClass::Malformed, format!("unpacking `{name}`"))
                .because(error)
                .hint("The compressed file is broken or cut off: fetch or make it again.")
        }
        _ => Fault::io(format!("reading `{name}`"), error),
    }
}

/// The places of the columns that are asked for, in that order.
///
/// # Errors
/// `schema` naming a column that is not there.
pub(crate) fn pick_columns(
    have: &[String],
    wanted: Option<&[String]>,
    file: &str,
) -> Result<Vec<usize>, Fault> {
    let Some(wanted) = wanted else { return Ok((0..have.len()).collect()) };
    wanted
        .iter()
        .map(|name| {
            have.iter().position(|it| it == name).ok_or_else(|| {
                Fault::new(ErrorClass::Schema, format!("`{file}` has no column `{name}`"))
                    .hint(format!("Its columns are: {}.", have.join(", ")))
            })
        })
        .collect()
}
