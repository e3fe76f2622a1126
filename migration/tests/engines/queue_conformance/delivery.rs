//! What is delivered: in order, from where it was asked for, and when.

use super::{NOW, Reader, consumer_at, end, next_batch, nothing_comes, payloads, read, rigs};
use migration::queue::Delivery;
use std::time::Duration;
use std::time::Instant;

#[tokio::test]
async fn partitions_are_assigned_first_and_nothing_comes_before_the_first_seek() {
    for mut rig in rigs().await {
        assert_eq!(rig.queue().assignment(), rig.assignment());
        rig.append("1").await;
        let mut consumer = Reader::new(&*rig).await;
        nothing_comes(&mut consumer).await;
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
        while seen.len() < 25 {
            let (from, next, messages) = next_batch(&mut consumer, 10).await;
            assert_eq!(from, at);
            assert!(messages.len() <= 10);
            assert_eq!(next, messages.last().unwrap().next);
            seen.extend(payloads(&messages));
            at = next;
        }
        assert_eq!(seen, (0..25).map(|n| n.to_string()).collect::<Vec<_>>());
        assert_eq!(at, end(&*rig).await);
        nothing_comes(&mut consumer).await;
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
        let (_, middle, first) = next_batch(&mut consumer, 4).await;
        let (_, _, second) = next_batch(&mut consumer, 4).await;
        consumer.seek(&*rig, &start).await;
        let (_, _, again) = next_batch(&mut consumer, 4).await;
        assert_eq!(format!("{again:?}"), format!("{first:?}"));
        // Another consumer, after a crash, from the position that was kept.
        drop(consumer);
        let mut other = consumer_at(&*rig, &middle).await;
        let (_, _, again) = next_batch(&mut other, 4).await;
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
        let (_, _, messages) = next_batch(&mut consumer, 5).await;
        consumer.seek(&*rig, &messages[3].position).await;
        let (_, _, again) = next_batch(&mut consumer, 5).await;
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
        nothing_comes(&mut consumer).await;
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
        let (_, _, messages) = next_batch(&mut consumer, 100).await;
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
        let (_, next, _) = next_batch(&mut consumer, 4).await;
        assert_eq!(queue.lag(rig.partition(), &next).await.unwrap().messages, 2);
        let (_, next, _) = next_batch(&mut consumer, 4).await;
        let lag = queue.lag(rig.partition(), &next).await.unwrap();
        assert_eq!((lag.messages, lag.age), (0, Duration::ZERO));
    }
}
