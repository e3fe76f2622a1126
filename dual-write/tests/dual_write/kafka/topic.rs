//! A topic of the shared broker, to be filled.

use rdkafka::admin::{AdminClient, AdminOptions, NewPartitions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{FutureProducer, FutureRecord};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use servers::shared::{kafka_brokers, unique_name};
use std::time::Duration;

/// Longer than anything that is to come takes.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

pub(crate) struct Topic {
    pub(crate) brokers: String,
    pub(crate) name: String,
    producer: FutureProducer,
    admin: AdminClient<DefaultClientContext>,
}

fn options() -> AdminOptions {
    AdminOptions::new().operation_timeout(Some(LIMIT))
}

impl Topic {
    pub(crate) async fn new(partitions: i32) -> Self {
        let brokers = kafka_brokers().unwrap();
        let name = unique_name("live");
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &brokers).set("acks", "all");
        let admin: AdminClient<DefaultClientContext> = config.create().unwrap();
        let new = NewTopic::new(&name, partitions, TopicReplication::Fixed(1));
        for result in admin.create_topics([&new], &options()).await.unwrap() {
            result.unwrap();
        }
        let producer = config.set("linger.ms", "0").create().unwrap();
        Self { brokers, name, producer, admin }
    }

    /// As retention does, in the first partition.
    pub(crate) async fn forget_below(&self, offset: i64) {
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(&self.name, 0, Offset::Offset(offset)).unwrap();
        self.admin.delete_records(&list, &options()).await.unwrap();
    }

    /// Adds partitions, so that there are this many.
    pub(crate) async fn grow(&self, partitions: usize) {
        let more = NewPartitions::new(&self.name, partitions);
        for result in self.admin.create_partitions([&more], &options()).await.unwrap() {
            result.unwrap();
        }
    }

    pub(crate) async fn send(&self, key: &str, op: &str, payload: &str) {
        let headers = OwnedHeaders::new().insert(Header { key: "op", value: Some(op) });
        let record = FutureRecord::to(&self.name).key(key).payload(payload).headers(headers);
        self.producer.send(record, LIMIT).await.unwrap();
    }
}
