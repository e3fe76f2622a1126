//! The copy of one range: claim, batches, finish.

use crate::agenda::Agenda;
use crate::copier::{Copier, Counters};
use crate::read::{Bounded, Read, Reader, Ready};
use crate::write::{Hold, Written, step, write};
use futures::FutureExt as _;
use futures::future::try_join_all;
use migration::claim::{RangeClaim, claim_range, is_done};
use migration::error::{Error, ErrorKind, Result};
use migration::fault;
use migration::key::Key;
use migration::protocol::{Finish, Progress};
use migration::retry::Streak;
use migration::shutdown::Shutdown;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio::time::sleep;

/// Pause before the only interval that is left is locked again.
const LOCK_PAUSE: Duration = Duration::from_millis(10);

/// How the copy of a range ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Copied {
    /// It is done on every instance.
    Done,
    /// Its sample is copied.
    Sampled,
    /// Another worker claimed it.
    Fenced,
    /// The copy was told to stop; it goes on from its progress next time.
    Stopped,
}

/// Copies the range of `copier`'s table that begins after `after`, until `stop` begins.
///
/// # Errors
/// Those of source and target; `Refused` if the target is not set up. Whatever the error, the range
/// goes on from its progress when it is copied again.
pub async fn copy_range(
    copier: &Arc<Copier>,
    after: Option<&Key>,
    stop: &Shutdown,
) -> Result<Copied> {
    let table = &copier.layout.source().table;
    if is_done(&copier.targets, table, after).await? {
        return Ok(Copied::Done);
    }
    let (mut reach, mut streak) = (Reach::default(), Streak::default());
    loop {
        let claim = claim_range(&copier.targets, table, after, copier.owner).await?;
        fault::point("backfill.claimed");
        if claim.is_done() {
            return Ok(Copied::Done);
        }
        if let Some(copied) = copy_claimed(copier, claim, &mut reach, stop).await? {
            return Ok(copied);
        }
        Counters::add(&copier.counters.restarts, 1);
        let Some(pause) = streak.failed(reach.batches) else { return Err(keeps_losing(table)) };
        if !stop.sleep(pause).await {
            return Ok(Copied::Stopped);
        }
    }
}

fn keeps_losing(table: &str) -> Error {
    Error::new(ErrorKind::Lost, "copy range: an instance keeps losing what was written")
        .with("table", table)
        .hint("see the log of the target's instances, then run `backfill run` again")
}

/// How far the copy of a range got under all its claims: a batch that only repeats what was lost is
/// no progress.
#[derive(Debug, Default)]
struct Reach {
    furthest: Option<Key>,
    batches: u64,
}

impl Reach {
    fn committed(&mut self, bound: Option<&Key>) {
        if bound > self.furthest.as_ref() {
            self.furthest = bound.cloned();
            self.batches += 1;
        }
    }
}

/// Copies a claimed range to its end; `None` if an instance lost its tail.
async fn copy_claimed(
    copier: &Arc<Copier>,
    claim: RangeClaim,
    reach: &mut Reach,
    stop: &Shutdown,
) -> Result<Option<Copied>> {
    // A sample begins at the start: its batches leave no progress.
    let resume = if copier.sample.is_some() { Progress::Start } else { claim.resume };
    let mut run = RangeRun {
        copier,
        hold: Hold { after: claim.after.clone(), epoch: claim.epoch, left: claim.left },
        agenda: Agenda::new(resume),
        reach,
    };
    let mut reader = Reader::new(copier, claim.after.as_ref(), claim.until.as_ref());
    match run.batches(&mut reader, stop).await? {
        Written::Fenced => Ok(Some(Copied::Fenced)),
        Written::LostTail => Ok(None),
        _ if !run.agenda.is_empty() => Ok(Some(Copied::Stopped)),
        _ if copier.sample.is_some() => Ok(Some(Copied::Sampled)),
        _ => run.finish().await,
    }
}

type Writing = JoinHandle<Result<(Box<Ready>, Hold, Written)>>;

struct RangeRun<'a> {
    copier: &'a Arc<Copier>,
    hold: Hold,
    agenda: Agenda,
    reach: &'a mut Reach,
}

