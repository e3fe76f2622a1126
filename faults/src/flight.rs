//! A migration of a service under load from one kind of server to another.

mod queue;

use crate::application::Application;
use crate::bed::Bed;
use crate::engine::{Engine, Place};
use crate::program::Running;
use crate::relay::Topic;
use crate::watched::Watched;
use servers::Connect;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The two copies of every edge.
const COPIES: [&str; 2] = ["follower_of", "follows"];

/// A service on one server, two empty targets on others, and the plan.
#[derive(Debug)]
pub struct Flight {
    /// The plan's folder, and its programs.
    pub bed: Bed,
    /// The service.
    pub application: Arc<Application>,
    /// Its database.
    pub source: Place,
    /// The two targets.
    pub shards: [Place; 2],
    topic: Option<Topic>,
    debezium: Option<Connect>,
    debezium_topic: Option<Watched>,
    /// What Debezium's topics begin with.
    topic_prefix: String,
    /// Databases that are dropped with this.
    kept: Vec<Place>,
}

impl Flight {
    /// Everything there is before the set-up: live writes come through the outbox, and the key lock
    /// lies in a file.
    pub async fn new(source: Place, shards: [Place; 2], checkpoint: &Place, seed: u64) -> Self {
        let bed = Bed::new(0, seed).await;
        source.run(source.engine().source()).await;
        for shard in &shards {
            shard.run(shard.engine().shard()).await;
        }
        for (name, place) in [
            ("source", &source),
            ("checkpoint", checkpoint),
            ("shard-0", &shards[0]),
            ("shard-1", &shards[1]),
        ] {
            std::fs::write(bed.path(&format!("{name}.url")), place.url()).unwrap();
            let engine = place.engine().name();
            bed.edit(
                &format!("engine = \"sqlite\"\npath = \"{name}.db\""),
                &format!("engine = \"{engine}\"\nurl = \"file:{name}.url\""),
            );
        }
        bed.edit("size_kib = ", "price = \"price\"\nsize_kib = ");
        if source.engine() == Engine::Postgres {
            // It has no such type: what a number of this size is has to be said.
            bed.edit("entity = [", "types = { installed_kib = \"unsigned\" }\nentity = [");
        }
        let application = Application::new(source.engine(), source.url(), seed).await;
        Self {
            bed,
            application,
            source,
            shards,
            topic: None,
            debezium: None,
            debezium_topic: None,
            topic_prefix: String::new(),
            kept: Vec::new(),
        }
    }

    /// As [`Self::new`], each database on the shared server of its engine.
    pub async fn shared(source: Engine, target: Engine, checkpoint: &Place, seed: u64) -> Self {
        let shards = [0, 1].map(|_| Place::shared(target, "shard"));
        Self::new(Place::shared(source, "source"), shards, checkpoint, seed).await
    }

    /// Keeps a database of the shared server as long as this.
    pub fn keep(&mut self, place: Place) {
        self.kept.push(place);
    }

    /// Puts the key lock into a Redis.
    pub fn lock_in_redis(&self, url: &str) {
        self.bed.edit(
            "engine = \"sqlite\"\npath = \"locks.db\"",
            &format!("engine = \"redis\"\nurl = \"{url}\""),
        );
    }

    /// Runs a program that has to end well.
    #[track_caller]
    pub fn ok(&self, program: &str, args: &[&str]) -> String {
        self.bed.run(program, args).ok()
    }

    /// Makes live changes: four sessions of so many transactions.
    pub async fn change(&self, transactions: u64) {
        self.application.change(transactions).await;
    }

    /// Takes the service over, both phases killed again and again under its load: up to a verdict,
    /// a trimmed outbox, and the same on both sides. Returns the live path.
    pub async fn is_carried_under_kills(&self) -> Running {
        for program in ["dual-write", "backfill", "verify", "cutover"] {
            drop(self.ok(program, &["check"]));
        }
        drop(self.ok("dual-write", &["set-up"]));
        let mut live = self.bed.start("dual-write", &["run"]);
        self.change(20).await;
        drop(self.ok("backfill", &["run", "--sample", "20%"]));
        drop(self.ok("verify", &["run", "--sample-of-backfill"]));
        // Killed wherever they are, under load; what they hold is let go, and others go on.
        for _ in 0..4 {
            let copy = self.bed.start("backfill", &["run"]);
            self.change(25).await;
            drop(copy.kill());
            drop(live.kill());
            self.change(10).await;
            live = self.bed.start("dual-write", &["run"]);
        }
        drop(self.ok("backfill", &["run"]));
        self.change(20).await;
        drop(self.ok("verify", &["run"]));
        self.bed.wait_until_applied();
        self.is_the_same().await;
        drop(self.ok("dual-write", &["outbox", "trim", "--yes"]));
        // The last one is the witness of the position.
        assert_eq!(self.source.lines("SELECT op FROM outbox").await.len(), 1);
        self.change(5).await;
        self.bed.wait_until_applied();
        self.is_the_same().await;
        live
    }

