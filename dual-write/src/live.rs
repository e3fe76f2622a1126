//! The live path: polls and decodes ahead of what is being applied.
//!
//! Batches of several partitions are applied at once, those of one partition one after the other.
//! Where one does not fit the target, its partition alone goes back.

mod flights;
mod trouble;

use crate::apply::{Applied, Place, apply, worse};
use crate::counters::Counters;
use crate::gate::Gate;
use crate::hold::Hold;
use crate::lag;
use crate::prepare::{Prepared, Preparer};
use flights::{Flights, Landed};
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
use trouble::Trouble;

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
    /// It was told to: what was polled is applied.
    Stopped,
    /// A newer consumer owns a partition: stand by, and do not fight back.
    Fenced,
}

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
    /// By partition, while there is some.
    troubles: HashMap<Arc<str>, Trouble>,
    looked: Instant,
    flights: Flights,
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
            troubles: HashMap::new(),
            looked: Instant::now(),
            flights: Flights::default(),
        })
    }

    /// Applies live writes until `gate` says stop or somebody else owns them.
    ///
    /// # Errors
    /// `Lost` if the queue or the source is not the one that was read before; `Refused` if the
    /// target is not set up; those of queue, target and dead-letter store. Whatever the error,
    /// nothing is lost: the next start goes on at the target's position.
    pub async fn run(&mut self, gate: &dyn Gate) -> Result<Ended> {
        let ended = self.fly(gate).await;
        self.wind_down().await;
        ended
    }

    async fn fly(&mut self, gate: &dyn Gate) -> Result<Ended> {
        loop {
            if self.flights.is_empty() && !gate.opened().await {
                return Ok(Ended::Stopped);
            }
            let polled = if gate.is_open() { Some(self.poll().await?) } else { None };
            let next = match polled {
                Some(Polled::Batch(batch)) => self.take_off(batch).await?,
                Some(Polled::Revoked(partitions)) => {
                    let next = self.land_all(&partitions).await?;
                    self.claims.retain(|partition, _| !partitions.contains(partition));
                    self.troubles.retain(|partition, _| !partitions.contains(partition));
                    next
                }
                // There is time, or an end.
                polled => match (self.land_all(&[]).await?, polled) {
                    (Next::StandBy, _) => Next::StandBy,
                    (_, Some(Polled::Assigned(partitions))) => {
                        for partition in partitions {
                            self.claim(&partition).await?;
                        }
                        Next::GoOn
                    }
                    (_, Some(_)) => self.look().await?,
                    (_, None) => Next::GoOn,
                },
            };
            if next == Next::StandBy {
                return Ok(Ended::Fenced);
            }
        }
    }

    /// Begins to apply a batch, once what lies before it in its partition has been applied and not
    /// too many others are under way.
    async fn take_off(&mut self, batch: Box<Prepared>) -> Result<Next> {
        let partition = Arc::clone(&batch.place.partition);
        loop {
            let has_room = self.flights.has_room_for(&partition);
            // What has landed is told at once also where nothing waits for it.
            let landed =
                if has_room { self.flights.landed()? } else { self.flights.land().await? };
            let Some(landed) = landed else { break };
            match self.end(landed, &[]).await? {
                Next::StandBy => return Ok(Next::StandBy),
                // The batch lies behind a gap now, and is polled again.
                Next::Rewound(rewound) if rewound == partition => return Ok(Next::GoOn),
                Next::Rewound(_) | Next::GoOn => {}
            }
        }
        let parts = self.parts.clone();
        self.flights.begin(partition, async move {
            let applied = write(&parts, &batch).await;
            if let Ok(Applied::Everywhere(_)) = applied {
                lag::note(&parts.counters, batch.oldest_made_at);
            }
            (batch, applied)
        });
        Ok(Next::GoOn)
    }

    /// Waits for everything that is being applied.
    async fn land_all(&mut self, revoked: &[Arc<str>]) -> Result<Next> {
        while let Some(landed) = self.flights.land().await? {
            if self.end(landed, revoked).await? == Next::StandBy {
                return Ok(Next::StandBy);
            }
        }
        Ok(Next::GoOn)
    }

    /// Waits until nothing is being written any more. What was applied counts; what was not is for
    /// the next start, which finds out by itself.
    async fn wind_down(&mut self) {
        while !self.flights.is_empty() {
            match self.flights.land().await {
                Ok(Some((batch, Ok(Applied::Everywhere(tallies))))) => {
                    self.parts.counters.count(&batch, &tallies);
                }
                Ok(Some((_, Ok(Applied::Fenced)))) => self.count_fenced(),
                Ok(_) => {}
                Err(error) => tracing::debug!(error = %error, "batch not applied"),
            }
        }
    }

    fn count_fenced(&self) {
        self.parts.counters.fenced.fetch_add(1, Ordering::Relaxed);
    }

    fn trouble(&mut self, partition: &Arc<str>) -> &mut Trouble {
        self.troubles.entry(Arc::clone(partition)).or_default()
    }

    async fn poll(&mut self) -> Result<Polled> {
        let is_singly = self.troubles.values().any(Trouble::is_singly);
        let rows_max = if is_singly { 1 } else { self.parts.batch_rows_max };
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
                if let Some(trouble) = self.troubles.get_mut(&partition) {
                    trouble.polled(messages.len());
                }
                let place = Place { partition, generation, from, next };
                let batch = self.parts.preparer.prepare(place, &messages)?;
                if batch.place.next != next {
                    // It ends before a message that an operator has to see: the next begins there.
                    self.consumer.seek(&batch.place.partition, &batch.place.next).await?;
                }
                self.judge(&batch)?;
                Polled::Batch(Box::new(batch))
            }
        })
    }

    /// Counts what cannot be decoded, until something can.
    fn judge(&mut self, batch: &Prepared) -> Result<()> {
        let partition = &batch.place.partition;
        if !batch.touched.is_empty() {
            if let Some(trouble) = self.troubles.get_mut(partition) {
                trouble.decoded();
            }
        } else if let Some(letter) = batch.dead.last() {
            self.trouble(partition).undecodable(batch.dead.len(), letter)?;
        }
        Ok(())
    }

    /// Claims a partition in the target and goes where the target is.
    async fn claim(&mut self, partition: &Arc<str>) -> Result<()> {
        let claim = claim_partition(&self.parts.targets, partition, self.parts.owner).await?;
        fault::point("dual-write.claimed");
        self.parts.preparer.courses.begin(partition).await;
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
        self.parts.counters.looks.fetch_add(1, Ordering::Relaxed);
        Ok(Next::GoOn)
    }

    /// Deals with a batch that has landed. What keeps one from being applied whose partition is
    /// `revoked` by now is its new owner's business: to be fenced by that one is what should
    /// happen.
    async fn end(&mut self, (batch, applied): Landed, revoked: &[Arc<str>]) -> Result<Next> {
        let is_revoked = revoked.contains(&batch.place.partition);
        if let Ok(Applied::Fenced) = applied {
            self.count_fenced();
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
            if let Some(trouble) = self.troubles.get_mut(partition) {
                trouble.applied(batch.is_buried);
            }
            if let Some(claimed) = self.claims.get_mut(partition) {
                claimed.next = *next;
            }
            self.parts.counters.count(batch, tallies);
            self.acknowledge(partition, next).await;
        }
        self.recover(partition, applied).await
    }

    /// Deals with a batch that some instance cannot hold, though it was decoded: a year that its
    /// type does not have, a byte that its encoding does not take. It would stop the live path here
    /// for ever. Polled one at a time, the messages tell which of them it is; that one becomes a
    /// dead letter, and the position passes it.
    async fn isolate(&mut self, batch: Prepared, error: Error) -> Result<Next> {
        let partition = Arc::clone(&batch.place.partition);
        match batch.consumed {
            0 => Err(error),
            1 => {
                let error = self.trouble(&partition).buried(&partition, error)?;
                let buried = batch.buried(&error);
                let applied = write(&self.parts, &buried).await?;
                if let Applied::Everywhere(_) = applied {
                    lag::note(&self.parts.counters, buried.oldest_made_at);
                }
                self.conclude(&buried, applied).await
            }
            messages => {
                tracing::warn!(error = %error, messages, "batch not written; one message at a time");
                self.trouble(&partition).search(messages);
                self.rewind(&partition, &batch.place.from).await?;
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

    fn count_restart(&mut self, partition: &Arc<str>) -> Result<()> {
        self.parts.counters.rewinds.fetch_add(1, Ordering::Relaxed);
        self.trouble(partition).restarted(partition)
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

#[derive(Debug, PartialEq, Eq)]
enum Next {
    GoOn,
    /// The partition is polled again from an earlier position.
    Rewound(Arc<str>),
    StandBy,
}
