//! 20: tables that change under way.

use super::flying::{DRAIN, Flying, RUN, directions};
use faults::Engine;
use std::time::{Duration, Instant};

/// Longest wait for a dead letter to be passed.
const LETTER_MAX: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_column_that_is_added_to_the_source_is_none_of_the_plans_business() {
    for direction in directions(20) {
        let flying = Flying::begun(direction).await;
        let flight = &flying.flight;
        let live = flight.bed.start("dual-write", RUN);
        flying.change(20).await;
        flight.source.run("ALTER TABLE followers ADD COLUMN note varchar(9)").await;
        flying.change(20).await;
        drop(flight.ok("backfill", &["run"]));
        flight.bed.wait_until_applied();
        drop(live.drain().ok());
        flying.ends_well().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_column_that_is_dropped_from_the_target_stops_the_live_path_until_it_is_there_again() {
    for direction in directions(120) {
        let flying = Flying::copied(direction).await;
        let flight = &flying.flight;
        let live = flight.bed.start("dual-write", RUN);
        flying.change(10).await;
        flight.bed.wait_until_applied();
        for shard in &flight.shards {
            shard.run("ALTER TABLE follows DROP COLUMN requirement").await;
        }
        flying.change(10).await;
        let said = live.wait();
        let complaint = said.complains(said.code.unwrap());
        complaint.names(&["requirement"]);
        for shard in &flight.shards {
            let wide = match shard.engine() {
                Engine::MariaDb => "varchar(99) CHARACTER SET utf8mb4",
                Engine::Postgres => "text",
            };
            shard.run(&format!("ALTER TABLE follows ADD COLUMN requirement {wide}")).await;
        }
        drop(flight.ok("dual-write", DRAIN));
        // What the column held is gone from the target, and found.
        assert_eq!(flight.bed.run("verify", &["run"]).code, Some(3));
        drop(flight.ok("verify", &["repair", "--execute"]));
        flying.is_well().await;
        flying.ends_repaired().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_narrowed_column_cannot_hold_is_replayed_once_it_is_wide_again() {
    for direction in directions(220) {
        let flying = Flying::copied(direction).await;
        let flight = &flying.flight;
        let alter = |width: u32| match direction.target {
            Engine::MariaDb => {
                format!(
                    "ALTER TABLE follows MODIFY requirement varchar({width}) CHARACTER SET utf8mb4"
                )
            }
            Engine::Postgres => {
                format!("ALTER TABLE follows ALTER requirement TYPE varchar({width})")
            }
        };
        let live = flight.bed.start("dual-write", RUN);
        flying.change(5).await;
        flight.bed.wait_until_applied();
        for shard in &flight.shards {
            shard.run(&alter(20)).await;
        }
        // Whoever starts now is told to widen it; who runs finds out.
        flight.bed.run("dual-write", DRAIN).complains(7).names(&["requirement", "widen"]);
        flight.application.put("lib1", "long", Some(&"l".repeat(60))).await;
        flying.change(5).await;
        let begun = Instant::now();
        // What comes behind it in its partition is applied.
        while flight.missing().await.len() != 1 {
            assert!(begun.elapsed() < LETTER_MAX, "missing: {:?}", flight.missing().await);
        }
        for shard in &flight.shards {
            shard.run(&alter(99)).await;
        }
        flight.bed.wait_until_applied();
        drop(live.drain().ok());
        drop(flight.ok("dual-write", &["dlq", "replay", "--all"]));
        flying.is_well().await;
        flying.ends_well().await;
    }
}
