//! Reading the outbox.

use super::evidence::{Names, prove};
use super::row::{Reading, Row};
use super::statement::Statements;
use crate::driver::sqlite::{CurrentFile, Opened, within};
use crate::error::{Error, ErrorKind, Result};
use crate::position::Position;
use crate::queue::place::Place;
use crate::queue::{Consumer, Delivery, Message};
use async_trait::async_trait;
use futures::TryStreamExt as _;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// SQLite tells nobody when a row arrives, so it is asked: often enough that the lag stays small,
/// rarely enough that an idle reader costs a hundredth of a core.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Most bytes of one delivery, so that large payloads do not fill the memory. The message that
/// crosses the bound is still delivered.
const DELIVERY_BYTES_MAX: usize = 8 << 20;

/// The one consumer of an outbox.
#[derive(Debug)]
pub(super) struct OutboxConsumer {
    names: Names,
    statements: Statements,
    source: CurrentFile,
    reading: Reading,
    partition: Arc<str>,
    assigned: bool,
    /// Where the next delivery begins; `None` before the first seek.
    place: Option<Place>,
}

impl OutboxConsumer {
    pub(super) fn new(names: Names, statements: Statements, source: CurrentFile) -> Self {
        let partition = Arc::from(names.table.as_str());
        let reading = Reading::new(names.source_epoch);
        Self { names, statements, source, reading, partition, assigned: false, place: None }
    }

    /// The messages after `place`, and the place after them.
    async fn read(&mut self, place: Place, messages_max: usize) -> Result<(Vec<Message>, Place)> {
        let mut opened = self.source.take().await?;
        let mut rows = self.rows(&mut opened, place, messages_max).await?;
        self.witness(&mut opened, place, &mut rows).await?;
        self.source.put_back(opened);
        let mut messages = Vec::with_capacity(rows.len());
        let mut next = place;
        for row in rows {
            let message = row.into_message(&mut self.reading)?;
            next = Place::read(&message.next)?;
            messages.push(message);
        }
        Ok((messages, next))
    }

    /// The row at the place, if it is there, and those after it.
    async fn rows(
        &self,
        opened: &mut Opened,
        place: Place,
        messages_max: usize,
    ) -> Result<Vec<Row>> {
        let from = i64::try_from(place.number.max(1)).unwrap_or(i64::MAX);
        // One more than asked for: the row that was read last comes along as the witness.
        let limit = i64::try_from(messages_max.max(1)).unwrap_or(i64::MAX).saturating_add(1);
        within("read outbox", async {
            let mut rows = Vec::new();
            let mut weight = 0;
            let mut stream = sqlx::query(self.statements.from.clone())
                .bind(from)
                .bind(limit)
                .fetch(&mut opened.connection);
            while let Some(row) = stream.try_next().await? {
                let row = Row::read(&row)?;
                weight += row.weight();
                let is_witness = rows.is_empty() && place.is_past(row.number());
                rows.push(row);
                if weight > DELIVERY_BYTES_MAX && !is_witness {
                    break;
                }
            }
            Ok(rows)
        })
        .await
        .map(|mut rows: Vec<Row>| {
            // Without a witness among them the last row is one more than asked for.
            let extra = rows.first().is_some_and(|row| place.is_past(row.number()));
            rows.truncate(messages_max.max(1) + usize::from(extra));
            rows
        })
    }

    /// Takes the witness from the front of `rows` and proves that this is the history the place was
    /// made in.
    async fn witness(
        &mut self,
        opened: &mut Opened,
        place: Place,
        rows: &mut Vec<Row>,
    ) -> Result<()> {
        let has_witness = rows.first().is_some_and(|row| place.is_past(row.number()));
        let proven = has_witness
            && place.witness != 0
            && rows.first().is_some_and(|row| row.witness(self.reading.buffer()) == place.witness);
        if !proven {
            // Usual only until the first message after a start at an empty outbox.
            prove(&mut opened.connection, &self.names, &self.statements, place).await?;
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
            let (messages, next) = self.read(place, messages_max).await?;
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
        let mut opened = self.source.take().await?;
        prove(&mut opened.connection, &self.names, &self.statements, place).await?;
        self.source.put_back(opened);
        self.place = Some(place);
        Ok(())
    }

    async fn acknowledge(&mut self, _partition: &str, _next: &Position) -> Result<()> {
        // An outbox keeps no positions of its readers; the target does.
        Ok(())
    }
}
