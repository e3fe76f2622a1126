//! What a comparison stands on: where the fences of the target were when it was made.
//!
//! A comparison holds for the moment it was made, in a run of one session as in one of many: live
//! writes go on either way, and the age of a verdict counts from its first comparison. What no run
//! may straddle is a target that lost something it had held: a tail, or everything since a backup.
//! Positions, generations, epochs and counted batches only grow, so a loss shows in them, unless
//! the live path and the copy have gone past the old marks before anybody looked. A run looks when
//! it begins, every few seconds, and before it judges.

use crate::run::Parts;
use migration::claim::instance_ranges;
use migration::error::{Error, ErrorKind, Result};
use migration::position::Position;
use migration::store::Target;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The marks of a moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Basis {
    /// Raised by the operator when the source was restored.
    source_epoch: u32,
    /// By the name of the instance.
    instances: BTreeMap<String, Marks>,
}

/// The marks of one instance.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Marks {
    /// By the name of the queue's partition.
    partitions: BTreeMap<String, PartitionMark>,
    /// By the name of the source table.
    tables: BTreeMap<String, TableMark>,
}

/// How far the live path is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct PartitionMark {
    /// Never changes, unless the instance was set up anew.
    start: Position,
    generation: u64,
    next: Position,
}

/// How far the copy is: sums over the ranges. A split makes each of them larger, so all of them
/// only grow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct TableMark {
    ranges: u64,
    epochs: u64,
    batches: u64,
}

impl Basis {
    /// Reads the marks.
    ///
    /// # Errors
    /// `Refused` if an instance is not set up; those of the queue and the target.
    pub(crate) async fn read(parts: &Parts) -> Result<Self> {
        let mut instances = BTreeMap::new();
        for target in &parts.targets {
            instances.insert(target.name().to_owned(), Marks::read(parts, target).await?);
        }
        Ok(Self { source_epoch: parts.source_epoch, instances })
    }

    /// What has been lost between these marks and later ones, in words.
    pub(crate) fn lost_until(&self, later: &Self) -> Option<String> {
        if self.source_epoch != later.source_epoch {
            return Some("the epoch of the source was changed".to_owned());
        }
        self.instances.iter().find_map(|(name, marks)| match later.instances.get(name) {
            Some(later) => marks.lost_until(later).map(|what| format!("{name} has lost {what}")),
            None => Some(format!("instance {name} is gone")),
        })
    }
}

impl Marks {
    async fn read(parts: &Parts, target: &Arc<dyn Target>) -> Result<Self> {
        let not_set_up = || {
            Error::new(ErrorKind::Refused, "compare: the target is not set up")
                .with("instance", target.name())
                .hint("run `dual-write set-up` first")
        };
        if !target.is_set_up().await? {
            return Err(not_set_up());
        }
        let mut marks = Self::default();
        for partition in parts.queue.partitions().await? {
            let found = target.partition(&partition).await?.ok_or_else(not_set_up)?;
            let mark = PartitionMark {
                start: found.start,
                generation: found.generation.number,
                next: found.next,
            };
            marks.partitions.insert(partition.to_string(), mark);
        }
        for layout in &parts.layouts {
            let table = &layout.source().table;
            let mut mark = TableMark { ranges: 0, epochs: 0, batches: 0 };
            for range in instance_ranges(target, table).await? {
                mark.ranges += 1;
                mark.epochs += range.epoch.number;
                mark.batches += range.batches;
            }
            marks.tables.insert(table.clone(), mark);
        }
        Ok(marks)
    }

    fn lost_until(&self, later: &Self) -> Option<String> {
        let partition = self.partitions.iter().find_map(|(name, was)| {
            let kept = later.partitions.get(name).is_some_and(|is| {
                is.start == was.start && is.generation >= was.generation && is.next >= was.next
            });
            (!kept).then(|| format!("live changes that it had applied (partition {name})"))
        });
        partition.or_else(|| {
            self.tables.iter().find_map(|(name, was)| {
                let kept = later.tables.get(name).is_some_and(|is| {
                    is.ranges >= was.ranges && is.epochs >= was.epochs && is.batches >= was.batches
                });
                (!kept).then(|| format!("a part of the copy that it had (table {name})"))
            })
        })
    }
}

/// Why a run ends whose target lost something while it was compared.
pub(crate) fn lost(what: &str) -> Error {
    Error::new(ErrorKind::Refused, "go on comparing: what was compared is no longer what is there")
        .with("because", what)
        .hint("let the live path and the copy catch up, then `verify run`: it begins anew")
}
