//! The live path: polls, decodes and applies, one batch ahead of the one that is being applied.

use crate::apply::{Applied, Place, apply, worse};
use crate::counters::Counters;
use crate::gate::Gate;
use crate::hold::Hold;
use crate::lag;
use crate::prepare::{Prepared, Preparer};
use migration::claim::{claim_partition, partitions};
use migration::error::{Error, ErrorKind, Result};
use migration::fault;
use migration::position::{Generation, Owner, Position};
use migration::protocol::{Admission, admit_live};
use migration::queue::{Consumer, Delivery, Queue};
use migration::store::Target;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;

/// How often in a row a batch may end in a lost tail or a gap, before somebody should look at that
/// instance.
const RESTARTS_MAX: usize = 16;

/// How many messages in a row may become dead letters because the target cannot hold them, before
/// somebody should look at the target.
const BURIED_MAX: usize = 100;

/// Between two looks at the instances while the queue has nothing: one read of a row each.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Everything it takes to apply live writes.
#[derive(Debug, Clone)]
pub struct LiveParts {
    /// Where they come from.
    pub queue: Arc<dyn Queue>,
    /// The target's instances, in shard order.
    pub targets: Vec<Arc<dyn Target>>,
    /// Decodes, compacts, routes and keeps what cannot be decoded.
    pub preparer: Arc<Preparer>,
    /// The key lock.
    pub hold: Hold,
    /// Who claims: this process.
    pub owner: Owner,
    /// Most messages in one batch.
    pub batch_rows_max: usize,
    /// How long to wait for messages before looking around.
    pub poll: Duration,
    /// What is counted.
    pub counters: Arc<Counters>,
}

/// Why the live path ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// It was told to: the batch in hand is applied.
    Stopped,
    /// A newer consumer owns a partition: stand by, and do not fight back.
    Fenced,
}

type Writing = JoinHandle<(Box<Prepared>, Result<Applied>)>;

/// A partition of this consumer.
#[derive(Debug, Clone, Copy)]
struct Claimed {
    generation: Generation,
    /// Where the next batch begins.
    next: Position,
}

/// One consumer with what it has claimed.
#[derive(Debug)]
pub struct LivePath {
    parts: LiveParts,
    consumer: Box<dyn Consumer>,
    claims: HashMap<Arc<str>, Claimed>,
    restarts: usize,
    /// A partition whose messages are to be polled one at a time, and how many of them still.
    singly: Option<(Arc<str>, usize)>,
    /// Messages in a row that the target could not hold.
    buried: usize,
    looked: Instant,
}

impl LivePath {
    /// A consumer that has claimed nothing yet.
    ///
    /// # Errors
    /// Those of the queue.
    pub async fn new(parts: LiveParts) -> Result<Self> {
        let consumer = parts.queue.consumer().await?;
        Ok(Self {
            parts,
            consumer,
            claims: HashMap::new(),
            restarts: 0,
            singly: None,
            buried: 0,
            looked: Instant::now(),
        })
    }

    /// Applies live writes until `gate` says stop or somebody else owns them.
    ///
    /// # Errors
    /// `Lost` if the queue is not the one that was read before; `Refused` if the target is not set
    /// up; those of queue, target and dead-letter store. Whatever the error, nothing is lost: the
    /// next start goes on at the target's position.
    pub async fn run(&mut self, gate: &dyn Gate) -> Result<Ended> {
        let mut ready: Option<Box<Prepared>> = None;
        loop {
            if ready.is_none() && !gate.opened().await {
                return Ok(Ended::Stopped);
            }
            let writing = ready.take().map(|batch| self.begin(batch));
            let polled = if gate.is_open() { Some(self.poll().await) } else { None };
            let mut polled = polled.transpose();
            if let Some(writing) = writing {
                let revoked = match &polled {
                    Ok(Some(Polled::Revoked(partitions))) => partitions.as_slice(),
                    _ => &[],
                };
                match self.end(writing, revoked).await? {
                    Next::GoOn => {}
                    Next::Rewound(partition) => {
                        polled = polled.map(|it| it.map(|it| it.outside(&partition)));
                    }
                    Next::StandBy => return Ok(Ended::Fenced),
                }
            }
            match polled? {
                Some(Polled::Batch(batch)) => ready = Some(batch),
                Some(Polled::Assigned(partitions)) => {
                    for partition in partitions {
                        self.claim(&partition).await?;
                    }
                }
                Some(Polled::Revoked(partitions)) => {
                    self.claims.retain(|partition, _| !partitions.contains(partition));
                }
                Some(Polled::Idle) => {
                    if let Next::StandBy = self.look().await? {
                        return Ok(Ended::Fenced);
                    }
                }
                None => {}
            }
        }
    }

