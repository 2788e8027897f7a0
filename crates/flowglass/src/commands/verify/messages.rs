//! Holding the messages of a sink to its receipts.
//!
//! A destination is read once, and each message adds to the sums of its window. Where the sums of a
//! window differ it is read once more, and this time every message of such a window is remembered by its
//! idempotency key, so that it can be said how many are missing and how many are there twice.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use flowglass_connect::Fault;
use flowglass_connect::stream::{Guarantee, HeldMessages, Keeps, MessageId, Tally};

use super::range::Range;
use super::report::{Difference, Part, Verdict, place};
use super::windows::{History, Window};

/// Messages that are remembered at once: with their hashes some 160 MiB.
const IDS_MAX: usize = 4_000_000;

/// Windows whose differences are listed.
const DIFFERENCES_MAX: usize = 20;

/// A sink whose messages are held to its receipts.
pub(super) struct Messages<'a> {
    pub(super) held: &'a dyn HeldMessages,
    pub(super) keeps: Keeps,
    pub(super) guarantee: Guarantee,
    pub(super) history: &'a History,
    pub(super) range: Range,
    /// Whether the stream runs: then more may be there than the receipts say.
    pub(super) running: bool,
}

/// What one reading found.
#[derive(Debug, Default)]
struct Found {
    /// By the index of the window.
    windows: HashMap<usize, Tally>,
    /// Everything.
    all: Tally,
    /// Messages behind the last window, and in windows that are not looked at.
    outside: u64,
    foreign: u64,
    /// The least commit of all.
    first: Option<u64>,
}

