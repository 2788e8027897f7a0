//! Merges rows by key into an old file of any size, within bounded memory.
//!
//! Rows and keys are bytes here; each format brings its own. New rows wait in memory, and when
//! they outgrow it they go to partitions on disk by the hash of their key. While they fit in
//! memory the old rows are streamed past them and keep their order; otherwise old rows are parted
//! in the same way and each partition is merged on its own, again in halves when it is too large.

use std::collections::HashMap;
use std::fs::File;
use std::hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher};
use std::io::{BufReader, BufWriter, Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};

use flowglass_connect::Fault;
use flowglass_model::ErrorClass;

/// Bytes of new rows that wait in memory.
const MEMORY_BYTES_MAX: usize = 32 << 20;

/// Partitions at each level.
const PARTS: usize = 32;

/// Levels of parting; 32^4 partitions are enough for any disk.
const LEVELS_MAX: u32 = 4;

/// What a row costs beside its bytes.
const ROW_OVERHEAD_BYTES: usize = 96;

/// What became of the new rows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Merged {
    pub(crate) inserted: u64,
    pub(crate) updated: u64,
    pub(crate) unchanged: u64,
}

/// New rows on their way into a merge.
#[derive(Debug)]
pub(crate) struct Spill {
    scratch: PathBuf,
    bytes_max: usize,
    rows: Rows,
    parts: Option<Vec<Part>>,
}

/// Takes a row: key and row.
pub(crate) type RowTaker<'a> = dyn FnMut(&[u8], &[u8]) -> Result<(), Fault> + 'a;

/// Gives all old rows, in order, to a taker.
pub(crate) type OldRows<'a> = dyn FnMut(&mut RowTaker<'_>) -> Result<(), Fault> + 'a;

impl Spill {
    /// An empty one that uses `scratch` when memory does not do.
    pub(crate) fn new(scratch: &Path) -> Self {
        Self::bounded(scratch, MEMORY_BYTES_MAX)
    }

    fn bounded(scratch: &Path, bytes_max: usize) -> Self {
        Self { scratch: scratch.to_owned(), bytes_max, rows: Rows::default(), parts: None }
    }

    /// Adds a new row. A later row of the same key takes the place of an earlier one.
    pub(crate) fn add(&mut self, key: &[u8], row: &[u8]) -> Result<(), Fault> {
        if let Some(parts) = &mut self.parts {
            return put(parts, 0, key, row);
        }
        self.rows.add(key, row);
        if self.rows.bytes > self.bytes_max {
            let mut parts = make_parts(&self.scratch)?;
            let rows = std::mem::take(&mut self.rows);
            for entry in &rows.entries {
                put(&mut parts, 0, &entry.key, &entry.row)?;
            }
            self.superseded_before(rows.superseded);
            self.parts = Some(parts);
        }
        Ok(())
    }

    fn superseded_before(&mut self, rows: u64) {
        self.rows.superseded = rows;
    }

    /// Merges into the old rows and gives every row of the result to `emit`. `same` says whether
    /// two rows of one key are equal.
    pub(crate) fn merge(
        mut self,
        old: &mut OldRows<'_>,
        same: &dyn Fn(&[u8], &[u8]) -> bool,
        emit: &mut dyn FnMut(&[u8]) -> Result<(), Fault>,
    ) -> Result<Merged, Fault> {
        let Some(parts) = self.parts.take() else { return stream(self.rows, old, same, emit) };
        let mut merged = Merged { unchanged: self.rows.superseded, ..Merged::default() };
        let mut step = Parted { scratch: &self.scratch, bytes_max: self.bytes_max, same, emit };
        step.merge(parts, 0, old, &mut merged)?;
        Ok(merged)
    }
}

struct Parted<'a> {
    scratch: &'a Path,
    bytes_max: usize,
    same: &'a dyn Fn(&[u8], &[u8]) -> bool,
    emit: &'a mut dyn FnMut(&[u8]) -> Result<(), Fault>,
}

