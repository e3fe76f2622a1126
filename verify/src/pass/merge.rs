//! Both sides in one order, at once.

use super::Pair;
use crate::cursor::Cursor;
use crate::suspect::{Chunk, Reached, Suspect};
use migration::batch::{Batch, Row};
use migration::error::Result;
use migration::key::Key;
use std::sync::Arc;

/// How far a walk over the target goes.
#[derive(Debug, Clone, Copy)]
enum Until<'a> {
    /// To the record before this key.
    Before(&'a Key),
    /// To this key.
    UpTo(&'a Key),
    /// To the end of the table.
    End,
}

impl Until<'_> {
    fn includes(self, key: &Key) -> bool {
        match self {
            Self::Before(until) => key < until,
            Self::UpTo(until) => key <= until,
            Self::End => true,
        }
    }
}

/// A walk over the source and every instance of the target in key order.
///
/// Two records of one key are the same record exactly when their bytes are equal, so a record that
/// is as it should be costs one comparison of memory; keys are made only where the walks disagree.
#[derive(Debug)]
pub(crate) struct Merge {
    pair: Pair,
    source: Cursor,
    targets: Vec<Cursor>,
    projected: Batch,
}

impl Merge {
    pub(super) fn new(pair: Pair, reached: &Reached) -> Self {
        let after = match reached {
            Reached::After { key, .. } => key.clone(),
            Reached::Start | Reached::End => None,
        };
        let source = Cursor::new(
            Arc::clone(&pair.source),
            Arc::clone(pair.layout.source()),
            after.clone(),
            pair.limit,
        );
        let targets = pair
            .targets
            .iter()
            .map(|target| {
                let schema = Arc::clone(pair.target.schema());
                Cursor::new(Arc::clone(target) as _, schema, after.clone(), pair.limit)
            })
            .collect();
        let projected = Batch::new(Arc::clone(pair.target.schema()));
        Self { pair, source, targets, projected }
    }

    /// Compares the next batch of the source with what the target has up to its last key.
    pub(super) async fn next(&mut self) -> Result<Chunk> {
        let rows = self.source.take().await?;
        let Some(last) = rows.len().checked_sub(1) else {
            let mut chunk = Chunk { reached: Reached::End, ..Chunk::default() };
            for instance in 0..self.targets.len() {
                self.pass_extras(instance, Until::End, &mut chunk).await?;
            }
            return Ok(chunk);
        };
        let last = rows.row(last).key()?;
        let reached = Reached::After { instance: 0, key: Some(last.clone()) };
        let mut chunk = Chunk::of(&rows, reached);
        for row in rows.rows() {
            self.compare(&row, &mut chunk).await?;
        }
        for instance in 0..self.targets.len() {
            self.pass_extras(instance, Until::UpTo(&last), &mut chunk).await?;
        }
        Ok(chunk)
    }

    async fn compare(&mut self, row: &Row<'_>, chunk: &mut Chunk) -> Result<()> {
        if !self.is_in_scope(row)? {
            return Ok(());
        }
        self.projected.clear();
        self.pair.target.project_row(row, &mut self.projected)?;
        let expected = self.projected.row(0);
        let instance = self.pair.target.instance_of(&expected)?;
        chunk.compared += 1;
        self.targets[instance].fill().await?;
        if self.targets[instance].peek().is_some_and(|found| found.bytes() == expected.bytes()) {
            self.targets[instance].advance();
            return Ok(());
        }
        let key = row.key()?;
        self.pass_extras(instance, Until::Before(&key), chunk).await?;
        let same = match self.targets[instance].peek() {
            Some(found) if self.pair.target.range_key(&found)? == key => {
                found.bytes() == self.projected.row(0).bytes()
            }
            _ => {
                chunk.suspects.push(Suspect { instance, key });
                return Ok(());
            }
        };
        self.targets[instance].advance();
        if !same {
            chunk.suspects.push(Suspect { instance, key });
        }
        Ok(())
    }

    /// Goes past the target's records up to `until` on one instance: the source has none of them.
    async fn pass_extras(
        &mut self,
        instance: usize,
        until: Until<'_>,
        chunk: &mut Chunk,
    ) -> Result<()> {
        loop {
            let cursor = &mut self.targets[instance];
            cursor.fill().await?;
            let Some(found) = cursor.peek() else {
                return Ok(());
            };
            let key = self.pair.target.range_key(&found)?;
            if !until.includes(&key) {
                return Ok(());
            }
            cursor.advance();
            chunk.walked += 1;
            if self.pair.scope.contains(&self.pair.layout, &key)? {
                chunk.compared += 1;
                chunk.suspects.push(Suspect { instance, key });
            }
        }
    }

    fn is_in_scope(&self, row: &Row<'_>) -> Result<bool> {
        if self.pair.scope.is_everything() {
            return Ok(true);
        }
        self.pair.scope.contains(&self.pair.layout, &row.key()?)
    }
}
