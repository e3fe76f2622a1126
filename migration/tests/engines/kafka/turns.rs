//! Which partition's turn it is.

use super::{Bed, joined};
use crate::kafka::broker::{LIMIT, config};
use migration::queue::Delivery;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use std::sync::Arc;
use std::time::Instant;

const PARTITIONS: i32 = 3;

/// Of each partition; librdkafka fetches about so many at once.
const MESSAGES: usize = 2_000;

const DELIVERY: usize = 250;

/// Sends them partition by partition.
fn fill(bed: &Bed) {
    let producer: BaseProducer = config(&bed.brokers).create().unwrap();
    let payload = "x".repeat(400);
    for partition in 0..PARTITIONS {
        for _ in 0..MESSAGES {
            let record: BaseRecord<'_, (), str> = BaseRecord::to(&bed.topic);
            producer.send(record.partition(partition).payload(&payload)).unwrap();
        }
    }
    producer.flush(LIMIT).unwrap();
}

#[tokio::test]
async fn partitions_that_are_behind_take_turns_with_whole_deliveries() {
    let bed = Bed::new(PARTITIONS).await;
    let mut begins = Vec::new();
    for partition in bed.queue.partitions().await.unwrap() {
        let end = bed.queue.end(&partition).await.unwrap();
        begins.push((partition, end));
    }
    fill(&bed);
    let (mut consumer, _) = joined(&bed.queue).await;
    for (partition, begin) in &begins {
        consumer.seek(partition, begin).await.unwrap();
    }
    let began = Instant::now();
    let mut deliveries: Vec<(Arc<str>, usize)> = Vec::new();
    let all = MESSAGES * begins.len();
    while deliveries.iter().map(|(_, count)| count).sum::<usize>() < all {
        assert!(began.elapsed() < LIMIT, "{deliveries:?}");
        if let Delivery::Messages { partition, messages, .. } =
            consumer.poll(DELIVERY, LIMIT).await.unwrap()
        {
            deliveries.push((partition, messages.len()));
        }
    }
    let turns = deliveries.windows(2).filter(|pair| pair[0].0 != pair[1].0).count();
    let whole = deliveries.iter().filter(|(_, count)| *count == DELIVERY).count();
    // In the order in which they were fetched there would be two turns.
    assert!(turns >= all / DELIVERY / 2, "{turns} turns: {deliveries:?}");
    assert!(whole >= all / DELIVERY / 2, "{whole} whole: {deliveries:?}");
}
