//! How far reading beside the log has come, and what happens when a watermark comes by.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use flowglass_connect::stream::{Chunk, ChunkBuilder, Position, Relation, RowRef, TableProgress};
use flowglass_connect::{Fault, Tasks};
use flowglass_model::ErrorClass;
use tokio::sync::mpsc;

use super::touched::{Key, Name, Touched, key_of};
use super::window::{News, Order, What, Window, work};
use crate::postgres::cdc::config::Plan;
use crate::postgres::cdc::decode::{Decoder, Details};
use crate::postgres::cdc::side::Side;
use crate::postgres::cdc::snapshot::{Common, Part, Progress, push_line, transaction};

/// Keys that are read again at a time.
const KEYS_MAX: usize = 500;

/// So many keys are kept for a table; with more it is begun again, once its pages have been read and
/// the log has caught up.
const INCOMPLETE_MAX: usize = 200_000;

/// A window that has to be read again so often is given up: the fault passes, and the next opening
/// goes on where this one stopped.
const TRIES_MAX: u32 = 100;

/// What reading needs.
#[derive(Debug, Clone)]
pub(in super::super) struct Setting {
    pub(in super::super) plan: Arc<Plan>,
    pub(in super::super) side: Arc<Side>,
    /// Tells our watermarks from those of other processes.
    pub(in super::super) name: String,
}

/// What a watermark brought.
#[derive(Debug)]
pub(in super::super) enum Outcome {
    /// These rows, and the position behind them.
    Rows(Box<Chunk>, Position),
    /// Nothing: the window is read again, or its table is.
    Nothing,
}

/// Reading beside the log.
#[derive(Debug)]
pub(in super::super) struct Backfill {
    setting: Setting,
    progress: Progress,
    touched: Touched,
    /// Keys of the present table whose rows came without their large values.
    incomplete: HashMap<Key, Vec<Vec<u8>>>,
    /// There were too many of them.
    overflowed: bool,
    /// Every page of the present table has been read; what is left are `incomplete`.
    reads_keys: bool,
    /// How many of them there were when the last window was ordered.
    left_before: usize,
    order: Option<Order>,
    window: Option<Box<Window>>,
    /// The shape that the log had told of the table when the window was ordered.
    shape_then: Option<Arc<Relation>>,
    news: (mpsc::Sender<News>, mpsc::Receiver<News>),
    windows: u64,
    tries: u32,
    tasks: Tasks,
}

impl Backfill {
    /// Goes on from `progress`.
    pub(in super::super) fn new(setting: Setting, mut progress: Progress) -> Self {
        if progress.incomplete
            && let Some(run) = progress.next_run()
        {
            progress.begin_table_again(run.part);
        }
        Self {
            setting,
            progress,
            touched: Touched::default(),
            incomplete: HashMap::new(),
            overflowed: false,
            reads_keys: false,
            left_before: 0,
            order: None,
            window: None,
            shape_then: None,
            news: mpsc::channel(2),
            windows: 0,
            tries: 0,
            tasks: Tasks::new(),
        }
    }

    /// Reads these too, behind what is being read.
    pub(in super::super) fn add(&mut self, parts: Vec<Part>) {
        self.progress.parts.extend(parts);
    }

    /// Whether the table that this transaction added is among what is read.
    pub(in super::super) fn has_joined(&self, table: &str, transaction: u64) -> bool {
        let of = |part: &Part| part.joined == Some(transaction) && part.table == table;
        self.progress.parts.iter().any(of)
    }

    /// Rows read so far.
    pub(in super::super) const fn rows_done(&self) -> u64 {
        self.progress.rows_done
    }

    /// How far each table has been read.
    pub(in super::super) fn tables(&self) -> Vec<TableProgress> {
        self.progress.tables()
    }

    /// What positions carry now.
    pub(in super::super) fn details(&self) -> Details {
        let of = |incomplete| Progress { incomplete, ..self.progress.clone() }.detail();
        Details { whole: of(false), incomplete: of(true) }
    }

    /// Whether everything has been read.
    pub(in super::super) fn is_done(&self) -> bool {
        self.progress.next_run().is_none()
    }

    fn part(&self) -> Option<(usize, &Part)> {
        let part = self.progress.next_run()?.part;
        Some((part, self.progress.parts.get(part)?))
    }

