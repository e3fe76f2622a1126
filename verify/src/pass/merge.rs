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

/// How a walk ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Went {
    /// It is where it was to go.
    There,
    /// It is under way, and the chunk has as much as it may.
    Enough,
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
    /// The batch of the source that is being compared, and how many of its records have been.
    rows: Batch,
    compared: usize,
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
        let rows = Batch::new(Arc::clone(pair.layout.source()));
        let projected = Batch::new(Arc::clone(pair.target.schema()));
        Self { pair, source, targets, rows, compared: 0, projected }
    }

    /// Compares the next batch of the source with what the target has up to its last key, or a part
    /// of that: however many records only the target has, a chunk has few.
    pub(super) async fn next(&mut self) -> Result<Chunk> {
        let mut chunk = Chunk::default();
        if self.rows.is_empty() {
            self.rows = self.source.take().await?;
            self.compared = 0;
            chunk.walked = u64::try_from(self.rows.len()).unwrap_or(u64::MAX);
        }
        let rows =
            std::mem::replace(&mut self.rows, Batch::new(Arc::clone(self.pair.layout.source())));
        if self.compare_all(&rows, &mut chunk).await? == Went::Enough {
            self.rows = rows;
            return Ok(chunk);
        }
        chunk.reached = Some(match rows.len().checked_sub(1) {
            Some(last) => Reached::After { instance: 0, key: Some(rows.row(last).key()?) },
            None => Reached::End,
        });
        Ok(chunk)
    }

    /// Compares what is left of the batch, then goes to its last key on every instance: to the end
    /// where the source has ended.
    async fn compare_all(&mut self, rows: &Batch, chunk: &mut Chunk) -> Result<Went> {
        while self.compared < rows.len() {
            if self.compare(&rows.row(self.compared), chunk).await? == Went::Enough {
                return Ok(Went::Enough);
            }
            self.compared += 1;
        }
        let last = rows.len().checked_sub(1).map(|last| rows.row(last).key()).transpose()?;
        let until = last.as_ref().map_or(Until::End, Until::UpTo);
        for instance in 0..self.targets.len() {
            if self.pass_extras(instance, until, chunk).await? == Went::Enough {
                return Ok(Went::Enough);
            }
        }
        Ok(Went::There)
    }

    /// Compares a record, unless there are too many before it that only the target has.
    async fn compare(&mut self, row: &Row<'_>, chunk: &mut Chunk) -> Result<Went> {
        if !self.is_in_scope(row)? {
            return Ok(Went::There);
        }
        self.projected.clear();
        self.pair.target.project_row(row, &mut self.projected)?;
        let expected = self.projected.row(0);
        let instance = self.pair.target.instance_of(&expected)?;
        self.targets[instance].fill().await?;
        if self.targets[instance].peek().is_some_and(|found| found.bytes() == expected.bytes()) {
            chunk.compared += 1;
            self.targets[instance].advance();
            return Ok(Went::There);
        }
        let key = row.key()?;
        if self.pass_extras(instance, Until::Before(&key), chunk).await? == Went::Enough {
            return Ok(Went::Enough);
        }
        chunk.compared += 1;
        let same = match self.targets[instance].peek() {
            Some(found) if self.pair.target.range_key(&found)? == key => {
                found.bytes() == self.projected.row(0).bytes()
            }
            _ => {
                chunk.suspects.push(Suspect { instance, key });
                return Ok(Went::There);
            }
        };
        self.targets[instance].advance();
        if !same {
            chunk.suspects.push(Suspect { instance, key });
        }
        Ok(Went::There)
    }

    /// Goes past the target's records up to `until` on one instance: the source has none of them.
    async fn pass_extras(
        &mut self,
        instance: usize,
        until: Until<'_>,
        chunk: &mut Chunk,
    ) -> Result<Went> {
        // A batch of the source, and as many again that only the target has.
        let walked_max =
            u64::try_from(self.pair.limit.rows_max).unwrap_or(u64::MAX).saturating_mul(2);
        loop {
            let cursor = &mut self.targets[instance];
            cursor.fill().await?;
            let Some(found) = cursor.peek() else {
                return Ok(Went::There);
            };
            let key = self.pair.target.range_key(&found)?;
            if !until.includes(&key) {
                return Ok(Went::There);
            }
            if chunk.walked >= walked_max {
                return Ok(Went::Enough);
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
