//! Batches of rows that are the same each time they are asked for, and what the source's tables hold
//! behind each of them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use flowglass_connect::stream::{
    Cell, CellStart, ChunkBuilder, Column, Delivery, Identity, Kind, NewChange, Op, Position,
    Relation, Slice, StreamBatch, Transaction,
};

use crate::dice::Dice;
use crate::stream_sinks::commit_of;

/// Keys of `accounts`; few, so that each is met often.
const KEYS: u64 = 29;

/// A row as text.
pub type Table = Vec<Vec<Option<String>>>;

/// What both tables hold. Rows are in the order of their text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contents {
    /// `id`, `name`, `amount`, `note`.
    pub accounts: Table,
    /// `batch`, `word`.
    pub log: Table,
}

impl Contents {
    /// The same with its rows in order.
    #[must_use]
    pub fn sorted(mut self) -> Self {
        self.accounts.sort();
        self.log.sort();
        self
    }
}

/// A batch, and what the source holds behind it.
#[derive(Clone, Debug)]
pub struct TableBatch {
    /// The rows.
    pub batch: Arc<StreamBatch>,
    /// What the tables hold when all of them up to this one are applied.
    pub after: Contents,
}

/// A stream of batches.
#[derive(Clone, Debug)]
pub struct RowFeed {
    batches: Vec<TableBatch>,
}

impl RowFeed {
    /// So many batches, always the same for a seed. From the middle on `accounts` has a column more.
    #[must_use]
    pub fn new(batches: u64, seed: u64) -> Self {
        let mut source = Source::new(seed);
        let batches = (0..batches).map(|number| {
            source.widens = number >= batches / 2;
            let batch = source.batch(number);
            TableBatch { batch, after: source.contents() }
        });
        Self { batches: batches.collect() }
    }

    /// The batch of that number, from 0.
    ///
    /// # Panics
    /// Past the end.
    #[must_use]
    #[expect(clippy::indexing_slicing, reason = "a helper of a test fails by a panic")]
    pub fn batch(&self, number: u64) -> &TableBatch {
        &self.batches[usize::try_from(number).expect("a small number")]
    }

    /// The same as a delivery of a writer.
    #[must_use]
    pub fn delivery(&self, number: u64, as_number: u64) -> Delivery {
        let batch = Arc::clone(&self.batch(number).batch);
        Delivery { number: as_number, batch, messages: None }
    }

    /// What the tables hold behind the first `batches` batches.
    #[must_use]
    pub fn contents(&self, batches: u64) -> Contents {
        match batches.checked_sub(1) {
            Some(last) => self.batch(last).after.clone(),
            None => Contents::default(),
        }
    }
}

/// The shape of the tables.
#[derive(Clone, Debug)]
pub struct Shape {
    /// `id` is the key.
    pub accounts: Arc<Relation>,
    /// No column is.
    pub log: Arc<Relation>,
}

impl Shape {
    /// The tables, with or without the column that is added later.
    #[must_use]
    pub fn new(wide: bool) -> Self {
        let column = |name: &str, kind: Kind, native: &str| Column {
            name: name.to_owned(),
            kind,
            native: native.to_owned(),
            nullable: true,
        };
        let mut accounts = vec![
            column("id", Kind::Int64, "bigint"),
            column("name", Kind::Text, "text"),
            column("amount", Kind::Decimal(Some((12, 2))), "numeric(12,2)"),
            column("note", Kind::Text, "text"),
        ];
        if wide {
            accounts.push(column("seen", Kind::Bool, "boolean"));
        }
        let log = vec![column("batch", Kind::Int64, "bigint"), column("word", Kind::Text, "text")];
        let relation = |id, table: &str, columns, key| {
            let version = if wide { 2 } else { 1 };
            let (database, schema) = ("shop".into(), "public".into());
            Arc::new(Relation { id, database, schema, table: table.into(), columns, key, version })
        };
        Self {
            accounts: relation(1, "accounts", accounts, vec![0]),
            log: relation(2, "log", log, Vec::new()),
        }
    }
}

#[derive(Clone)]
struct Account {
    name: Option<String>,
    amount: String,
    note: String,
    seen: bool,
}

/// The source's tables, and who changes them.
struct Source {
    dice: Dice,
    accounts: BTreeMap<u64, Account>,
    log: Table,
    widens: bool,
    words: u64,
}

/// A batch that is being made.
struct Filling {
    builder: ChunkBuilder,
    accounts: u16,
    log: u16,
    transaction: u32,
    number: u64,
    rows: u64,
}

impl Source {
    fn new(seed: u64) -> Self {
        let dice = Dice::from_seed(seed);
        Self { dice, accounts: BTreeMap::new(), log: Table::new(), widens: false, words: 0 }
    }

    fn contents(&self) -> Contents {
        let accounts = self.accounts.iter().map(|(id, account)| {
            let (amount, note) = (account.amount.clone(), account.note.clone());
            vec![Some(id.to_string()), account.name.clone(), Some(amount), Some(note)]
        });
        Contents { accounts: accounts.collect(), log: self.log.clone() }.sorted()
    }

    fn batch(&mut self, number: u64) -> Arc<StreamBatch> {
        let commit = commit_of(number);
        let mut builder = ChunkBuilder::new(Duration::ZERO, 0);
        let shape = Shape::new(self.widens);
        let accounts = builder.relation(&shape.accounts);
        let log = builder.relation(&shape.log);
        let transaction =
            builder.transaction(Transaction { id: number, commit, committed_at_micros: 0 });
        let mut filling = Filling { builder, accounts, log, transaction, number, rows: 0 };
        self.tell(&mut filling);
        for _ in 0..9 + number * 7 % 23 {
            self.change(&mut filling);
        }
        let mut builder = filling.builder;
        builder.mark(Position::after(commit));
        let chunk = Arc::new(builder.finish());
        let end = chunk.len();
        let slice = Slice::new(chunk, 0, end);
        Arc::new(StreamBatch::new(vec![slice], Position::after(commit)))
    }

