//! The live path in memory: what it applies, what it counts, and what it does when its claim, an
//! instance's tail or the source's history is lost.

use async_trait::async_trait;
use dual_write::{Counters, Ended, Gate, Hold, LiveParts, LivePath, Preparer};
use migration::checkpoint::MemoryCheckpoint;
use migration::claim::{claim_partition, partitions};
use migration::clock::Timestamp;
use migration::dead_letter;
use migration::decode::{
    Decoder, Format, FormatName, FormatOptions, SourceTable, TopicFormat, Truncates, Versions,
};
use migration::error::{Error, ErrorKind, Result};
use migration::lock::{KeyLock, MemoryLock, Token};
use migration::position::Owner;
use migration::queue::Queue;
use migration::shutdown::Shutdown;
use migration::testing::{PARTITION, TABLE, World, key};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Longer than anything here takes.
const SOON: Duration = Duration::from_secs(20);

struct Bed {
    world: World,
    checkpoint: MemoryCheckpoint,
    lock: MemoryLock,
}

impl Bed {
    async fn new(instances: usize) -> Self {
        let world = World::new(instances).await.unwrap();
        world.set_up().await.unwrap();
        Self { world, checkpoint: MemoryCheckpoint::new("test"), lock: MemoryLock::new() }
    }

    fn parts(&self, batch_rows_max: usize) -> LiveParts {
        let layouts = vec![Arc::clone(&self.world.layout)];
        let checkpoint = Arc::new(self.checkpoint.clone());
        LiveParts {
            queue: Arc::new(self.world.queue.clone()),
            targets: self.world.targets.clone(),
            preparer: Arc::new(Preparer::new(layouts, self.world.targets.len(), checkpoint)),
            hold: Hold { lock: Arc::new(self.lock.clone()), wait: Duration::from_millis(50) },
            owner: Owner::new(),
            batch_rows_max,
            poll: Duration::from_millis(5),
            counters: Arc::new(Counters::default()),
        }
    }

    /// Applies everything that is in the queue, and returns what was counted.
    async fn drain(&self, batch_rows_max: usize) -> Arc<Counters> {
        let parts = self.parts(batch_rows_max);
        let counters = Arc::clone(&parts.counters);
        let mut path = LivePath::new(parts).await.unwrap();
        assert_eq!(path.run(&AtEnd(self)).await.unwrap(), Ended::Stopped);
        counters
    }

    async fn is_drained(&self) -> bool {
        let end = self.world.queue.end(PARTITION).await.unwrap();
        let rows = partitions(&self.world.targets, PARTITION).await.unwrap();
        rows.iter().all(|row| row.next >= end)
    }

    /// Follows and unfollows, over a few lists.
    async fn live(&self, changes: usize) {
        for number in 0..changes {
            let followed = format!("u{}", number % 5);
            let follower = format!("f{}", number * 7 % 11);
            if number % 3 == 2 {
                self.world.remove(&followed, &follower).await.unwrap();
            } else {
                self.world.put(&followed, &follower, number.try_into().unwrap()).await.unwrap();
            }
        }
    }

    async fn converged(&self) {
        assert_eq!(self.world.differences().await.unwrap(), Vec::<String>::new());
    }
}

/// Closes once every instance has applied everything.
#[derive(Debug)]
struct AtEnd<'a>(&'a Bed);

impl std::fmt::Debug for Bed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Bed")
    }
}

#[async_trait]
impl Gate for AtEnd<'_> {
    fn is_open(&self) -> bool {
        true
    }
    async fn opened(&self) -> bool {
        !self.0.is_drained().await
    }
}

fn sum(counters: &Counters) -> u64 {
    [
        &counters.applied,
        &counters.stale,
        &counters.duplicate,
        &counters.compacted,
        &counters.dead,
        &counters.foreign,
    ]
    .into_iter()
    .map(get)
    .sum()
}

fn get(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::SeqCst)
}

