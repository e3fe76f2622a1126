//! A transaction in memory: the only one at its time, with notes of what to take back.

use super::state::{GuardKey, Side, State};
use super::table::Record;
use crate::batch::{Row, Schema};
use crate::error::{Error, ErrorKind, Result};
use crate::key::Key;
use crate::position::Version;
use crate::protocol::{Kind, Partition, Range};
use crate::store::{Access, FoundGuard, GuardRow, GuardTable, GuardWrite, LockMode, Transaction};
use async_trait::async_trait;
use tokio::sync::OwnedRwLockWriteGuard;

/// What was there before one change.
#[derive(Debug)]
enum Undo {
    Partition(String, Option<Partition>),
    Range((String, Option<Key>), Option<Range>),
    Guard(GuardKey, Option<GuardRow>),
    Record(String, Key, Option<Record>),
}

#[derive(Debug)]
pub(super) struct MemoryTransaction {
    state: OwnedRwLockWriteGuard<State>,
    migration: String,
    access: Access,
    undo: Vec<Undo>,
}

impl MemoryTransaction {
    pub(super) fn begin(
        state: OwnedRwLockWriteGuard<State>,
        migration: &str,
        access: Access,
    ) -> Self {
        Self { state, migration: migration.to_owned(), access, undo: Vec::new() }
    }

    fn side(&mut self) -> &mut Side {
        self.state.side.entry(self.migration.clone()).or_default()
    }

    fn writes(&self) -> Result<()> {
        if self.access == Access::Read {
            return Err(Error::new(ErrorKind::Failed, "write in a transaction that only reads"));
        }
        Ok(())
    }

    fn take_back(&mut self, undo: Undo) {
        match undo {
            Undo::Partition(key, old) => put_back(&mut self.side().partitions, key, old),
            Undo::Range(key, old) => put_back(&mut self.side().ranges, key, old),
            Undo::Guard(key, old) => put_back(&mut self.side().guards, key, old),
            Undo::Record(table, key, old) => {
                if let Ok(table) = self.state.table_mut(&table) {
                    table.put_back(key, old);
                }
            }
        }
    }
}

fn put_back<K: Ord, V>(map: &mut std::collections::BTreeMap<K, V>, key: K, old: Option<V>) {
    match old {
        Some(value) => drop(map.insert(key, value)),
        None => drop(map.remove(&key)),
    }
}

impl Drop for MemoryTransaction {
    fn drop(&mut self) {
        while let Some(undo) = self.undo.pop() {
            self.take_back(undo);
        }
    }
}

#[async_trait]
impl Transaction for MemoryTransaction {
    async fn partition(&mut self, partition: &str) -> Result<Option<Partition>> {
        Ok(self.side().partitions.get(partition).copied())
    }

    async fn put_partition(&mut self, partition: &str, row: &Partition) -> Result<()> {
        self.writes()?;
        let old = self.side().partitions.insert(partition.to_owned(), *row);
        self.undo.push(Undo::Partition(partition.to_owned(), old));
        Ok(())
    }

    async fn ranges(
        &mut self,
        table: &str,
        after: Option<&Key>,
        limit: usize,
    ) -> Result<Vec<Range>> {
        let of_table = |range: &(&(String, Option<Key>), &Range)| range.0.0 == table;
        let beyond = |range: &Range| after.is_none_or(|after| range.after.as_ref() > Some(after));
        let ranges = self.side().ranges.iter().filter(of_table).map(|(_, range)| range);
        Ok(ranges.filter(|range| beyond(range)).take(limit).cloned().collect())
    }

    async fn lock_range(
        &mut self,
        table: &str,
        after: Option<&Key>,
        _mode: LockMode,
    ) -> Result<Option<Range>> {
        Ok(self.side().ranges.get(&(table.to_owned(), after.cloned())).cloned())
    }

    async fn lock_ranges(
        &mut self,
        table: &str,
        first: &Key,
        last: &Key,
        _mode: LockMode,
    ) -> Result<Vec<Range>> {
        let meets = |range: &Range| {
            range.after.as_ref().is_none_or(|after| after < last)
                && range.until.as_ref().is_none_or(|until| until >= first)
        };
        let ranges = self.side().ranges.iter().filter(|((of, _), _)| of == table);
        Ok(ranges.map(|(_, range)| range).filter(|range| meets(range)).cloned().collect())
    }

    async fn put_range(&mut self, table: &str, range: &Range) -> Result<()> {
        self.writes()?;
        let key = (table.to_owned(), range.after.clone());
        let old = self.side().ranges.insert(key.clone(), range.clone());
        self.undo.push(Undo::Range(key, old));
        Ok(())
    }