    /// Counts what was polled of the partition that is polled one message at a time.
    fn polled_singly(&mut self, partition: &str, messages: usize) {
        self.singly = self.singly.take().and_then(|(of, left)| {
            let left = if *of == *partition { left.saturating_sub(messages) } else { left };
            (left > 0).then_some((of, left))
        });
    }

    async fn poll(&mut self) -> Result<Polled> {
        let rows_max = if self.singly.is_some() { 1 } else { self.parts.batch_rows_max };
        let delivery = self.consumer.poll(rows_max, self.parts.poll).await?;
        fault::point("dual-write.polled");
        Ok(match delivery {
            Delivery::Idle => Polled::Idle,
            Delivery::Assigned(partitions) => Polled::Assigned(partitions),
            Delivery::Revoked(partitions) => Polled::Revoked(partitions),
            Delivery::Messages { partition, from, next, messages } => {
                let Some(&Claimed { generation, .. }) = self.claims.get(&partition) else {
                    return Err(Error::new(ErrorKind::Failed, "poll queue: not claimed")
                        .with("partition", partition));
                };
                self.polled_singly(&partition, messages.len());
                let place = Place { partition, generation, from, next };
                Polled::Batch(Box::new(self.parts.preparer.prepare(place, &messages)?))
            }
        })
    }

    /// Claims a partition in the target and goes where the target is.
    async fn claim(&mut self, partition: &Arc<str>) -> Result<()> {
        let claim = claim_partition(&self.parts.targets, partition, self.parts.owner).await?;
        fault::point("dual-write.claimed");
        for position in &claim.positions {
            self.consumer.seek(partition, position).await?;
        }
        if let Some(&next) = claim.positions.last() {
            let claimed = Claimed { generation: claim.generation, next };
            self.claims.insert(Arc::clone(partition), claimed);
        }
        Ok(())
    }

    /// Looks whether every instance is where this consumer left it. A batch would find out, but
    /// when the queue has nothing there is none, and what an instance lost would stay lost until
    /// the next change.
    async fn look(&mut self) -> Result<Next> {
        if self.looked.elapsed() < LOOK_EVERY {
            return Ok(Next::GoOn);
        }
        self.looked = Instant::now();
        let claims: Vec<_> = self.claims.iter().map(|(name, it)| (Arc::clone(name), *it)).collect();
        for (partition, Claimed { generation, next }) in claims {
            let rows = partitions(&self.parts.targets, &partition).await?;
            let seen = rows.iter().map(|row| match admit_live(Some(row), &generation, &next) {
                Admission::Go => Applied::Everywhere(Vec::new()),
                Admission::Gap => Applied::Gap(row.next),
                Admission::Fenced => Applied::Fenced,
                Admission::LostTail => Applied::LostTail,
            });
            let applied = seen.fold(Applied::Everywhere(Vec::new()), worse);
            match self.recover(&partition, applied).await? {
                Next::StandBy => return Ok(Next::StandBy),
                Next::GoOn | Next::Rewound(_) => {}
            }
        }
        Ok(Next::GoOn)
    }

    /// Applies a batch in a task of its own, so that the next is polled and decoded meanwhile.
    fn begin(&self, batch: Box<Prepared>) -> Writing {
        let parts = self.parts.clone();
        tokio::spawn(async move {
            let applied = write(&parts, &batch).await;
            (batch, applied)
        })
    }

    /// Waits for a batch. What keeps one from being applied whose partition is `revoked` by now is
    /// its new owner's business: to be fenced by that one is what should happen.
    async fn end(&mut self, writing: Writing, revoked: &[Arc<str>]) -> Result<Next> {
        let joined = writing.await;
        let (batch, applied) =
            joined.map_err(|error| Error::new(ErrorKind::Failed, "apply batch").because(error))?;
        let is_revoked = revoked.contains(&batch.place.partition);
        if let Ok(Applied::Fenced) = applied {
            self.parts.counters.fenced.fetch_add(1, Ordering::Relaxed);
        }
        match applied {
            Ok(applied @ Applied::Everywhere(_)) => self.conclude(&batch, applied).await,
            Ok(_) if is_revoked => Ok(Next::GoOn),
            Err(error) if is_revoked && error.kind() == ErrorKind::Unreadable => Ok(Next::GoOn),
            Ok(applied) => self.conclude(&batch, applied).await,
            Err(error) if error.kind() == ErrorKind::Unreadable => {
                self.isolate(*batch, error).await
            }
            Err(error) => Err(error),
        }
    }