    /// Any change that the source could make now.
    fn change(&mut self, filling: &mut Filling) {
        let id = self.dice.below(KEYS);
        match (self.dice.below(10), self.accounts.contains_key(&id)) {
            (0, _) => self.tell(filling),
            (1, true) => {
                self.accounts.remove(&id);
                let before = filling.key(id, self.widens);
                filling.push(Op::Delete, (Some(before), None));
            }
            (2, true) => self.rename(filling, id),
            (_, true) => {
                let whole = self.alter(id);
                let after = filling.row((id, self.at(id)), whole, self.widens);
                filling.push(Op::Update, (None, Some(after)));
            }
            (3, false) if self.dice.chance(1, 40) => {
                self.accounts.clear();
                filling.push(Op::Truncate, (None, None));
            }
            (_, false) => {
                let account = self.new_account();
                let op = if self.dice.chance(1, 5) { Op::Read } else { Op::Insert };
                self.accounts.insert(id, account);
                let after = filling.row((id, self.at(id)), true, self.widens);
                filling.push(op, (None, Some(after)));
            }
        }
    }

    #[expect(clippy::indexing_slicing, reason = "asked for accounts that are there")]
    fn at(&self, id: u64) -> &Account {
        &self.accounts[&id]
    }

    fn new_account(&mut self) -> Account {
        let name = self.word();
        Account {
            name: (!self.dice.chance(1, 4)).then_some(name),
            amount: format!("{}.{:02}", self.dice.below(600), self.dice.below(100)),
            note: self.word(),
            seen: self.dice.chance(1, 2),
        }
    }

    /// Changes an account; whether the large value changed too, and so is told.
    fn alter(&mut self, id: u64) -> bool {
        let fresh = self.new_account();
        let whole = self.dice.chance(1, 2);
        if let Some(account) = self.accounts.get_mut(&id) {
            let note = if whole { fresh.note.clone() } else { account.note.clone() };
            *account = Account { note, ..fresh };
        }
        whole
    }

    fn rename(&mut self, filling: &mut Filling, id: u64) {
        let to = self.dice.below(KEYS);
        if self.accounts.contains_key(&to) {
            return;
        }
        let whole = self.alter(id);
        let Some(account) = self.accounts.remove(&id) else { return };
        self.accounts.insert(to, account);
        let before = filling.key(id, self.widens);
        let after = filling.row((to, self.at(to)), whole, self.widens);
        filling.push(Op::Update, (Some(before), Some(after)));
    }

    fn tell(&mut self, filling: &mut Filling) {
        let word = self.word();
        self.log.push(vec![Some(filling.number.to_string()), Some(word.clone())]);
        let start = filling.builder.cell_start();
        filling.text(&filling.number.to_string());
        filling.text(&word);
        filling.push_to(filling.log, Op::Insert, (None, Some(start)));
    }

    /// A text that was never used before, with what escapes are for.
    fn word(&mut self) -> String {
        self.words += 1;
        let odd = ["", "{a,\"b\"}", "\\", "'; --", "\t\n", "ö€𝄞", "NULL", ","];
        let at = usize::try_from(self.dice.below(odd.len() as u64)).unwrap_or(0);
        let padding = "x".repeat(usize::try_from(self.dice.below(200)).unwrap_or(0));
        format!("{}{}{padding}", self.words, odd.get(at).copied().unwrap_or_default())
    }
}

impl Filling {
    fn text(&mut self, text: &str) {
        let start = self.builder.push_bytes(text.as_bytes());
        self.builder.push_cell(Cell::text(start, text.len()).expect("a short text"));
    }

    /// The row before, of which only the key is known.
    fn key(&mut self, id: u64, wide: bool) -> CellStart {
        let start = self.builder.cell_start();
        self.text(&id.to_string());
        for _ in 1..(if wide { 5 } else { 4 }) {
            self.builder.push_cell(Cell::NULL);
        }
        start
    }

    /// The row after; `note` is told where it changed.
    fn row(&mut self, (id, account): (u64, &Account), note: bool, wide: bool) -> CellStart {
        let start = self.builder.cell_start();
        self.text(&id.to_string());
        match &account.name {
            Some(name) => self.text(name),
            None => self.builder.push_cell(Cell::NULL),
        }
        self.text(&account.amount);
        if note {
            self.text(&account.note);
        } else {
            self.builder.push_cell(Cell::UNCHANGED);
        }
        if wide {
            self.text(if account.seen { "t" } else { "f" });
        }
        start
    }

    fn push(&mut self, op: Op, rows: (Option<CellStart>, Option<CellStart>)) {
        self.push_to(self.accounts, op, rows);
    }

    fn push_to(
        &mut self,
        relation: u16,
        op: Op,
        (before, after): (Option<CellStart>, Option<CellStart>),
    ) {
        let row = self.rows;
        self.rows += 1;
        let identity = if before.is_some() { Identity::Key } else { Identity::None };
        let transaction = self.transaction;
        let place = commit_of(self.number) - 100 + row;
        self.builder.push_change(
            NewChange { op, identity, relation, transaction, before, after, row, place },
            &row.to_be_bytes(),
        );
    }
}