    /// Ends the migration: the application's tables are left, and nothing else.
    pub async fn leaves_nothing_behind(&self, live: Running) {
        drop(live.drain().ok());
        drop(self.ok("cutover", &["abort", "--yes"]));
        drop(self.ok("cutover", &["cleanup", "--confirm", "bed"]));
        for shard in &self.shards {
            assert_eq!(shard.tables().await, "follower_of follows");
        }
        assert_eq!(self.source.tables().await, "followers outbox");
    }

    /// The oracle: what was acknowledged is what the source holds, and either copy in the target;
    /// no edge lies on two shards.
    pub async fn is_the_same(&self) {
        let expected = self.application.acknowledged();
        assert!(expected.len() > 1_000);
        let source = self.source.lines(self.source.engine().source_edges()).await;
        is_equal("source", &expected, &source.into_iter().collect());
        for copy in COPIES {
            let mut found = BTreeSet::new();
            for shard in &self.shards {
                for edge in shard.lines(&shard.engine().target_edges(copy)).await {
                    assert!(found.insert(edge.clone()), "twice: {edge}");
                }
            }
            is_equal(copy, &expected, &found);
        }
    }

    /// What was acknowledged and is not in the second copy, or not as it should be.
    pub async fn missing(&self) -> BTreeSet<String> {
        let mut missing = self.application.acknowledged();
        for shard in &self.shards {
            for edge in shard.lines(&shard.engine().target_edges(COPIES[1])).await {
                missing.remove(&edge);
            }
        }
        missing
    }

    /// Has every write to one copy logged by the targets themselves, from now on.
    pub async fn watch(&self) {
        for shard in &self.shards {
            shard.run(shard.engine().watch()).await;
        }
    }

    /// Looks at what [`Self::watch`] logged: no change of an edge was written twice, or after a
    /// later one. The copy may have written each edge first, ahead of the changes that were in the
    /// queue then. Returns how many writes there were.
    pub async fn nothing_was_done_twice(&self) -> usize {
        let mut writes = 0;
        for shard in &self.shards {
            let log = "SELECT concat_ws('=', line, price) FROM seen ORDER BY id";
            let mut by_edge: BTreeMap<String, Vec<String>> = BTreeMap::new();
            for line in shard.lines(log).await {
                let (edge, price) = line.split_once('=').unwrap();
                by_edge.entry(edge.to_owned()).or_default().push(price.to_owned());
                writes += 1;
            }
            for (edge, prices) in by_edge {
                assert!(is_in_order_but_for_the_first(&prices), "{edge}: {prices:?}");
            }
        }
        writes
    }
}

/// Whether the operations rise from the second on: the first may be the copy's, and that reads what
/// the source holds then, ahead of what is in the queue.
fn is_in_order_but_for_the_first(prices: &[String]) -> bool {
    let number = |price: &String| price.split('.').next().unwrap().parse::<u64>().unwrap();
    prices.iter().skip(1).map(number).is_sorted_by(|one, next| one < next)
}

#[track_caller]
fn is_equal(side: &str, expected: &BTreeSet<String>, found: &BTreeSet<String>) {
    let (missing, extra) = (expected.difference(found).next(), found.difference(expected).next());
    assert_eq!((missing, extra), (None, None), "{side}: missing, and too much");
}

#[cfg(test)]
mod tests {
    use super::is_in_order_but_for_the_first;

    fn is_fine(operations: &[u64]) -> bool {
        let prices: Vec<_> = operations.iter().map(|number| format!("{number}.5")).collect();
        is_in_order_but_for_the_first(&prices)
    }

    #[test]
    fn the_copy_may_be_ahead_and_nothing_else_is_out_of_order() {
        assert!(is_fine(&[]) && is_fine(&[0, 4, 9]) && is_fine(&[9, 4, 9]));
        assert!(!is_fine(&[4, 4, 4]) && !is_fine(&[1, 9, 4, 12]) && !is_fine(&[5, 9, 2, 3]));
    }
}
