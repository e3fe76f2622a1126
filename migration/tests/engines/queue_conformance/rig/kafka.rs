//! A topic of a real broker, with a hand on its producing side.

use super::Rig;
use crate::kafka::broker::{LIMIT, admin, config, create_topic, open, plan, send};
use async_trait::async_trait;
use migration::queue::{Assignment, Queue};
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::producer::{BaseProducer, BaseRecord, FutureProducer, Producer as _};
use servers::shared::{kafka_brokers, unique_name};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A topic of one partition.
pub(crate) struct KafkaRig {
    brokers: String,
    topic: String,
    partition: String,
    epoch: u32,
    queue: Arc<dyn Queue>,
    producer: FutureProducer,
    /// What was sent, with its time.
    sent: Vec<(String, i64)>,
    kept: usize,
    made_at: i64,
}

impl KafkaRig {
    pub(crate) async fn new() -> Self {
        let brokers = kafka_brokers().unwrap();
        let topic = unique_name("queue");
        create_topic(&brokers, &topic, 1).await;
        let producer = config(&brokers).create().unwrap();
        Self {
            queue: open(&plan(&brokers, &topic), 1).await.unwrap(),
            partition: format!("{topic}-0"),
            epoch: 1,
            producer,
            sent: Vec::new(),
            kept: 0,
            made_at: migration::clock::Timestamp::now().0 / 1_000,
            brokers,
            topic,
        }
    }
}

#[async_trait]
impl Rig for KafkaRig {
    fn queue(&self) -> Arc<dyn Queue> {
        Arc::clone(&self.queue)
    }

    fn partition(&self) -> &str {
        &self.partition
    }

    async fn append(&mut self, payload: &str) -> u64 {
        self.made_at += 1;
        self.sent.push((payload.to_owned(), self.made_at));
        send(&self.producer, &self.topic, payload, self.made_at).await
    }

    /// A transaction that was given up: its message and its end each take an offset.
    async fn skip(&mut self) {
        let (brokers, topic) = (self.brokers.clone(), self.topic.clone());
        tokio::task::spawn_blocking(move || abort(&brokers, &topic)).await.unwrap();
    }

    async fn remove(&mut self, _offset: u64) {
        unreachable!("a broker removes from the beginning only");
    }

    async fn backup(&mut self) {
        self.kept = self.sent.len();
    }

    /// The topic is deleted, made anew and filled from elsewhere.
    async fn restore(&mut self) {
        self.sent.truncate(self.kept);
        delete_topic(&self.brokers, &self.topic).await;
        create_topic(&self.brokers, &self.topic, 1).await;
        until_empty(&self.brokers, &self.topic).await;
        self.producer = config(&self.brokers).create().unwrap();
        for (payload, made_at) in self.sent.clone() {
            send(&self.producer, &self.topic, &payload, made_at).await;
        }
    }

    async fn raise_epoch(&mut self) {
        self.epoch = 2;
        self.queue = open(&plan(&self.brokers, &self.topic), self.epoch).await.unwrap();
    }

    fn assignment(&self) -> Assignment {
        Assignment::Group
    }

    fn moment(&self) -> Duration {
        Duration::from_secs(2)
    }

    fn is_away_meanwhile(&self) -> bool {
        true
    }

    fn can_trim(&self) -> bool {
        false
    }
}

async fn delete_topic(brokers: &str, topic: &str) {
    let (admin, options) = admin(brokers);
    for result in admin.delete_topics(&[topic], &options).await.unwrap() {
        result.unwrap();
    }
}

/// Waits for the new topic: until its broker has heard of the deletion, the old one takes messages,
/// and they go with it.
async fn until_empty(brokers: &str, topic: &str) {
    let (consumer, topic) = (config(brokers).create::<BaseConsumer>().unwrap(), topic.to_owned());
    let wait = move || {
        let began = Instant::now();
        while !matches!(consumer.fetch_watermarks(&topic, 0, LIMIT), Ok((0, 0))) {
            assert!(began.elapsed() < LIMIT, "the old {topic} is still there");
            std::thread::sleep(Duration::from_millis(5));
        }
    };
    tokio::task::spawn_blocking(wait).await.unwrap();
}

fn abort(brokers: &str, topic: &str) {
    let producer: BaseProducer =
        config(brokers).set("transactional.id", unique_name("aborts")).create().unwrap();
    producer.init_transactions(LIMIT).unwrap();
    producer.begin_transaction().unwrap();
    producer.send(BaseRecord::to(topic).key("k").payload("given up")).unwrap();
    producer.flush(LIMIT).unwrap();
    producer.abort_transaction(LIMIT).unwrap();
}
