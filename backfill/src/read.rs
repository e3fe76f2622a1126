//! Reads one batch: bound, lock, read, project.

mod sample;

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
    /// First and last entity that the lock covers.
    pub(crate) locked: Option<(Key, Key)>,
    /// First and last key of the records read.
    pub(crate) span: Option<(Key, Key)>,
    /// The records, by instance and target table.
    pub(crate) parts: Vec<Vec<CopyWrites>>,
    /// Source records that are dealt with once it is written: more than it holds, for a sample.
    pub(crate) passed: usize,
}

/// What reading came to.
#[derive(Debug)]
pub(crate) enum Read {
    Ready(Box<Ready>),
    /// The lock was refused; the interval waits.
    Deferred,
    /// The batch that is being written holds the lock on an entity of this one: to be locked and
    /// read as soon as that is given back.
    Wait(Box<Bounded>),
    /// The interval holds nothing that is to be copied.
    Nothing,
    /// The source holds no more of the range.
    End,
}

/// An interval whose bound and entities are known.
#[derive(Debug)]
pub(crate) struct Bounded {
    task: Task,
    /// Its entities in order, or its two ends for a lock that takes intervals.
    entities: Vec<Key>,
    /// What to read, if not all of the interval.
    only: Option<Only>,
}

/// What is read of an interval for a sample.
#[derive(Debug)]
struct Only {
    /// The keys of the records.
    keys: Vec<Key>,
    /// How many there are in the interval.
    of: usize,
}

impl Bounded {
    fn ends(&self) -> Option<(&Key, &Key)> {
        self.entities.first().zip(self.entities.last())
    }

    /// Whether an entity of it lies between two others, both included.
    fn meets(&self, locked: Option<&(Key, Key)>) -> bool {
        match (self.ends(), locked) {
            (Some((first, last)), Some((from, to))) => first <= to && from <= last,
            _ => false,
        }
    }
}

