//! The live path off a real broker.

mod program;
mod topic;

use async_trait::async_trait;
use dual_write::{Counters, Ended, Gate, Hold, LiveParts, LivePath, Preparer};
use migration::checkpoint::MemoryCheckpoint;
use migration::claim::partitions;
use migration::decode::{
    Decoder, Format, FormatName, FormatOptions, RawOperations, SourceTable, TopicFormat, Truncates,
    Versions,
};
use migration::lock::MemoryLock;
use migration::plan::KafkaPlan;
use migration::position::Owner;
use migration::queue::{KafkaQueue, Queue};
use migration::store::StartPosition;
use migration::testing::{TABLE, World};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use topic::{LIMIT, Topic};

const PARTITIONS: i32 = 4;

/// Where a load ends that nobody ends.
const CHANGES_MAX: usize = 100_000;

/// A world whose live writes come through a topic.
struct Bed {
    world: World,
    topic: Topic,
    queue: Arc<dyn Queue>,
    format: TopicFormat,
}

impl Bed {
    async fn new() -> Self {
        let world = World::new(2).await.unwrap();
        let topic = Topic::new(PARTITIONS).await;
        let words = |word: &str| vec![word.to_owned()];
        let op = RawOperations {
            header: Some("op".to_owned()),
            upsert: words("upsert"),
            delete: words("delete"),
            ..RawOperations::default()
        };
        let options = FormatOptions { op: Some(op), ..FormatOptions::default() };
        let format = TopicFormat {
            topic: topic.name.clone(),
            format: Format::resolve(FormatName::Plain, &options).unwrap(),
            versions: Versions::Queue,
            table: Some(TABLE.to_owned()),
            database: None,
            truncates: Truncates::Stop,
        };
        let plan = KafkaPlan {
            brokers: vec![topic.brokers.clone()],
            group: format!("group-of-{}", topic.name),
            instance: None,
            session: Duration::from_secs(6),
            producer_lag_max: Duration::ZERO,
            tls: None,
            sasl: None,
            topics: vec![format.clone()],
            dead_letter_topic: None,
        };
        let source = Arc::clone(&world.source);
        let queue: Arc<dyn Queue> =
            Arc::new(KafkaQueue::open(&plan, "test", 0, source).await.unwrap());
        let mut starts = Vec::new();
        for partition in queue.partitions().await.unwrap() {
            let position = queue.end(&partition).await.unwrap();
            starts.push(StartPosition { partition: partition.to_string(), position });
        }
        for target in &world.targets {
            target.set_up(&[TABLE], &starts).await.unwrap();
        }
        Self { world, topic, queue, format }
    }

    fn parts(&self) -> LiveParts {
        let table = SourceTable::new(Arc::clone(&self.world.layout), |_| Default::default());
        let decoder = Decoder::with_topics(&[table], vec![self.format.clone()], 0).unwrap();
        let checkpoint = Arc::new(MemoryCheckpoint::new("test"));
        let instances = self.world.targets.len();
        LiveParts {
            queue: Arc::clone(&self.queue),
            targets: self.world.targets.clone(),
            preparer: Arc::new(Preparer::with_decoder(decoder, instances, checkpoint)),
            hold: Hold { lock: Arc::new(MemoryLock::new()), wait: Duration::from_millis(50) },
            owner: Owner::new(),
            batch_rows_max: 20,
            poll: Duration::from_millis(20),
            counters: Arc::new(Counters::default()),
        }
    }

