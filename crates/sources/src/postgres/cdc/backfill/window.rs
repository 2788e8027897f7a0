//! One window: rows read in a snapshot of their own, and the watermark behind them.

use std::sync::Arc;
use std::time::Duration;

use bytes::Buf;
use flowglass_clients::postgres::{Wire, fault_of_response, literal, quote};
use flowglass_connect::Fault;
use flowglass_connect::stream::Relation;
use flowglass_model::ErrorClass;
use tokio::sync::mpsc;

use super::seen::Seen;
use crate::postgres::cdc::catalog::{look_up, relation};
use crate::postgres::cdc::config::Plan;
use crate::postgres::cdc::frame::raw_frame_at;
use crate::postgres::cdc::publication::{Table, meant_tables};
use crate::postgres::cdc::side::Side;
use crate::postgres::cdc::snapshot::{
    Part, Run, Subject, condition, copy, holder, more, place_of, subject,
};

/// What our watermarks in the log are marked with.
pub(in super::super) const WATERMARK: &str = "flowglass.watermark";

/// A window ends early behind so many bytes of rows: they wait in memory for their watermark.
const WINDOW_BYTES_MAX: usize = 8 << 20;

/// Between two attempts to write the watermark, and two looks at what still runs.
const PAUSE: Duration = Duration::from_millis(500);

/// What a window reads.
#[derive(Debug, Clone)]
pub(super) enum What {
    /// A run of pages, or what is left of it behind a row.
    Run(Run, Option<(u32, u16)>),
    /// The rows with these keys; whether they are spread over partitions.
    Keys(Vec<Vec<Vec<u8>>>, bool),
}

/// What is to be done.
#[derive(Debug, Clone)]
pub(super) struct Order {
    pub(super) part: Part,
    pub(super) what: What,
    /// What the watermark says.
    pub(super) token: String,
}

/// What was read.
#[derive(Debug)]
pub(super) struct Window {
    pub(super) seen: Seen,
    pub(super) relation: Arc<Relation>,
    /// The lines of the `COPY`, and where each ends.
    pub(super) lines: Vec<u8>,
    pub(super) ends: Vec<usize>,
    /// Behind which row it ended early.
    pub(super) stopped: Option<(u32, u16)>,
    /// The table was rewritten: its pages are no longer those of the plan.
    pub(super) file: Option<u32>,
}

/// What is told of a window.
#[derive(Debug)]
pub(super) enum News {
    /// It has been read; its watermark will come.
    Read(Box<Window>),
    /// The table is no longer there.
    Gone,
    /// It could not be read.
    Failed(Fault),
}

