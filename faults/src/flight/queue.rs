//! What carries live writes from the source to the live path, where that is not the outbox itself.

use super::Flight;
use crate::engine::Engine;
use crate::relay::{Relay, Topic};
use servers::shared::unique_name;
use servers::{Connect, Connector, connect};
use std::time::{Duration, Instant};

/// Longest that a relay may need for what a test writes.
const CARRIED_MAX: Duration = Duration::from_secs(60);

/// Longest that Debezium may need to begin, or for what a test writes.
const DEBEZIUM_MAX: Duration = Duration::from_secs(120);

impl Flight {
    /// The plan's queue becomes a topic.
    fn read_topic(&self, brokers: &str, group: &str, session_ms: u64, topic: &str) {
        let brokers = brokers.replace(',', "\", \"");
        self.bed.edit(
            "kind = \"outbox\"\ntable = \"outbox\"",
            &format!(
                "kind = \"kafka\"\nbrokers = [\"{brokers}\"]\ngroup = \"{group}\"\n\
                 session_ms = {session_ms}\n{topic}"
            ),
        );
    }

    /// Has the outbox carried to a new topic of these brokers, from where the live writes are read.
    /// `session_ms` is how long the group waits for a consumer that says nothing.
    pub async fn fly_over(&mut self, brokers: &str, partitions: i32, session_ms: u64) -> &Topic {
        let topic = Topic::create(brokers, partitions).await;
        let name = topic.name();
        let described = format!(
            "dead_letter_topic = \"{name}-dead\"\n[[queue.topic]]\nname = \"{name}\"\n\
             format = \"plain\"\nversions = \"queue\"\ntable = \"followers\"\n\
             options = {{ op = {{ header = \"op\", upsert = [\"upsert\"], \
             delete = [\"delete\"] }} }}"
        );
        self.read_topic(brokers, name, session_ms, &described);
        self.topic.insert(topic)
    }

    /// The topic of a flight over Kafka.
    ///
    /// # Panics
    /// Without [`Self::fly_over`].
    #[must_use]
    pub fn topic(&self) -> &Topic {
        self.topic.as_ref().unwrap()
    }

    /// Carries the outbox to the topic until it is told to stop.
    pub fn relay(&self) -> Relay {
        Relay::start(&self.source, self.topic())
    }

    /// Waits until the relay has carried everything.
    pub async fn carried(&self) {
        let begun = Instant::now();
        while !self.source.lines("SELECT op FROM outbox").await.is_empty() {
            assert!(begun.elapsed() < CARRIED_MAX, "the relay stands still");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Has a live Debezium carry the source's own log to these brokers, from where the live writes
    /// are read. Returns when the topic is there. `server_id` is the connector's among replicas.
    pub async fn fly_over_debezium(&mut self, brokers: &str, session_ms: u64, server_id: u32) {
        let (name, url) = (unique_name("debezium"), self.source.url());
        let database = self.source.database();
        let (connector, schema) = match self.source.engine() {
            Engine::MariaDb => (Connector::mariadb(&name, url, server_id).unwrap(), database),
            Engine::Postgres => (Connector::postgres(&name, url).unwrap(), "public"),
        };
        let connector = connector.set("table.include.list", &format!("{schema}.followers"));
        // Left alone it leaves out that a table was emptied.
        let connector = connector.set("skipped.operations", "none");
        let topic = format!("{name}.{schema}.followers");
        let worker = connect(brokers).connector(connector).start().unwrap();
        let described = format!("[[queue.topic]]\nname = \"{topic}\"\nformat = \"debezium\"");
        self.read_topic(brokers, &name, session_ms, &described);
        // The topic comes with the first message, of the snapshot.
        let begun = Instant::now();
        loop {
            let checked = self.bed.run("dual-write", &["check"]);
            if checked.code == Some(0) {
                break;
            }
            assert_eq!(worker.failure(), None);
            assert!(begun.elapsed() < DEBEZIUM_MAX, "{checked:?}");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        self.debezium = Some(worker);
    }

    /// Puts an edge of this dependent, which there was none of, and waits until a live path that runs
    /// has applied it. Debezium has delivered everything before it by then.
    pub async fn delivered(&self, dependent: &str) {
        let begun = Instant::now();
        self.application.put("the", dependent, None).await;
        let query = format!("SELECT follower FROM follows WHERE follower = '{dependent}'");
        loop {
            for shard in &self.shards {
                if !shard.lines(&query).await.is_empty() {
                    return;
                }
            }
            assert_eq!(self.debezium.as_ref().and_then(Connect::failure), None);
            assert!(begun.elapsed() < DEBEZIUM_MAX, "{dependent} does not come");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}