    /// Follows and unfollows: the source first, then the topic.
    async fn live(&self, changes: std::ops::Range<usize>) {
        for number in changes {
            let (followed, follower) =
                (format!("u{}", number % 7), format!("f{}", number * 5 % 11));
            let key = format!("{followed}/{follower}");
            let row = if number % 3 == 2 {
                self.world.remove(&followed, &follower).await.unwrap();
                ("delete", format!(r#"{{"followed":"{followed}","follower":"{follower}"}}"#))
            } else {
                let weight = i64::try_from(number).unwrap();
                self.world.put(&followed, &follower, weight).await.unwrap();
                let key = format!(r#""followed":"{followed}","follower":"{follower}""#);
                ("upsert", format!(r#"{{{key},"weight":{weight}}}"#))
            };
            self.topic.send(&key, row.0, &row.1).await;
        }
    }

    /// Waits until every instance has applied everything.
    async fn drained(&self) {
        let began = Instant::now();
        for partition in self.queue.partitions().await.unwrap() {
            loop {
                let rows = partitions(&self.world.targets, &partition).await.unwrap();
                let next = rows.iter().map(|row| row.next).min().unwrap();
                if self.queue.lag(&partition, &next).await.unwrap().messages == 0 {
                    break;
                }
                assert!(began.elapsed() < LIMIT, "{partition} is not drained");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    }

    /// The highest generation of each partition.
    async fn generations(&self) -> Vec<u64> {
        let mut found = Vec::new();
        for partition in self.queue.partitions().await.unwrap() {
            let rows = partitions(&self.world.targets, &partition).await.unwrap();
            found.push(rows.iter().map(|row| row.generation.number).max().unwrap());
        }
        found
    }
}

/// Open until it is closed.
#[derive(Debug, Default)]
struct Switch {
    is_closed: AtomicBool,
}

#[async_trait]
impl Gate for Switch {
    fn is_open(&self) -> bool {
        !self.is_closed.load(Ordering::SeqCst)
    }

    async fn opened(&self) -> bool {
        self.is_open()
    }
}

/// A process: it stands by where another has taken over, and joins again.
async fn process(parts: LiveParts, switch: Arc<Switch>) {
    while switch.is_open() {
        let ended = LivePath::new(parts.clone()).await.unwrap().run(&*switch).await;
        match ended {
            Ok(Ended::Stopped | Ended::Fenced) => {}
            Err(error) if error.kind().is_retryable() => {}
            Err(error) => panic!("{error:?}"),
        }
    }
}

async fn consumed(counters: &Counters, at_least: u64) {
    let began = Instant::now();
    while counters.consumed.load(Ordering::SeqCst) < at_least {
        let seen = counters.consumed.load(Ordering::SeqCst);
        assert!(began.elapsed() < LIMIT, "only {seen} of {at_least} were applied");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn consumers_come_and_go_under_load_and_every_change_is_applied_in_order() {
    let bed = Arc::new(Bed::new().await);
    let switch = Arc::new(Switch::default());
    let is_enough = Arc::new(AtomicBool::new(false));
    let load = {
        let bed = Arc::clone(&bed);
        let is_enough = Arc::clone(&is_enough);
        tokio::spawn(async move {
            let mut sent = 0;
            while !is_enough.load(Ordering::SeqCst) && sent < CHANGES_MAX {
                bed.live(sent..sent + 50).await;
                sent += 50;
            }
            sent
        })
    };
    let (first, second) = (bed.parts(), bed.parts());
    let counted = [Arc::clone(&first.counters), Arc::clone(&second.counters)];
    let first = tokio::spawn(process(first, Arc::clone(&switch)));
    consumed(&counted[0], 100).await;
    let before = bed.generations().await;
    let second = tokio::spawn(process(second, Arc::clone(&switch)));
    // Some of the partitions move to the second, which claims them above the first.
    consumed(&counted[1], 50).await;
    let moved = bed.generations().await;
    assert!(moved.iter().zip(&before).any(|(now, then)| now > then), "{before:?} {moved:?}");
    // The first is gone in the middle of whatever it does.
    first.abort();
    let before = counted[1].consumed.load(Ordering::SeqCst);
    consumed(&counted[1], before + 200).await;
    is_enough.store(true, Ordering::SeqCst);
    let sent = load.await.unwrap();
    bed.drained().await;
    switch.is_closed.store(true, Ordering::SeqCst);
    second.await.unwrap();
    assert_eq!(bed.world.differences().await.unwrap(), Vec::<String>::new());
    let total: u64 = counted.iter().map(|one| one.consumed.load(Ordering::SeqCst)).sum();
    // The batches that the first had in hand may be counted by nobody.
    assert!(total + 100 >= u64::try_from(sent).unwrap(), "{total} of {sent}");
}