/// Reads a window, tells it, and writes its watermark.
pub(super) async fn work(
    (plan, side): (Arc<Plan>, Arc<Side>),
    order: Order,
    news: mpsc::Sender<News>,
) {
    let told = match read(&plan, &side, &order).await {
        Ok(Some(window)) => News::Read(Box::new(window)),
        Ok(None) => News::Gone,
        Err(fault) => News::Failed(fault),
    };
    let was_read = matches!(told, News::Read(_));
    if news.send(told).await.is_err() || !was_read {
        return;
    }
    // With a number of its own the transaction is written through at its commit, and the message
    // before it; else the stream would see it only when the server next writes its log by itself.
    // Statements of one message are one transaction.
    let sql = format!(
        "SELECT set_config('synchronous_commit', 'local', true); \
         SELECT pg_logical_emit_message(false, '{WATERMARK}', {}); SELECT pg_current_xact_id()",
        literal(&order.token)
    );
    while let Err(fault) = side.run("writing a watermark", &sql).await {
        if !fault.class().retryable() {
            drop(news.send(News::Failed(fault)).await);
            return;
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn read(plan: &Plan, side: &Side, order: &Order) -> Result<Option<Window>, Fault> {
    let tables = meant_tables(side, plan).await?;
    let part = &order.part;
    let of = |table: &&Table| table.name.schema == part.schema && table.name.table == part.table;
    let Some(table) = tables.iter().find(of) else { return Ok(None) };
    let subject = subject(side, plan, table).await?;
    let known = look_up(side, &subject.shape).await?;
    let database = plan.address.database().into();
    let relation = Arc::new(relation((&subject.shape, &known), &database, |_| None));

    let mut wire = Wire::plain(&plan.address, &format!("{} backfill", plan.id)).await?;
    let doing = format!("reading {}.{}", part.schema, part.table);
    let (seen, file) = loop {
        let Some((seen, file)) = look(&mut wire, &doing, part).await? else { return Ok(None) };
        if part.joined.is_none_or(|it| seen.is_behind(it)) {
            break (seen, file);
        }
        wire.rows(&doing, "ROLLBACK").await?;
        tokio::time::sleep(PAUSE).await;
    };
    let mut window = Window {
        seen,
        relation,
        lines: Vec::new(),
        ends: Vec::new(),
        stopped: None,
        file: file.filter(|file| *file != part.file),
    };
    if window.file.is_none() {
        let sql = statement(order, &subject, &window.relation)?;
        fill(&mut wire, (&doing, &sql), &mut window).await?;
    }
    Ok(Some(window))
}

/// Takes a snapshot: what it sees, and the table's file; `None` when the table is not there.
async fn look(
    wire: &mut Wire,
    doing: &str,
    part: &Part,
) -> Result<Option<(Seen, Option<u32>)>, Fault> {
    wire.rows(doing, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
    // A rewrite would have to wait from here on.
    let lock = format!("LOCK TABLE {} IN ACCESS SHARE MODE", holder(part));
    match wire.rows(doing, &lock).await {
        Err(fault) if fault.class() == ErrorClass::NotFound => return Ok(None),
        other => other?,
    };
    let facts = format!(
        "SELECT pg_current_snapshot()::text, pg_relation_filenode({}::regclass)::text",
        literal(&holder(part))
    );
    let facts = wire.rows(doing, &facts).await?;
    let mut facts =
        facts.into_iter().next().unwrap_or_default().into_iter().map(Option::unwrap_or_default);
    let seen = facts.next().as_deref().and_then(Seen::parse).ok_or_else(|| {
        Fault::new(ErrorClass::Internal, format!("{doing}: the snapshot is not told"))
    })?;
    Ok(Some((seen, facts.next().and_then(|it| it.parse().ok()))))
}

fn statement(order: &Order, subject: &Subject, relation: &Relation) -> Result<String, Fault> {
    let part = &order.part;
    let (keys, partitioned) = match &order.what {
        What::Run(run, within) => return Ok(copy(part, subject, &condition(*run, *within))),
        What::Keys(keys, partitioned) => (keys, partitioned),
    };
    let columns: Vec<_> = relation.key.iter().filter_map(|at| relation.columns.get(*at)).collect();
    let names: Vec<String> = columns.iter().map(|column| quote(&column.name)).collect();
    let rows = keys.iter().map(|key| {
        let cells = key.iter().zip(&columns).map(|(cell, column)| {
            let text = std::str::from_utf8(cell).map_err(|_| {
                Fault::new(ErrorClass::Malformed, "a key is no text").hint("Use a UTF-8 database.")
            })?;
            Ok(format!("{}::{}", literal(text), column.native))
        });
        Ok(format!("({})", cells.collect::<Result<Vec<_>, Fault>>()?.join(", ")))
    });
    let rows = rows.collect::<Result<Vec<_>, Fault>>()?.join(", ");
    let condition = format!("({}) IN ({rows})", names.join(", "));
    let sql = copy(part, subject, &condition);
    // The rows of a partitioned table are in its partitions.
    Ok(if *partitioned { sql.replacen("FROM ONLY", "FROM", 1) } else { sql })
}

/// Reads the lines of a `COPY`, until there are too many for memory.
async fn fill(
    wire: &mut Wire,
    (doing, sql): (&str, &str),
    window: &mut Window,
) -> Result<(), Fault> {
    wire.start_copy_out(doing, sql).await?;
    let mut at = 0;
    loop {
        while let Some((tag, body)) = raw_frame_at(wire.buffer(), at)? {
            at = body.end;
            let body = wire.buffer().get(body).unwrap_or_default();
            match tag {
                b'd' => {
                    window.lines.extend_from_slice(body);
                    window.ends.push(window.lines.len());
                    if window.lines.len() >= WINDOW_BYTES_MAX {
                        window.stopped = place_of(body);
                        return Ok(());
                    }
                }
                b'E' => return Err(fault_of_response(doing, body)),
                b'Z' => return Ok(()),
                _ => {}
            }
        }
        wire.buffer_mut().advance(std::mem::take(&mut at));
        more(wire, doing).await?;
    }
}