    async fn conclude(&mut self, batch: &Prepared, applied: Applied) -> Result<Next> {
        let Place { partition, next, .. } = &batch.place;
        if let Applied::Everywhere(tallies) = &applied {
            self.restarts = 0;
            if !batch.is_buried {
                self.buried = 0;
            }
            if let Some(claimed) = self.claims.get_mut(partition) {
                claimed.next = *next;
            }
            self.parts.counters.count(batch, tallies);
            lag::note(&self.parts.counters, batch.oldest_made_at);
            self.acknowledge(partition, next).await;
        }
        self.recover(partition, applied).await
    }

    /// Deals with a batch that some instance cannot hold, though it was decoded: a year that its
    /// type does not have, a byte that its encoding does not take. It would stop the live path here
    /// for ever. Polled one at a time, the messages tell which of them it is; that one becomes a
    /// dead letter, and the position passes it.
    async fn isolate(&mut self, batch: Prepared, error: Error) -> Result<Next> {
        match batch.consumed {
            0 => Err(error),
            1 => {
                self.buried += 1;
                if self.buried > BURIED_MAX {
                    // Not the messages are at fault then, but the table or the disk.
                    return Err(Error::new(
                        ErrorKind::Unreadable,
                        "apply messages: the target takes none of them",
                    )
                    .with("partition", &batch.place.partition)
                    .with("dead_letters", BURIED_MAX)
                    .hint(
                        "see what they say: `dual-write dlq list`; was a column of the target \
                         narrowed, or is its database damaged?",
                    )
                    .because(error));
                }
                let buried = batch.buried(&error);
                let applied = write(&self.parts, &buried).await?;
                self.conclude(&buried, applied).await
            }
            messages => {
                tracing::warn!(error = %error, messages, "batch not written; one message at a time");
                self.singly = Some((Arc::clone(&batch.place.partition), messages));
                let Place { partition, from, .. } = batch.place;
                self.rewind(&partition, &from).await?;
                Ok(Next::Rewound(partition))
            }
        }
    }

    /// Goes back to where an instance is, if one is not where this consumer left it.
    async fn recover(&mut self, partition: &Arc<str>, applied: Applied) -> Result<Next> {
        let behind = match applied {
            Applied::Everywhere(_) => return Ok(Next::GoOn),
            Applied::Fenced => return Ok(Next::StandBy),
            Applied::Gap(position) => Some(position),
            Applied::LostTail => None,
        };
        match behind {
            Some(position) => self.rewind(partition, &position).await?,
            None => {
                self.count_restart(partition)?;
                self.claim(partition).await?;
            }
        }
        Ok(Next::Rewound(Arc::clone(partition)))
    }

    /// Polls a partition again from an earlier position.
    async fn rewind(&mut self, partition: &Arc<str>, position: &Position) -> Result<()> {
        self.count_restart(partition)?;
        self.consumer.seek(partition, position).await?;
        if let Some(claimed) = self.claims.get_mut(partition) {
            claimed.next = *position;
        }
        Ok(())
    }

    fn count_restart(&mut self, partition: &str) -> Result<()> {
        self.restarts += 1;
        self.parts.counters.rewinds.fetch_add(1, Ordering::Relaxed);
        if self.restarts > RESTARTS_MAX {
            return Err(Error::new(ErrorKind::Lost, "apply batch: an instance keeps losing it")
                .with("partition", partition)
                .hint("see the logs of the target's instances, then run `dual-write run` again"));
        }
        Ok(())
    }

    /// A hint to the queue; the position that counts is in the target.
    async fn acknowledge(&mut self, partition: &str, next: &Position) {
        if let Err(error) = self.consumer.acknowledge(partition, next).await {
            tracing::debug!(error = %error, "queue not told how far the consumer is");
        }
    }
}

/// Writes a batch, its dead letters first: they are durable before the position passes them.
async fn write(parts: &LiveParts, batch: &Prepared) -> Result<Applied> {
    parts.preparer.keep_dead(batch).await?;
    fault::point("dual-write.dead-lettered");
    let revoked = parts.hold.clear(&batch.touched).await;
    Counters::add_len(&parts.counters.locks_revoked, revoked);
    fault::point("dual-write.cleared");
    apply(&parts.targets, &batch.place, &batch.writes).await
}

enum Polled {
    Batch(Box<Prepared>),
    Assigned(Vec<Arc<str>>),
    Revoked(Vec<Arc<str>>),
    Idle,
}

impl Polled {
    /// What is left of it once this partition was rewound: its next batch lies behind a gap then.
    fn outside(self, partition: &str) -> Self {
        match self {
            Self::Batch(batch) if *batch.place.partition == *partition => Self::Idle,
            other => other,
        }
    }
}

enum Next {
    GoOn,
    /// The partition is polled again from an earlier position.
    Rewound(Arc<str>),
    StandBy,
}
