//! Reads suspects again until each is equal, still moving, or truly different.
//!
//! The target may lag the source, so a difference counts only when it stands still: in two rounds in
//! a row, and for as long as the queue may lag the source, the source's record did not change, the
//! instance had applied everything the queue held when the source was read, and the same two records
//! were found.

use crate::difference::{Difference, DifferenceKind, differing_columns};
use crate::pass::Pair;
use crate::suspect::Suspect;
use migration::batch::Batch;
use migration::error::Result;
use migration::key::Key;
use migration::position::{Position, Version};
use migration::protocol::{Guard, Kind};
use migration::queue::Queue;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// Between two looks at a position that has not moved far enough. Short beside any lag, long
/// beside a read.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// Longest pause between two rounds that wait for the queue: what a verdict may come late.
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// How long and how often suspects are read again.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    /// Most rounds, beyond those that fit into twice `stands`.
    pub(crate) rounds_max: usize,
    /// Longest wait of one round for the live path.
    pub(crate) wait: Duration,
    /// How long a difference has to stand still.
    pub(crate) stands: Duration,
}

/// What became of a batch of suspects.
#[derive(Debug, Default)]
pub(crate) struct Settled {
    /// Equal after all.
    pub(crate) converged: u64,
    /// Different and standing still, or unsettled: still changing, or the live path did not catch
    /// up, when patience ended.
    pub(crate) differences: Vec<Difference>,
}

/// The two sides of one record in one round, as encoded records.
type Sides = (Option<Box<[u8]>>, Option<Box<[u8]>>);

/// Settles the suspects of one instance.
pub(crate) async fn settle(
    pair: &Pair,
    queue: &Arc<dyn Queue>,
    suspects: &[Suspect],
    patience: Patience,
) -> Result<Settled> {
    let mut settled = Settled::default();
    let mut by_instance: HashMap<usize, Vec<Key>> = HashMap::new();
    for suspect in suspects {
        by_instance.entry(suspect.instance).or_default().push(suspect.key.clone());
    }
    for (instance, keys) in by_instance {
        settle_instance(pair, queue, instance, keys, patience, &mut settled).await?;
    }
    Ok(settled)
}

async fn settle_instance(
    pair: &Pair,
    queue: &Arc<dyn Queue>,
    instance: usize,
    mut keys: Vec<Key>,
    patience: Patience,
    settled: &mut Settled,
) -> Result<()> {
    let mut seen: HashMap<Key, (Sides, Instant)> = HashMap::new();
    let (began, mut rounds, mut pause) = (Instant::now(), 0, LOOK_AGAIN);
    while rounds < patience.rounds_max || began.elapsed() < patience.stands * 2 {
        if keys.is_empty() {
            return Ok(());
        }
        if rounds > 0 && !patience.stands.is_zero() {
            sleep(pause.min(patience.stands)).await;
            pause = (pause * 2).min(PAUSE_MAX);
        }
        rounds += 1;
        let now = Instant::now();
        let round = Round::read(pair, queue, instance, &keys, patience.wait).await?;
        let (mut standing, mut left) = (Vec::new(), Vec::new());
        for key in keys {
            match round.state(&key) {
                State::Equal => settled.converged += 1,
                State::Moving => {
                    seen.remove(&key);
                    left.push(key);
                }
                State::Apart(sides) => match seen.get(&key) {
                    Some((same, since)) if *same == sides => {
                        let stood = now.duration_since(*since) >= patience.stands;
                        if stood { &mut standing } else { &mut left }.push(key);
                    }
                    _ => {
                        seen.insert(key.clone(), (sides, now));
                        left.push(key);
                    }
                },
            }
        }
        settled.differences.extend(round.describe(pair, instance, &standing).await?);
        keys = left;
        if !round.caught_up {
            // It had its time; another round would only wait as long again.
            break;
        }
    }
    let unsettled =
        keys.iter().map(|key| difference(pair, instance, key, DifferenceKind::Unsettled));
    settled.differences.extend(unsettled);
    Ok(())
}

/// Both sides of some records, read once.
struct Round {
    /// What the source said before the live path caught up.
    before: Found,
    /// What it said after the target was read.
    after: Found,
    found: Found,
    /// Whether the instance had applied everything the queue held when the source was read first.
    caught_up: bool,
}

/// What one round says of a record.
enum State {
    Equal,
    /// It changed meanwhile, or may have.
    Moving,
    Apart(Sides),
}

impl Round {
    async fn read(
        pair: &Pair,
        queue: &Arc<dyn Queue>,
        instance: usize,
        keys: &[Key],
        wait: Duration,
    ) -> Result<Self> {
        let before = expected(pair, instance, keys).await?;
        let caught_up = catch_up(pair, queue, instance, wait).await?;
        let found = Found::read(pair, instance, keys).await?;
        let after = expected(pair, instance, keys).await?;
        Ok(Self { before, after, found, caught_up })
    }

