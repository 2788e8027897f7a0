//! Following one file through everything that is done to it: written to, renamed, copied and
//! emptied, removed. Blocking; one step does a bounded amount of work.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use flowglass_connect::Fault;
use flowglass_connect::stream::{Chunk, ChunkBuilder, Position, Relation};
use flowglass_model::ErrorClass;

use super::columns::{self, Columns};
use super::config::{BadLines, Settings};
use super::file::{Identity, next_of, siblings};
use super::place::Place;
use super::row::{Bad, Spot, push_bad, push_row};

/// What one look reads at most, when no line is longer.
const BLOCK_BYTES: usize = 512 << 10;

/// A chunk goes out when it holds so many rows.
const CHUNK_ROWS_MAX: usize = 8192;

/// A file may begin with this mark, which is no part of its first line.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// The file that is being read.
#[derive(Debug)]
struct Open {
    file: File,
    created: Option<SystemTime>,
    /// Behind everything that was taken.
    place: Place,
    /// How long the file was when nothing whole was left in it.
    seen: u64,
    /// Since when it is at its end, and another file has its name.
    ended_at: Option<Duration>,
}

impl Open {
    /// Nothing but the position. Told when a file is begun, so that who dies then goes on in it; a
    /// new file counts as one byte, by which this position is behind all of the one before.
    fn here(&self, now: Now) -> Chunk {
        let mut chunk = ChunkBuilder::new(now.monotonic, 0);
        let position = Position::after(self.place.base + self.place.offset);
        chunk.mark(position.with_detail(Some(self.place.detail())));
        chunk.finish()
    }
}

/// What is known of the log beside what was read.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Figures {
    /// Where the log ends, as positions count.
    pub(super) end: u64,
    /// Bytes read so far.
    pub(super) bytes: u64,
}

/// The time of a step.
#[derive(Debug, Clone, Copy)]
pub(super) struct Now {
    /// By the clock's monotonic time.
    pub(super) monotonic: Duration,
    /// By the wall clock, in microseconds since 1970.
    pub(super) micros: i64,
}

/// Follows a file.
#[derive(Debug)]
pub(super) struct Tail {
    settings: Arc<Settings>,
    columns: Columns,
    bad: Arc<Relation>,
    open: Option<Open>,
    /// Where to begin, until that has been found.
    from: Option<Position>,
    pub(super) figures: Figures,
}

impl Tail {
    pub(super) fn new(settings: Arc<Settings>, from: Option<Position>) -> Self {
        let end = from.as_ref().map_or(0, |it| it.commit);
        Self {
            columns: Columns::new(&settings),
            bad: columns::bad(&settings),
            settings,
            open: None,
            from,
            figures: Figures { end, bytes: 0 },
        }
    }

    /// One look at the file: what is new in it, if anything.
    pub(super) fn step(&mut self, now: Now) -> Result<Option<Chunk>, Fault> {
        if self.open.is_none() {
            let doing = format!("opening `{}`", self.settings.path.display());
            let begun = match self.from.clone() {
                Some(from) => self.find(&from)?,
                None => self.begin().map_err(|error| Fault::io(doing, error))?,
            };
            let Some(open) = begun else { return Ok(None) };
            let here = open.here(now);
            self.open = Some(open);
            if self.from.take().is_none() {
                return Ok(Some(here));
            }
        }
        let Some(mut open) = self.open.take() else { return Ok(None) };
        let stepped = self.follow(&mut open, now);
        self.open = Some(open);
        stepped
    }

    /// Opens the file for the first time; `None` when it is not there.
    fn begin(&self) -> io::Result<Option<Open>> {
        let Some(mut open) = open(&self.settings.path, 0)? else { return Ok(None) };
        if !self.settings.from_beginning {
            let end = last_line_end(&mut open.file)?;
            open.place.line = count_lines(&mut open.file, 0, end)?;
            open.place.offset = end;
            open.place.file = Identity::of(&mut open.file, end)?;
        }
        Ok(Some(open))
    }

