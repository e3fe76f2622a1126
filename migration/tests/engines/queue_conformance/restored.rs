//! A source that was put back: noticed before it has caught up and after.

use super::{consumer_at, end, expect_lost, next_batch, payloads, rigs};
use migration::error::ErrorKind;

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
async fn a_restored_source_is_noticed_before_it_has_caught_up() {
    for mut rig in rigs().await {
        let start = end(&*rig).await;
        rig.append("kept").await;
        rig.backup().await;
        rig.append("lost").await;
        let mut consumer = consumer_at(&*rig, &start).await;
        let (_, next, messages) = next_batch(&mut consumer, 10).await;
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
        let (_, next, _) = next_batch(&mut consumer, 10).await;
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
        let (_, next, _) = next_batch(&mut consumer, 10).await;
        rig.backup().await;
        rig.append("never read").await;
        rig.restore().await;
        rig.append("instead").await;
        if rig.is_away_meanwhile() {
            // A consumer may see that; the next one goes on.
            drop(consumer);
            consumer = consumer_at(&*rig, &next).await;
        }
        let (_, _, messages) = next_batch(&mut consumer, 10).await;
        assert_eq!(payloads(&messages), ["instead"]);
    }
}
