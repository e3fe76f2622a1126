//! 17, 18, 19: messages that say nothing, texts that look alike, and values of every size.

use super::flying::{DRAIN, Flying, directions, is_conserved};
use faults::{Engine, Place};

fn letters(flying: &Flying) -> Vec<serde_json::Value> {
    let list = flying.flight.ok("dual-write", &["dlq", "list", "-o", "ndjson"]);
    list.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn poisoned_messages_end_as_dead_letters_with_their_bytes_and_the_rest_is_applied() {
    for direction in directions(17) {
        let flying = Flying::copied(direction).await;
        flying.change(10).await;
        let deep = "[".repeat(200_000);
        let poisoned: [(Option<&str>, &[u8]); 8] = [
            (Some("upsert"), b"{\"package\":\"lib1\",\"dependent\":"),
            (Some("explode"), b"{\"package\":\"lib1\",\"dependent\":\"poison\"}"),
            (None, b"{\"package\":\"lib1\",\"dependent\":\"poison\"}"),
            (Some("upsert"), b"{\"package\":\"lib1\"}"),
            (Some("upsert"), b"{\"package\":\"lib1\",\"dependent\":\"poison\",\"constraint\":null,\"section\":\"web\",\"installed_kib\":\"many\",\"price\":1,\"changed_at\":\"2025-06-01 12:00:00\"}"),
            (Some("upsert"), b"\xff\xfe{\"package\":\"lib1\"}"),
            (Some("delete"), b"[1,2]"),
            (Some("upsert"), deep.as_bytes()),
        ];
        for (op, payload) in poisoned {
            flying.flight.topic().send("poison", op, payload).await;
        }
        flying.change(10).await;
        let counted = flying.flight.bed.run("dual-write", DRAIN).json();
        is_conserved(&counted);
        assert_eq!(counted["dead_letters"], poisoned.len(), "{counted}");
        let letters = letters(&flying);
        assert_eq!(letters.len(), poisoned.len(), "{letters:?}");
        // What was on the wire is kept to the byte.
        let shown = letters.iter().map(|letter| {
            let id = letter["id"].as_str().unwrap();
            flying.flight.bed.run("dual-write", &["dlq", "show", id, "-o", "json"]).json()
        });
        let cut_off = "{\"package\":\"lib1\",\"dependent\":";
        let payloads: Vec<_> = shown.map(|shown| shown["payload"].clone()).collect();
        assert!(payloads.contains(&cut_off.into()), "{payloads:?}");
        drop(
            flying
                .flight
                .ok("dual-write", &["dlq", "drop", "--all", "--reason", "a test", "--yes"]),
        );
        flying.is_well().await;
        flying.ends_well().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_and_values_that_look_alike_stay_apart_to_the_byte() {
    for direction in directions(18) {
        let flying = Flying::begun(direction).await;
        let keys =
            ["twin", "Twin", "TWIN", "twin ", " twin", "tw\u{ed}n", "twi\u{301}n", "\u{1f600}", ""];
        let write = async |text: &str| {
            for key in keys {
                flying.flight.application.put(key, "alike", Some(text)).await;
                flying.flight.application.put("lib1", &format!("alike-{key}"), Some(text)).await;
            }
        };
        // Half of them are copied, all of them come live.
        write("").await;
        drop(flying.flight.ok("backfill", &["run"]));
        for text in [" ", "a ", "\u{1f600}\u{1f680}", "\\ % _ \"", "\t\r\n", "\u{fffd}\u{10ffff}"] {
            write(text).await;
            flying.is_well().await;
        }
        flying.ends_well().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn values_of_every_size_are_carried_or_kept_as_dead_letters() {
    for direction in directions(19) {
        let flying = Flying::prepared(direction).await;
        let (wide_source, wide_shard) = match direction.source {
            Engine::MariaDb => (
                "ALTER TABLE followers MODIFY `constraint` MEDIUMTEXT CHARACTER SET utf8mb4",
                "ALTER TABLE follower_of ALTER requirement TYPE text",
            ),
            Engine::Postgres => (
                "ALTER TABLE followers ALTER \"constraint\" TYPE text",
                "ALTER TABLE follower_of MODIFY requirement LONGTEXT CHARACTER SET utf8mb4; \
                 ALTER TABLE follows MODIFY requirement LONGTEXT CHARACTER SET utf8mb4",
            ),
        };
        flying.flight.source.run(wide_source).await;
        for shard in &flying.flight.shards {
            shard.run(wide_shard).await;
        }
        let flying = flying.begin();
        let sizes = [0, 1, 65_535, 65_536, 1 << 20, (2 << 20) + 7];
        for (number, size) in sizes.into_iter().enumerate() {
            let text = "x".repeat(size);
            flying.flight.application.put("large", &format!("copied-{number}"), Some(&text)).await;
        }
        drop(flying.flight.ok("backfill", &["run"]));
        for (number, size) in sizes.into_iter().enumerate() {
            let text = "y".repeat(size);
            flying.flight.application.put("large", &format!("live-{number}"), Some(&text)).await;
        }
        flying.is_well().await;
        flying.ends_well().await;
    }
}

/// What a record needs more than the server takes is refused before it is sent, and named.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_value_over_max_allowed_packet_is_a_dead_letter_that_is_replayed_once_it_fits() {
    let server = servers::mariadb().set("max_allowed_packet", "1048576").start().unwrap();
    let shards = ["shard_0", "shard_1"].map(|name| {
        server.sql(&format!("CREATE DATABASE {name}")).unwrap();
        let url = format!("{}{name}", server.url().trim_end_matches(|last| last != '/'));
        Place::of(Engine::MariaDb, url)
    });
    let flying = Flying::between(Place::shared(Engine::Postgres, "source"), shards).await;
    flying.flight.source.run("ALTER TABLE followers ALTER \"constraint\" TYPE text").await;
    for shard in &flying.flight.shards {
        for table in ["follower_of", "follows"] {
            let wide = "MODIFY requirement LONGTEXT CHARACTER SET utf8mb4";
            shard.run(&format!("ALTER TABLE {table} {wide}")).await;
        }
    }
    let flying = flying.begin();
    drop(flying.flight.ok("backfill", &["run"]));
    let flight = &flying.flight;
    flight.application.put("large", "fits", Some(&"x".repeat(900_000))).await;
    flight.application.put("large", "does not", Some(&"x".repeat(1_100_000))).await;
    flying.change(5).await;
    let counted = flight.bed.run("dual-write", DRAIN).json();
    is_conserved(&counted);
    assert_eq!(counted["dead_letters"], 1, "{counted}");
    let kept = letters(&flying);
    assert!(kept[0]["error"].as_str().unwrap().contains("max_allowed_packet"), "{kept:?}");
    server.sql("SET GLOBAL max_allowed_packet = 16777216").unwrap();
    drop(flight.ok("dual-write", &["dlq", "replay", "--all"]));
    assert_eq!(letters(&flying).len(), 0);
    flying.is_well().await;
    flying.ends_well().await;
}
