//! A stream is in one process's hands at a time: a lock on a file beside the proofs of life, which
//! the kernel lets go of at the process's end, however that comes.
//!
//! The file is removed when the lock is let go. Between opening it and locking it, somebody else may
//! have removed it; then the lock is on a file that has no name any more and proves nothing, and all
//! begins anew.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use flowglass_connect::Fault;
use flowglass_connect::stream::Hold;

use crate::owner::folder_of;

/// A locked file. Dropping it removes it and lets go.
#[derive(Debug)]
struct Held {
    path: PathBuf,
    folder: PathBuf,
    file: File,
}

impl Drop for Held {
    fn drop(&mut self) {
        // Removed before it is unlocked, so that nobody locks a file that is about to go. What fails
        // here leaves a file that the next one locks.
        std::fs::remove_file(&self.path).ok();
        self.file.unlock().ok();
        // Fails while another process is alive, as it should.
        std::fs::remove_dir(&self.folder).ok();
    }
}

/// Takes the stream into this process's hands.
pub(super) fn hold(store: &Path, stream: &str) -> Result<Hold, Fault> {
    let folder = folder_of(store);
    let path = folder.join(file_name(stream));
    let failed = |cause| Fault::io(format!("taking the stream `{stream}` into our hands"), cause);
    loop {
        std::fs::create_dir_all(&folder).map_err(failed)?;
        let options =
            || OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
        let mut file = match options() {
            // The folder went away between the two calls.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            opened => opened.map_err(failed)?,
        };
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(Hold::taken(stream, &holder(&mut file))),
            Err(TryLockError::Error(cause)) => return Err(failed(cause)),
        }
        if !is_named(&file, &path) {
            continue;
        }
        let process = std::process::id();
        // Only for people: who holds it is said by the lock.
        file.set_len(0)
            .and_then(|()| write!(file, "{process}"))
            .and_then(|()| file.flush())
            .map_err(failed)?;
        return Ok(Hold::new(Box::new(Held { path, folder, file })));
    }
}

/// Whether the path still leads to this very file.
fn is_named(file: &File, path: &Path) -> bool {
    let (Ok(ours), Ok(there)) = (file.metadata(), std::fs::metadata(path)) else { return false };
    (ours.dev(), ours.ino()) == (there.dev(), there.ino())
}

fn holder(file: &mut File) -> String {
    let mut said = String::new();
    let read = file.rewind().and_then(|()| file.read_to_string(&mut said));
    match (read, said.parse::<u32>()) {
        (Ok(_), Ok(process)) => format!("process {process}"),
        _ => "another process".to_owned(),
    }
}

/// The names of streams are file names already; whatever else comes is written in digits.
fn file_name(stream: &str) -> String {
    let mut name = "stream-".to_owned();
    for byte in stream.bytes() {
        match byte {
            b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' => name.push(char::from(byte)),
            other => name.push_str(&format!("%{other:02X}")),
        }
    }
    name
}

#[cfg(test)]
mod tests {
    use flowglass_testkit::Scratch;

    use super::*;

    #[test]
    fn a_stream_is_in_one_hand_at_a_time() {
        let folder = Scratch::new();
        let store = folder.path("s.db");
        let first = hold(&store, "orders").unwrap();
        let refused = hold(&store, "orders").unwrap_err();
        assert_eq!(refused.class(), flowglass_model::ErrorClass::Conflict);
        assert!(refused.chain().contains(&format!("process {}", std::process::id())));
        let other = hold(&store, "Ä/..").unwrap();
        drop(first);
        let again = hold(&store, "orders").unwrap();
        drop((other, again));
        assert!(!folder_of(&store).exists(), "something was left behind");
    }

    #[test]
    fn a_lock_on_a_file_without_a_name_is_none() {
        let folder = Scratch::new();
        let path = folder.path("x");
        let file = File::create(&path).unwrap();
        assert!(is_named(&file, &path));
        std::fs::remove_file(&path).unwrap();
        assert!(!is_named(&file, &path));
        drop(File::create(&path).unwrap());
        assert!(!is_named(&file, &path));
    }
}
