//! Repair: makes single records of the target what the source holds, beside live writes.
//!
//! A lease is placed on the guard of each record; any live write of the record removes it in its
//! own step. So what is read from the source after the lease is written only where nothing live
//! happened in between, and a delete can never be undone. Used by `verify repair` and by the replay
//! of a dead letter whose guard cannot decide.

use crate::barrier::{LetterEnd, source_barrier};
use crate::batch::Batch;
use crate::error::{Error, ErrorKind, Result};
use crate::key::Key;
use crate::layout::Layout;
use crate::lock::Token;
use crate::position::Version;
use crate::protocol::Repair;
use crate::queue::Queue;
use crate::store::{RepairEntry, RepairStep, SourceRow, Store, Target};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

/// How often the records that live writes keep overtaking are tried again.
const ROUNDS_MAX: usize = 10;

/// One target record to repair.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct RepairItem {
    /// Index of the target table in [`Layout::targets`].
    pub target: usize,
    /// Index of the instance: the one that should hold the record, or one that holds it wrongly.
    pub instance: usize,
    /// The source key, which is the range key.
    pub key: Key,
    /// The version of the dead letter being replayed, if that is what this is.
    pub replayed: Option<Version>,
}

/// What a repair did, in target records.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct Repaired {
    /// Records written as the source holds them.
    pub written: u64,
    /// Records that the source does not hold, removed.
    pub removed: u64,
    /// Attempts that a live write overtook, and that were made again.
    pub redone: u64,
}

/// What a repair works on.
#[derive(Debug, Clone)]
pub struct Repairer {
    /// The source.
    pub source: Arc<dyn Store>,
    /// The queue, which knows how far the source is.
    pub queue: Arc<dyn Queue>,
    /// The target's instances, in shard order.
    pub targets: Vec<Arc<dyn Target>>,
    /// Longest wait for the source to show what the target has applied.
    pub barrier: Duration,
}

/// The target records that a source record becomes, one per target table.
///
/// # Errors
/// `Unreadable` if the key has no counterpart in the target.
pub fn items_of(layout: &Layout, key: &Key, replayed: Option<Version>) -> Result<Vec<RepairItem>> {
    let mut items = Vec::with_capacity(layout.targets().len());
    for (target, table) in layout.targets().iter().enumerate() {
        let mut keys = Batch::new(Arc::clone(table.key_schema()));
        table.project_key(key, &mut keys)?;
        let instance = table.instance_of_key(&keys.row(0))?;
        items.push(RepairItem { target, instance, key: key.clone(), replayed });
    }
    Ok(items)
}

impl Repairer {
    /// Repairs records of one source table. What lies in the same instance is done in one step.
    ///
    /// # Errors
    /// `Busy` if live writes kept overtaking some of them; those of source, queue and target. What
    /// was repaired before an error stays repaired; all of it may be repaired again.
    pub async fn repair(&self, layout: &Layout, items: &[RepairItem]) -> Result<Repaired> {
        self.rounds(layout, items, None).await
    }

    /// Replays a dead letter on records whose guards cannot decide: as [`repair`](Self::repair),
    /// once the source shows the letter, which may be before the target's position passes it.
    ///
    /// # Errors
    /// As [`repair`](Self::repair).
    pub async fn replay(
        &self,
        layout: &Layout,
        items: &[RepairItem],
        letter: &LetterEnd,
    ) -> Result<Repaired> {
        self.rounds(layout, items, Some(letter)).await
    }

    async fn rounds(
        &self,
        layout: &Layout,
        items: &[RepairItem],
        letter: Option<&LetterEnd>,
    ) -> Result<Repaired> {
        let mut report = Repaired::default();
        let mut open = items.to_vec();
        open.sort();
        open.dedup();
        for _ in 0..ROUNDS_MAX {
            if open.is_empty() {
                return Ok(report);
            }
            open = self.round(layout, &open, letter, &mut report).await?;
            report.redone += u64::try_from(open.len()).unwrap_or(u64::MAX);
        }
        if open.is_empty() {
            return Ok(report);
        }
        Err(Error::new(ErrorKind::Busy, "repair records: live writes kept overtaking it")
            .with("table", &layout.source().table)
            .with("records", open.len())
            .with("first key", &open[0].key)
            .hint("repair again; the rest is repaired"))
    }