impl Parted<'_> {
    fn merge(
        &mut self,
        new: Vec<Part>,
        level: u32,
        old: &mut OldRows<'_>,
        merged: &mut Merged,
    ) -> Result<(), Fault> {
        let mut old_parts = make_parts(self.scratch)?;
        old(&mut |key, row| put(&mut old_parts, level, key, row))?;
        for (new, old) in new.into_iter().zip(old_parts) {
            let (new, old) = (new.finish()?, old.finish()?);
            let mut rows = Rows::default();
            let mut deeper: Option<Vec<Part>> = None;
            new.read(&mut |key, row| {
                if let Some(parts) = &mut deeper {
                    return put(parts, level + 1, key, row);
                }
                rows.add(key, row);
                if rows.bytes > self.bytes_max && level < LEVELS_MAX {
                    let mut parts = make_parts(self.scratch)?;
                    for entry in rows.entries.drain(..) {
                        put(&mut parts, level + 1, &entry.key, &entry.row)?;
                    }
                    merged.unchanged += rows.superseded;
                    rows = Rows::default();
                    deeper = Some(parts);
                }
                Ok(())
            })?;
            let mut old_rows = |take: &mut RowTaker<'_>| old.read(take);
            if let Some(parts) = deeper {
                self.merge(parts, level + 1, &mut old_rows, merged)?;
            } else {
                let part = stream(rows, &mut old_rows, self.same, self.emit)?;
                merged.inserted += part.inserted;
                merged.updated += part.updated;
                merged.unchanged += part.unchanged;
            }
        }
        Ok(())
    }
}

/// New rows fit in memory: the old ones go by, and keep their order.
fn stream(
    rows: Rows,
    old: &mut OldRows<'_>,
    same: &dyn Fn(&[u8], &[u8]) -> bool,
    emit: &mut dyn FnMut(&[u8]) -> Result<(), Fault>,
) -> Result<Merged, Fault> {
    let mut merged = Merged { unchanged: rows.superseded, ..Merged::default() };
    let Rows { mut entries, places, .. } = rows;
    old(&mut |key, row| {
        let entry = places.get(key).and_then(|at| entries.get_mut(*at));
        let Some(entry) = entry else { return emit(row) };
        if std::mem::replace(&mut entry.met, true) {
            return Err(Fault::new(
                ErrorClass::Constraint,
                "two rows of the target have the same key, so a merge cannot tell which to update",
            )
            .hint("Load the target once with `full_refresh`, or correct `key`."));
        }
        if same(row, &entry.row) {
            merged.unchanged += 1;
            return emit(row);
        }
        merged.updated += 1;
        emit(&entry.row)
    })?;
    for entry in entries.iter().filter(|entry| !entry.met) {
        merged.inserted += 1;
        emit(&entry.row)?;
    }
    Ok(merged)
}

#[derive(Debug)]
struct Entry {
    key: Box<[u8]>,
    row: Box<[u8]>,
    /// Whether the old rows have this key.
    met: bool,
}

/// Rows in the order of their keys' first arrival.
#[derive(Debug, Default)]
struct Rows {
    entries: Vec<Entry>,
    places: HashMap<Box<[u8]>, usize>,
    bytes: usize,
    superseded: u64,
}

impl Rows {
    fn add(&mut self, key: &[u8], row: &[u8]) {
        if let Some(entry) = self.places.get(key).and_then(|at| self.entries.get_mut(*at)) {
            self.bytes = self.bytes + row.len() - entry.row.len();
            entry.row = row.into();
            self.superseded += 1;
            return;
        }
        self.places.insert(key.into(), self.entries.len());
        self.entries.push(Entry { key: key.into(), row: row.into(), met: false });
        self.bytes += 2 * key.len() + row.len() + ROW_OVERHEAD_BYTES;
    }
}

/// A file without a name: the system removes it when nobody has it open, even after a kill.
#[derive(Debug)]
struct Part {
    file: BufWriter<File>,
}

/// A part that is complete.
#[derive(Debug)]
struct Written {
    file: File,
}

fn make_parts(scratch: &Path) -> Result<Vec<Part>, Fault> {
    std::fs::create_dir_all(scratch).map_err(spill_fault)?;
    (0..PARTS)
        .map(|_at| {
            let file = tempfile::tempfile_in(scratch).map_err(spill_fault)?;
            Ok(Part { file: BufWriter::with_capacity(64 << 10, file) })
        })
        .collect()
}

fn put(parts: &mut [Part], level: u32, key: &[u8], row: &[u8]) -> Result<(), Fault> {
    let hash = BuildHasherDefault::<DefaultHasher>::default().hash_one(key);
    let bits = (hash >> (5 * level)) & (PARTS as u64 - 1);
    let at = usize::try_from(bits).unwrap_or_default();
    let Some(part) = parts.get_mut(at) else { return Ok(()) };
    let length = |bytes: &[u8]| {
        u32::try_from(bytes.len()).map(u32::to_le_bytes).map_err(|_huge| {
            Fault::new(ErrorClass::TooLarge, "a row of a merge is larger than 4 GiB")
        })
    };
    let mut write = |bytes: &[u8]| part.file.write_all(bytes).map_err(spill_fault);
    write(&length(key)?)?;
    write(&length(row)?)?;
    write(key)?;
    write(row)
}

