//! What cannot work on real servers is refused by name, soon, with the next step, and costs nothing
//! once it is mended.

use super::flying::{DRAIN, Flying, RUN, directions};
use faults::{Complaint, Engine, Flight, OwnServer, Place, Ran};

/// What a program says before it does something once more.
const ONCE_MORE: [&str; 3] = ["retrying", "it is tried again", "it goes on"];

/// What it complained of, whichever way it ended.
#[track_caller]
fn complaint(ran: &Ran) -> Complaint {
    ran.complains(ran.code.unwrap_or_default())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topic_that_does_not_exist_and_a_broker_that_is_not_there_are_named() {
    for direction in directions(301) {
        let flying = Flying::copied(direction).await;
        let bed = &flying.flight.bed;
        let (topic, brokers) = (flying.flight.topic().name(), flying.flight.topic().brokers());
        let name = format!("name = \"{topic}\"");
        bed.edit(&name, "name = \"nowhere\"");
        complaint(&bed.run("dual-write", RUN)).names(&["nowhere", "topic"]);
        bed.edit("name = \"nowhere\"", &name);

        let there = format!("[\"{brokers}\"]");
        bed.edit(&there, "[\"127.0.0.1:1\"]");
        let complaint = complaint(&bed.run("dual-write", RUN));
        complaint.names(&["127.0.0.1:1", "broker"]);
        bed.edit("[\"127.0.0.1:1\"]", &there);
        flying.change(5).await;
        flying.is_well().await;
        flying.ends_well().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_credentials_are_refused_at_once_and_never_said() {
    for direction in directions(302) {
        let flying = Flying::copied(direction).await;
        let bed = &flying.flight.bed;
        for name in ["source", "shard-0", "checkpoint"] {
            let file = bed.path(&format!("{name}.url"));
            let right = std::fs::read_to_string(&file).unwrap();
            std::fs::write(&file, right.replace(servers::PASSWORD, "hunter2")).unwrap();
            for (program, args) in [("dual-write", RUN), ("backfill", RUN)] {
                let ran = bed.run(program, args);
                let is_tried_again = ONCE_MORE.iter().any(|words| ran.stderr.contains(words));
                assert!(!is_tried_again, "{program} tried {name} again: {ran:?}");
                ran.complains(7).names(&["password"]);
                assert!(!format!("{ran:?}").contains("hunter2"), "{ran:?}");
            }
            std::fs::write(&file, right).unwrap();
        }
        flying.ends_well().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_source_without_a_primary_key_is_found_before_anything_is_touched() {
    for direction in directions(303) {
        let flying = Flying::prepared(direction).await;
        let bed = &flying.flight.bed;
        let (drop_key, add_key) = match direction.source {
            Engine::MariaDb => ("DROP PRIMARY KEY", "ADD PRIMARY KEY (package, dependent)"),
            Engine::Postgres => {
                ("DROP CONSTRAINT followers_pkey", "ADD PRIMARY KEY (package, dependent)")
            }
        };
        flying.flight.source.run(&format!("ALTER TABLE followers {drop_key}")).await;
        bed.run("dual-write", &["check", "-o", "json"]).finds().names(&["followers"]);
        complaint(&bed.run("dual-write", &["set-up"])).names(&["followers", "key"]);
        flying.flight.source.run(&format!("ALTER TABLE followers {add_key}")).await;
        flying.begin().ends_well().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_of_another_table_is_counted_and_passed() {
    for direction in directions(304) {
        let checkpoint = Place::shared(direction.target, "checkpoint");
        let flight =
            Flight::shared(direction.source, direction.target, &checkpoint, *super::flying::SEED)
                .await;
        drop(flight.ok("dual-write", &["set-up"]));
        flight.change(5).await;
        flight
            .source
            .run(
                "INSERT INTO outbox (table_name, op, payload, made_at) \
                 VALUES ('strangers', 'upsert', '{\"id\":1}', 1)",
            )
            .await;
        flight.change(5).await;
        let counted = flight.bed.run("dual-write", DRAIN).json();
        super::flying::is_conserved(&counted);
        assert_eq!(counted["foreign"], 1, "{counted}");
        flight.bed.finish();
        flight.is_the_same().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_target_that_takes_no_writes_any_more_stops_both_phases_by_name() {
    for direction in directions(305) {
        let server = OwnServer::start(direction.target);
        let shards = ["shard_0", "shard_1"].map(|name| {
            drop(server.database(name));
            server.plain(name)
        });
        let source = Place::shared(direction.source, "source");
        let flying = Flying::between(source, shards).await.begin();
        let flight = &flying.flight;
        flying.change(10).await;
        let live = flight.bed.start("dual-write", RUN);
        let load = flight.application.load();
        flight.application.made(40).await;
        server.takes_writes(false);
        for ran in
            [live.wait(), flight.bed.run("dual-write", DRAIN), flight.bed.run("backfill", RUN)]
        {
            complaint(&ran).names(&["read-only"]);
        }
        flight.application.made(40).await;
        server.takes_writes(true);
        load.stop().await;
        flying.ends_well().await;
    }
}