    /// Finds the file of a position, under whatever name; `None` when there is no file at all.
    fn find(&self, from: &Position) -> Result<Option<Open>, Fault> {
        let path = &self.settings.path;
        let (place, offset) = Place::of(from)?;
        let doing = format!("looking for the file of {from} beside `{}`", path.display());
        let found = candidate(path, &place.file, offset).map_err(|it| Fault::io(doing, it))?;
        let Some(mut file) = found else {
            if !path.exists() {
                return Ok(None);
            }
            return Err(Fault::new(
                ErrorClass::PositionLost,
                format!("`{}` is another file than the one that {from} is in", path.display()),
            )
            .hint(
                "That one was removed, packed or rewritten. Let rotated files lie beside the new one \
                 until they are read, or give the sink another `id`, to begin anew.",
            ));
        };
        let doing = || format!("reading `{}`", path.display());
        let more = count_lines(&mut file, place.offset, offset);
        let line = place.line + more.map_err(|error| Fault::io(doing(), error))?;
        let created = file.metadata().ok().and_then(|it| it.created().ok());
        let place = Place { offset, line, ..place };
        Ok(Some(Open { file, created, place, seen: offset, ended_at: None }))
    }

    fn follow(&mut self, open: &mut Open, now: Now) -> Result<Option<Chunk>, Fault> {
        let doing = format!("reading `{}`", self.settings.path.display());
        let Some(length) = look(open).map_err(|error| Fault::io(&doing, error))? else {
            return Ok(Some(open.here(now)));
        };
        if length != open.seen {
            open.ended_at = None;
            let block = self.block(open, length).map_err(|error| Fault::io(&doing, error))?;
            let chunk = self.take(open, &block, now)?;
            let here = open.place.base + open.place.offset;
            if chunk.is_some() {
                self.figures.end = here + (length - open.place.offset);
                return Ok(chunk);
            }
            self.figures.end = here;
            open.seen = length;
        }
        self.at_end(open, length, now).map_err(|error| Fault::io(doing, error))?
    }

    /// The next bytes of the file, and enough of them to hold the longest line.
    fn block(&mut self, open: &mut Open, length: u64) -> io::Result<Vec<u8>> {
        let most = BLOCK_BYTES.max(self.settings.line_bytes_max + 2);
        let most = (length - open.place.offset).min(most as u64);
        let block = read_at(&mut open.file, open.place.offset, most)?;
        self.figures.bytes += block.len() as u64;
        if let Some(end) = memchr::memrchr(b'\n', &block)
            && open.place.file.is_short()
        {
            let whole = open.place.offset + end as u64 + 1;
            open.place.file = Identity::of(&mut open.file, whole)?;
        }
        Ok(block)
    }

    /// Takes the whole lines of a block; `None` when there is none.
    fn take(&mut self, open: &mut Open, block: &[u8], now: Now) -> Result<Option<Chunk>, Fault> {
        let detail = open.place.detail();
        let mut chunk = ChunkBuilder::new(now.monotonic, block.len());
        let mut rest = block;
        while let Some(end) = memchr::memchr(b'\n', rest)
            && chunk.len() < CHUNK_ROWS_MAX
        {
            let (line, behind) = rest.split_at_checked(end + 1).unwrap_or((rest, &[]));
            let taken = self.line(&mut chunk, (line, line.len() as u64), (open, now.micros));
            match taken {
                // What comes before it is told first.
                Err(_) if !chunk.is_empty() => break,
                Err(fault) => return Err(fault),
                Ok(commit) => {
                    chunk.mark(Position::after(commit).with_detail(Some(Arc::clone(&detail))));
                }
            }
            rest = behind;
        }
        if chunk.is_empty() && block.len() > self.settings.line_bytes_max + 1 {
            return self.take_endless(open, (block, detail), now);
        }
        Ok((!chunk.is_empty()).then(|| chunk.finish()))
    }

