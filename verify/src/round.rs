//! One look at both sides of some records, with the live path given time to catch up in between.

use crate::difference::{Difference, DifferenceKind, differing_columns};
use crate::pass::Pair;
use migration::batch::Batch;
use migration::error::Result;
use migration::key::Key;
use migration::position::Position;
use migration::position::Version;
use migration::protocol::{Guard, Kind};
use migration::queue::Queue;
use migration::store::ReadLimit;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep};
use xxhash_rust::xxh3::xxh3_128;

/// Between two looks at a position that has not moved far enough. Short beside any lag, long
/// beside a read.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// Records in the first read: until then nobody knows how large they are.
const FIRST_READ: usize = 16;

/// What a round saw of one record: digests of the target's record as the source would have it, and
/// as it is there. `None`: no record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Look {
    /// What the source said before the live path caught up.
    pub(crate) before: Option<u128>,
    /// What it said after the target was read.
    pub(crate) after: Option<u128>,
    /// What the target showed.
    pub(crate) there: Option<u128>,
}

/// One look at some records.
#[derive(Debug)]
pub(crate) struct Round {
    /// In the order asked.
    pub(crate) looks: Vec<Look>,
    /// Whether the instance had applied everything the queue held when the source was read first.
    pub(crate) caught_up: bool,
    /// When that was.
    pub(crate) source_read_at: Instant,
}

impl Round {
    pub(crate) async fn read<'a>(
        pair: &Pair,
        queue: &Arc<dyn Queue>,
        instance: usize,
        keys: impl Iterator<Item = &'a Key>,
        wait: Duration,
    ) -> Result<Self> {
        let keys: Vec<Key> = keys.cloned().collect();
        let before = digests(pair, instance, &keys, Side::Source).await?;
        let source_read_at = Instant::now();
        let caught_up = catch_up(pair, queue, instance, wait).await?;
        let there = digests(pair, instance, &keys, Side::Target).await?;
        let after = digests(pair, instance, &keys, Side::Source).await?;
        let look = |key| Look {
            before: before.get(key).copied(),
            after: after.get(key).copied(),
            there: there.get(key).copied(),
        };
        Ok(Self { looks: keys.iter().map(look).collect(), caught_up, source_read_at })
    }
}

/// Waits until the instance has applied everything the queue holds now. `false` if it did not.
async fn catch_up(
    pair: &Pair,
    queue: &Arc<dyn Queue>,
    instance: usize,
    wait: Duration,
) -> Result<bool> {
    let deadline = Instant::now() + wait;
    let mut behind = loop {
        match ends(queue).await {
            // Brokers that elect another leader are back before the wait is over.
            Err(error) if error.kind().is_retryable() && Instant::now() < deadline => {
                sleep(LOOK_AGAIN).await;
            }
            ends => break ends?,
        }
    };
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

/// Where every partition ends.
async fn ends(queue: &Arc<dyn Queue>) -> Result<Vec<(Arc<str>, Position)>> {
    let mut ends = Vec::new();
    for partition in queue.partitions().await? {
        let end = queue.end(&partition).await?;
        ends.push((partition, end));
    }
    Ok(ends)
}

#[derive(Debug, Clone, Copy)]
enum Side {
    Source,
    Target,
}

/// Digests of what one side holds, read in parts that its records let into the memory.
async fn digests(
    pair: &Pair,
    instance: usize,
    keys: &[Key],
    side: Side,
) -> Result<HashMap<Key, u128>> {
    let mut digests = HashMap::with_capacity(keys.len());
    let (mut rest, mut size) = (keys, FIRST_READ);
    while !rest.is_empty() {
        let (part, after) = rest.split_at(size.min(rest.len()));
        rest = after;
        let found = match side {
            Side::Source => expected(pair, instance, part).await?,
            Side::Target => Found::read(pair, instance, part).await?,
        };
        size = next_size(part.len(), found.bytes_in_all(), pair.limit);
        digests.extend(found.by_key.into_iter().map(|(key, index)| {
            let digest = xxh3_128(found.records.row(index).bytes());
            (key, digest)
        }));
    }
    Ok(digests)
}

/// How many records to read after some that had so many bytes: at most four times as many, as the
/// next ones may be larger.
fn next_size(records: usize, bytes: usize, limit: ReadLimit) -> usize {
    let each = (bytes / records.max(1)).max(1);
    (limit.bytes_max / each).min(records * 4).clamp(1, limit.rows_max)
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

    fn bytes_in_all(&self) -> usize {
        self.records.rows().map(|row| row.bytes().len()).sum()
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

/// Says how records that stand apart differ. Those that agree by now are left out.
pub(crate) async fn describe(
    pair: &Pair,
    instance: usize,
    keys: &[Key],
) -> Result<Vec<Difference>> {
    let (from, to) = (&pair.layout.source().table, &pair.target.schema().table);
    let mut differences = Vec::new();
    let (mut rest, mut size) = (keys, FIRST_READ);
    while !rest.is_empty() {
        let (part, after) = rest.split_at(size.min(rest.len()));
        rest = after;
        let found = Found::read(pair, instance, part).await?;
        let expected = expected(pair, instance, part).await?;
        let guards = pair.targets[instance].guards(from, to, part).await?;
        let bytes = found.bytes_in_all().max(expected.bytes_in_all());
        size = next_size(part.len(), bytes, pair.limit);
        let apart = part.iter().zip(guards);
        let apart = apart.filter(|(key, _)| expected.bytes(key) != found.bytes(key));
        differences.extend(
            apart.map(|(key, guard)| describe_one(pair, instance, key, guard, &expected, &found)),
        );
    }
    Ok(differences)
}

fn describe_one(
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

/// A record that does not agree.
pub(crate) fn difference(
    pair: &Pair,
    instance: usize,
    key: &Key,
    kind: DifferenceKind,
) -> Difference {
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

#[cfg(test)]
mod tests {
    use super::next_size;
    use migration::store::ReadLimit;

    #[test]
    fn large_records_are_read_a_few_at_a_time() {
        let limit = ReadLimit { rows_max: 2_000, bytes_max: 1 << 20 };
        assert_eq!(next_size(16, 16 << 20, limit), 1);
        assert_eq!(next_size(16, 160, limit), 64, "not all at once: the next may be larger");
        assert_eq!(next_size(2_000, 20_000, limit), 2_000);
        assert_eq!(next_size(16, 0, limit), 64, "none was there");
    }
}