impl Part {
    fn finish(self) -> Result<Written, Fault> {
        let file = self.file.into_inner().map_err(|error| spill_fault(error.into_error()))?;
        Ok(Written { file })
    }
}

impl Written {
    fn read(&self, take: &mut RowTaker<'_>) -> Result<(), Fault> {
        let mut file = &self.file;
        file.rewind().map_err(spill_fault)?;
        let mut left = file.metadata().map_err(spill_fault)?.len();
        let mut input = BufReader::with_capacity(64 << 10, file);
        let (mut key, mut row) = (Vec::new(), Vec::new());
        while left > 0 {
            let mut head = [0u8; 8];
            input.read_exact(&mut head).map_err(spill_fault)?;
            let [k1, k2, k3, k4, r1, r2, r3, r4] = head;
            let key_bytes = u32::from_le_bytes([k1, k2, k3, k4]);
            let row_bytes = u32::from_le_bytes([r1, r2, r3, r4]);
            key.resize(key_bytes as usize, 0);
            row.resize(row_bytes as usize, 0);
            input.read_exact(&mut key).map_err(spill_fault)?;
            input.read_exact(&mut row).map_err(spill_fault)?;
            left = left.saturating_sub(8 + u64::from(key_bytes) + u64::from(row_bytes));
            take(&key, &row)?;
        }
        Ok(())
    }
}

fn spill_fault(error: std::io::Error) -> Fault {
    Fault::io("keeping rows of a merge in the scratch folder", error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    type Pairs = Vec<(u16, u8)>;

    /// The merge against a plain map, over memory bounds that force no, one or several levels.
    fn check(old: &Pairs, new: &Pairs, bytes_max: usize) {
        let folder = tempfile::tempdir().unwrap();
        let mut model = std::collections::BTreeMap::new();
        model.extend(old.iter().copied());
        let old: Pairs = model.iter().map(|(key, value)| (*key, *value)).collect();
        let mut spill = Spill::bounded(folder.path(), bytes_max);
        let mut last = HashMap::new();
        for (key, value) in new {
            spill.add(&key.to_le_bytes(), &[&key.to_le_bytes()[..], &[*value]].concat()).unwrap();
            last.insert(*key, *value);
        }
        let mut want = Merged { unchanged: (new.len() - last.len()) as u64, ..Merged::default() };
        for (key, value) in &last {
            match model.insert(*key, *value) {
                None => want.inserted += 1,
                Some(before) if before == *value => want.unchanged += 1,
                Some(_) => want.updated += 1,
            }
        }
        let mut rows = Vec::new();
        let merged = spill
            .merge(
                &mut |take| {
                    old.iter().try_for_each(|(key, value)| {
                        let key = key.to_le_bytes();
                        take(&key, &[&key[..], &[*value]].concat())
                    })
                },
                &|a, b| a == b,
                &mut |row| {
                    rows.push((u16::from_le_bytes([row[0], row[1]]), row[2]));
                    Ok(())
                },
            )
            .unwrap();
        assert_eq!(merged, want);
        if bytes_max == usize::MAX {
            let kept: Vec<u16> = rows.iter().map(|row| row.0).take(old.len()).collect();
            assert_eq!(kept, old.iter().map(|row| row.0).collect::<Vec<_>>(), "order of old rows");
        }
        rows.sort_unstable();
        assert_eq!(rows, model.into_iter().collect::<Vec<_>>());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn a_merge_is_what_a_map_says(
            old in prop::collection::vec((0u16..300, 0u8..3), 0..200),
            new in prop::collection::vec((0u16..300, 0u8..3), 0..200),
            bound in prop::sample::select(vec![0, 300, 4_000, usize::MAX]),
        ) {
            check(&old, &new, bound);
        }
    }

    #[test]
    fn a_key_twice_in_the_target_is_refused() {
        let mut spill = Spill::new(Path::new("/nonexistent"));
        spill.add(b"k", b"row").unwrap();
        let fault = spill
            .merge(
                &mut |take| {
                    take(b"k", b"a")?;
                    take(b"k", b"b")
                },
                &|a, b| a == b,
                &mut |_row| Ok(()),
            )
            .unwrap_err();
        assert_eq!(fault.class(), ErrorClass::Constraint);
    }
}