/// Span, parts and passed of a [`Ready`].
type Records = (Option<(Key, Key)>, Vec<Vec<CopyWrites>>, usize);

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

    /// Reads the interval of `task` under its lock. `busy`: the entities of the batch that is being
    /// written meanwhile.
    pub(crate) async fn read(
        &mut self,
        agenda: &mut Agenda,
        mut task: Task,
        busy: Option<&(Key, Key)>,
    ) -> Result<Read> {
        if let Some(entities) = self.interval(agenda, &mut task).await? {
            let bounded = Box::new(Bounded { task, entities, only: None });
            return self.read_unless_busy(agenda, bounded, busy).await;
        }
        let (keys, count) = self.keys(agenda, &mut task).await?;
        if task.bound.is_none() {
            return Ok(Read::End);
        }
        let only = match self.copier.sample {
            Some(sample) => {
                let keys = sample::chosen(sample, &self.copier.layout, &keys, count)?;
                Some(Only { keys, of: count })
            }
            None => None,
        };
        let entities = match &only {
            Some(only) => self.ends(only.keys.iter().cloned().map(Ok), only.keys.len())?,
            None => self.ends(keys.rows().map(|row| row.key()), count)?,
        };
        if entities.is_empty() {
            agenda.committed(&task);
            Counters::add_len(&self.copier.counters.passed, count);
            return Ok(Read::Nothing);
        }
        self.read_unless_busy(agenda, Box::new(Bounded { task, entities, only }), busy).await
    }

    async fn read_unless_busy(
        &mut self,
        agenda: &mut Agenda,
        bounded: Box<Bounded>,
        busy: Option<&(Key, Key)>,
    ) -> Result<Read> {
        if !bounded.task.is_overdue() && bounded.meets(busy) {
            return Ok(Read::Wait(bounded));
        }
        self.read_bounded(agenda, bounded).await
    }

    /// Locks and reads an interval whose bound is known.
    pub(crate) async fn read_bounded(
        &mut self,
        agenda: &mut Agenda,
        bounded: Box<Bounded>,
    ) -> Result<Read> {
        let locked = bounded.ends().map(|(first, last)| (first.clone(), last.clone()));
        let Bounded { mut task, entities, only } = *bounded;
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
        let (span, parts, passed) = match self.records(agenda, &mut task, only).await {
            Ok(records) => records,
            Err(error) => {
                // Live writes of these entities need not wait until the lease has run out.
                self.copier.release(token).await;
                return Err(error);
            }
        };
        let locked = locked.filter(|_| token.is_some());
        Ok(Read::Ready(Box::new(Ready { task, token, locked, span, parts, passed })))
    }

    /// The records of an interval, projected: the keys of the first and the last, what goes where,
    /// and how many source records that deals with.
    async fn records(
        &mut self,
        agenda: &mut Agenda,
        task: &mut Task,
        only: Option<Only>,
    ) -> Result<Records> {
        let layout = &self.copier.layout;
        let rows = match &only {
            Some(Only { keys, .. }) => {
                sample::in_order(self.copier.source.read(layout.source(), keys).await?)?
            }
            None => self.scan(agenda, task).await?,
        };
        fault::point("backfill.read");
        self.account(&rows);
        let span = match rows.len() {
            0 => None,
            count => Some((rows.row(0).key()?, rows.row(count - 1).key()?)),
        };
        let passed = only.map_or(rows.len(), |only| only.of);
        Ok((span, scatter(layout, &rows, self.copier.targets.len())?, passed))
    }

    /// Finds the bound of a fresh interval, and its two ends, without reading its keys: where the
    /// lock needs no more, and the source can.
    async fn interval(&self, agenda: &mut Agenda, task: &mut Task) -> Result<Option<Vec<Key>>> {
        let Copier { layout, source, lock, sample, .. } = self.copier;
        if task.bound.is_some() || sample.is_some() || !lock.locks_intervals() {
            return Ok(None);
        }
        let (lower, rows) = (self.lower(task), self.limit().rows_max);
        let (keys, entity) = (layout.source_keys(), layout.entity_columns());
        let Some((first, last)) = source.interval(keys, lower, self.until, entity, rows).await?
        else {
            return Ok(None);
        };
        let mut entities = vec![layout.entity(&first)?, layout.entity(&last)?];
        entities.dedup();
        agenda.found(task, Some(last));
        Ok(Some(entities))
    }

    /// The keys of the interval, and how many of them belong to it; finds its bound if the source
    /// has not been asked for it yet. There is no bound at the end of the range.
    async fn keys(&self, agenda: &mut Agenda, task: &mut Task) -> Result<(Batch, usize)> {
        let mut limit = self.limit();
        if let Some(sample) = self.copier.sample {
            limit.rows_max = sample::keys_max(sample, limit.rows_max);
        }
        let schema = self.copier.layout.source_keys();
        let until = task.bound.as_ref().or(self.until);
        let keys = self.copier.source.scan(schema, self.lower(task), until, limit).await?;
        let last = keys.len().checked_sub(1).map(|last| keys.row(last).key()).transpose()?;
        if task.bound.is_some() && (last.is_none() || last == task.bound) {
            let count = keys.len();
            return Ok((keys, count));
        }
        let count = self.whole_entities(&keys, limit)?;
        let last = count.checked_sub(1).map(|last| keys.row(last).key()).transpose()?;
        match last {
            // A batch was larger when the bound was found than it may be now.
            Some(last) if task.bound.is_some() => agenda.cut(task, last),
            last => agenda.found(task, last),
        }
        Ok((keys, count))
    }

    /// Every record of the interval, or as many as the source gives at once: it may give fewer than
    /// were asked for although more follow, and only an empty batch says that none do.
    async fn scan(&self, agenda: &mut Agenda, task: &mut Task) -> Result<Batch> {
        let limit = self.limit();
        let schema = self.copier.layout.source();
        let (lower, bound) = (self.lower(task), task.bound.as_ref());
        let rows = self.copier.source.scan(schema, lower, bound, limit).await?;
        if let Some(place) = rows.len().checked_sub(1) {
            let last = rows.row(place).key()?;
            if task.bound.as_ref().is_some_and(|bound| last < *bound) {
                agenda.cut(task, last);
            }
        }
        Ok(rows)
    }

    /// How many of the keys to take, so that the last entity is whole unless that leaves less than
    /// half of them: two batches that share an entity cannot be locked at once.
    fn whole_entities(&self, keys: &Batch, limit: ReadLimit) -> Result<usize> {
        let count = keys.len();
        if count < limit.rows_max {
            return Ok(count);
        }
        let entity_of = |place: usize| self.copier.layout.entity(&keys.row(place).key()?);
        let last = entity_of(count - 1)?;
        // Keys come in order, so the place where the last entity begins can be halved in on.
        let (mut low, mut high) = (0, count - 1);
        while low < high {
            let middle = low.midpoint(high);
            if entity_of(middle)? < last { low = middle + 1 } else { high = middle }
        }
        Ok(if low >= count / 2 && low > 0 { low } else { count })
    }

    /// The bounds of the next batch: the one in bytes as one in rows too, so that the keys that are
    /// locked are the records that are read, but for what is inserted before the first of them
    /// meanwhile; the guard decides about that.
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

    /// The entities of `count` keys that come in order, each once; for a lock that takes intervals
    /// the first and the last.
    fn ends(&self, keys: impl Iterator<Item = Result<Key>>, count: usize) -> Result<Vec<Key>> {
        let mut entities: Vec<Key> = Vec::new();
        let interval = self.copier.lock.locks_intervals();
        for (place, key) in keys.take(count).enumerate() {
            if interval && place > 0 && place + 1 < count {
                continue;
            }
            let entity = self.copier.layout.entity(&key?)?;
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
        self.copier.release(Some(token)).await;
        None
    }

    fn account(&mut self, rows: &Batch) {
        if let Some(bytes) = rows.byte_count().checked_div(rows.len()) {
            self.row_bytes = bytes.max(1);
        }
        self.copier.pace.took(rows.len());
        Counters::add_len(&self.copier.counters.read, rows.len());
        Counters::add_len(&self.copier.counters.bytes, rows.byte_count());
    }
}