impl RangeRun<'_> {
    /// Copies batch by batch, reading one while the one before is written.
    async fn batches(&mut self, reader: &mut Reader<'_>, stop: &Shutdown) -> Result<Written> {
        let mut ready: Option<Box<Ready>> = None;
        let mut waiting: Option<Box<Bounded>> = None;
        let mut stopping = false;
        loop {
            if let Some(batch) = ready.take_if(|_| self.has_to_wait(stop)) {
                // No lock is held while a rate or the end of a pause is waited for.
                let written = self.end(self.begin(batch)).await;
                if !matches!(written, Ok(Written::Committed | Written::Again)) {
                    return written;
                }
            }
            stopping = stopping || !self.copier.pace.ready(stop).await;
            // Chosen before the write begins: its progress must stay below what is read ahead.
            let task = if stopping || waiting.is_some() { None } else { self.agenda.next() };
            if ready.is_none() && task.is_none() && (stopping || waiting.is_none()) {
                return Ok(Written::Committed);
            }
            let busy = ready.as_ref().and_then(|batch| batch.locked.clone());
            let writing = ready.take().map(|batch| self.begin(batch));
            let wrote = writing.is_some();
            let read = match (task, waiting.take()) {
                (Some(task), _) => Some(reader.read(&mut self.agenda, task, busy.as_ref()).await),
                (None, Some(bounded)) if !stopping => {
                    Some(reader.read_bounded(&mut self.agenda, bounded).await)
                }
                (None, _) => None,
            };
            let written = match writing {
                Some(writing) => self.end(writing).await,
                None => Ok(Written::Committed),
            };
            match read.transpose()? {
                Some(Read::Ready(batch)) => ready = Some(batch),
                Some(Read::Wait(bounded)) => waiting = Some(bounded),
                // Nothing else was to be done: leave the holder some time.
                Some(Read::Deferred) if !wrote => sleep(LOCK_PAUSE).await,
                Some(Read::Deferred | Read::Nothing | Read::End) | None => {}
            }
            if !matches!(written, Ok(Written::Committed | Written::Again)) {
                self.copier.release(ready.and_then(|batch| batch.token)).await;
                return written;
            }
        }
    }

    fn has_to_wait(&self, stop: &Shutdown) -> bool {
        self.copier.pace.ready(stop).now_or_never().is_none()
    }

    /// Writes a batch in a task of its own, so that the next is read and projected meanwhile.
    fn begin(&self, batch: Box<Ready>) -> Writing {
        let next = self.agenda.progress_after(&batch.task);
        let next = Some(next).filter(|_| self.copier.sample.is_none());
        tokio::spawn(write(Arc::clone(self.copier), self.hold.clone(), batch, next))
    }

    async fn end(&mut self, writing: Writing) -> Result<Written> {
        let joined = writing
            .await
            .map_err(|error| Error::new(ErrorKind::Failed, "write batch").because(error))?;
        let (batch, hold, written) = joined?;
        self.hold = hold;
        match written {
            Written::Committed => {
                Counters::add_len(&self.copier.counters.passed, batch.passed);
                self.reach.committed(batch.task.bound.as_ref());
                self.agenda.committed(&batch.task);
            }
            Written::Again => {
                Counters::add(&self.copier.counters.later, 1);
                self.agenda.defer(batch.task);
            }
            Written::Fenced | Written::LostTail => {}
        }
        Ok(written)
    }

    /// Marks the range done on every instance; `None` if one lost its tail.
    async fn finish(&mut self) -> Result<Option<Copied>> {
        let end = Progress::End;
        match step(self.copier, &mut self.hold, &[], None, Some(&end)).await? {
            Written::Committed | Written::Again => {}
            Written::Fenced => return Ok(Some(Copied::Fenced)),
            Written::LostTail => return Ok(None),
        }
        fault::point("backfill.end");
        let (table, after, epoch) =
            (&self.copier.layout.source().table, self.hold.after.as_ref(), self.hold.epoch);
        let finished =
            self.copier.targets.iter().zip(&self.hold.left).map(|(target, left)| async move {
                let Some(left) = *left else {
                    return Ok(Finish::AlreadyDone);
                };
                let finished = target.finish_range(table, after, &epoch, left).await;
                fault::point("backfill.finished");
                match finished {
                    // The instance tells when it is asked again.
                    Err(error) if error.kind() == ErrorKind::UnknownOutcome => Ok(Finish::LostTail),
                    finished => finished,
                }
            });
        let finished = try_join_all(finished).await?;
        if finished.contains(&Finish::Fenced) {
            return Ok(Some(Copied::Fenced));
        }
        if finished.contains(&Finish::Dirty) {
            return Err(Error::new(
                ErrorKind::Refused,
                "finish range: a command waits for its base",
            )
            .with("table", table)
            .hint("run `backfill run` again once the source has caught up"));
        }
        let lost = finished.iter().any(|f| matches!(f, Finish::LostTail | Finish::NotAtEnd));
        // An instance that was done when it was claimed may have lost that since.
        let done = !lost && is_done(&self.copier.targets, table, after).await?;
        Ok(done.then_some(Copied::Done))
    }
}
