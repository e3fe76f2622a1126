//! Up to which id an outbox may be read.
//!
//! Where transactions run side by side, an id that was given out early may be committed late: a
//! reader that passes the gap it leaves would never see it. So a gap is passed only when nobody can
//! fill it any more. Whoever may is named *after* the gap was seen; once all of them have ended and
//! a later look still shows the gap, its ids were rolled back. Transactions that begin meanwhile
//! get higher ids, so the wait ends with those that were there.

use super::engine::Reader;
use super::row::Row;
use crate::error::Result;
use crate::queue::place::Place;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// How long a gap may be there before anybody is asked about it: most are filled by a transaction
/// that commits a moment later.
const GAP_PATIENCE: Duration = Duration::from_millis(20);

/// How long what is known stays so without another look. A source that was put back meanwhile gives
/// the same ids out again.
const KNOWN_FOR: Duration = Duration::from_secs(10);

/// After which time a wait is told.
const TOLD_AFTER: Duration = Duration::from_secs(10);

/// What is known of the ids of one outbox.
#[derive(Debug)]
pub(super) struct Horizon {
    /// Whether there is nothing to find out.
    in_order: bool,
    /// Every row up to this id shows by now, or never will.
    decided: u64,
    waiting: Option<Waiting>,
    /// The first id that is missing, and since when.
    gap: Option<(u64, Instant)>,
    looked_at: Instant,
}

/// A wait for everybody who may fill a gap.
#[derive(Debug)]
struct Waiting {
    until: u64,
    writers: BTreeSet<String>,
    since: Instant,
    is_told: bool,
}

impl Horizon {
    pub(super) fn new(in_order: bool) -> Self {
        Self { in_order, decided: 0, waiting: None, gap: None, looked_at: Instant::now() }
    }

    /// Forgets everything: after a failure nobody knows which history comes next.
    pub(super) fn forget(&mut self) {
        *self = Self::new(self.in_order);
    }

    /// Takes away the rows that may not be read yet. If nothing is left, finds out what the first
    /// of them waits for, for the next look.
    pub(super) async fn cut(
        &mut self,
        reader: &mut dyn Reader,
        place: Place,
        rows: &mut Vec<Row>,
    ) -> Result<()> {
        let last = match rows.last() {
            Some(last) if !self.in_order => last.number(),
            _ => return Ok(()),
        };
        let first_missing = place.offset().max(1);
        let whole = self.whole(first_missing, rows);
        if whole == rows.len() {
            self.gap = None;
        }
        rows.truncate(whole);
        if whole > 0 {
            return Ok(());
        }
        match self.gap {
            Some((id, since)) if id == first_missing => {
                if since.elapsed() >= GAP_PATIENCE {
                    self.settle(reader, last).await?;
                }
            }
            _ => self.gap = Some((first_missing, Instant::now())),
        }
        Ok(())
    }

    /// How many of the rows have nothing undecided before them.
    fn whole(&self, first: u64, rows: &[Row]) -> usize {
        let mut expected = first;
        let follows = |row: &&Row| {
            let number = row.number();
            let follows = number == expected || number.saturating_sub(1) <= self.decided;
            expected = number.saturating_add(1);
            follows
        };
        rows.iter().take_while(follows).count()
    }

    /// Whether every row up to this id shows to whoever looks after this call, or never will. The
    /// id must have been given out before.
    pub(super) async fn settle(&mut self, reader: &mut dyn Reader, until: u64) -> Result<bool> {
        if self.in_order {
            return Ok(true);
        }
        if self.looked_at.elapsed() > KNOWN_FOR {
            self.forget();
        }
        if until <= self.decided {
            return Ok(true);
        }
        let open = reader.writers().await?;
        self.looked_at = Instant::now();
        let waiting = self.waiting.get_or_insert_with(|| Waiting {
            until,
            writers: open.clone(),
            since: Instant::now(),
            is_told: false,
        });
        waiting.writers.retain(|writer| open.contains(writer));
        if waiting.writers.is_empty() {
            self.decided = waiting.until;
            self.waiting = None;
        } else if !waiting.is_told && waiting.since.elapsed() > TOLD_AFTER {
            waiting.is_told = true;
            tracing::warn!(
                transactions = ?waiting.writers,
                "the outbox is read no further until these transactions have ended"
            );
        }
        Ok(until <= self.decided)
    }
}
