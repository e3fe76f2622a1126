//! A topic that somebody else writes to.

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use std::time::Duration;

/// Longer than a broker takes to answer.
const LIMIT: Duration = Duration::from_secs(60);

/// How much there is in a topic of another's.
pub(crate) struct Watched {
    topic: String,
    client: BaseConsumer,
}

impl std::fmt::Debug for Watched {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watched").field("topic", &self.topic).finish_non_exhaustive()
    }
}

impl Watched {
    pub(crate) fn new(brokers: &str, topic: String) -> Self {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", brokers).set("group.id", "a test that looks");
        Self { topic, client: config.create().unwrap() }
    }

    /// How many messages it has taken so far.
    pub(crate) fn messages(&self) -> i64 {
        let metadata = self.client.fetch_metadata(Some(&self.topic), LIMIT).unwrap();
        let partitions = metadata.topics()[0].partitions().iter();
        let end = |id| self.client.fetch_watermarks(&self.topic, id, LIMIT).unwrap().1;
        partitions.map(|partition| end(partition.id())).sum()
    }
}