    /// Orders the next window when none is on its way.
    pub(in super::super) fn order_next(&mut self, decoder: &Decoder) {
        let Some(run) = self.progress.next_run().filter(|_| self.order.is_none()) else { return };
        let Some(mut part) = self.progress.parts.get(run.part).cloned() else { return };
        let what = if self.reads_keys {
            let table = (part.schema.clone(), part.table.clone());
            let partitioned = part.holder != table;
            part.holder = table;
            // Rows that change all the time are caught one by one, in the shortest windows.
            let count = if self.left_before == self.incomplete.len() { 1 } else { KEYS_MAX };
            self.left_before = self.incomplete.len();
            let keys = self.incomplete.values().take(count).cloned().collect();
            What::Keys(keys, partitioned)
        } else {
            What::Run(run, self.progress.within)
        };
        self.windows += 1;
        self.shape_then = decoder.known_by_name(&part.schema, &part.table).cloned();
        let order = Order { part, what, token: format!("{} {}", self.setting.name, self.windows) };
        self.order = Some(order.clone());
        let around = (Arc::clone(&self.setting.plan), Arc::clone(&self.setting.side));
        self.tasks.spawn("postgres-backfill", work(around, order, self.news.0.clone()));
    }

    /// Hears what has become of the window.
    pub(in super::super) fn hear(&mut self) -> Result<(), Fault> {
        while let Ok(news) = self.news.1.try_recv() {
            match news {
                News::Read(window) => {
                    self.touched.forget(&window.seen);
                    self.window = Some(window);
                }
                News::Gone => {
                    if let Some((part, _)) = self.part() {
                        self.progress.skip_part(part);
                    }
                    self.forget_table();
                    self.order = None;
                }
                News::Failed(fault) => {
                    self.try_again(fault)?;
                }
            }
        }
        Ok(())
    }

    /// Notes what the log tells.
    pub(in super::super) fn note(&mut self, chunk: &Chunk) {
        let name = |part: &Part| (part.schema.clone(), part.table.clone());
        let next = self.progress.next_run().map_or(usize::MAX, |run| run.part);
        let wanted: HashSet<Name> = self.progress.parts.iter().skip(next).map(name).collect();
        let current = self.progress.parts.get(next).map(name);
        let seen = self.window.as_ref().map(|window| &window.seen);
        let incomplete = self.touched.note(chunk, (&wanted, current.as_ref()), seen);
        // Once every page has been read, every row has been told or is among them.
        if !self.reads_keys {
            self.incomplete.extend(incomplete);
            if self.incomplete.len() > INCOMPLETE_MAX {
                self.incomplete.clear();
                self.overflowed = true;
            }
        }
    }

    /// Whether this watermark is the one that is waited for.
    pub(in super::super) fn awaits(&self, token: &[u8]) -> bool {
        self.order.as_ref().is_some_and(|order| order.token.as_bytes() == token)
    }

    /// The watermark has come by, at `place`: what was read is told now.
    pub(in super::super) fn deliver(
        &mut self,
        decoder: &mut Decoder,
        (place, now, micros): (u64, Duration, i64),
    ) -> Result<Outcome, Fault> {
        let (Some(order), Some(window)) = (self.order.take(), self.window.take()) else {
            return Ok(Outcome::Nothing);
        };
        let Some((part, _)) = self.part() else { return Ok(Outcome::Nothing) };
        if let Some(file) = window.file {
            let holder = order.part.holder;
            self.progress.parts.iter_mut().filter(|it| it.holder == holder).for_each(|it| {
                it.file = file;
            });
            self.progress.begin_table_again(part);
            self.forget_table();
            return Ok(Outcome::Nothing);
        }
        let id = window.relation.id;
        let Some(relation) = self.shape(decoder, &window.relation) else {
            self.try_again(moving("its shape changed"))?;
            return Ok(Outcome::Nothing);
        };
        if self.touched.is_touched_as_a_whole(id) {
            self.try_again(moving("rows that nothing names were changed"))?;
            return Ok(Outcome::Nothing);
        }
        self.tries = 0;
        let mut chunk = ChunkBuilder::new(now, window.lines.len());
        let common = Common {
            relation: chunk.relation(&relation),
            transaction: chunk.transaction(transaction(place, micros)),
            columns: relation.columns.len(),
            part,
            place,
        };
        let kept = self.newest(&window, (&relation, common))?;
        for line in lines(&window).zip(kept).filter_map(|(line, kept)| kept.then_some(line)) {
            push_line(&mut chunk, line, common)?;
        }
        self.progress.rows_done += chunk.len() as u64;
        let afresh = self.advance(&order, id, window.stopped);
        self.progress.incomplete = !afresh && decoder.has_incomplete();
        let done = self.is_done();
        decoder.carry((!done).then(|| self.details()), afresh);
        let detail = (!done).then(|| self.progress.detail());
        let position = Position::after(place).with_detail(detail);
        chunk.mark(position.clone());
        Ok(Outcome::Rows(Box::new(chunk.finish()), position))
    }

