//! One side in its own order, the other by look-up.

use super::Pair;
use crate::cursor::Cursor;
use crate::suspect::{Chunk, Reached, Suspect};
use migration::batch::Batch;
use migration::error::Result;
use migration::key::Key;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// A walk over the source that looks every record up in the target: finds what is missing or
/// different.
#[derive(Debug)]
pub(crate) struct SourceProbe {
    pair: Pair,
    source: Cursor,
}

impl SourceProbe {
    pub(super) fn new(pair: Pair, reached: &Reached) -> Self {
        let after = match reached {
            Reached::After { key, .. } => key.clone(),
            Reached::Start | Reached::End => None,
        };
        let schema = Arc::clone(pair.layout.source());
        let source = Cursor::new(Arc::clone(&pair.source), schema, after, pair.limit);
        Self { pair, source }
    }

    pub(super) async fn next(&mut self) -> Result<Chunk> {
        let rows = self.source.take().await?;
        let Some(last) = rows.len().checked_sub(1) else {
            return Ok(Chunk { reached: Some(Reached::End), ..Chunk::default() });
        };
        let key = Some(rows.row(last).key()?);
        let mut chunk = Chunk::of(&rows, Reached::After { instance: 0, key });
        for (instance, expected) in self.spread(&rows)?.into_iter().enumerate() {
            if !expected.is_empty() {
                self.look_up(instance, &expected, &mut chunk).await?;
            }
        }
        Ok(chunk)
    }

    /// The records of the batch that are in scope, as the target should hold them, by instance.
    fn spread(&self, rows: &Batch) -> Result<Vec<Batch>> {
        let pair = &self.pair;
        let empty = || Batch::new(Arc::clone(pair.target.schema()));
        let mut expected: Vec<Batch> = pair.targets.iter().map(|_| empty()).collect();
        let mut projected = empty();
        for row in rows.rows() {
            if !pair.scope.is_everything() && !pair.scope.contains(&pair.layout, &row.key()?)? {
                continue;
            }
            projected.clear();
            pair.target.project_row(&row, &mut projected)?;
            let instance = pair.target.instance_of(&projected.row(0))?;
            expected[instance].push_row(projected.row(0));
        }
        Ok(expected)
    }

    async fn look_up(&self, instance: usize, expected: &Batch, chunk: &mut Chunk) -> Result<()> {
        let keys: Vec<Key> = expected.rows().map(|row| row.key()).collect::<Result<_>>()?;
        let found = self.pair.targets[instance].read(self.pair.target.schema(), &keys).await?;
        let by_key: HashMap<Key, usize> = (0..found.len())
            .map(|index| Ok((found.row(index).key()?, index)))
            .collect::<Result<_>>()?;
        for (row, key) in expected.rows().zip(&keys) {
            chunk.compared += 1;
            let same = by_key.get(key).is_some_and(|&at| found.row(at).bytes() == row.bytes());
            if !same {
                let key = self.pair.target.range_key(&row)?;
                chunk.suspects.push(Suspect { instance, key });
            }
        }
        Ok(())
    }
}

/// A walk over the target that looks every record's key up in the source: finds what is only
/// there, or on the wrong instance.
#[derive(Debug)]
pub(crate) struct TargetProbe {
    pair: Pair,
    instance: usize,
    target: Option<Cursor>,
    after: Option<Key>,
}

impl TargetProbe {
    pub(super) fn new(pair: Pair, reached: &Reached) -> Self {
        let (instance, after) = match reached {
            Reached::After { instance, key } => (*instance, key.clone()),
            Reached::Start | Reached::End => (0, None),
        };
        Self { pair, instance, target: None, after }
    }

    pub(super) async fn next(&mut self) -> Result<Chunk> {
        let Some(store) = self.pair.targets.get(self.instance) else {
            return Ok(Chunk { reached: Some(Reached::End), ..Chunk::default() });
        };
        let rows = self
            .target
            .get_or_insert_with(|| {
                let schema = Arc::clone(self.pair.target.schema());
                Cursor::new(Arc::clone(store) as _, schema, self.after.take(), self.pair.limit)
            })
            .take()
            .await?;
        let Some(last) = rows.len().checked_sub(1) else {
            self.instance += 1;
            self.target = None;
            let reached = Some(Reached::After { instance: self.instance, key: None });
            return Ok(Chunk { reached, ..Chunk::default() });
        };
        let key = Some(rows.row(last).key()?);
        let mut chunk = Chunk::of(&rows, Reached::After { instance: self.instance, key });
        self.look_up(&rows, &mut chunk).await?;
        Ok(chunk)
    }

    async fn look_up(&self, rows: &Batch, chunk: &mut Chunk) -> Result<()> {
        let pair = &self.pair;
        let mut keys = Vec::with_capacity(rows.len());
        for row in rows.rows() {
            let key = pair.target.range_key(&row)?;
            if pair.scope.contains(&pair.layout, &key)? {
                keys.push((key, pair.target.instance_of(&row)? == self.instance));
            }
        }
        let asked: Vec<Key> = keys.iter().map(|(key, _)| key.clone()).collect();
        let found = pair.source.read(pair.layout.source_keys(), &asked).await?;
        let found: HashSet<Key> = found.rows().map(|row| row.key()).collect::<Result<_>>()?;
        for (key, in_place) in keys {
            // A record that the source has was counted by the walk over the source.
            if !(in_place && found.contains(&key)) {
                chunk.compared += 1;
                chunk.suspects.push(Suspect { instance: self.instance, key });
            }
        }
        Ok(())
    }
}
