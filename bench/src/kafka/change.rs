//! The stream of changes, the same in every run.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::collections::{HashMap, VecDeque};

/// Seed of everything that is drawn.
const SEED: u64 = 20_261_121;

/// How many messages later a message comes a second time, or for the first time if it is late.
const LATER: usize = 40;

/// In a hundred: updates, then inserts, then deletes.
const UPDATES: u32 = 60;
const INSERTS: u32 = 35;

/// In a hundred.
const DUPLICATES: u32 = 10;
const LATE: u32 = 1;

/// One change, as the source has committed it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Change {
    /// The how manieth of all changes it is.
    pub(super) made: u64,
    pub(super) id: u64,
    /// The record's amount before, of an update and a delete.
    pub(super) before: Option<i64>,
    /// And after, of an update and an insert.
    pub(super) after: Option<i64>,
}

/// What the table holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct State {
    pub(crate) records: u64,
    /// The sum of all amounts.
    pub(crate) amount: i64,
}

/// What a stream comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct End {
    pub(crate) messages: u64,
    /// When all is applied in commit order.
    pub(crate) committed: State,
    /// When all is applied in the order in which it came.
    pub(crate) arrived: State,
}

/// The amount of each record.
#[derive(Debug, Default)]
struct Amounts(HashMap<u64, i64>);

impl Amounts {
    /// Sets or removes a record, and says what it was.
    fn set(&mut self, id: u64, amount: Option<i64>) -> Option<i64> {
        match amount {
            Some(amount) => self.0.insert(id, amount),
            None => self.0.remove(&id),
        }
    }

    fn state(&self) -> State {
        let records = u64::try_from(self.0.len()).unwrap_or(u64::MAX);
        State { records, amount: self.0.values().sum() }
    }
}

/// Draws changes of `rows` records for `count` messages, hands them to `send` in the order in which
/// they are sent, and says what they come to.
pub(super) fn each<E>(
    count: u64,
    rows: u64,
    mut send: impl FnMut(&Change) -> Result<(), E>,
) -> Result<End, E> {
    let mut random = StdRng::seed_from_u64(SEED);
    let (mut committed, mut arrived) = (Amounts::default(), Amounts::default());
    let mut later: VecDeque<(u64, Change)> = VecDeque::new();
    let (mut sent, mut made) = (0, 0);
    let mut send = |change: &Change| {
        arrived.set(change.id, change.after);
        send(change)
    };
    while sent < count {
        // What is held back has to fit in at the end too.
        let is_full = u64::try_from(later.len()).unwrap_or(u64::MAX) >= count - sent;
        if let Some((_, change)) = later.pop_front_if(|(due, _)| *due <= sent || is_full) {
            send(&change)?;
            sent += 1;
            continue;
        }
        made += 1;
        let change = change(&mut random, made, rows, &mut committed);
        let due = sent + LATER as u64;
        let chance = random.random_range(0..100);
        if chance < LATE {
            later.push_back((due, change));
            continue;
        }
        send(&change)?;
        sent += 1;
        if chance < LATE + DUPLICATES {
            later.push_back((due, change));
        }
    }
    Ok(End { messages: sent, committed: committed.state(), arrived: arrived.state() })
}

/// The next change that is committed.
fn change(random: &mut StdRng, made: u64, rows: u64, amounts: &mut Amounts) -> Change {
    let kind = random.random_range(0..100);
    let skewed = random.random::<f64>().powi(3);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a share of a row count"
    )]
    let drawn = (skewed * rows as f64) as u64;
    let id = if (UPDATES..UPDATES + INSERTS).contains(&kind) { rows + made } else { drawn };
    let amount: i64 = random.random_range(0..1_000_000);
    let after = (kind < UPDATES + INSERTS).then_some(amount);
    // A delete of what is not there is not logged; here it stands for one, with what it took.
    let before = amounts.set(id, after).or(if after.is_none() { Some(0) } else { None });
    Change { made, id, before, after }
}