#[tokio::test]
async fn every_live_write_reaches_the_target_whatever_the_size_of_a_batch() {
    for batch_rows_max in [1, 2, 7, 1000] {
        let bed = Bed::new(3).await;
        bed.live(100).await;
        let counters = bed.drain(batch_rows_max).await;
        bed.converged().await;
        assert_eq!(get(&counters.consumed), 100);
        assert_eq!(sum(&counters), 100, "conservation: {counters:?}");
        assert_eq!(get(&counters.compacted) > 0, batch_rows_max > 10, "{counters:?}");
    }
}

#[tokio::test]
async fn a_change_that_cannot_be_decoded_ends_as_a_dead_letter_and_nothing_else_is_lost() {
    let bed = Bed::new(2).await;
    bed.live(10).await;
    bed.world.tell("upsert", r#"{"followed":"u9","follower":"f9"}"#).unwrap();
    bed.world.tell("merge", "garbage").unwrap();
    bed.world.queue.append(PARTITION, "elsewhere", "upsert", Some(b"{}")).unwrap();
    bed.live(10).await;
    let counters = bed.drain(4).await;
    bed.converged().await;
    assert_eq!((get(&counters.dead), get(&counters.foreign)), (2, 1));
    assert_eq!(sum(&counters), get(&counters.consumed));
    let open = dead_letter::of_fate(&bed.checkpoint, dead_letter::Fate::Open).await.unwrap();
    assert_eq!(open.len(), 2);
    assert_eq!(open[0].record(), Some(key("u9", "f9").unwrap()));
    let whole = dead_letter::find(&bed.checkpoint, &open[1].id()).await.unwrap();
    assert_eq!(whole.payload(), Some(&b"garbage"[..]));
}

#[tokio::test]
async fn a_consumer_whose_partition_was_claimed_is_refused_and_stands_by() {
    let bed = Bed::new(2).await;
    bed.live(20).await;
    bed.drain(10).await;
    let mut zombie = LivePath::new(bed.parts(10)).await.unwrap();
    // It claims, and sleeps.
    bed.live(5).await;
    assert_eq!(zombie.run(&AtEnd(&bed)).await.unwrap(), Ended::Stopped);
    claim_partition(&bed.world.targets, PARTITION, Owner::new()).await.unwrap();
    bed.live(5).await;
    assert_eq!(zombie.run(&AtEnd(&bed)).await.unwrap(), Ended::Fenced);
    bed.drain(10).await;
    bed.converged().await;
}

#[tokio::test]
async fn a_step_whose_answer_is_lost_ends_no_consumer_whichever_it_is() {
    for after in 0.. {
        let bed = Bed::new(2).await;
        bed.live(20).await;
        bed.world.instances[1].lose_answer(after).await;
        bed.drain(5).await;
        bed.converged().await;
        if !bed.world.instances[1].has_lost_answer().await {
            assert!(after > 2, "{after} steps");
            return;
        }
    }
}

#[tokio::test]
async fn an_instance_that_loses_its_tail_gets_it_again_and_the_others_count_duplicates() {
    let bed = Bed::new(2).await;
    bed.live(30).await;
    let before = bed.world.instances[1].snapshot().await;
    let mut path = LivePath::new(bed.parts(10)).await.unwrap();
    assert_eq!(path.run(&AtEnd(&bed)).await.unwrap(), Ended::Stopped);
    // The claim is lost with the tail.
    bed.world.instances[1].restore(before).await;
    bed.live(30).await;
    let counters = bed.parts(1).counters;
    drop(counters);
    assert_eq!(path.run(&AtEnd(&bed)).await.unwrap(), Ended::Stopped);
    bed.converged().await;
}

#[tokio::test]
async fn an_instance_that_is_behind_is_brought_up_from_its_own_position() {
    let bed = Bed::new(2).await;
    let parts = bed.parts(10);
    let counters = Arc::clone(&parts.counters);
    let mut path = LivePath::new(parts).await.unwrap();
    bed.live(10).await;
    assert_eq!(path.run(&AtEnd(&bed)).await.unwrap(), Ended::Stopped);
    // The claim is kept, what came after it is lost.
    let before = bed.world.instances[0].snapshot().await;
    bed.live(30).await;
    assert_eq!(path.run(&AtEnd(&bed)).await.unwrap(), Ended::Stopped);
    bed.world.instances[0].restore(before).await;
    bed.live(10).await;
    assert_eq!(path.run(&AtEnd(&bed)).await.unwrap(), Ended::Stopped);
    assert!(get(&counters.rewinds) >= 1 && get(&counters.duplicate) >= 1, "{counters:?}");
    assert_eq!(sum(&counters), get(&counters.consumed), "conservation: {counters:?}");
    bed.converged().await;
}

#[tokio::test]
async fn an_instance_that_loses_its_tail_while_the_queue_has_nothing_gets_it_again() {
    for with_claim in [false, true] {
        let bed = Bed::new(2).await;
        bed.live(10).await;
        let mut path = LivePath::new(bed.parts(10)).await.unwrap();
        let mut before = bed.world.instances[1].snapshot().await;
        assert_eq!(path.run(&AtEnd(&bed)).await.unwrap(), Ended::Stopped);
        if with_claim {
            before = bed.world.instances[1].snapshot().await;
            bed.live(10).await;
            assert_eq!(path.run(&AtEnd(&bed)).await.unwrap(), Ended::Stopped);
        }
        bed.world.instances[1].restore(before).await;
        let ended = tokio::time::timeout(SOON, path.run(&AtEnd(&bed))).await;
        assert_eq!(ended.expect("it notices").unwrap(), Ended::Stopped, "claim kept: {with_claim}");
        bed.converged().await;
    }
}

#[tokio::test]
async fn a_consumer_that_is_fenced_while_the_queue_has_nothing_stands_by() {
    let bed = Bed::new(2).await;
    bed.live(10).await;
    let mut path = LivePath::new(bed.parts(10)).await.unwrap();
    assert_eq!(path.run(&AtEnd(&bed)).await.unwrap(), Ended::Stopped);
    claim_partition(&bed.world.targets, PARTITION, Owner::new()).await.unwrap();
    let ended = tokio::time::timeout(SOON, path.run(&Shutdown::new())).await;
    assert_eq!(ended.expect("it notices").unwrap(), Ended::Fenced);
}

#[tokio::test]
async fn a_source_that_was_restored_from_a_backup_stops_the_run() {
    let bed = Bed::new(2).await;
    bed.live(20).await;
    let backup = bed.world.queue.backup();
    bed.live(20).await;
    bed.drain(10).await;
    bed.world.queue.restore(&backup);
    let mut path = LivePath::new(bed.parts(10)).await.unwrap();
    let error = path.run(&Shutdown::new()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Lost);
    assert!(error.next_step().is_some(), "{error}");
    // Also once new changes have taken the old numbers.
    bed.live(40).await;
    let mut path = LivePath::new(bed.parts(10)).await.unwrap();
    let error = path.run(&Shutdown::new()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Lost);
}

#[tokio::test]
async fn a_lock_that_does_not_come_back_in_time_is_taken_away() {
    let bed = Bed::new(2).await;
    bed.world.put("u1", "f1", 1).await.unwrap();
    let token = Token::new();
    let entity = bed.world.layout.entity(&key("u1", "f1").unwrap()).unwrap();
    let long = Duration::from_secs(3600);
    bed.lock.acquire(TABLE, &[entity], token, long).await.unwrap();
    let counters = bed.drain(10).await;
    assert_eq!(get(&counters.locks_revoked), 1);
    assert!(!bed.lock.still_held(TABLE, token).await.unwrap());
    bed.converged().await;
}

#[tokio::test]
async fn a_lock_on_another_entity_holds_nothing_up() {
    let bed = Bed::new(2).await;
    bed.world.put("u1", "f1", 1).await.unwrap();
    let token = Token::new();
    let entity = bed.world.layout.entity(&key("u2", "f1").unwrap()).unwrap();
    bed.lock.acquire(TABLE, &[entity], token, Duration::from_secs(3600)).await.unwrap();
    let counters = bed.drain(10).await;
    assert_eq!(get(&counters.locks_revoked), 0);
    assert!(bed.lock.still_held(TABLE, token).await.unwrap());
}

#[tokio::test]
async fn a_target_that_is_not_set_up_is_refused_with_the_next_command() -> Result<()> {
    let world = World::new(2).await?;
    let bed = Bed { world, checkpoint: MemoryCheckpoint::new("test"), lock: MemoryLock::new() };
    let mut path = LivePath::new(bed.parts(10)).await?;
    let error = path.run(&Shutdown::new()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
    assert!(error.next_step().unwrap().contains("dual-write set-up"), "{error}");
    Ok(())
}

/// A live path that reads Debezium's messages.
fn debezium(bed: &Bed) -> LiveParts {
    let topic = TopicFormat {
        topic: "t".to_owned(),
        format: Format::resolve(FormatName::Debezium, &FormatOptions::default()).unwrap(),
        versions: Versions::Source,
        truncates: Truncates::Stop,
        table: None,
        database: None,
    };
    let table = SourceTable::new(Arc::clone(&bed.world.layout), |_| Default::default());
    let decoder = Decoder::with_topics(&[table], vec![topic], 0).unwrap();
    let checkpoint = Arc::new(bed.checkpoint.clone());
    let preparer = Arc::new(Preparer::with_decoder(decoder, 1, checkpoint));
    LiveParts { preparer, ..bed.parts(10) }
}

/// Applies what it can, up to what nobody may pass; returns what that is, and how many messages
/// wait.
async fn stops(bed: &Bed, parts: LiveParts) -> (Error, u64) {
    let mut path = LivePath::new(parts).await.unwrap();
    let ended = tokio::time::timeout(SOON, path.run(&AtEnd(bed))).await.unwrap();
    let next = partitions(&bed.world.targets, PARTITION).await.unwrap()[0].next;
    let lag = bed.world.queue.lag(PARTITION, &next).await.unwrap();
    (ended.unwrap_err(), lag.messages)
}

#[tokio::test]
async fn a_source_that_begins_anew_is_stopped_at_and_never_counted_as_stale() {
    let bed = Bed::new(1).await;
    let later = Timestamp::now().0 / 1_000 + 60_000;
    // Each place with the second in which it was written: two of them come twice, and another table
    // has a log of its own.
    for (table, file, second) in [
        (TABLE, 900, 1),
        (TABLE, 901, 2),
        ("another", 5_000, 3),
        (TABLE, 901, 2),
        (TABLE, 900, 1),
        (TABLE, 902, 4),
        (TABLE, 12, 5),
        (TABLE, 903, 6),
    ] {
        let row = r#"{"followed":"a","follower":"b","weight":1}"#;
        let made_at = later + second * 1_000;
        let source =
            format!(r#"{{"table":"{table}","file":"b.{file}","pos":4,"ts_ms":{made_at}}}"#);
        let value = format!(r#"{{"op":"u","after":{row},"source":{source}}}"#);
        bed.world.queue.append(PARTITION, "t", "", Some(value.as_bytes())).unwrap();
    }
    let parts = debezium(&bed);
    for _ in 0..2 {
        let (error, waiting) = stops(&bed, parts.clone()).await;
        assert_eq!(error.kind(), ErrorKind::Lost);
        assert!(error.to_string().contains("binlog 12:4"), "{error}");
        assert_eq!(waiting, 2);
    }
}

#[tokio::test]
async fn what_lies_before_a_truncate_is_applied_and_then_it_stops_whatever_follows() {
    for (operations, left) in [("ct", 1), ("ctc", 2), ("t", 1)] {
        let bed = Bed::new(1).await;
        let row = r#"{"followed":"a","follower":"b","weight":1}"#;
        for (place, op) in operations.chars().enumerate() {
            let source = format!(r#"{{"table":"{TABLE}","file":"b.1","pos":{place}}}"#);
            let value = format!(r#"{{"op":"{op}","after":{row},"source":{source}}}"#);
            bed.world.queue.append(PARTITION, "t", "", Some(value.as_bytes())).unwrap();
        }
        let (error, waiting) = stops(&bed, debezium(&bed)).await;
        assert_eq!((error.kind(), waiting), (ErrorKind::Refused, left), "{operations}");
    }
}
