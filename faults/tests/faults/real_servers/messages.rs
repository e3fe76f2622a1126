//! 17, 18, 19: messages that say nothing, texts that look alike, and values of every size.

use super::flying::{DRAIN, Flying, directions, is_conserved};
use faults::{Engine, Place, Ran};
use serde_json::Value;
use servers::shared::kafka_brokers;
use std::collections::BTreeSet;

/// What one process may have in use, whatever the size of a table: the promise of the README.
const MEMORY_MAX: u64 = 256 << 20;

/// The payload that `dlq show` shows of a letter.
fn shown(flying: &Flying, id: &str) -> Vec<u8> {
    let shown = flying.flight.bed.run("dual-write", &["dlq", "show", id, "-o", "json"]).json();
    let digits = |at: usize, hex: &str| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
    match (shown["payload"].as_str(), shown["payload_hex"].as_str()) {
        (Some(text), None) => text.as_bytes().to_vec(),
        (None, Some(hex)) => (0..hex.len()).step_by(2).map(|at| digits(at, hex)).collect(),
        both => panic!("{both:?}"),
    }
}

/// Asserts that the topic of dead letters holds these, as Kafka Connect's tools look for them.
fn lie_in_their_topic(flying: &Flying, letters: &[Value], sent: &BTreeSet<&[u8]>) {
    let topic = flying.flight.topic();
    let lying = topic.dead_letters();
    assert_eq!(lying.len(), sent.len(), "{lying:?}");
    let mut ids = BTreeSet::new();
    for letter in &lying {
        assert!(sent.contains(letter.payload.as_slice()), "{letter:?}");
        assert_eq!(letter.says("topic"), topic.name());
        assert_eq!(letter.says("stage"), "VALUE_CONVERTER");
        assert_eq!(letter.says("exception.class.name"), "midflight.Unreadable");
        ids.insert(format!(
            "{}-{}/{}",
            topic.name(),
            letter.says("partition"),
            letter.says("offset")
        ));
        let why = letter.says("exception.message");
        let listed = letters.iter().find(|listed| listed["error"] == why);
        assert!(listed.is_some(), "{why}: {letters:?}");
        // What the messages hold is in none.
        assert!(!why.contains("poison") && !why.contains("many"), "{why}");
    }
    let listed = letters.iter().map(|letter| {
        let id = letter["id"].as_str().unwrap();
        id.rsplit_once('/').unwrap().0.to_owned()
    });
    assert_eq!(listed.collect::<BTreeSet<_>>(), ids);
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
            (None, b"{\"package\":\"lib1\",\"dependent\":\"poisoned\"}"),
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
        let sent: BTreeSet<&[u8]> = poisoned.iter().map(|(_, payload)| *payload).collect();
        let letters = flying.letters();
        assert_eq!(letters.len(), sent.len(), "{letters:?}");
        let shown = |letter: &Value| shown(&flying, letter["id"].as_str().unwrap());
        let kept: Vec<Vec<u8>> = letters.iter().map(shown).collect();
        assert_eq!(kept.iter().map(Vec::as_slice).collect::<BTreeSet<_>>(), sent, "to the byte");
        lie_in_their_topic(&flying, &letters, &sent);
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
        let flying = Flying::prepared(direction).await;
        // Where values are the same to the source, they are not the same to us.
        flying
            .flight
            .source
            .run(match direction.source {
                Engine::MariaDb => {
                    "ALTER TABLE followers MODIFY `constraint` VARCHAR(99) CHARACTER SET utf8mb4 \
                     COLLATE utf8mb4_general_ci"
                }
                Engine::Postgres => {
                    "CREATE COLLATION alike (provider = icu, locale = 'und-u-ks-level1', \
                     deterministic = false); \
                     ALTER TABLE followers ALTER \"constraint\" TYPE varchar(99) COLLATE alike"
                }
            })
            .await;
        let flying = flying.begin();
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
        for text in [
            " ",
            "a",
            "A",
            "\u{e1}",
            "a ",
            "\u{1f600}\u{1f680}",
            "\\ % _ \"",
            "\t\r\n",
            "\u{fffd}\u{10ffff}",
        ] {
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
        is_small(&flying.flight.bed.run("backfill", &["run"]));
        for (number, size) in sizes.into_iter().enumerate() {
            let text = "y".repeat(size);
            flying.flight.application.put("large", &format!("live-{number}"), Some(&text)).await;
        }
        flying.flight.carried().await;
        is_small(&flying.flight.bed.run("dual-write", DRAIN));
        flying.is_well().await;
        flying.ends_well().await;
    }
}

/// Asserts that a program ended well, within the memory that it may have.
#[track_caller]
fn is_small(ran: &Ran) {
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!((1..MEMORY_MAX).contains(&ran.peak_bytes), "{} bytes", ran.peak_bytes);
    eprintln!("at most {} MiB in use", ran.peak_bytes >> 20);
}

/// What the small server of a test takes at once.
const PACKET: usize = 1 << 20;

/// Values on both sides of what fits into that beside the rest of a record.
const SIZES: [usize; 10] = [
    900_000,
    PACKET - (32 << 10),
    PACKET - (16 << 10),
    PACKET - (8 << 10),
    PACKET - (4 << 10),
    PACKET - (2 << 10),
    PACKET - (1 << 10),
    PACKET - 256,
    PACKET,
    1_100_000,
];

