//! Reading the outbox.

use super::engine::{Names, Reader};
use super::history::prove;
use super::horizon::Horizon;
use super::row::{Reading, Row, Taken};
use crate::error::{Error, ErrorKind, Result};
use crate::position::Position;
use crate::queue::place::Place;
use crate::queue::{Consumer, Delivery, Message};
use async_trait::async_trait;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// No engine tells when a row arrives, so it is asked: often enough that the lag stays small,
/// rarely enough that an idle reader costs a hundredth of a core.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// The one consumer of an outbox.
#[derive(Debug)]
pub(super) struct OutboxConsumer {
    names: Names,
    reader: Box<dyn Reader>,
    horizon: Horizon,
    reading: Reading,
    partition: Arc<str>,
    assigned: bool,
    /// Where the next delivery begins; `None` before the first seek.
    place: Option<Place>,
}

impl OutboxConsumer {
    pub(super) fn new(names: Names, reader: Box<dyn Reader>, horizon: Horizon) -> Self {
        let partition = Arc::from(names.table.as_str());
        let reading = Reading::new(names.source_epoch);
        Self { names, reader, horizon, reading, partition, assigned: false, place: None }
    }

    /// The messages after `place`, and the place after them.
    async fn read(&mut self, place: Place, messages_max: usize) -> Result<(Vec<Message>, Place)> {
        let mut taken = Taken::new(place, messages_max);
        self.reader.rows(&mut taken).await?;
        let mut rows = taken.into_rows();
        self.witness(place, &mut rows).await?;
        self.horizon.cut(&mut *self.reader, place, &mut rows).await?;
        let mut messages = Vec::with_capacity(rows.len());
        let mut next = place;
        for row in rows {
            let message = row.into_message(&mut self.reading)?;
            next = Place::read(&message.next)?;
            messages.push(message);
        }
        Ok((messages, next))
    }

    /// Takes the witness from the front of `rows` and proves that this is the history the place was
    /// made in.
    async fn witness(&mut self, place: Place, rows: &mut Vec<Row>) -> Result<()> {
        let has_witness = rows.first().is_some_and(|row| place.is_past(row.number()));
        let proven = has_witness
            && place.witness != 0
            && rows.first().is_some_and(|row| row.witness(self.reading.buffer()) == place.witness);
        if !proven {
            // Usual only until the first message after a start at an empty outbox.
            prove(&mut *self.reader, &self.names, place).await?;
            if place.dealt > 0 && place.witness != 0 {
                // The rows came from a moment at which the witness was not there or not the same,
                // and now it is: trust neither, look again.
                rows.clear();
                return Ok(());
            }
        }
        if has_witness {
            rows.remove(0);
        }
        Ok(())
    }
}

#[async_trait]
impl Consumer for OutboxConsumer {
    async fn poll(&mut self, messages_max: usize, wait: Duration) -> Result<Delivery> {
        if !self.assigned {
            self.assigned = true;
            return Ok(Delivery::Assigned(vec![Arc::clone(&self.partition)]));
        }
        let Some(place) = self.place else {
            sleep(wait).await;
            return Ok(Delivery::Idle);
        };
        let deadline = Instant::now() + wait;
        loop {
            let read = self.read(place, messages_max).await;
            let (messages, next) = read.inspect_err(|_| self.horizon.forget())?;
            if !messages.is_empty() {
                self.place = Some(next);
                return Ok(Delivery::Messages {
                    partition: Arc::clone(&self.partition),
                    from: place.position()?,
                    next: next.position()?,
                    messages,
                });
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(Delivery::Idle);
            }
            sleep(left.min(LOOK_EVERY)).await;
        }
    }

    async fn seek(&mut self, partition: &str, position: &Position) -> Result<()> {
        if partition != &*self.partition {
            return Err(Error::new(ErrorKind::Refused, "seek: no such partition")
                .with("partition", partition)
                .with("outbox", &self.partition));
        }
        let place = Place::read(position)?;
        prove(&mut *self.reader, &self.names, place).await?;
        self.horizon.forget();
        self.place = Some(place);
        Ok(())
    }

    async fn acknowledge(&mut self, _partition: &str, _next: &Position) -> Result<()> {
        // An outbox keeps no positions of its readers; the target does.
        Ok(())
    }
}
