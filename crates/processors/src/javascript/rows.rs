//! Rows on their way through a script: given to it as an object, and made of what it returns.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use flowglass_connect::stream::{
    Cell, ChangeRef, ChunkOverlay, Datum, Identity, Op, Relation, Replaced, RowRef,
};
use flowglass_connect::{Clock, Fault};
use flowglass_model::ErrorClass;
use rquickjs::{Ctx, Function, Object, Value};

use super::Script;
use super::limits::Stopped;
use super::runtime::{Failed, Runtime, Trouble};
use super::values::{self, Said};
use crate::rows::{RowWork, Verdict};
use crate::shapes::Shapes;
use crate::tables::Tables;
use crate::variants::{Code, Variants};

/// Rows of one batch that may have to be stopped; past it the script itself is to blame.
const RUNAWAYS_MAX: usize = 8;

/// A script and the shapes of the rows that it has seen.
pub(super) struct Rows {
    script: Arc<Script>,
    clock: Arc<dyn Clock>,
    left: Arc<AtomicBool>,
    runtime: Runtime,
    shapes: Shapes<Option<Variants>>,
    runaways: usize,
}

impl Rows {
    pub(super) fn new(
        script: &Arc<Script>,
        clock: &Arc<dyn Clock>,
        left: &Arc<AtomicBool>,
    ) -> Result<Self, Fault> {
        Ok(Self {
            runtime: Runtime::new(script, clock, left)?,
            script: Arc::clone(script),
            clock: Arc::clone(clock),
            left: Arc::clone(left),
            shapes: Shapes::default(),
            runaways: 0,
        })
    }

    /// The limits are those of a batch.
    pub(super) fn begin_batch(&mut self) {
        self.runaways = 0;
        self.runtime.watch.begin();
    }

    /// What becomes of a row whose call gave nothing.
    fn refuse(&mut self, failed: Failed, change: &ChangeRef<'_>) -> Result<Verdict, Fault> {
        let fault = |class, what: String| {
            Fault::new(class, format!("{what}, at {}", named(change)))
                .hint("Correct the script; the row is kept as it came to it.")
        };
        let (class, what) = match failed {
            Failed::Threw(what) | Failed::Unusable(what) => {
                return Ok(Verdict::Refused(fault(ErrorClass::Malformed, what)));
            }
            Failed::Stopped(Stopped::Left) => {
                let said = format!("processor `{}`: nobody waits for it", self.script.id);
                return Err(Fault::new(ErrorClass::Cancelled, said));
            }
            Failed::Stopped(stopped) => {
                if !self.runtime.watch.is_rows_fault(stopped) {
                    return Err(self.too_slow(stopped, change));
                }
                (ErrorClass::TooLarge, format!("the script used up {}", self.limit(stopped)))
            }
            Failed::Memory => {
                let bytes = self.script.limits.memory.0;
                (ErrorClass::TooLarge, format!("the script used up its {bytes} bytes of memory"))
            }
        };
        self.runaways += 1;
        if self.runaways > RUNAWAYS_MAX {
            let said = format!(
                "processor `{}`: {what} for more than {RUNAWAYS_MAX} rows of a batch, last at {}",
                self.script.id,
                named(change)
            );
            return Err(Fault::new(ErrorClass::Config, said)
                .hint("Correct the script, or raise its `limits`."));
        }
        // What a script that was stopped half-way left behind is nobody's ground to go on from.
        self.runtime = Runtime::new(&self.script, &self.clock, &self.left)?;
        Ok(Verdict::Refused(fault(class, what)))
    }

    fn limit(&self, stopped: Stopped) -> String {
        match stopped {
            Stopped::Cpu => format!("{:?} of processor time", self.script.limits.cpu.0),
            Stopped::Time | Stopped::Left => format!("{:?} of time", self.script.limits.time.0),
        }
    }

    fn too_slow(&self, stopped: Stopped, change: &ChangeRef<'_>) -> Fault {
        let said = format!(
            "processor `{}`: the script needs more than {} for a batch; it was at {}",
            self.script.id,
            self.limit(stopped),
            named(change)
        );
        Fault::new(ErrorClass::Config, said)
            .hint("Raise the script's `limits`, or lower `batch.max_events`.")
    }
}

/// The shapes of a table's rows; `None` for tables that the script is not for.
fn variants_of<'a>(
    shapes: &'a mut Shapes<Option<Variants>>,
    tables: &Tables,
    relation: &Arc<Relation>,
) -> Result<&'a mut Option<Variants>, Fault> {
    shapes.of(relation, || Ok(tables.take(relation).then(|| Variants::new(relation))))
}

/// `row 0/16B3748/12 of public.orders`.
fn named(change: &ChangeRef<'_>) -> String {
    let mut id = Vec::new();
    flowglass_connect::encode::idempotency_key(change, 0, &mut id);
    format!("row {} of {}", String::from_utf8_lossy(&id), change.relation().name())
}

impl RowWork for Rows {
    fn applies(&mut self, relation: &Arc<Relation>) -> Result<bool, Fault> {
        let tables = &self.script.tables;
        Ok(variants_of(&mut self.shapes, tables, relation)?.is_some())
    }

