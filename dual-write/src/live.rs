//! The live path: polls, decodes and applies, one batch ahead of the one that is being applied.

use crate::apply::{Applied, Place, apply};
use crate::counters::Counters;
use crate::gate::Gate;
use crate::hold::Hold;
use crate::lag;
use crate::prepare::{Prepared, Preparer};
use migration::claim::claim_partition;
use migration::error::{Error, ErrorKind, Result};
use migration::fault;
use migration::position::{Generation, Owner, Position};
use migration::queue::{Consumer, Delivery, Queue};
use migration::store::Target;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::task::JoinHandle;

/// How often in a row a batch may end in a lost tail or a gap, before somebody should look at that
/// instance.
const RESTARTS_MAX: usize = 16;

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

type Writing = JoinHandle<Result<(Box<Prepared>, Applied)>>;

/// One consumer with what it has claimed.
#[derive(Debug)]
pub struct LivePath {
    parts: LiveParts,
    consumer: Box<dyn Consumer>,
    claims: HashMap<Arc<str>, Generation>,
    restarts: usize,
}

impl LivePath {
    /// A consumer that has claimed nothing yet.
    ///
    /// # Errors
    /// Those of the queue.
    pub async fn new(parts: LiveParts) -> Result<Self> {
        let consumer = parts.queue.consumer().await?;
        Ok(Self { parts, consumer, claims: HashMap::new(), restarts: 0 })
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
            if let Some(writing) = writing {
                match self.end(writing).await? {
                    Next::GoOn => {}
                    // What was polled lies behind a gap now; it is polled again.
                    Next::Repoll => continue,
                    Next::StandBy => return Ok(Ended::Fenced),
                }
            }
            match polled.transpose()? {
                Some(Polled::Batch(batch)) => ready = Some(batch),
                Some(Polled::Assigned(partitions)) => {
                    for partition in partitions {
                        self.claim(&partition).await?;
                    }
                }
                Some(Polled::Revoked(partitions)) => {
                    self.claims.retain(|partition, _| !partitions.contains(partition));
                }
                Some(Polled::Idle) | None => {}
            }
        }
    }

    async fn poll(&mut self) -> Result<Polled> {
        let delivery = self.consumer.poll(self.parts.batch_rows_max, self.parts.poll).await?;
        fault::point("dual-write.polled");
        Ok(match delivery {
            Delivery::Idle => Polled::Idle,
            Delivery::Assigned(partitions) => Polled::Assigned(partitions),
            Delivery::Revoked(partitions) => Polled::Revoked(partitions),
            Delivery::Messages { partition, from, next, messages } => {
                let Some(&generation) = self.claims.get(&partition) else {
                    return Err(Error::new(ErrorKind::Failed, "poll queue: not claimed")
                        .with("partition", partition));
                };
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
        self.claims.insert(Arc::clone(partition), claim.generation);
        Ok(())
    }

    /// Applies a batch in a task of its own, so that the next is polled and decoded meanwhile.
    fn begin(&self, batch: Box<Prepared>) -> Writing {
        let parts = self.parts.clone();
        tokio::spawn(async move {
            // Durable before the position passes them.
            parts.preparer.keep_dead(&batch).await?;
            fault::point("dual-write.dead-lettered");
            let revoked = parts.hold.clear(&batch.touched).await;
            Counters::add_len(&parts.counters.locks_revoked, revoked);
            fault::point("dual-write.cleared");
            let applied = apply(&parts.targets, &batch.place, &batch.writes).await?;
            Ok((batch, applied))
        })
    }

    async fn end(&mut self, writing: Writing) -> Result<Next> {
        let joined = writing
            .await
            .map_err(|error| Error::new(ErrorKind::Failed, "apply batch").because(error))?;
        let (batch, applied) = joined?;
        let partition = &batch.place.partition;
        let behind = match applied {
            Applied::Everywhere(tallies) => {
                self.restarts = 0;
                self.parts.counters.count(&batch, &tallies);
                lag::note(&self.parts.counters, batch.oldest_made_at);
                self.acknowledge(partition, &batch.place.next).await;
                return Ok(Next::GoOn);
            }
            Applied::Fenced => return Ok(Next::StandBy),
            Applied::Gap(position) => Some(position),
            Applied::LostTail => None,
        };
        self.restarts += 1;
        self.parts.counters.rewinds.fetch_add(1, Ordering::Relaxed);
        if self.restarts > RESTARTS_MAX {
            return Err(Error::new(ErrorKind::Lost, "apply batch: an instance keeps losing it")
                .with("partition", partition)
                .hint("see the logs of the target's instances, then run `dual-write run` again"));
        }
        match behind {
            Some(position) => self.consumer.seek(partition, &position).await?,
            None => self.claim(partition).await?,
        }
        Ok(Next::Repoll)
    }

    /// A hint to the queue; the position that counts is in the target.
    async fn acknowledge(&mut self, partition: &str, next: &Position) {
        if let Err(error) = self.consumer.acknowledge(partition, next).await {
            tracing::debug!(error = %error, "queue not told how far the consumer is");
        }
    }
}

enum Polled {
    Batch(Box<Prepared>),
    Assigned(Vec<Arc<str>>),
    Revoked(Vec<Arc<str>>),
    Idle,
}

enum Next {
    GoOn,
    Repoll,
    StandBy,
}