    /// Which of the rows are told: those of which the log has told nothing newer.
    fn newest(
        &mut self,
        window: &Window,
        (relation, common): (&Arc<Relation>, Common),
    ) -> Result<Vec<bool>, Fault> {
        let mut all = ChunkBuilder::new(Duration::ZERO, window.lines.len());
        all.relation(relation);
        all.transaction(transaction(0, 0));
        for line in lines(window) {
            push_line(&mut all, line, common)?;
        }
        let all = all.finish();
        let told = all.changes(0, usize::MAX).map(|change| {
            let key = change.after().map(|row: RowRef<'_>| key_of(row, &relation.key));
            let key = key.unwrap_or_default();
            let newest = relation.key.is_empty() || !self.touched.is_touched(relation.id, &key);
            if newest {
                self.incomplete.remove(&key);
            }
            newest
        });
        Ok(told.collect())
    }

    /// The window is done; whether its table is too, or is begun again.
    fn advance(&mut self, order: &Order, table: u32, stopped: Option<(u32, u16)>) -> bool {
        let table_done = match (&order.what, stopped) {
            (What::Run(..), Some(place)) => {
                self.progress.within = Some(place);
                return false;
            }
            (What::Run(..), None) => {
                self.progress.within = None;
                self.progress.is_at_last_run_of_table()
            }
            (What::Keys(keys, _), None) => {
                // Who was told is no longer among them; who was not found has been deleted, and the
                // log tells it; who has changed since is asked for again.
                let asked: HashSet<&Vec<Vec<u8>>> = keys.iter().collect();
                let Self { incomplete, touched, .. } = self;
                incomplete
                    .retain(|key, cells| !asked.contains(cells) || touched.is_touched(table, key));
                true
            }
            (What::Keys(..), Some(_)) => return false,
        };
        if table_done && self.overflowed {
            if let Some((part, _)) = self.part() {
                self.progress.begin_table_again(part);
            }
            self.forget_table();
            return true;
        }
        if table_done && !self.incomplete.is_empty() {
            self.reads_keys = true;
            return false;
        }
        self.progress.runs_done += 1;
        if table_done {
            self.forget_table();
        }
        table_done
    }

    fn forget_table(&mut self) {
        self.incomplete.clear();
        self.overflowed = false;
        self.reads_keys = false;
    }

    /// The shape to tell the rows in; `None` when the log has told a newer one than was read.
    fn shape(&self, decoder: &mut Decoder, read: &Arc<Relation>) -> Option<Arc<Relation>> {
        let Some(known) = decoder.known(read.id).cloned() else {
            decoder.learn(Arc::clone(read), true);
            return Some(Arc::clone(read));
        };
        let same = Relation { version: known.version, ..clone(read) };
        if same == *known {
            return Some(known);
        }
        if self.shape_then.as_ref().is_none_or(|then| then.version != known.version) {
            return None;
        }
        let next = Arc::new(Relation { version: known.version + 1, ..same });
        decoder.learn(Arc::clone(&next), true);
        Some(next)
    }

    fn try_again(&mut self, fault: Fault) -> Result<(), Fault> {
        self.order = None;
        self.window = None;
        self.tries += 1;
        if self.tries > TRIES_MAX || !fault.class().retryable() { Err(fault) } else { Ok(()) }
    }
}

fn clone(relation: &Relation) -> Relation {
    Relation {
        id: relation.id,
        database: Arc::clone(&relation.database),
        schema: Arc::clone(&relation.schema),
        table: Arc::clone(&relation.table),
        columns: relation.columns.clone(),
        key: relation.key.clone(),
        version: relation.version,
    }
}

fn lines(window: &Window) -> impl Iterator<Item = &[u8]> {
    let begins = std::iter::once(0).chain(window.ends.iter().copied());
    begins.zip(&window.ends).map(|(begin, end)| window.lines.get(begin..*end).unwrap_or_default())
}

fn moving(what: &str) -> Fault {
    Fault::new(
        ErrorClass::Conflict,
        format!("a table cannot be read beside the log: {what} again and again"),
    )
}
