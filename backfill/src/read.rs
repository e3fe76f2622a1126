//! Reads one batch: bound, lock, read, project.

use crate::agenda::{Agenda, Task};
use crate::copier::{Copier, Counters};
use crate::scatter::scatter;
use migration::batch::Batch;
use migration::error::Result;
use migration::fault;
use migration::key::Key;
use migration::lock::Token;
use migration::protocol::Progress;
use migration::store::{CopyWrites, ReadLimit};

/// A batch that was read and waits to be written.
#[derive(Debug)]
pub(crate) struct Ready {
    pub(crate) task: Task,
    /// The lock it was read under; `None` where it went without.
    pub(crate) token: Option<Token>,
    /// First and last key of the records read.
    pub(crate) span: Option<(Key, Key)>,
    /// The records, by instance and target table.
    pub(crate) parts: Vec<Vec<CopyWrites>>,
}

/// What reading came to.
#[derive(Debug)]
pub(crate) enum Read {
    Ready(Box<Ready>),
    /// The lock was refused; the interval waits.
    Deferred,
    /// The source holds no more of the range.
    End,
}

/// Reads one range of the source.
#[derive(Debug)]
pub(crate) struct Reader<'a> {
    copier: &'a Copier,
    after: Option<&'a Key>,
    until: Option<&'a Key>,
    /// Encoded size of a record, as read so far: turns the bound in bytes into one in rows.
    row_bytes: usize,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(copier: &'a Copier, after: Option<&'a Key>, until: Option<&'a Key>) -> Self {
        Self { copier, after, until, row_bytes: 0 }
    }

    /// Reads the interval of `task`, under its lock.
    pub(crate) async fn read(&mut self, agenda: &mut Agenda, mut task: Task) -> Result<Read> {
        let limit = self.limit();
        let Some(entities) = self.entities(agenda, &mut task, limit).await? else {
            return Ok(Read::End);
        };
        let token = if task.is_overdue() {
            Counters::add(&self.copier.counters.unlocked, 1);
            None
        } else {
            let Some(token) = self.lock(&entities).await else {
                Counters::add(&self.copier.counters.later, 1);
                agenda.defer(task);
                return Ok(Read::Deferred);
            };
            Some(token)
        };
        fault::point("backfill.locked");
        // The rows are read after the lock: whoever changes one from here on sees it.
        let layout = &self.copier.layout;
        let lower = self.lower(&task);
        let rows =
            self.copier.source.scan(layout.source(), lower, task.bound.as_ref(), limit).await?;
        fault::point("backfill.read");
        self.account(agenda, &mut task, limit, &rows)?;
        let rows = self.sampled(rows)?;
        let span = match (rows.is_empty(), rows.len()) {
            (true, _) => None,
            (false, count) => Some((rows.row(0).key()?, rows.row(count - 1).key()?)),
        };
        let parts = scatter(layout, &rows, self.copier.targets.len())?;
        Ok(Read::Ready(Box::new(Ready { task, token, span, parts })))
    }

    /// The entities of the interval (or its two ends, for a lock that takes intervals), and its
    /// bound if the source has not been asked yet. `None` at the end of the range.
    async fn entities(
        &self,
        agenda: &mut Agenda,
        task: &mut Task,
        limit: ReadLimit,
    ) -> Result<Option<Vec<Key>>> {
        let layout = &self.copier.layout;
        let until = task.bound.as_ref().or(self.until);
        let keys = layout.source_keys();
        let keys = self.copier.source.scan(keys, self.lower(task), until, limit).await?;
        if task.bound.is_none() {
            if keys.is_empty() {
                agenda.found(task, None);
                return Ok(None);
            }
            agenda.found(task, Some(keys.row(keys.len() - 1).key()?));
        }
        self.ends(&keys).map(Some)
    }

    /// The bounds of the next batch: the one in bytes as one in rows too, so that the keys that are
    /// locked are the records that are read.
    fn limit(&self) -> ReadLimit {
        let limit = self.copier.pace.batch();
        let by_bytes = limit.bytes_max.checked_div(self.row_bytes).unwrap_or(limit.rows_max);
        ReadLimit { rows_max: limit.rows_max.min(by_bytes).max(1), bytes_max: limit.bytes_max }
    }

    fn lower<'t>(&'t self, task: &'t Task) -> Option<&'t Key> {
        match &task.lower {
            Progress::After(key) => Some(key),
            Progress::Start | Progress::End => self.after,
        }
    }

    fn ends(&self, keys: &Batch) -> Result<Vec<Key>> {
        let layout = &self.copier.layout;
        let mut entities: Vec<Key> = Vec::new();
        let interval = self.copier.lock.locks_intervals();
        for (index, row) in keys.rows().enumerate() {
            if interval && index > 0 && index + 1 < keys.len() {
                continue;
            }
            let entity = layout.entity(&row.key()?)?;
            if entities.last() != Some(&entity) {
                entities.push(entity);
            }
        }
        Ok(entities)
    }

    /// Locks the entities; `None` if one is refused, or the lock store fails: it is advisory.
    async fn lock(&self, entities: &[Key]) -> Option<Token> {
        let token = Token::new();
        let table = &self.copier.layout.source().table;
        let lock = &self.copier.lock;
        match lock.acquire(table, entities, token, self.copier.lease).await {
            Ok(granted) if granted.iter().all(|&granted| granted) => return Some(token),
            Ok(_) => {}
            Err(error) => tracing::debug!(error = %error, "key lock not available"),
        }
        if let Err(error) = lock.release(table, token).await {
            tracing::debug!(error = %error, "key lock not released; its lease ends it");
        }
        None
    }

    fn account(
        &mut self,
        agenda: &mut Agenda,
        task: &mut Task,
        limit: ReadLimit,
        rows: &Batch,
    ) -> Result<()> {
        if rows.is_empty() {
            return Ok(());
        }
        let last = rows.row(rows.len() - 1).key()?;
        let full = rows.len() >= limit.rows_max || rows.byte_count() >= limit.bytes_max;
        if full && task.bound.as_ref().is_some_and(|bound| last < *bound) {
            agenda.cut(task, last);
        }
        self.row_bytes = (rows.byte_count() / rows.len()).max(1);
        self.copier.pace.took(rows.len());
        Counters::add_len(&self.copier.counters.read, rows.len());
        Counters::add_len(&self.copier.counters.bytes, rows.byte_count());
        Ok(())
    }

    fn sampled(&self, rows: Batch) -> Result<Batch> {
        let Some(sample) = self.copier.sample else {
            return Ok(rows);
        };
        let mut kept = Batch::new(std::sync::Arc::clone(rows.schema()));
        for row in rows.rows() {
            if sample.contains(&self.copier.layout.entity(&row.key()?)?) {
                kept.push_row(row);
            }
        }
        Ok(kept)
    }
}