    async fn guards(
        &mut self,
        table: GuardTable<'_>,
        keys: &[&Key],
    ) -> Result<Vec<Option<GuardRow>>> {
        let guards = &self.side().guards;
        Ok(keys.iter().map(|key| guards.get(&guard_key(table, key)).copied()).collect())
    }

    async fn guards_between(
        &mut self,
        source_table: &str,
        first: &Key,
        last: &Key,
        limit: usize,
    ) -> Result<Vec<FoundGuard>> {
        let from = (source_table.to_owned(), first.clone(), String::new());
        let found = self.side().guards.range(from..);
        let inside = found.take_while(|((of, key, _), _)| of == source_table && key <= last);
        let found = inside.take(limit).map(|((_, key, target), row)| FoundGuard {
            key: key.clone(),
            target_table: target.clone(),
            row: *row,
        });
        Ok(found.collect())
    }

    /// There is one writer at a time: they are as they were read.
    async fn put_guards(&mut self, table: GuardTable<'_>, writes: &[GuardWrite<'_>]) -> Result<()> {
        self.writes()?;
        for write in writes {
            let key = guard_key(table, write.key);
            let old = self.side().guards.insert(key.clone(), write.row);
            self.undo.push(Undo::Guard(key, old));
        }
        Ok(())
    }

    async fn delete_guards(
        &mut self,
        source_table: &str,
        range: &Range,
        below: &Version,
        limit: usize,
    ) -> Result<u64> {
        self.writes()?;
        let goes = |key: &GuardKey, row: &GuardRow| {
            in_range(source_table, range, key)
                && row.guard.kind != Kind::Dirty
                && row.guard.version <= *below
        };
        let keys: Vec<GuardKey> = self
            .side()
            .guards
            .iter()
            .filter(|(key, row)| goes(key, row))
            .take(limit)
            .map(|(key, _)| key.clone())
            .collect();
        let count = u64::try_from(keys.len()).unwrap_or(u64::MAX);
        for key in keys {
            let old = self.side().guards.remove(&key);
            self.undo.push(Undo::Guard(key, old));
        }
        Ok(count)
    }

    async fn count_dirty(&mut self, source_table: &str, range: &Range) -> Result<u64> {
        let is_dirty = |(key, row): &(&GuardKey, &GuardRow)| {
            in_range(source_table, range, key) && row.guard.kind == Kind::Dirty
        };
        let count = self.side().guards.iter().filter(is_dirty).count();
        Ok(u64::try_from(count).unwrap_or(u64::MAX))
    }

    async fn insert_absent(&mut self, schema: &Schema, records: &[Row<'_>]) -> Result<u64> {
        let mut inserted = 0;
        for row in records {
            if !self.state.table(&schema.table)?.contains(&row.key()?) {
                self.upsert(schema, std::slice::from_ref(row)).await?;
                inserted += 1;
            }
        }
        Ok(inserted)
    }

    async fn upsert(&mut self, schema: &Schema, records: &[Row<'_>]) -> Result<()> {
        self.writes()?;
        let table = self.state.table_mut(&schema.table)?;
        let columns = table.columns_of(schema)?;
        for row in records {
            let (key, old) = table.put(&columns, row)?;
            self.undo.push(Undo::Record(schema.table.clone(), key, old));
        }
        Ok(())
    }

    async fn delete(&mut self, schema: &Schema, keys: &[Row<'_>]) -> Result<()> {
        self.writes()?;
        let table = self.state.table_mut(&schema.table)?;
        for row in keys {
            let key = row.key()?;
            let old = table.remove(&key);
            self.undo.push(Undo::Record(schema.table.clone(), key, old));
        }
        Ok(())
    }

    async fn commit(mut self: Box<Self>) -> Result<()> {
        if self.access == Access::SetUp {
            self.side().is_set_up = true;
        }
        self.undo.clear();
        if self.access == Access::Read {
            return Ok(());
        }
        match self.state.answers_left.take() {
            Some(0) => Err(Error::new(ErrorKind::UnknownOutcome, "commit")),
            left => {
                self.state.answers_left = left.map(|left| left - 1);
                Ok(())
            }
        }
    }
}

fn guard_key(table: GuardTable<'_>, key: &Key) -> GuardKey {
    (table.source_table.to_owned(), key.clone(), table.target_table.to_owned())
}

fn in_range(source_table: &str, range: &Range, (of, key, _): &GuardKey) -> bool {
    of == source_table && range.contains(key)
}
