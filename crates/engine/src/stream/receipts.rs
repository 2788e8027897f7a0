//! Receipts of what a sink acknowledges, made from what was really sent, so that whoever reads the sink
//! again can prove that it is there.

use std::collections::HashSet;
use std::sync::Arc;

use flowglass_connect::encode::idempotency_key;
use flowglass_connect::stream::{
    Account, Acknowledged, Keeps, LateReceipt, Messages, Position, Receipt, Refused, Reread,
    StreamBatch, Tally, body_hash, message_hash,
};
use jiff::Timestamp;

use super::ledger::{ByTable, Outcome};

/// Of what receipts are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Counting {
    /// Of nothing: the sink could not be held to them.
    Nothing,
    /// Of messages.
    Messages(Keeps),
    /// Of rows.
    Tables,
}

impl Counting {
    /// What a sink that can be read again like that is held to.
    #[must_use]
    pub(super) const fn of(reread: &Reread) -> Self {
        match reread {
            Reread::Nothing(_) => Self::Nothing,
            Reread::Messages(keeps, _) => Self::Messages(*keeps),
            Reread::Tables(_) => Self::Tables,
        }
    }

    /// The hashes of the messages of a batch.
    #[must_use]
    pub(super) fn written(self, batch: &StreamBatch, messages: Option<&Messages>) -> Written {
        match (self, messages) {
            (Self::Messages(keeps @ (Keeps::Whole | Keeps::Bodies)), Some(messages)) => {
                Written::of(batch, messages, keeps)
            }
            _ => Written::default(),
        }
    }
}

/// Hashes of the messages of a batch.
#[derive(Debug, Default)]
pub(super) struct Written {
    destinations: Vec<Arc<str>>,
    /// Index of the change, index of the destination, hash.
    messages: Vec<(u32, u32, u64)>,
}

impl Written {
    /// Of messages that are kept like that.
    pub(super) fn of(batch: &StreamBatch, messages: &Messages, keeps: Keeps) -> Self {
        let mut id = Vec::new();
        let hashed = messages.items().iter().map(|message| {
            let body = message.body.map(|span| messages.bytes(span));
            let hash = match (keeps, batch.change(message.change as usize)) {
                (Keeps::Whole, Some(change)) => {
                    id.clear();
                    idempotency_key(&change, message.part, &mut id);
                    message_hash(&id, message.key.map(|span| messages.bytes(span)), body)
                }
                // What stands in the place of a body that is not there.
                _ => body_hash(body.unwrap_or(b"null")),
            };
            (message.change, message.destination, hash)
        });
        Self { messages: hashed.collect(), destinations: messages.destinations().to_vec() }
    }

    /// By destination, without the messages of rows that the sink refused.
    pub(super) fn receipt(&self, refused: &[Refused]) -> Receipt {
        let refused: HashSet<usize> = refused.iter().map(|it| it.change).collect();
        let mut sums = vec![Tally::default(); self.destinations.len()];
        for (change, destination, hash) in &self.messages {
            let sum = sums.get_mut(*destination as usize);
            if let Some(sum) = sum.filter(|_| !refused.contains(&(*change as usize))) {
                sum.add(*hash);
            }
        }
        let mut receipt = Receipt::default();
        for (name, sum) in self.destinations.iter().zip(sums) {
            if sum.messages > 0
                && let Some(of) = receipt.of(name)
            {
                of.join(sum);
            }
        }
        receipt
    }
}

/// Receipts of letters that were delivered after all, by the place of each.
#[must_use]
pub(super) fn late(
    (stream, sink): (&str, &str),
    (batch, written): (&StreamBatch, &Written),
    acknowledged: &Acknowledged,
) -> Vec<LateReceipt> {
    let one = |destination: String, change: usize, sum: Tally| {
        let commit = batch.change(change)?.transaction().commit;
        let (stream, sink) = (stream.to_owned(), sink.to_owned());
        Some(LateReceipt { stream, sink, destination, commit, sum })
    };
    if let Some(own) = &acknowledged.receipt {
        // Letters go one by one to sinks that make their receipts themselves.
        let sums = own.messages.iter();
        return sums.filter_map(|(name, sum)| one(name.clone(), 0, *sum)).collect();
    }
    let refused = |change: usize| acknowledged.refused.iter().any(|it| it.change == change);
    let sent = written.messages.iter().filter(|it| !refused(it.0 as usize));
    sent.filter_map(|(change, destination, hash)| {
        let name = written.destinations.get(*destination as usize)?.to_string();
        one(name, *change as usize, Tally { messages: 1, hash: *hash })
    })
    .collect()
}

/// The receipt of a batch that is durable; none for sinks that are held to none.
#[must_use]
pub(super) fn receipt(
    counting: Counting,
    (batch, written): (&StreamBatch, &Written),
    outcome: &ByTable<Outcome>,
    acknowledged: &mut Acknowledged,
) -> Option<Receipt> {
    match counting {
        Counting::Nothing => None,
        // An acknowledgement that was lost on its way took the sink's own word with it.
        Counting::Messages(Keeps::Own) => {
            let said = acknowledged.receipt.take();
            Some(said.unwrap_or_else(|| match batch.spanned() {
                0 => Receipt::default(),
                _ => Receipt::unknown(),
            }))
        }
        Counting::Messages(_) => Some(written.receipt(&acknowledged.refused)),
        Counting::Tables => Some(of_tables(batch, outcome, &acknowledged.refused)),
    }
}

fn of_tables(batch: &StreamBatch, outcome: &ByTable<Outcome>, refused: &[Refused]) -> Receipt {
    let refused: HashSet<usize> = refused.iter().map(|it| it.change).collect();
    let mut receipt = Receipt::default();
    for (index, change) in batch.changes() {
        if !refused.contains(&index)
            && let Some(table) = receipt.table(&change.relation().name())
        {
            table.add(&change);
        }
    }
    for (relation, outcome) in outcome.parts() {
        let left_out = outcome.filtered.rows + outcome.dead_lettered.rows + outcome.evicted.rows;
        if left_out > 0
            && let Some(table) = receipt.table(&relation.name())
        {
            table.left_out += left_out;
        }
    }
    receipt
}

/// The account of a sink since this process runs the stream.
#[derive(Debug, Default)]
pub(super) struct Receipts {
    account: Option<Account>,
}

impl Receipts {
    /// Adds a receipt of a sink that stood at `before`.
    pub(super) fn add(
        &mut self,
        before: Option<&Position>,
        (receipt, at): &(Option<Receipt>, Timestamp),
    ) {
        let Some(receipt) = receipt else { return };
        let knows_nothing =
            receipt.partial && receipt.messages.is_empty() && receipt.tables.is_empty();
        if knows_nothing {
            // The account ends here, and the next one begins behind what is not known.
            self.account = None;
            return;
        }
        let account = self.account.get_or_insert_with(|| Account {
            number: i64::try_from(at.as_nanosecond()).unwrap_or(i64::MAX),
            from: before.cloned().unwrap_or(Position::ORIGIN),
            sums: Receipt::default(),
        });
        account.sums.join(receipt);
    }

    /// The account as it stands.
    #[must_use]
    pub(super) fn account(&self) -> Option<Account> {
        self.account.clone()
    }
}