impl Messages<'_> {
    /// Looks at every destination that was written to in the range.
    ///
    /// # Errors
    /// What keeps one from being read.
    pub(super) async fn look(&self) -> Result<Vec<Part>, Fault> {
        let mut parts = Vec::new();
        for name in self.destinations() {
            parts.push(match self.keeps {
                Keeps::Bodies => self.bodies(&name).await?,
                Keeps::Whole | Keeps::Own => self.destination(&name).await?,
            });
        }
        Ok(parts)
    }

    /// The windows that are looked at, with their indices.
    fn windows(&self) -> impl Iterator<Item = (usize, &Window, &BTreeMap<String, Tally>)> {
        let count = self.history.windows.len();
        let chosen = self.history.windows.iter().enumerate().filter(move |(at, window)| {
            let open = self.running && !window.ends_whole;
            self.range.holds((window.after, window.to), count - at - 1) && !open
        });
        chosen.filter_map(|(at, window)| Some((at, window, window.sums.as_ref()?)))
    }

    fn destinations(&self) -> BTreeSet<String> {
        self.windows().flat_map(|(_, _, sums)| sums.keys().cloned()).collect()
    }

    async fn destination(&self, name: &str) -> Result<Part, Fault> {
        let forgets = self.held.forgets(name).await?;
        let found = self.read(name).await?;
        let mut part = Part::new(name);
        part.outside = found.outside;
        part.foreign = found.foreign;
        let (mut expected, mut there) = (Tally::default(), Tally::default());
        let mut differing = BTreeMap::new();
        for (at, window, sums) in self.windows() {
            let sum = sums.get(name).copied().unwrap_or_default();
            let seen = found.windows.get(&at).copied().unwrap_or_default();
            // Where old messages may be removed, only whole windows behind the first can be held to
            // anything.
            let gone = found.first.is_none_or(|first| window.after.is_none_or(|it| it < first));
            if forgets.is_some() && gone && seen != sum {
                part.forgotten += sum.messages;
                continue;
            }
            expected.join(sum);
            there.join(seen);
            if sum != seen {
                differing.insert(at, (sum, seen));
            }
        }
        part.sums(expected, there);
        if let Some(why) = forgets.filter(|_| part.forgotten > 0) {
            part.remarks.push(format!("{why}: what is older is not proved"));
        }
        part.verdict = match (differing.is_empty(), expected.messages, part.forgotten) {
            (true, 0, 1..) => Verdict::NotProved,
            (true, ..) => Verdict::Equal,
            (false, ..) => Verdict::Differs,
        };
        if !differing.is_empty() {
            self.tell_apart(&mut part, &differing).await?;
        }
        Ok(part)
    }

    /// Bodies alone: all or nothing.
    async fn bodies(&self, name: &str) -> Result<Part, Fault> {
        let mut part = Part::new(name);
        let why = if self.range != Range::All {
            Some("its lines name no row, so that only all of it can be looked at: `--range all`")
        } else if self.running {
            Some(
                "its lines name no row, so that it can be looked at only while the stream is stopped",
            )
        } else if !self.history.is_whole() {
            Some("its lines name no row, and some of the receipts are missing")
        } else {
            None
        };
        if let Some(why) = why {
            let remedy = "; with `line: message` every line would name its row";
            part.remarks.push(format!("{why}{remedy}"));
            return Ok(part);
        }
        let found = self.read(name).await?.all;
        let mut expected = Tally::default();
        for (_, _, sums) in self.windows() {
            expected.join(sums.get(name).copied().unwrap_or_default());
        }
        part.sums(expected, found);
        part.lost = expected.messages.saturating_sub(found.messages);
        part.unknown = found.messages.saturating_sub(expected.messages);
        part.altered = expected.messages == found.messages && expected.hash != found.hash;
        part.verdict = if expected == found { Verdict::Equal } else { Verdict::Differs };
        Ok(part)
    }

    async fn read(&self, name: &str) -> Result<Found, Fault> {
        let looked_at: BTreeSet<usize> = self.windows().map(|(at, ..)| at).collect();
        let mut found = Found::default();
        let mut pages = self.held.read(name).await?;
        while let Some(page) = pages.next().await? {
            for message in page {
                found.all.add(message.hash);
                let Some(id) = message.id else {
                    found.foreign += 1;
                    continue;
                };
                found.first = Some(found.first.map_or(id.commit, |it| it.min(id.commit)));
                let window = self.history.window_of(id.commit).filter(|it| looked_at.contains(it));
                match window {
                    Some(at) => found.windows.entry(at).or_default().add(message.hash),
                    None => found.outside += 1,
                }
            }
        }
        Ok(found)
    }

    /// Reads the windows that differ once more, and says in what.
    async fn tell_apart(
        &self,
        part: &mut Part,
        differing: &BTreeMap<usize, (Tally, Tally)>,
    ) -> Result<(), Fault> {
        let mut once: HashMap<MessageId, u64> = HashMap::new();
        let mut distinct: HashMap<usize, Tally> = HashMap::new();
        let (mut doubled, mut too_many) = (0_u64, false);
        let mut pages = self.held.read(&part.name).await?;
        while let Some(page) = pages.next().await? {
            for message in page {
                let Some(id) = message.id else { continue };
                let window = self.history.window_of(id.commit);
                let Some(at) = window.filter(|it| differing.contains_key(it)) else { continue };
                if let Some(known) = once.get_mut(&id) {
                    doubled += 1;
                    // The last one is that which was acknowledged: envelopes may hold the time.
                    let before = std::mem::replace(known, message.hash);
                    if let Some(sum) = distinct.get_mut(&at) {
                        sum.hash = sum.hash.wrapping_sub(before).wrapping_add(message.hash);
                    }
                } else if once.len() < IDS_MAX {
                    once.insert(id, message.hash);
                    distinct.entry(at).or_default().add(message.hash);
                } else {
                    too_many = true;
                }
            }
        }
        let mut off = false;
        for (at, (expected, found)) in differing {
            let there =
                if too_many { *found } else { distinct.get(at).copied().unwrap_or_default() };
            part.lost += expected.messages.saturating_sub(there.messages);
            part.unknown += there.messages.saturating_sub(expected.messages);
            let same_count = expected.messages == there.messages;
            part.altered |= same_count && expected.hash != there.hash;
            off |= *expected != there;
            if part.differences.len() < DIFFERENCES_MAX
                && let Some(window) = self.history.windows.get(*at)
            {
                part.differences.push(Difference {
                    after: place(window.after),
                    to: place(Some(window.to)),
                    rows: expected.messages,
                    found: found.messages,
                });
            }
        }
        part.doubled = doubled;
        if too_many {
            let said = format!(
                "the windows that differ hold more than {IDS_MAX} rows: lost and doubled are told \
                 from their numbers alone; a narrower `--range` tells them apart"
            );
            part.remarks.push(said);
        }
        if !off && self.guarantee == Guarantee::AtLeastOnce {
            part.verdict = Verdict::Equal;
            part.remarks.push(format!(
                "{doubled} row(s) came again with the same idempotency key, as a sink that is at least \
                 once may bring them"
            ));
        }
        Ok(())
    }
}
