//! From changes of source records to writes on each instance of the target.

use crate::batch::Batch;
use crate::decode::{Change, Changes, TableChanges};
use crate::error::Result;
use crate::key::Key;
use crate::layout::TargetLayout;
use crate::position::Version;
use crate::protocol::Effect;
use crate::store::{LiveEntry, LiveWrites};
use std::sync::Arc;

/// The entities of one source table that a batch touches, each once.
pub type Touched = (Arc<str>, Vec<Key>);

/// Writes of a batch by instance, with the entities they touch.
#[derive(Debug)]
pub struct Routed {
    /// By instance, then by target table; tables without a change are left out.
    pub writes: Vec<Vec<LiveWrites>>,
    /// The entities touched, by source table.
    pub touched: Vec<Touched>,
    /// Changes that have no exact counterpart in the target: (table, change), with the reason.
    pub rejected: Vec<Rejected>,
}

/// A change that has no exact counterpart in the target.
#[derive(Debug)]
pub struct Rejected {
    /// Index of its table in [`Changes::tables`].
    pub table: usize,
    /// Index of its message in the batch.
    pub message: usize,
    /// Its place among the changes of its message.
    pub index: u32,
    /// Its place in the source's commit order.
    pub version: Version,
    /// The record's source key.
    pub key: Key,
    /// Why.
    pub error: crate::error::Error,
}

/// Routes the changes of a batch to `instances`.
///
/// # Errors
/// `Unreadable` if a key that was decoded cannot be cut to its entity.
pub fn route(changes: &Changes, instances: usize) -> Result<Routed> {
    let mut routed = Routed {
        writes: (0..instances).map(|_| Vec::new()).collect(),
        touched: Vec::new(),
        rejected: Vec::new(),
    };
    for (place, table) in changes.tables.iter().enumerate() {
        if table.changes.is_empty() {
            continue;
        }
        let source_table: Arc<str> = table.layout.source().table.as_str().into();
        let mut slots = Slots::new(table, &source_table, instances);
        let mut entities = Vec::with_capacity(table.changes.len());
        for change in &table.changes {
            if let Err(error) = slots.push(table, change) {
                routed.rejected.push(Rejected {
                    table: place,
                    message: change.message,
                    index: change.index,
                    version: change.version,
                    key: change.key.clone(),
                    error,
                });
                continue;
            }
            entities.push(table.layout.entity(&change.key)?);
        }
        entities.sort_unstable();
        entities.dedup();
        routed.touched.push((source_table, entities));
        for (part, writes) in routed.writes.iter_mut().zip(slots.writes) {
            part.extend(writes.into_iter().filter(|writes| !writes.entries.is_empty()));
        }
    }
    Ok(routed)
}

/// The writes of one source table while they are filled.
struct Slots {
    /// By instance, then by target table.
    writes: Vec<Vec<LiveWrites>>,
    /// One record or key per target table, before it is known whether all of them can be made.
    records: Vec<Batch>,
    keys: Vec<Batch>,
}

impl Slots {
    fn new(table: &TableChanges, source_table: &Arc<str>, instances: usize) -> Self {
        let targets = table.layout.targets();
        let empty = |target: &Arc<TargetLayout>| LiveWrites {
            source_table: Arc::clone(source_table),
            target: Arc::clone(target),
            entries: Vec::new(),
            records: Batch::new(Arc::clone(target.schema())),
            keys: Batch::new(Arc::clone(target.key_schema())),
        };
        let batch = |schema: &Arc<crate::batch::Schema>| Batch::new(Arc::clone(schema));
        Self {
            writes: (0..instances).map(|_| targets.iter().map(empty).collect()).collect(),
            records: targets.iter().map(|target| batch(target.schema())).collect(),
            keys: targets.iter().map(|target| batch(target.key_schema())).collect(),
        }
    }

    /// Adds a change to every target table, or to none.
    fn push(&mut self, table: &TableChanges, change: &Change) -> Result<()> {
        let targets = table.layout.targets();
        self.records.iter_mut().chain(&mut self.keys).for_each(Batch::clear);
        for (place, target) in targets.iter().enumerate() {
            match change.effect {
                Effect::Delete => target.project_key(&change.key, &mut self.keys[place])?,
                Effect::Set | Effect::Delta => {
                    let row = table.records.row(change.row);
                    target.project_row(&row, &mut self.records[place])?;
                }
            }
        }
        for (place, target) in targets.iter().enumerate() {
            let instance = match change.effect {
                Effect::Delete => target.instance_of_key(&self.keys[place].row(0))?,
                Effect::Set | Effect::Delta => target.instance_of(&self.records[place].row(0))?,
            };
            let writes = &mut self.writes[instance][place];
            let row = match change.effect {
                Effect::Delete => {
                    writes.keys.push_row(self.keys[place].row(0));
                    writes.keys.len() - 1
                }
                Effect::Set | Effect::Delta => {
                    writes.records.push_row(self.records[place].row(0));
                    writes.records.len() - 1
                }
            };
            writes.entries.push(LiveEntry {
                key: change.key.clone(),
                version: change.version,
                position: change.position,
                effect: change.effect,
                row,
            });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::route;
    use crate::batch::Batch;
    use crate::decode::{Change, Changes, TableChanges};
    use crate::position::{Position, Version};
    use crate::protocol::Effect;
    use crate::testing::{World, key};
    use crate::value::Value;
    use std::sync::Arc;

    #[tokio::test]
    async fn every_change_reaches_each_target_table_once_where_its_record_lives() {
        let world = World::new(3).await.unwrap();
        let layout = Arc::clone(&world.layout);
        let mut records = Batch::new(Arc::clone(layout.source()));
        let mut changes = Vec::new();
        for number in 0..40_u8 {
            let (followed, follower) = (format!("u{}", number % 7), format!("f{number}"));
            let effect = if number % 3 == 0 { Effect::Delete } else { Effect::Set };
            if effect == Effect::Set {
                for value in
                    [Value::Text(&followed), Value::Text(&follower), Value::Int(number.into())]
                {
                    records.push(value).unwrap();
                }
            }
            changes.push(Change {
                key: key(&followed, &follower).unwrap(),
                version: Version::new(&[number]).unwrap(),
                position: Position::new(&[number]).unwrap(),
                message: usize::from(number),
                index: 0,
                effect,
                row: records.len().saturating_sub(1),
            });
        }
        let tables = vec![TableChanges { layout: Arc::clone(&layout), changes, records }];
        let changes = Changes { tables, ..Changes::none(&[]) };
        let routed = route(&changes, 3).unwrap();
        assert!(routed.rejected.is_empty());
        assert_eq!(routed.touched[0].1.len(), 7, "each entity once");
        for target in layout.targets() {
            let mut versions = Vec::new();
            for (instance, part) in routed.writes.iter().enumerate() {
                let of_table = |w: &&crate::store::LiveWrites| {
                    w.target.schema().table == target.schema().table
                };
                for writes in part.iter().filter(of_table) {
                    for row in writes.records.rows() {
                        assert_eq!(target.instance_of(&row).unwrap(), instance);
                    }
                    versions.extend(writes.entries.iter().map(|entry| entry.version));
                }
            }
            versions.sort_unstable();
            versions.dedup();
            assert_eq!(versions.len(), 40);
        }
    }
}
