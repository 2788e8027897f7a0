//! Somebody who works with the source's tables all the while: random transactions over several
//! tables, with everything that a log can hold.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;

use flowglass_testkit::Dice;

/// The tables: an ordinary one, one that tells whole rows and has texts that are stored apart, and
/// one that is emptied now and then.
pub(super) const TABLES: &str = "
    CREATE TABLE plain (id bigint PRIMARY KEY, n bigint NOT NULL, body text);
    CREATE TABLE whole (id bigint PRIMARY KEY, n bigint NOT NULL, body text);
    ALTER TABLE whole REPLICA IDENTITY FULL;
    ALTER TABLE whole ALTER body SET STORAGE EXTERNAL;
    CREATE TABLE emptied (id bigint PRIMARY KEY, n bigint NOT NULL, body text);";

const NAMES: [&str; 3] = ["plain", "whole", "emptied"];

/// Long enough to be stored apart from its row, so that an update of another column leaves it out.
const LONG: &str = "(SELECT string_agg(md5(random()::text), '') FROM generate_series(1, 90))";

/// A writer at work.
pub(super) struct Writer {
    over: Arc<AtomicBool>,
    committed: Arc<AtomicU64>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    /// Begins to write. A server that goes away is waited for.
    pub(super) fn start(dsn: &str, seed: u64) -> Self {
        let (over, committed) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let thread = std::thread::spawn({
            let (dsn, over, committed) =
                (dsn.to_owned(), Arc::clone(&over), Arc::clone(&committed));
            move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
                runtime.unwrap().block_on(write(&dsn, Dice::from_seed(seed), (&over, &committed)));
            }
        });
        Self { over, committed, thread: Some(thread) }
    }

    /// Transactions that were committed so far.
    pub(super) fn committed(&self) -> u64 {
        self.committed.load(Ordering::Relaxed)
    }

    /// Writes no more.
    pub(super) fn end(mut self) -> u64 {
        self.over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
        self.committed()
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
    }
}

async fn write(dsn: &str, mut dice: Dice, (over, committed): (&AtomicBool, &AtomicU64)) {
    let mut work = Work { next_id: 1, next_write: 1 };
    while !over.load(Ordering::Relaxed) {
        let Ok((client, connection)) = tokio_postgres::connect(dsn, tokio_postgres::NoTls).await
        else {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            continue;
        };
        let working = async {
            while !over.load(Ordering::Relaxed) {
                let transaction = work.transaction(&mut dice);
                match client.batch_execute(&transaction).await {
                    Ok(()) => committed.fetch_add(1, Ordering::Relaxed),
                    Err(_gone) => break,
                };
            }
        };
        // The connection is driven as long as somebody works with it.
        tokio::select! {
            _gone = connection => {}
            () = working => {}
        }
    }
}

struct Work {
    next_id: u64,
    next_write: u64,
}

impl Work {
    fn transaction(&mut self, dice: &mut Dice) -> String {
        let mut text = "BEGIN;".to_owned();
        for _statement in 0..=dice.below(6) {
            text.push_str(&self.statement(dice));
        }
        if dice.chance(1, 10) {
            // Taken back to here: nobody may ever hear of it.
            text.push_str("SAVEPOINT here;");
            text.push_str(&self.statement(dice));
            text.push_str("ROLLBACK TO here;");
        }
        text.push_str(if dice.chance(1, 12) { "ROLLBACK;" } else { "COMMIT;" });
        text
    }

    fn statement(&mut self, dice: &mut Dice) -> String {
        let name = NAMES[usize::try_from(dice.below(3)).unwrap()];
        let write = self.next_write;
        self.next_write += 1;
        let some = dice.below(self.next_id) + 1;
        match dice.below(20) {
            0..=9 => {
                let first = self.next_id;
                self.next_id += dice.below(20) + 1;
                let last = self.next_id - 1;
                let body = if dice.chance(1, 8) { LONG } else { "md5(i::text)" };
                format!(
                    "INSERT INTO {name} SELECT i, {write}, {body} FROM generate_series({first}, {last}) i;"
                )
            }
            10..=14 => {
                format!("UPDATE {name} SET n = {write} WHERE id BETWEEN {some} AND {some} + 5;")
            }
            15 => format!("UPDATE {name} SET n = {write}, body = {LONG} WHERE id = {some};"),
            16 | 17 => {
                let id = self.next_id;
                self.next_id += 1;
                format!("UPDATE {name} SET n = {write}, id = {id} WHERE id = {some};")
            }
            18 => format!("DELETE FROM {name} WHERE id BETWEEN {some} AND {some} + 8;"),
            _ if dice.chance(1, 6) => "TRUNCATE emptied;".to_owned(),
            _ => format!("DELETE FROM {name} WHERE id = {some};"),
        }
    }
}