/// What a record needs more than the server takes is refused before it is sent, and named.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_value_over_max_allowed_packet_is_a_dead_letter_that_is_replayed_once_it_fits() {
    let server = servers::mariadb().set("max_allowed_packet", "1048576").start().unwrap();
    let shards = ["shard_0", "shard_1"].map(|name| {
        server.sql(&format!("CREATE DATABASE {name}")).unwrap();
        let url = format!("{}{name}", server.url().trim_end_matches(|last| last != '/'));
        Place::of(Engine::MariaDb, url)
    });
    // So that a letter may be larger than what its own store takes at once.
    server.sql("CREATE DATABASE checkpoint").unwrap();
    let url = format!("{}checkpoint", server.url().trim_end_matches(|last| last != '/'));
    let checkpoint = Place::of(Engine::MariaDb, url);
    let source = Place::shared(Engine::Postgres, "source");
    let flying = Flying::over(source, shards, &checkpoint, &kafka_brokers().unwrap()).await;
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
    for size in SIZES {
        flight.application.put("large", &size.to_string(), Some(&"x".repeat(size))).await;
    }
    flying.change(5).await;
    let ran = flight.bed.run("dual-write", DRAIN);
    is_small(&ran);
    let counted = ran.json();
    is_conserved(&counted);
    let kept = flying.letters();
    assert_eq!(counted["dead_letters"], kept.len(), "{counted}");
    for letter in &kept {
        assert!(letter["error"].as_str().unwrap().contains("max_allowed_packet"), "{letter}");
    }
    // One bound parts what fits from what does not.
    let is_kept = |size: &usize| {
        let size = format!("{size}");
        kept.iter().any(|letter| letter["record"].as_str().unwrap().contains(&size))
    };
    let fits = SIZES.iter().filter(|size| !is_kept(size)).count();
    eprintln!("{} bytes fit, {} do not", SIZES[fits - 1], SIZES[fits]);
    assert_eq!(SIZES.len() - fits, kept.len(), "{kept:?}");
    assert!(SIZES[..fits].iter().all(|size| !is_kept(size)), "{kept:?}");
    assert!(SIZES[fits] > PACKET - (32 << 10) && SIZES[fits] <= PACKET, "{}", SIZES[fits]);
    server.sql("SET GLOBAL max_allowed_packet = 16777216").unwrap();
    drop(flight.ok("dual-write", &["dlq", "replay", "--all"]));
    assert_eq!(flying.letters().len(), 0);
    flying.is_well().await;
    flying.ends_well().await;
}

/// A text with a zero byte, which may stand in MariaDB's SQL as it is.
const NUL: Option<&str> = Some("a\0b");

/// Puts one into a record that was there before the migration.
async fn put_into_history(flying: &Flying) {
    let update = "UPDATE followers SET `constraint` = 'a\0b' WHERE dependent = 'package-1'";
    flying.flight.source.run(update).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_zero_byte_that_postgresql_does_not_take_is_named_and_nothing_else_is_held_up() {
    for direction in directions(118) {
        if direction.target != Engine::Postgres {
            continue;
        }
        let flying = Flying::prepared(direction).await;
        put_into_history(&flying).await;
        let flying = flying.begin();
        let flight = &flying.flight;
        let copied = flight.bed.run("backfill", &["run"]);
        let complaint = copied.complains(copied.code.unwrap());
        complaint.names(&["zero byte", "loses = \"nul\"", "requirement"]);
        flight.application.put("lib1", "package-1", Some("ab")).await;
        drop(flight.ok("backfill", &["run"]));

        flight.application.put("lib1", "live", NUL).await;
        flying.change(5).await;
        let counted = flight.bed.run("dual-write", DRAIN).json();
        is_conserved(&counted);
        assert_eq!(counted["dead_letters"], 1, "{counted}");
        let letters = flying.letters();
        assert!(letters[0]["error"].as_str().unwrap().contains("zero byte"), "{letters:?}");
        flight.application.put("lib1", "live", Some("ab")).await;
        flying.is_well().await;
        drop(flight.ok("dual-write", &["dlq", "replay", "--all"]));
        flying.ends_well().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_zero_byte_is_left_out_where_the_plan_says_so() {
    for direction in directions(218) {
        if direction.target != Engine::Postgres {
            continue;
        }
        let flying = Flying::prepared(direction).await;
        let loses = "requirement = { from = \"constraint\", loses = \"nul\" }";
        flying.flight.bed.edit("requirement = \"constraint\"", loses);
        put_into_history(&flying).await;
        let flying = flying.begin();
        let flight = &flying.flight;
        drop(flight.ok("backfill", &["run"]));
        flight.application.put("lib1", "live", NUL).await;
        flight.carried().await;
        let counted = flight.bed.run("dual-write", DRAIN).json();
        assert_eq!(counted["dead_letters"], 0, "{counted}");
        for dependent in ["package-1", "live"] {
            let query = format!("SELECT requirement FROM follows WHERE follower = '{dependent}'");
            let mut found = Vec::new();
            for shard in &flight.shards {
                found.extend(shard.lines(&query).await);
            }
            assert_eq!(found, ["ab"], "{dependent}");
        }
        drop(flight.ok("verify", &["run"]));
        for dependent in ["package-1", "live"] {
            flight.application.put("lib1", dependent, Some("ab")).await;
        }
        flying.ends_well().await;
    }
}
