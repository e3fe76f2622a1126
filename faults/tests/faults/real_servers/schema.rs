//! 20: tables that change under way.

use super::flying::{DRAIN, Flying, RUN, directions};
use faults::Engine;

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
        let (flying, live) = Flying::live(direction).await;
        let flight = &flying.flight;
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
        let (flying, live) = Flying::live(direction).await;
        let flight = &flying.flight;
        flying.resize(20).await;
        // Whoever starts now is told to widen it; who runs finds out.
        flight.bed.run("dual-write", DRAIN).complains(7).names(&["requirement", "widen"]);
        flight.application.put("lib1", "long", Some(&"l".repeat(60))).await;
        flying.change(5).await;
        flying.until_missing(1).await;
        flying.resize(99).await;
        flight.bed.wait_until_applied();
        drop(live.drain().ok());
        drop(flight.ok("dual-write", &["dlq", "replay", "--all"]));
        flying.is_well().await;
        flying.ends_well().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_column_that_is_gone_from_the_source_stops_the_copy_until_it_is_there_again() {
    for direction in directions(320) {
        let flying = Flying::begun(direction).await;
        let flight = &flying.flight;
        flying.change(40).await;
        flight.source.run("ALTER TABLE followers RENAME COLUMN section TO gone").await;
        for program in ["backfill", "verify"] {
            let said = flight.bed.run(program, RUN);
            said.complains(said.code.unwrap()).names(&["section"]);
        }
        flight.source.run("ALTER TABLE followers RENAME COLUMN gone TO section").await;
        drop(flight.ok("backfill", RUN));
        drop(flight.ok("dual-write", DRAIN));
        flying.ends_well().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_column_that_the_target_wants_filled_stops_the_live_path_until_it_is_gone_again() {
    for direction in directions(420) {
        let (flying, live) = Flying::live(direction).await;
        let flight = &flying.flight;
        for shard in &flight.shards {
            shard.run("ALTER TABLE follows ADD COLUMN note varchar(9) NOT NULL DEFAULT ''").await;
            shard.run("ALTER TABLE follows ALTER COLUMN note DROP DEFAULT").await;
        }
        flying.change(10).await;
        let said = live.wait();
        said.complains(said.code.unwrap()).names(&["note"]);
        // Whoever starts now is told what to do about it.
        flight.bed.run("dual-write", DRAIN).complains(7).names(&["note", "let it be null"]);
        for shard in &flight.shards {
            shard.run("ALTER TABLE follows DROP COLUMN note").await;
        }
        drop(flight.ok("dual-write", DRAIN));
        flying.ends_well().await;
    }
}