    /// One try at all items: lease, barrier, read, write. Returns those to redo.
    async fn round(
        &self,
        layout: &Layout,
        items: &[RepairItem],
        letter: Option<&LetterEnd>,
        report: &mut Repaired,
    ) -> Result<Vec<RepairItem>> {
        let source_table = layout.source().table.as_str();
        let lease = Token::new().0;
        let mut groups: BTreeMap<(usize, usize), Vec<&RepairItem>> = BTreeMap::new();
        for item in items {
            groups.entry((item.instance, item.target)).or_default().push(item);
        }
        for (&(instance, target), group) in &groups {
            let keys: Vec<Key> = group.iter().map(|item| item.key.clone()).collect();
            let table = &layout.targets()[target].schema().table;
            self.targets[instance].place_lease(source_table, table, &keys, lease).await?;
        }
        crate::fault::point("repair.leased");
        source_barrier(self.queue.as_ref(), &self.targets, letter, self.barrier).await?;
        let mut keys: Vec<Key> = items.iter().map(|item| item.key.clone()).collect();
        keys.sort_unstable();
        keys.dedup();
        let rows = self.source.read(layout.source(), &keys).await?;
        crate::fault::point("repair.read");
        let found = places(&rows)?;
        let mut redo = Vec::new();
        for (&(instance, target), group) in &groups {
            let step = step(layout, instance, target, group, &rows, &found)?;
            let decisions = self.targets[instance]
                .repair(&RepairStep {
                    source_table,
                    target: &layout.targets()[target],
                    lease,
                    entries: &step.entries,
                    records: &step.records,
                    keys: &step.keys,
                })
                .await?;
            for ((item, entry), decision) in group.iter().zip(&step.entries).zip(decisions) {
                match (decision, entry.row) {
                    (Repair::Redo, _) => redo.push((*item).clone()),
                    (Repair::Write, SourceRow::Present(_)) => report.written += 1,
                    (Repair::Write, SourceRow::Absent(_)) => report.removed += 1,
                }
            }
            crate::fault::point("repair.written");
        }
        Ok(redo)
    }
}

/// Where in `rows` each key is.
fn places(rows: &Batch) -> Result<HashMap<Key, usize>> {
    rows.rows().enumerate().map(|(place, row)| Ok((row.key()?, place))).collect()
}

/// The entries of one group with what they refer to.
struct GroupStep {
    entries: Vec<RepairEntry>,
    records: Batch,
    keys: Batch,
}

fn step(
    layout: &Layout,
    instance: usize,
    target: usize,
    group: &[&RepairItem],
    rows: &Batch,
    found: &HashMap<Key, usize>,
) -> Result<GroupStep> {
    let table = &layout.targets()[target];
    let mut step = GroupStep {
        entries: Vec::with_capacity(group.len()),
        records: Batch::new(Arc::clone(table.schema())),
        keys: Batch::new(Arc::clone(table.key_schema())),
    };
    for item in group {
        let mut row = None;
        if let Some(&place) = found.get(&item.key) {
            table.project_row(&rows.row(place), &mut step.records)?;
            let last = step.records.len() - 1;
            // A record that belongs to another instance is removed from this one.
            if table.instance_of(&step.records.row(last))? == instance {
                row = Some(last);
            } else {
                step.records.truncate(last);
            }
        }
        let row = match row {
            Some(place) => SourceRow::Present(place),
            None => {
                table.project_key(&item.key, &mut step.keys)?;
                SourceRow::Absent(step.keys.len() - 1)
            }
        };
        let entry = RepairEntry {
            key: item.key.clone(),
            row,
            source_version: None,
            replayed: item.replayed,
        };
        step.entries.push(entry);
    }
    Ok(step)
}
