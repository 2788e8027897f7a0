//! A text file as a target: what CSV and JSONL have in common. The format itself, a line's bytes
//! and what its key is, comes from each of them.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};

use arrow::array::RecordBatch;
use async_trait::async_trait;
use flowglass_connect::{
    Batch, BatchTarget, BatchWriter, BlockingWrite, CursorState, Fault, Outcome, Strategy,
    Surroundings, ThreadedWriter, WriteOwner, WritePlan,
};
use flowglass_model::{AssetRef, ErrorClass};

use super::aside::Aside;
use super::merge::{Merged, RowTaker, Spill};
use super::sidecar::Sidecar;
use super::text::{BinaryText, TextColumn};
use super::{arrow_rows, blocking};

/// Encoded bytes that wait before they go to the file.
const BUFFER_BYTES_MAX: usize = 1 << 20;

/// A line-based format, fitted to one plan and one old file.
pub(crate) trait Format: Send + Sized + 'static {
    /// The connector's configuration.
    type Config: Clone + Send + Sync + std::fmt::Debug + 'static;

    /// Fits the format to the rows and to the file that is there, if any.
    fn fit(config: &Self::Config, plan: &WritePlan, old: Option<&File>) -> Result<Self, Fault>;

    /// Columns that the file gets, with their type in the format's words.
    fn added(&self) -> Vec<(String, String)>;

    /// What stands before the rows.
    fn header(&self, out: &mut Vec<u8>) -> Result<(), Fault>;

    /// Adds a row's line, without its end.
    fn line(&self, columns: &[TextColumn], row: usize, out: &mut Vec<u8>) -> Result<(), Fault>;

    /// Adds the key of a row, in the form that [`Self::old_rows`] gives it.
    fn key(&self, columns: &[TextColumn], row: usize, out: &mut Vec<u8>) -> Result<(), Fault>;

    /// Gives the old rows with their keys, each as a line of the new file.
    fn old_rows(&self, old: &File, take: &mut RowTaker<'_>) -> Result<(), Fault>;

    /// Whether old lines stand in the new file as they are, header included.
    fn keeps_old_bytes(&self) -> bool;

    /// Whether two lines of one key hold the same values.
    fn same(&self, old: &[u8], new: &[u8]) -> bool;

    /// Counts the rows of a file.
    fn count(&self, file: File) -> std::io::Result<u64>;
}

/// A text file behind the doorframe of targets.
#[derive(Debug)]
pub(crate) struct TextTarget<F: Format> {
    pub(crate) config: F::Config,
    pub(crate) binary: BinaryText,
    shown: String,
    path: PathBuf,
    scratch: PathBuf,
}

impl<F: Format> TextTarget<F> {
    pub(crate) fn new(
        config: F::Config,
        binary: BinaryText,
        path: String,
        around: &Surroundings,
    ) -> Self {
        let scratch = around.scratch_dir.clone();
        Self { config, binary, path: around.base_dir.join(&path), shown: path, scratch }
    }

    async fn states(&self) -> Result<super::KeptStates, Fault> {
        let (path, shown) = (self.path.clone(), self.shown.clone());
        blocking("reading the state of a file", move || Sidecar::of(&path, &shown).states()).await
    }
}

#[async_trait]
impl<F: Format> BatchTarget for TextTarget<F> {
    fn asset(&self) -> AssetRef {
        AssetRef::file(&self.shown)
    }

    async fn cursor(&self, owner: &WriteOwner) -> Result<Option<CursorState>, Fault> {
        Ok(self.states().await?.cursor(owner))
    }

    async fn committed(&self, owner: &WriteOwner, token: &str) -> Result<Option<Outcome>, Fault> {
        let outcome = self.states().await?.outcome(owner, token);
        if outcome.is_some() {
            // Nobody may write here again soon, so what a crash left of the commit is cleared now.
            let (path, shown) = (self.path.clone(), self.shown.clone());
            let settle = move || {
                Sidecar::of(&path, &shown).settle();
                Ok(())
            };
            blocking("clearing up after a commit", settle).await?;
        }
        Ok(outcome)
    }

    async fn begin(&self, plan: WritePlan) -> Result<Box<dyn BatchWriter>, Fault> {
        let (config, path, shown) = (self.config.clone(), self.path.clone(), self.shown.clone());
        let (scratch, binary) = (self.scratch.clone(), self.binary);
        let make = move || Writer::<F>::begin(&config, (&path, &shown), (&scratch, binary), plan);
        Ok(Box::new(ThreadedWriter::start("text-write", make).await?))
    }
}

/// Writes one plan aside.
struct Writer<F> {
    aside: Aside,
    output: BufWriter<File>,
    plan: WritePlan,
    format: F,
    binary: BinaryText,
    old: Option<File>,
    old_bytes: u64,
    merge: Option<Spill>,
    rows: u64,
}

impl<F: Format> Writer<F> {
    fn begin(
        config: &F::Config,
        (path, shown): (&Path, &str),
        (scratch, binary): (&Path, BinaryText),
        plan: WritePlan,
    ) -> Result<Self, Fault> {
        let aside = Aside::begin(path, shown)?;
        // An interrupted commit that cannot be told from a finished one is found before the work.
        Sidecar::of(aside.target(), shown).states()?;
        let old = match File::open(aside.target()) {
            Ok(file) => Some(file),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => return Err(Fault::io(format!("opening `{shown}`"), error)),
        };
        let size = |file: &File| file.metadata().map(|meta| meta.len());
        let old_bytes = old
            .as_ref()
            .map(size)
            .transpose()
            .map_err(|error| Fault::io(format!("looking at `{shown}`"), error))?;
        let old = old.filter(|_file| old_bytes != Some(0));
        if plan.strategy == Strategy::IncrementalMerge && plan.key.is_empty() {
            return Err(Fault::new(ErrorClass::Config, "a merge needs `key` columns"));
        }
        let format = F::fit(config, &plan, old.as_ref())?;
        let merge = (plan.strategy == Strategy::IncrementalMerge).then(|| Spill::new(scratch));
        let output = BufWriter::with_capacity(BUFFER_BYTES_MAX, aside.file()?);
        let old_bytes = old_bytes.unwrap_or(0);
        let mut writer =
            Self { aside, output, plan, format, binary, old, old_bytes, merge, rows: 0 };
        writer.start()?;
        Ok(writer)
    }