    fn state(&self, key: &Key) -> State {
        let (was, is) = (self.before.bytes(key), self.after.bytes(key));
        let there = self.found.bytes(key);
        if is == there {
            State::Equal
        } else if was != is || !self.caught_up {
            State::Moving
        } else {
            State::Apart((is.map(Box::from), there.map(Box::from)))
        }
    }

    /// Says how records that stand apart differ.
    async fn describe(
        &self,
        pair: &Pair,
        instance: usize,
        keys: &[Key],
    ) -> Result<Vec<Difference>> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let (from, to) = (&pair.layout.source().table, &pair.target.schema().table);
        let guards = pair.targets[instance].guards(from, to, keys).await?;
        let differences = keys
            .iter()
            .zip(guards)
            .map(|(key, guard)| describe(pair, instance, key, guard, &self.after, &self.found));
        Ok(differences.collect())
    }
}

/// Waits until the instance has applied everything the queue holds now. `false` if it did not.
async fn catch_up(
    pair: &Pair,
    queue: &Arc<dyn Queue>,
    instance: usize,
    wait: Duration,
) -> Result<bool> {
    let mut behind: Vec<(Arc<str>, Position)> = Vec::new();
    for partition in queue.partitions().await? {
        let end = queue.end(&partition).await?;
        behind.push((partition, end));
    }
    let deadline = Instant::now() + wait;
    loop {
        let mut still = Vec::new();
        for (partition, end) in behind {
            let there = pair.targets[instance].partition(&partition).await?;
            if there.is_none_or(|there| there.next < end) {
                still.push((partition, end));
            }
        }
        if still.is_empty() {
            return Ok(true);
        }
        if Instant::now() >= deadline {
            return Ok(false);
        }
        behind = still;
        sleep(LOOK_AGAIN).await;
    }
}

/// What one side holds for a set of keys, as records of the target table.
struct Found {
    records: Batch,
    by_key: HashMap<Key, usize>,
}

impl Found {
    async fn read(pair: &Pair, instance: usize, keys: &[Key]) -> Result<Self> {
        let mut target_keys = Batch::new(Arc::clone(pair.target.key_schema()));
        for key in keys {
            pair.target.project_key(key, &mut target_keys)?;
        }
        let asked: Vec<Key> = target_keys.rows().map(|row| row.key()).collect::<Result<_>>()?;
        let records = pair.targets[instance].read(pair.target.schema(), &asked).await?;
        Self::new(pair, records)
    }

    fn new(pair: &Pair, records: Batch) -> Result<Self> {
        let by_key = (0..records.len())
            .map(|index| Ok((pair.target.range_key(&records.row(index))?, index)))
            .collect::<Result<_>>()?;
        Ok(Self { records, by_key })
    }

    fn bytes(&self, key: &Key) -> Option<&[u8]> {
        self.by_key.get(key).map(|&index| self.records.row(index).bytes())
    }
}

/// What the source says that this instance should hold.
async fn expected(pair: &Pair, instance: usize, keys: &[Key]) -> Result<Found> {
    let rows = pair.source.read(pair.layout.source(), keys).await?;
    let all = pair.target.project(&rows)?;
    let mut here = Batch::new(Arc::clone(pair.target.schema()));
    for row in all.rows() {
        if pair.target.instance_of(&row)? == instance {
            here.push_row(row);
        }
    }
    Found::new(pair, here)
}

fn describe(
    pair: &Pair,
    instance: usize,
    key: &Key,
    guard: Option<Guard<Version>>,
    expected: &Found,
    found: &Found,
) -> Difference {
    let sides = (expected.by_key.get(key), found.by_key.get(key));
    let schema = pair.target.schema();
    let (kind, columns) = match sides {
        (_, None) => (DifferenceKind::Missing, Vec::new()),
        (Some(&is), Some(&there)) => {
            let names: Vec<&str> = schema.columns.iter().map(|c| c.name.as_str()).collect();
            let (is, there) = (expected.records.row(is), found.records.row(there));
            (DifferenceKind::Different, differing_columns(is, there, &names))
        }
        (None, Some(_)) => match guard {
            Some(guard) if guard.kind == Kind::Deleted => (DifferenceKind::Resurrected, Vec::new()),
            _ => (DifferenceKind::OnlyOnTarget, Vec::new()),
        },
    };
    Difference { columns, ..difference(pair, instance, key, kind) }
}

fn difference(pair: &Pair, instance: usize, key: &Key, kind: DifferenceKind) -> Difference {
    Difference {
        source_table: pair.layout.source().table.clone(),
        target_table: pair.target.schema().table.clone(),
        instance: pair.targets[instance].name().to_owned(),
        kind,
        key: key.to_string(),
        range_key: key.to_hex(),
        columns: Vec::new(),
    }
}
