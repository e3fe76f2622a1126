//! Positions and versions: what they order, and what is refused as none.

use super::{consumer_at, end, next_batch, rigs};
use migration::error::ErrorKind;
use migration::position::Position;

#[tokio::test]
async fn positions_and_versions_rise_and_every_message_lies_between_its_two_positions() {
    for mut rig in rigs().await {
        let start = end(&*rig).await;
        for n in 0..300 {
            rig.append(&n.to_string()).await;
        }
        let mut consumer = consumer_at(&*rig, &start).await;
        let (mut at, mut version, mut seen) = (start, None, 0);
        while seen < 300 {
            let (from, next, messages) = next_batch(&mut consumer, 7).await;
            seen += messages.len();
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
        let (_, _, messages) = next_batch(&mut consumer, 10).await;
        assert!(messages[0].version.unwrap() > old);
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