    /// Takes a line whose end is not in the block that begins with it, once it is there.
    fn take_endless(
        &mut self,
        open: &mut Open,
        (block, detail): (&[u8], Arc<str>),
        now: Now,
    ) -> Result<Option<Chunk>, Fault> {
        let doing = || format!("reading `{}`", self.settings.path.display());
        let from = open.place.offset;
        let end = line_end(&mut open.file, from).map_err(|it| Fault::io(doing(), it))?;
        let Some(end) = end else { return Ok(None) };
        let mut chunk = ChunkBuilder::new(now.monotonic, block.len());
        let commit = self.line(&mut chunk, (block, end - from), (open, now.micros))?;
        chunk.mark(Position::after(commit).with_detail(Some(detail)));
        Ok(Some(chunk.finish()))
    }

    /// Takes one line, which is `length` bytes long in the file. Answers the place behind it.
    fn line(
        &mut self,
        chunk: &mut ChunkBuilder,
        (line, length): (&[u8], u64),
        (open, micros): (&mut Open, i64),
    ) -> Result<u64, Fault> {
        let place = &mut open.place;
        let spot =
            Spot { line: place.line + 1, commit: place.base + place.offset + length, micros };
        let text = line.strip_suffix(b"\n").unwrap_or(line);
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        let marked = place.offset == 0;
        let text = text.strip_prefix(BYTE_ORDER_MARK).filter(|_| marked).unwrap_or(text);
        let most = self.settings.line_bytes_max;
        let pushed = if text.len() > most {
            let class = ErrorClass::TooLarge;
            Err(Bad { class, ..Bad::new(format!("it is longer than {most} bytes")) })
        } else {
            push_row(chunk, text, spot, (&mut self.columns, &self.settings.key))
        };
        if let Err(bad) = pushed {
            if self.settings.bad_lines == BadLines::Fail {
                let (path, line) = (self.settings.path.display(), spot.line);
                let said = format!("line {line} of `{path}` is no row: {}", bad.reason);
                return Err(Fault::new(bad.class, said).hint(
                    "Mend the line, or set `bad_lines: keep`, which makes it a row of a table of its \
                     own.",
                ));
            }
            let kept = text.get(..most).unwrap_or(text);
            push_bad(chunk, kept, spot, (&self.bad, &bad));
        }
        place.offset += length;
        place.line += 1;
        Ok(spot.commit)
    }

    /// Nothing whole is left in the file. When another one has its name, it is over.
    fn at_end(
        &mut self,
        open: &mut Open,
        length: u64,
        now: Now,
    ) -> io::Result<Result<Option<Chunk>, Fault>> {
        let path = Arc::clone(&self.settings);
        let path = &path.path;
        let here = open.place.base + open.place.offset;
        let current = match std::fs::metadata(path) {
            Ok(found) if open.place.file.is_at(&found) => {
                open.ended_at = None;
                return Ok(Ok(None));
            }
            Ok(found) => found,
            // It was renamed a moment ago.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Ok(None)),
            Err(error) => return Err(error),
        };
        self.figures.end = here + current.len().max(1);
        let ended_at = *open.ended_at.get_or_insert(now.monotonic);
        if now.monotonic.saturating_sub(ended_at) < self.settings.rotate_wait {
            return Ok(Ok(None));
        }
        if length > open.place.offset {
            // Nobody will end its last line any more.
            let most = (length - open.place.offset).min(self.settings.line_bytes_max as u64 + 1);
            let line = read_at(&mut open.file, open.place.offset, most)?;
            return Ok(self.take_last(open, &line, (length, now)));
        }
        let next = next_of(path, open.created)?.unwrap_or_else(|| path.clone());
        let Some(next) = self::open(&next, here + 1)? else { return Ok(Ok(None)) };
        *open = next;
        Ok(Ok(Some(open.here(now))))
    }

