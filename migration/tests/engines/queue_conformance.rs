//! What every queue promises, on every queue.

mod rig;

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
}

impl Reader {
    /// A consumer that has been assigned its partitions.
    async fn new(rig: &dyn Rig) -> Self {
        let mut consumer = rig.queue().consumer().await.unwrap();
        let Delivery::Assigned(partitions) = consumer.poll(1, LIMIT).await.unwrap() else {
            panic!("the first delivery assigns");
        };
        assert_eq!(partitions, rig.queue().partitions().await.unwrap());
        Self { consumer, moment: rig.moment() }
    }

    async fn seek(&mut self, rig: &dyn Rig, position: &Position) {
        self.consumer.seek(rig.partition(), position).await.unwrap();
    }

    /// The error that polling comes to.
    async fn failure(&mut self) -> Error {
        let began = Instant::now();
        loop {
            match self.consumer.poll(10, self.moment).await {
                Err(error) => return error,
                Ok(Delivery::Idle) => assert!(began.elapsed() < LIMIT, "no error came"),
                Ok(other) => panic!("no error: {other:?}"),
            }
        }
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

/// The next messages; a gap alone is none.
async fn next_batch(reader: &mut Reader, messages_max: usize) -> Option<Batch> {
    loop {
        match reader.consumer.poll(messages_max, reader.moment).await.unwrap() {
            Delivery::Messages { messages, .. } if messages.is_empty() => {}
            Delivery::Messages { from, next, messages, .. } => return Some((from, next, messages)),
            Delivery::Idle => return None,
            other => panic!("neither messages nor idle: {other:?}"),
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

#[tokio::test]
async fn partitions_are_assigned_first_and_nothing_comes_before_the_first_seek() {
    for mut rig in rigs().await {
        assert_eq!(rig.queue().assignment(), rig.assignment());
        rig.append("1").await;
        let mut consumer = Reader::new(&*rig).await;
        assert!(next_batch(&mut consumer, 1).await.is_none());
    }
}

#[tokio::test]
async fn messages_come_in_order_and_each_batch_begins_where_the_last_ended() {
    for mut rig in rigs().await {
        let start = end(&*rig).await;
        for n in 0..25 {
            rig.append(&n.to_string()).await;
        }
        let mut consumer = consumer_at(&*rig, &start).await;
        let (mut at, mut seen) = (start, Vec::new());
        while let Some((from, next, messages)) = next_batch(&mut consumer, 10).await {
            assert_eq!(from, at);
            assert!(messages.len() <= 10);
            assert_eq!(next, messages.last().unwrap().next);
            seen.extend(payloads(&messages));
            at = next;
        }
        assert_eq!(seen, (0..25).map(|n| n.to_string()).collect::<Vec<_>>());
        assert_eq!(at, end(&*rig).await);
    }
}

#[tokio::test]
async fn positions_and_versions_rise_and_every_message_lies_between_its_two_positions() {
    for mut rig in rigs().await {
        let start = end(&*rig).await;
        for n in 0..300 {
            rig.append(&n.to_string()).await;
        }
        let mut consumer = consumer_at(&*rig, &start).await;
        let (mut at, mut version) = (start, None);
        while let Some((from, next, messages)) = next_batch(&mut consumer, 7).await {
            let lowest = rig.queue().version_at(rig.partition(), &from).await.unwrap();
            for message in &messages {
                assert!(at <= message.position && message.position < message.next);
                assert!(message.version.unwrap() >= lowest);
                assert!(message.version > version);
                (at, version) = (message.next, message.version);
            }
            assert_eq!(at, next);
            let lowest = rig.queue().version_at(rig.partition(), &next).await.unwrap();
            assert!(version.unwrap() < lowest, "what is behind a position is older than it");
        }
    }
}

#[tokio::test]
async fn a_seek_delivers_again_the_same_messages_at_the_same_positions() {
    for mut rig in rigs().await {
        let start = end(&*rig).await;
        for n in 0..10 {
            rig.append(&n.to_string()).await;
        }
        let mut consumer = consumer_at(&*rig, &start).await;
        let (_, middle, first) = next_batch(&mut consumer, 4).await.unwrap();
        let (_, _, second) = next_batch(&mut consumer, 4).await.unwrap();
        consumer.seek(&*rig, &start).await;
        let (_, _, again) = next_batch(&mut consumer, 4).await.unwrap();
        assert_eq!(format!("{again:?}"), format!("{first:?}"));
        // Another consumer, after a crash, from the position that was kept.
        drop(consumer);
        let mut other = consumer_at(&*rig, &middle).await;
        let (_, _, again) = next_batch(&mut other, 4).await.unwrap();
        assert_eq!(format!("{again:?}"), format!("{second:?}"));
    }
}

#[tokio::test]
async fn a_seek_to_before_a_single_message_delivers_it() {
    for mut rig in rigs().await {
        let start = end(&*rig).await;
        for n in 0..5 {
            rig.append(&n.to_string()).await;
        }
        let mut consumer = consumer_at(&*rig, &start).await;
        let (_, _, messages) = next_batch(&mut consumer, 5).await.unwrap();
        consumer.seek(&*rig, &messages[3].position).await;
        let (_, _, again) = next_batch(&mut consumer, 5).await.unwrap();
        assert_eq!(payloads(&again), ["3", "4"]);
    }
}

#[tokio::test]
async fn gaps_in_the_numbering_are_passed() {
    for mut rig in rigs().await {
        rig.skip().await;
        let start = end(&*rig).await;
        rig.append("one").await;
        rig.skip().await;
        rig.skip().await;
        rig.append("two").await;
        rig.skip().await;
        let mut consumer = consumer_at(&*rig, &start).await;
        let (next, seen) = read(&mut consumer, 2).await;
        assert_eq!(seen, ["one", "two"]);
        assert!(next_batch(&mut consumer, 10).await.is_none());
        assert_eq!(rig.queue().lag(rig.partition(), &next).await.unwrap().messages, 0);
        rig.append("three").await;
        assert_eq!(read(&mut consumer, 1).await.1, ["three"]);
    }
}

#[tokio::test]
async fn idle_comes_after_the_wait_and_a_message_ends_the_wait() {
    for mut rig in rigs().await {
        let start = end(&*rig).await;
        let mut consumer = consumer_at(&*rig, &start).await;
        let wait = Duration::from_millis(60);
        let began = Instant::now();
        assert!(matches!(consumer.consumer.poll(1, wait).await.unwrap(), Delivery::Idle));
        assert!(began.elapsed() >= wait);

        let polled = consumer.consumer.poll(1, Duration::from_secs(20));
        let appended = async {
            tokio::task::yield_now().await;
            rig.append("late").await;
        };
        let began = Instant::now();
        let (delivery, ()) = tokio::join!(polled, appended);
        assert!(matches!(delivery.unwrap(), Delivery::Messages { .. }));
        assert!(began.elapsed() < Duration::from_secs(10), "did not notice the message");
    }
}

#[tokio::test]
async fn a_poll_that_is_cancelled_loses_nothing() {
    for mut rig in rigs().await {
        let start = end(&*rig).await;
        let mut consumer = consumer_at(&*rig, &start).await;
        for round in 0..50u32 {
            rig.append(&round.to_string()).await;
            let patience = Duration::from_micros(u64::from(round) * 20);
            drop(tokio::time::timeout(patience, consumer.consumer.poll(0, NOW)).await);
            consumer.seek(&*rig, &start).await;
        }
        let (_, _, messages) = next_batch(&mut consumer, 100).await.unwrap();
        assert_eq!(messages.len(), 50);
    }
}

#[tokio::test]
async fn lag_counts_what_is_left_and_its_age() {
    for mut rig in rigs().await {
        let queue = rig.queue();
        let start = end(&*rig).await;
        let lag = queue.lag(rig.partition(), &start).await.unwrap();
        assert_eq!((lag.messages, lag.age), (0, Duration::ZERO));
        for n in 0..6 {
            rig.append(&n.to_string()).await;
        }
        let lag = queue.lag(rig.partition(), &start).await.unwrap();
        assert_eq!(lag.messages, 6);
        assert!(lag.age < Duration::from_secs(600), "{:?}", lag.age);
        let mut consumer = consumer_at(&*rig, &start).await;
        let (_, next, _) = next_batch(&mut consumer, 4).await.unwrap();
        assert_eq!(queue.lag(rig.partition(), &next).await.unwrap().messages, 2);
        let (_, next, _) = next_batch(&mut consumer, 4).await.unwrap();
        let lag = queue.lag(rig.partition(), &next).await.unwrap();
        assert_eq!((lag.messages, lag.age), (0, Duration::ZERO));
    }
}

#[tokio::test]
async fn a_source_that_was_put_back_does_not_look_like_one_that_lags() {
    for mut rig in rigs().await {
        let queue = rig.queue();
        rig.backup().await;
        rig.append("1").await;
        let position = end(&*rig).await;
        assert!(queue.source_shows(rig.partition(), &position).await.unwrap());
        rig.restore().await;
        let error = queue.source_shows(rig.partition(), &position).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Lost);
        assert!(error.next_step().is_some_and(|hint| hint.contains("epoch")), "{error:?}");
    }
}

#[tokio::test]
async fn what_lies_before_a_trim_is_lost_and_what_lies_after_it_is_not() {
    for mut rig in rigs_that_trim().await {
        let start = end(&*rig).await;
        for n in 0..10 {
            rig.append(&n.to_string()).await;
        }
        let mut consumer = consumer_at(&*rig, &start).await;
        let (_, third, _) = next_batch(&mut consumer, 3).await.unwrap();
        let (_, sixth, _) = next_batch(&mut consumer, 3).await.unwrap();
        // The message that the position comes after is kept as its witness.
        assert_eq!(rig.queue().trim(rig.partition(), &sixth).await.unwrap(), 5);
        assert_eq!(rig.queue().trim(rig.partition(), &sixth).await.unwrap(), 0);
        expect_lost(&*rig, &start, "trimmed").await;
        expect_lost(&*rig, &third, "trimmed").await;
        let (_, _, messages) = next_batch(&mut consumer, 10).await.unwrap();
        assert_eq!(payloads(&messages), ["6", "7", "8", "9"]);
        let mut other = consumer_at(&*rig, &sixth).await;
        let (_, _, messages) = next_batch(&mut other, 10).await.unwrap();
        assert_eq!(payloads(&messages), ["6", "7", "8", "9"]);
    }
}

#[tokio::test]
async fn a_consumer_that_stands_before_a_trim_is_told_and_skips_nothing() {
    for mut rig in rigs_that_trim().await {
        let start = end(&*rig).await;
        for n in 0..10 {
            rig.append(&n.to_string()).await;
        }
        let mut slow = consumer_at(&*rig, &start).await;
        let mut from_nothing = consumer_at(&*rig, &start).await;
        next_batch(&mut slow, 2).await.unwrap();
        let mut quick = consumer_at(&*rig, &start).await;
        let (_, sixth, _) = next_batch(&mut quick, 6).await.unwrap();
        rig.queue().trim(rig.partition(), &sixth).await.unwrap();
        for behind in [&mut slow, &mut from_nothing] {
            let error = behind.failure().await;
            assert_eq!(error.kind(), ErrorKind::Lost, "{error:?}");
        }
    }
}

#[tokio::test]
async fn everything_can_be_trimmed_and_the_queue_goes_on() {
    for mut rig in rigs_that_trim().await {
        for n in 0..4 {
            rig.append(&n.to_string()).await;
        }
        let all = end(&*rig).await;
        assert_eq!(rig.queue().trim(rig.partition(), &all).await.unwrap(), 3);
        assert_eq!(end(&*rig).await, all);
        let mut consumer = consumer_at(&*rig, &all).await;
        assert!(next_batch(&mut consumer, 1).await.is_none());
        rig.append("next").await;
        let (_, _, messages) = next_batch(&mut consumer, 5).await.unwrap();
        assert_eq!(payloads(&messages), ["next"]);
    }
}

#[tokio::test]
async fn messages_removed_by_somebody_else_are_noticed() {
    for mut rig in rigs_that_trim().await {
        let start = end(&*rig).await;
        let mut offsets = Vec::new();
        for n in 0..6 {
            offsets.push(rig.append(&n.to_string()).await);
        }
        let mut consumer = consumer_at(&*rig, &start).await;
        let (_, position, _) = next_batch(&mut consumer, 3).await.unwrap();
        for offset in &offsets[..4] {
            rig.remove(*offset).await;
        }
        let error = consumer.failure().await;
        assert_eq!(error.kind(), ErrorKind::Lost, "{error:?}");
        expect_lost(&*rig, &position, "gone").await;
    }
}

#[tokio::test]
async fn a_restored_source_is_noticed_before_it_has_caught_up() {
    for mut rig in rigs().await {
        let start = end(&*rig).await;
        rig.append("kept").await;
        rig.backup().await;
        rig.append("lost").await;
        let mut consumer = consumer_at(&*rig, &start).await;
        let (_, next, messages) = next_batch(&mut consumer, 10).await.unwrap();
        assert_eq!(payloads(&messages), ["kept", "lost"]);
        rig.restore().await;
        let error = consumer.failure().await;
        assert_eq!(error.kind(), ErrorKind::Lost, "{error:?}");
        assert!(error.next_step().unwrap().contains("source.epoch"));
        expect_lost(&*rig, &next, "backwards").await;
    }
}

#[tokio::test]
async fn a_restored_source_is_noticed_after_it_has_caught_up() {
    for mut rig in rigs().await {
        let start = end(&*rig).await;
        rig.append("kept").await;
        rig.backup().await;
        rig.append("lost").await;
        let mut consumer = consumer_at(&*rig, &start).await;
        let (_, next, _) = next_batch(&mut consumer, 10).await.unwrap();
        rig.restore().await;
        for n in 0..5 {
            rig.append(&n.to_string()).await;
        }
        let error = consumer.failure().await;
        assert_eq!(error.kind(), ErrorKind::Lost, "{error:?}");
        expect_lost(&*rig, &next, "backwards").await;
    }
}

#[tokio::test]
async fn a_source_restored_to_what_was_read_loses_nothing_and_goes_on() {
    for mut rig in rigs().await {
        let start = end(&*rig).await;
        rig.append("read").await;
        let mut consumer = consumer_at(&*rig, &start).await;
        let (_, next, _) = next_batch(&mut consumer, 10).await.unwrap();
        rig.backup().await;
        rig.append("never read").await;
        rig.restore().await;
        rig.append("instead").await;
        if rig.is_away_meanwhile() {
            // A consumer may see that; the next one goes on.
            drop(consumer);
            consumer = consumer_at(&*rig, &next).await;
        }
        let (_, _, messages) = next_batch(&mut consumer, 10).await.unwrap();
        assert_eq!(payloads(&messages), ["instead"]);
    }
}

#[tokio::test]
async fn a_raised_source_epoch_makes_every_later_version_newer() {
    for mut rig in rigs().await {
        rig.backup().await;
        for n in 0..9 {
            rig.append(&n.to_string()).await;
        }
        let old = end(&*rig).await;
        let old = rig.queue().version_at(rig.partition(), &old).await.unwrap();
        rig.restore().await;
        rig.raise_epoch().await;
        let start = end(&*rig).await;
        rig.append("after").await;
        let mut consumer = consumer_at(&*rig, &start).await;
        let (_, _, messages) = next_batch(&mut consumer, 10).await.unwrap();
        assert!(messages[0].version.unwrap() > old);
    }
}

#[tokio::test]
async fn a_trim_from_another_history_is_refused() {
    for mut rig in rigs_that_trim().await {
        rig.append("kept").await;
        rig.backup().await;
        rig.append("lost").await;
        let position = end(&*rig).await;
        rig.restore().await;
        rig.append("other").await;
        let error = rig.queue().trim(rig.partition(), &position).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Lost, "{error:?}");
    }
}

#[tokio::test]
async fn what_a_reader_leaves_in_the_source_is_what_the_set_up_statements_make() {
    for rig in rigs().await {
        let queue = rig.queue();
        queue.register(rig.partition(), &end(&*rig).await).await.unwrap();
        let statements = queue.set_up_statements().join("\n");
        for side in queue.side_tables().await.unwrap() {
            assert!(statements.contains(&side.name), "{} is not in: {statements}", side.name);
        }
    }
}

#[tokio::test]
async fn another_partition_is_refused_by_name() {
    for rig in rigs().await {
        let position = end(&*rig).await;
        for error in [
            rig.queue().end("nobody").await.unwrap_err(),
            rig.queue().lag("nobody", &position).await.unwrap_err(),
            rig.queue().trim("nobody", &position).await.unwrap_err(),
            rig.queue().consumer().await.unwrap().seek("nobody", &position).await.unwrap_err(),
        ] {
            assert_eq!(error.kind(), ErrorKind::Refused, "{error:?}");
        }
    }
}

#[tokio::test]
async fn a_position_reads_as_the_next_offset() {
    for mut rig in rigs().await {
        rig.append("1").await;
        let last = rig.append("2").await;
        let position = end(&*rig).await;
        assert_eq!(rig.queue().describe(&position), (last + 1).to_string());
    }
}

#[tokio::test]
async fn a_position_of_another_kind_of_queue_is_unreadable() {
    for rig in rigs().await {
        let foreign = Position::new(b"mysql-bin.000003:4").unwrap();
        let mut consumer = rig.queue().consumer().await.unwrap();
        let error = consumer.seek(rig.partition(), &foreign).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unreadable, "{error:?}");
    }
}