    fn work(
        &mut self,
        change: &ChangeRef<'_>,
        overlay: &mut ChunkOverlay,
    ) -> Result<Verdict, Fault> {
        if change.op() == Op::Truncate {
            return Ok(Verdict::Kept);
        }
        let Some(given) = Given::of(change) else { return Ok(Verdict::Kept) };
        let tables = &self.script.tables;
        let variants = variants_of(&mut self.shapes, tables, change.relation())?;
        let Some(variants) = variants else { return Ok(Verdict::Kept) };
        let runtime = &self.runtime;
        runtime.watch.row_begins();
        let called = runtime.with(|ctx, function| {
            let returned = call((ctx, function), &given, runtime.wants_meta)?;
            let Some(row) = values::row_of(returned)? else { return Ok(None) };
            read_back((ctx, &row), &given, variants).map(Some)
        });
        let row = match called {
            Ok(Some(row)) => row,
            Ok(None) => return Ok(Verdict::LeftOut),
            Err(failed) => return self.refuse(failed, change),
        };
        match put(&given, &row, variants, overlay) {
            Ok(verdict) => Ok(verdict),
            Err(what) => self.refuse(Failed::Unusable(what), change),
        }
    }
}

/// A change as it is given to a script.
struct Given<'a> {
    change: ChangeRef<'a>,
    row: RowRef<'a>,
    /// The whole row before, for large values that were not sent again.
    spare: Option<RowRef<'a>>,
    keys_only: bool,
}

/// What is known of a value.
#[derive(Clone, Copy)]
enum Known<'a> {
    Null,
    /// Its text, and the cell that it is in.
    Text(&'a [u8], Cell),
    /// Nothing that a script could be given; its cell goes on.
    Hidden(Cell),
}

impl<'a> Given<'a> {
    fn of(change: &ChangeRef<'a>) -> Option<Self> {
        let after = change.after();
        let identity = change.head().identity;
        let spare = if identity == Identity::Full { change.before() } else { None };
        Some(Self {
            change: *change,
            row: after.or_else(|| change.before())?,
            spare: spare.filter(|_| after.is_some()),
            keys_only: after.is_none() && identity == Identity::Key,
        })
    }

    fn known(&self, index: usize) -> Known<'a> {
        let cell = self.row.cells().get(index).copied().unwrap_or(Cell::NULL);
        match self.row.datum(index) {
            Datum::Null if self.keys_only => Known::Hidden(cell),
            Datum::Null => Known::Null,
            Datum::Text(text) => Known::Text(text, cell),
            Datum::Binary(_) => Known::Hidden(cell),
            Datum::Unchanged => match self.spare.map(|row| (row, row.datum(index))) {
                Some((row, Datum::Text(text))) => {
                    Known::Text(text, row.cells().get(index).copied().unwrap_or(cell))
                }
                _ => Known::Hidden(cell),
            },
        }
    }
}

fn call<'js>(
    (ctx, function): (&Ctx<'js>, &Function<'js>),
    given: &Given<'_>,
    wants_meta: bool,
) -> Result<Value<'js>, Trouble> {
    let relation = given.change.relation();
    let row = Object::new(ctx.clone())?;
    for (index, column) in relation.columns.iter().enumerate() {
        match given.known(index) {
            Known::Hidden(_) => {}
            Known::Null => row.set(column.name.as_str(), Value::new_null(ctx.clone()))?,
            Known::Text(text, _) => {
                let value = values::to_script(ctx, text, &column.kind);
                let value = value.map_err(|trouble| of_column(trouble, &column.name))?;
                row.set(column.name.as_str(), value)?;
            }
        }
    }
    if !wants_meta {
        return Ok(function.call((row,))?);
    }
    let meta = Object::new(ctx.clone())?;
    let transaction = given.change.transaction();
    meta.set("op", given.change.op().name())?;
    meta.set("schema", &*relation.schema)?;
    meta.set("table", &*relation.table)?;
    meta.set("position", given.change.position().to_string())?;
    meta.set("tx", transaction.id.to_string())?;
    let committed = jiff::Timestamp::from_microsecond(transaction.committed_at_micros);
    if let Ok(at) = committed {
        meta.set("commit_time", at.to_string())?;
    }
    Ok(function.call((row, meta))?)
}

fn of_column(trouble: Trouble, name: &str) -> Trouble {
    match trouble {
        Trouble::Unusable(what) => Trouble::Unusable(format!("column `{name}` {what}")),
        script @ Trouble::Script(_) => script,
    }
}

/// A row as a script returned it: its columns, and what stands in each.
struct Returned {
    codes: Vec<Code>,
    cells: Vec<Content>,
}

enum Content {
    /// That cell of the chunk.
    Cell(Cell),
    /// That text.
    Text(String),
}