    /// Writes what stands before the new rows.
    fn start(&mut self) -> Result<(), Fault> {
        let appends = matches!(self.plan.strategy, Strategy::Append | Strategy::IncrementalAppend);
        if let Some(old) = self.old.as_ref().filter(|_file| appends) {
            if self.format.keeps_old_bytes() {
                return self.copy_old(old);
            }
            let mut head = Vec::new();
            self.format.header(&mut head)?;
            put(&mut self.output, &self.aside, &head)?;
            let (output, aside) = (&mut self.output, &self.aside);
            return self.format.old_rows(old, &mut |_key, line| put_line(output, aside, line));
        }
        let mut head = Vec::new();
        self.format.header(&mut head)?;
        put(&mut self.output, &self.aside, &head)
    }

    /// Copies the old bytes, by the file system's own means where it has some, and ends the last
    /// line.
    fn copy_old(&self, old: &File) -> Result<(), Fault> {
        use std::io::{Read as _, Seek as _, SeekFrom};
        let failed = |error| self.aside.failed("copying the old rows of", error);
        let (mut from, mut to) = (old, self.output.get_ref());
        from.rewind().map_err(failed)?;
        std::io::copy(&mut from, &mut to).map_err(failed)?;
        let mut last = [0u8];
        from.seek(SeekFrom::End(-1)).map_err(failed)?;
        from.read_exact(&mut last).map_err(failed)?;
        if last == *b"\n" { Ok(()) } else { to.write_all(b"\n").map_err(failed) }
    }

    fn encode(&mut self, batch: &RecordBatch) -> Result<(), Fault> {
        let schema = batch.schema_ref();
        let columns = schema.fields().iter().zip(batch.columns());
        let columns = columns.map(|(field, it)| TextColumn::new(field, it, self.binary));
        let columns = columns.collect::<Result<Vec<_>, _>>()?;
        let (mut line, mut key) = (Vec::new(), Vec::new());
        for row in 0..batch.num_rows() {
            if let Some(merge) = &mut self.merge {
                line.clear();
                key.clear();
                self.format.line(&columns, row, &mut line)?;
                self.format.key(&columns, row, &mut key)?;
                merge.add(&key, &line)?;
                continue;
            }
            self.format.line(&columns, row, &mut line)?;
            line.push(b'\n');
            if line.len() >= BUFFER_BYTES_MAX {
                put(&mut self.output, &self.aside, &line)?;
                line.clear();
            }
        }
        if self.merge.is_none() {
            put(&mut self.output, &self.aside, &line)?;
        }
        Ok(())
    }

    fn merge(&mut self, spill: Spill) -> Result<Merged, Fault> {
        let (format, old) = (&self.format, self.old.as_ref());
        let (output, aside) = (&mut self.output, &self.aside);
        spill.merge(
            &mut |take| old.map_or(Ok(()), |old| format.old_rows(old, take)),
            &|old, new| format.same(old, new),
            &mut |line| put_line(output, aside, line),
        )
    }
}

fn put(output: &mut BufWriter<File>, aside: &Aside, bytes: &[u8]) -> Result<(), Fault> {
    output.write_all(bytes).map_err(|error| aside.failed("writing", error))
}

fn put_line(output: &mut BufWriter<File>, aside: &Aside, line: &[u8]) -> Result<(), Fault> {
    put(output, aside, line)?;
    put(output, aside, b"\n")
}

impl<F: Format> BlockingWrite for Writer<F> {
    fn write(&mut self, batch: Batch) -> Result<(), Fault> {
        let batch = arrow_rows(batch)?;
        self.rows += batch.num_rows() as u64;
        self.encode(&batch)
    }

    fn commit(mut self: Box<Self>, cursor: Option<CursorState>) -> Result<Outcome, Fault> {
        let merged = match self.merge.take() {
            Some(spill) => self.merge(spill)?,
            None => Merged { inserted: self.rows, ..Merged::default() },
        };
        self.output.flush().map_err(|error| self.aside.failed("writing", error))?;
        let counted = self.format.count(self.aside.reread()?);
        let final_rows = counted.map_err(|error| self.aside.failed("reading back", error))?;
        let bytes = self.aside.identity()?.bytes;
        let appends = matches!(self.plan.strategy, Strategy::Append | Strategy::IncrementalAppend);
        let outcome = Outcome {
            inserted: merged.inserted,
            updated: merged.updated,
            unchanged: merged.unchanged,
            deleted: 0,
            final_rows,
            bytes: if appends { bytes.saturating_sub(self.old_bytes) } else { bytes },
            columns_added: self.format.added(),
        };
        let sidecar = Sidecar::of(self.aside.target(), self.aside.shown());
        let mut states = sidecar.states()?;
        let commit = (self.plan.token.as_str(), &outcome);
        states.record(&self.plan.owner, commit, cursor, self.plan.strategy);
        let Self { aside, output, .. } = *self;
        drop(output);
        sidecar.commit(aside, states)?;
        Ok(outcome)
    }
}
