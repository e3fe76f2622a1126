//! Beside the list: targets that are sharded in other ways than in the rest of these tests.

use super::flying::{Flying, RUN, directions, is_conserved};

/// The lowest follower of the second shard.
const BOUND: &str = "package-5";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_copy_of_an_edge_goes_where_its_own_function_says() {
    for direction in directions(403) {
        let flying = Flying::prepared(direction).await;
        for (by, function) in [
            ("followed", "\"murmur3\"".to_owned()),
            ("follower", format!("\"ranges\", bounds = [\"{BOUND}\"]")),
        ] {
            let crc = format!("by = \"{by}\", function = \"crc32\"");
            flying.flight.bed.edit(&crc, &format!("by = \"{by}\", function = {function}"));
        }
        let flying = flying.begin();
        let flight = &flying.flight;
        let live = flight.bed.start("dual-write", RUN);
        let load = flight.application.load();
        flight.application.made(100).await;
        drop(flight.ok("backfill", RUN));
        flight.application.made(100).await;
        load.stop().await;
        flight.carried().await;
        flight.bed.wait_until_applied();
        is_conserved(&live.drain().json());
        for (place, shard) in flight.shards.iter().enumerate() {
            let followers = shard.lines("SELECT follower FROM follows").await;
            assert!(!followers.is_empty(), "shard {place} has nothing");
            let strays: Vec<_> =
                followers.iter().filter(|f| (f.as_str() < BOUND) != (place == 0)).collect();
            assert!(strays.is_empty(), "on shard {place}: {strays:?}");
            let lists = shard.lines("SELECT DISTINCT followed FROM follower_of").await;
            assert!(lists.len() > 10, "shard {place}: {lists:?}");
        }
        flying.ends_well().await;
    }
}
