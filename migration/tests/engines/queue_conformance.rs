//! What every queue promises, on every queue.

mod delivery;
mod positions;
mod restored;
mod rig;
mod trims;

use migration::error::{Error, ErrorKind};
use migration::position::Position;
use migration::queue::{Consumer, Delivery, Message};
use rig::{KafkaRig, MemoryRig, Rig, ServerRig, SqliteRig};
use std::time::{Duration, Instant};

/// A moment that a test is ready to lose.
const NOW: Duration = Duration::from_millis(1);

/// Longer than anything that is to come takes.
const LIMIT: Duration = Duration::from_secs(30);

async fn rigs() -> Vec<Box<dyn Rig>> {
    vec![
        Box::new(MemoryRig::new()),
        Box::new(SqliteRig::new().await),
        Box::new(ServerRig::mysql().await),
        Box::new(ServerRig::postgres().await),
        Box::new(KafkaRig::new().await),
    ]
}

async fn rigs_that_trim() -> Vec<Box<dyn Rig>> {
    rigs().await.into_iter().filter(|rig| rig.can_trim()).collect()
}

/// A consumer, and how long it may take.
struct Reader {
    consumer: Box<dyn Consumer>,
    moment: Duration,
    /// Whether it may find the queue away while that is restored.
    may_be_away: bool,
}

impl Reader {
    /// A consumer that has been assigned its partitions.
    async fn new(rig: &dyn Rig) -> Self {
        let mut consumer = rig.queue().consumer().await.unwrap();
        let Delivery::Assigned(partitions) = consumer.poll(1, LIMIT).await.unwrap() else {
            panic!("the first delivery assigns");
        };
        assert_eq!(partitions, rig.queue().partitions().await.unwrap());
        Self { consumer, moment: rig.moment(), may_be_away: rig.is_away_meanwhile() }
    }

    async fn seek(&mut self, rig: &dyn Rig, position: &Position) {
        self.consumer.seek(rig.partition(), position).await.unwrap();
    }

    /// The error that polling comes to.
    async fn failure(&mut self) -> Error {
        let began = Instant::now();
        while began.elapsed() < LIMIT {
            match self.consumer.poll(10, self.moment).await {
                Err(error) if self.may_be_away && error.kind() == ErrorKind::Refused => {
                    tokio::time::sleep(NOW).await;
                }
                Err(error) => return error,
                Ok(Delivery::Idle) => {}
                Ok(other) => panic!("no error: {other:?}"),
            }
        }
        panic!("no error came");
    }
}

/// A consumer that has been assigned its partitions and stands at `position`.
async fn consumer_at(rig: &dyn Rig, position: &Position) -> Reader {
    let mut consumer = Reader::new(rig).await;
    consumer.seek(rig, position).await;
    consumer
}

async fn end(rig: &dyn Rig) -> Position {
    rig.queue().end(rig.partition()).await.unwrap()
}

type Batch = (Position, Position, Vec<Message>);

/// The next messages, which are there; a gap alone is none.
async fn next_batch(reader: &mut Reader, messages_max: usize) -> Batch {
    loop {
        match reader.consumer.poll(messages_max, LIMIT).await.unwrap() {
            Delivery::Messages { messages, .. } if messages.is_empty() => {}
            Delivery::Messages { from, next, messages, .. } => return (from, next, messages),
            other => panic!("no messages: {other:?}"),
        }
    }
}

/// Nothing comes within a moment, a gap aside.
async fn nothing_comes(reader: &mut Reader) {
    loop {
        match reader.consumer.poll(1, reader.moment).await.unwrap() {
            Delivery::Messages { messages, .. } if messages.is_empty() => {}
            Delivery::Idle => return,
            other => panic!("something came: {other:?}"),
        }
    }
}

/// The next messages: where a gap might still be filled, what comes after it comes later.
async fn read(reader: &mut Reader, count: usize) -> (Position, Vec<String>) {
    let mut seen = Vec::new();
    loop {
        let delivery = reader.consumer.poll(count, LIMIT).await.unwrap();
        let Delivery::Messages { next, messages, .. } = delivery else {
            panic!("{delivery:?} after {seen:?}");
        };
        seen.extend(payloads(&messages));
        if seen.len() >= count {
            return (next, seen);
        }
    }
}

fn payloads(messages: &[Message]) -> Vec<String> {
    let text = |message: &Message| String::from_utf8(message.payload.clone().unwrap()).unwrap();
    messages.iter().map(text).collect()
}

async fn expect_lost(rig: &dyn Rig, position: &Position, words: &str) {
    let mut consumer = rig.queue().consumer().await.unwrap();
    consumer.poll(1, NOW).await.unwrap();
    let error = consumer.seek(rig.partition(), position).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Lost, "{error:?}");
    assert!(error.to_string().contains(words), "{error:?}");
    assert!(error.next_step().is_some());
    let error = rig.queue().lag(rig.partition(), position).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Lost, "lag must not look like none: {error:?}");
}
