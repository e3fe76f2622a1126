//! What is removed: below what nobody needs, and noticed by whoever does.

use super::{consumer_at, end, expect_lost, next_batch, nothing_comes, payloads, rigs_that_trim};
use migration::error::ErrorKind;

#[tokio::test]
async fn what_lies_before_a_trim_is_lost_and_what_lies_after_it_is_not() {
    for mut rig in rigs_that_trim().await {
        let start = end(&*rig).await;
        for n in 0..10 {
            rig.append(&n.to_string()).await;
        }
        let mut consumer = consumer_at(&*rig, &start).await;
        let (_, third, _) = next_batch(&mut consumer, 3).await;
        let (_, sixth, _) = next_batch(&mut consumer, 3).await;
        // The message that the position comes after is kept as its witness.
        assert_eq!(rig.queue().trim(rig.partition(), &sixth).await.unwrap(), 5);
        assert_eq!(rig.queue().trim(rig.partition(), &sixth).await.unwrap(), 0);
        expect_lost(&*rig, &start, "trimmed").await;
        expect_lost(&*rig, &third, "trimmed").await;
        let (_, _, messages) = next_batch(&mut consumer, 10).await;
        assert_eq!(payloads(&messages), ["6", "7", "8", "9"]);
        let mut other = consumer_at(&*rig, &sixth).await;
        let (_, _, messages) = next_batch(&mut other, 10).await;
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
        next_batch(&mut slow, 2).await;
        let mut quick = consumer_at(&*rig, &start).await;
        let (_, sixth, _) = next_batch(&mut quick, 6).await;
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
        nothing_comes(&mut consumer).await;
        rig.append("next").await;
        let (_, _, messages) = next_batch(&mut consumer, 5).await;
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
        let (_, position, _) = next_batch(&mut consumer, 3).await;
        for offset in &offsets[..4] {
            rig.remove(*offset).await;
        }
        let error = consumer.failure().await;
        assert_eq!(error.kind(), ErrorKind::Lost, "{error:?}");
        expect_lost(&*rig, &position, "gone").await;
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