fn read_back<'js>(
    (ctx, row): (&Ctx<'js>, &Object<'js>),
    given: &Given<'_>,
    variants: &mut Variants,
) -> Result<Returned, Trouble> {
    variants.tidy();
    let relation = given.change.relation();
    // Its own properties, so that a column may have the name of one that every object inherits.
    let properties =
        row.props::<String, Value<'js>>().collect::<Result<Vec<_>, rquickjs::Error>>()?;
    let property = |index: usize, name: &str| {
        let named = |it: &&(String, Value<'js>)| it.0 == name;
        // A script that adds and removes nothing leaves them in the order of the columns.
        properties.get(index).filter(named).or_else(|| properties.iter().find(named))
    };
    let mut returned = Returned { codes: Vec::new(), cells: Vec::new() };
    for (index, column) in relation.columns.iter().enumerate() {
        let name = column.name.as_str();
        let said = match property(index, name) {
            Some((_, value)) => values::from_script(ctx, value),
            None => Ok(None),
        };
        let said = said.map_err(|trouble| of_column(trouble, name))?;
        let content = match (given.known(index), &said) {
            (Known::Hidden(cell), None) => Some(Content::Cell(cell)),
            (_, None) => None,
            (Known::Null, Some(Said::Null)) => Some(Content::Cell(Cell::NULL)),
            (Known::Text(text, cell), Some(said))
                if values::is_same(ctx, text, &column.kind, said)? =>
            {
                Some(Content::Cell(cell))
            }
            (_, Some(said)) => {
                if relation.key.contains(&index) {
                    return Err(Trouble::Unusable(format!(
                        "the script changed `{name}`, which is part of the key"
                    )));
                }
                let in_kind = values::in_kind(said, &column.kind).map(Content::Text);
                let null = matches!(said, Said::Null).then_some(Content::Cell(Cell::NULL));
                match in_kind.or(null) {
                    Some(content) => Some(content),
                    None => {
                        returned.push_new(name, said.clone(), variants);
                        continue;
                    }
                }
            }
        };
        match content {
            Some(content) => {
                returned.codes.push(Variants::own(index));
                returned.cells.push(content);
            }
            None if relation.key.contains(&index) => {
                return Err(Trouble::Unusable(format!(
                    "the script took `{name}` away, which is part of the key"
                )));
            }
            None => {}
        }
    }
    for (name, value) in properties.iter().filter(|(name, _)| relation.column(name).is_none()) {
        let said = values::from_script(ctx, value);
        if let Some(said) = said.map_err(|trouble| of_column(trouble, name))? {
            returned.push_new(name, said, variants);
        }
    }
    Ok(returned)
}

impl Returned {
    /// Adds a column that takes its kind from its value. One without a value is a text.
    fn push_new(&mut self, name: &str, said: Said, variants: &mut Variants) {
        let (kind, native, content) = match values::on_its_own(said) {
            Some((kind, native, text)) => (kind, native, Content::Text(text)),
            None => (flowglass_connect::stream::Kind::Text, "text", Content::Cell(Cell::NULL)),
        };
        self.codes.push(variants.other(name, &kind, native));
        self.cells.push(content);
    }

    /// Whether it is the row that was given, down to the last cell.
    fn is_as_given(&self, given: &Given<'_>) -> bool {
        let cells = given.row.cells();
        self.cells.len() == cells.len()
            && self.cells.iter().zip(cells).enumerate().all(|(index, (content, cell))| {
                self.codes.get(index) == Some(&Variants::own(index))
                    && matches!(content, Content::Cell(now) if now == cell)
            })
    }
}

/// Puts a returned row in the place of the one that was given.
fn put(
    given: &Given<'_>,
    row: &Returned,
    variants: &mut Variants,
    overlay: &mut ChunkOverlay,
) -> Result<Verdict, String> {
    let change = &given.change;
    let identity = change.head().identity;
    // A whole row before would show what the script took out of the row after.
    let reduced = change.after().is_some() && identity == Identity::Full;
    if !reduced && row.is_as_given(given) {
        return Ok(Verdict::Kept);
    }
    let shape = variants
        .relation(&row.codes)
        .map_err(|twice| format!("the script made two columns called `{twice}`"))?;
    let relation = overlay.relation(&shape);
    let start = overlay.cell_start();
    for content in &row.cells {
        let fits = match content {
            Content::Cell(cell) => {
                overlay.push_cell(*cell);
                true
            }
            Content::Text(text) => overlay.push_text(|out| out.extend_from_slice(text.as_bytes())),
        };
        if !fits {
            return Err("the script made a row that does not fit into a chunk".to_owned());
        }
    }
    if change.after().is_none() {
        let before = Some(start);
        return Ok(Verdict::Replaced(Replaced { relation, identity, before, after: None }));
    }
    let before = change.before().map(|before| {
        let at = overlay.cell_start();
        let key = &change.relation().key;
        for code in &row.codes {
            let of_key = variants.index_of(*code).filter(|index| key.contains(index));
            let cell = of_key.and_then(|index| before.cells().get(index).copied());
            overlay.push_cell(cell.unwrap_or(Cell::NULL));
        }
        at
    });
    let identity = if before.is_some() { Identity::Key } else { Identity::None };
    Ok(Verdict::Replaced(Replaced { relation, identity, before, after: Some(start) }))
}
