//! What several commands do with a store: open it without making one, and say what is wrong with it.

use std::path::{Path, PathBuf};

use clap::Args;
use flowglass_connect::{Fault, SystemClock};
use flowglass_model::ErrorClass;
use flowglass_store::{Reader, Store, StoreError, StoreOptions};

use crate::console;
use crate::exit::Exit;

/// The store of a stream, which is not made when it is not there.
#[derive(Debug, Clone, Args)]
pub(crate) struct ThereStore {
    /// The store that the stream's `flowglass run` writes to.
    #[arg(
        long,
        env = "FLOWGLASS_STORE",
        default_value = ".flowglass/flowglass.db",
        value_name = "PATH"
    )]
    store: PathBuf,
}

impl ThereStore {
    pub(crate) fn path(&self) -> &Path {
        &self.store
    }
}

/// Opens a store that is there for writing. A mistyped path must not make one.
///
/// # Errors
/// [`StoreError::Missing`], and as [`Store::open`].
pub(crate) fn open_existing(path: &Path) -> Result<Store, StoreError> {
    if !path.exists() {
        return Err(StoreError::Missing { path: path.to_owned() });
    }
    Store::open(path, &StoreOptions::default(), &SystemClock::new())
}

/// Opens a store for reading. One of an older flowglass is brought up to date before.
///
/// # Errors
/// As [`Reader::open`].
pub(crate) fn open_reader(path: &Path) -> Result<Reader, StoreError> {
    match Reader::open(path) {
        Err(StoreError::Older { .. }) => {
            open_existing(path)?.close();
            Reader::open(path)
        }
        opened => opened,
    }
}

/// Says an error with what to do about it, where it is one that knows; the rest is the caller's.
///
/// # Errors
/// The error itself, when it does not know what to do about it.
pub(crate) fn in_words(error: anyhow::Error) -> anyhow::Result<Exit> {
    let (said, hint, class) = if let Some(known) = error.downcast_ref::<StoreError>() {
        (format!("{error:#}"), known.hint().to_owned(), known.class())
    } else if let Some(known) = error.downcast_ref::<Fault>() {
        (known.chain(), known.advice().to_owned(), known.class())
    } else {
        return Err(error);
    };
    console::say(&format!("error: {said}\n  hint: {hint}"));
    Ok(match class {
        ErrorClass::NotFound | ErrorClass::Config | ErrorClass::Unsupported => Exit::Usage,
        _ => Exit::Failed,
    })
}
