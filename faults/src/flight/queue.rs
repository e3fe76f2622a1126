//! What carries live writes from the source to the live path, where that is not the outbox itself.

use super::Flight;
use crate::engine::Engine;
use crate::relay::{Relay, Topic};
use crate::watched::Watched;
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
        let name = unique_name("debezium");
        let (connector, topic) = self.connector(&name, server_id);
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
        self.debezium_topic = Some(Watched::new(brokers, topic));
        self.topic_prefix = name;
    }

    /// A connector of this name for the source's table, and its topic.
    fn connector(&self, name: &str, server_id: u32) -> (Connector, String) {
        let url = self.source.url();
        let (connector, schema) = match self.source.engine() {
            Engine::MariaDb => {
                (Connector::mariadb(name, url, server_id).unwrap(), self.source.database())
            }
            Engine::Postgres => (Connector::postgres(name, url).unwrap(), "public"),
        };
        let table = format!("{schema}.followers");
        // Another table, where a test makes one, comes through the same topic.
        let router = "org.apache.kafka.connect.transforms.RegexRouter";
        let connector = connector
            .set("table.include.list", &format!("{table},{schema}.strangers"))
            .set("transforms", "together")
            .set("transforms.together.type", router)
            .set("transforms.together.regex", "(.*)[.]strangers")
            .set("transforms.together.replacement", "$1.followers")
            // Left alone it leaves out that a table was emptied.
            .set("skipped.operations", "none");
        (connector, format!("{name}.{table}"))
    }

    /// Ends Debezium and loses its place in the source's log.
    pub fn loses_debezium(&mut self) {
        self.debezium = None;
    }

    /// Has another Debezium, which knows nothing of the one before, go on in its topic. `snapshot`
    /// is what it does first (`snapshot.mode`). Returns when it reads the source's log.
    pub fn begins_debezium_anew(&mut self, brokers: &str, snapshot: &str, server_id: u32) {
        let (connector, _) = self.connector(&unique_name("debezium"), server_id);
        let connector =
            connector.set("topic.prefix", &self.topic_prefix).set("snapshot.mode", snapshot);
        let worker = connect(brokers).connector(connector).start().unwrap();
        worker.wait_for("Starting streaming", DEBEZIUM_MAX).unwrap();
        self.debezium = Some(worker);
    }

    /// Waits, under load, until Debezium has noted a place in the source's log: before that it
    /// would begin with its snapshot again.
    pub async fn debezium_notes_its_place(&self) {
        self.delivered("no-snapshot-any-more").await;
        // The first note may have been begun before.
        for _ in 0..2 {
            let noted = self.noted();
            let is_new = |now: Vec<u8>| !now.is_empty() && now != noted;
            self.until("notes its place", || is_new(self.noted())).await;
        }
    }

    fn noted(&self) -> Vec<u8> {
        self.debezium.as_ref().unwrap().kept()
    }

    /// Kills the worker that Debezium is in, and starts it again, under load: it goes on where it
    /// last noted that it was. That is always before what it delivered last, which comes again: it
    /// is killed while it stands still, once its note is seen to be older than messages of the
    /// topic.
    ///
    /// # Panics
    /// Without [`Self::fly_over_debezium`].
    pub async fn debezium_dies(&mut self) {
        let begun = Instant::now();
        loop {
            let noted = self.noted();
            // Whatever comes from here on is not in the note.
            let topic = self.debezium_topic.as_ref().unwrap();
            let delivered = topic.messages();
            self.until("delivers", || topic.messages() > delivered).await;
            let worker = self.debezium.as_mut().unwrap();
            worker.freeze().unwrap();
            if worker.kept() == noted {
                worker.kill().unwrap();
                worker.start().unwrap();
                return;
            }
            worker.thaw().unwrap();
            assert!(begun.elapsed() < DEBEZIUM_MAX, "whatever it delivers is noted at once");
        }
    }

    /// Waits until Debezium does that.
    async fn until(&self, what: &str, is_so: impl Fn() -> bool) {
        let begun = Instant::now();
        while !is_so() {
            assert_eq!(self.debezium.as_ref().and_then(Connect::failure), None);
            assert!(begun.elapsed() < DEBEZIUM_MAX, "Debezium never {what}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Puts an edge of this dependent, which there was none of, and waits until a live path that
    /// runs has applied it. Debezium has delivered everything before it by then.
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