    fn take_last(
        &mut self,
        open: &mut Open,
        line: &[u8],
        (length, now): (u64, Now),
    ) -> Result<Option<Chunk>, Fault> {
        let detail = open.place.detail();
        let mut chunk = ChunkBuilder::new(now.monotonic, line.len());
        let length = length - open.place.offset;
        let commit = self.line(&mut chunk, (line, length), (open, now.micros))?;
        open.seen = open.place.offset;
        chunk.mark(Position::after(commit).with_detail(Some(detail)));
        Ok(Some(chunk.finish()))
    }
}

/// Opens a file at its beginning, with so many bytes before it; `None` when it is not there.
fn open(path: &Path, base: u64) -> io::Result<Option<Open>> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let created = file.metadata()?.created().ok();
    let place = Place { file: Identity::of(&mut file, 0)?, base, offset: 0, line: 0 };
    Ok(Some(Open { file, created, place, seen: 0, ended_at: None }))
}

/// How long the file is; `None` when it was emptied, and perhaps written to again: it is begun anew.
fn look(open: &mut Open) -> io::Result<Option<u64>> {
    let length = open.file.metadata()?.len();
    if length == open.seen {
        return Ok(Some(length));
    }
    if length < open.place.offset || !open.place.file.has_head(&mut open.file)? {
        let place = &mut open.place;
        place.base += place.offset + 1;
        (place.offset, place.line, open.seen) = (0, 0, 0);
        place.file = Identity::of(&mut open.file, 0)?;
        return Ok(None);
    }
    Ok(Some(length))
}

/// The file that a position is in: by its number under any name, or a copy of it by its first bytes.
fn candidate(path: &Path, wanted: &Identity, offset: u64) -> io::Result<Option<File>> {
    let mut paths: Vec<PathBuf> = vec![path.to_owned()];
    paths.extend(siblings(path)?.into_iter().map(|it| it.path));
    let mut copies = Vec::new();
    for path in paths {
        let Ok(mut file) = File::open(&path) else { continue };
        let found = file.metadata()?;
        if found.len() < offset || !wanted.has_head(&mut file)? {
            continue;
        }
        if wanted.is_at(&found) {
            return Ok(Some(file));
        }
        copies.push(file);
    }
    // With two that look alike nobody can say which is the copy.
    let copy = copies.pop().filter(|_| copies.is_empty() && wanted.is_telling());
    Ok(copy)
}

fn read_at(file: &mut File, offset: u64, count: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(usize::try_from(count).unwrap_or(0));
    file.seek(SeekFrom::Start(offset))?;
    Read::by_ref(file).take(count).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Calls `see` with what lies between two places, piece by piece, until it says that it is enough.
fn scan(
    file: &mut File,
    (mut from, to): (u64, u64),
    mut see: impl FnMut(u64, &[u8]) -> bool,
) -> io::Result<()> {
    while from < to {
        let piece = read_at(file, from, (to - from).min(BLOCK_BYTES as u64))?;
        if piece.is_empty() || see(from, &piece) {
            break;
        }
        from += piece.len() as u64;
    }
    Ok(())
}

fn count_lines(file: &mut File, from: u64, to: u64) -> io::Result<u64> {
    let mut lines = 0;
    scan(file, (from, to), |_, piece| {
        lines += memchr::memchr_iter(b'\n', piece).count() as u64;
        false
    })?;
    Ok(lines)
}

/// Behind the end of the line that begins at `from`.
fn line_end(file: &mut File, from: u64) -> io::Result<Option<u64>> {
    let mut end = None;
    scan(file, (from, u64::MAX), |at, piece| {
        end = memchr::memchr(b'\n', piece).map(|it| at + it as u64 + 1);
        end.is_some()
    })?;
    Ok(end)
}

/// Behind the last line that has ended.
fn last_line_end(file: &mut File) -> io::Result<u64> {
    let mut to = file.metadata()?.len();
    while to > 0 {
        let from = to.saturating_sub(BLOCK_BYTES as u64);
        let piece = read_at(file, from, to - from)?;
        if let Some(end) = memchr::memrchr(b'\n', &piece) {
            return Ok(from + end as u64 + 1);
        }
        to = from;
    }
    Ok(0)
}
