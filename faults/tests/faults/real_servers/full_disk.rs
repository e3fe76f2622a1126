//! A disk that is full: of a target, where its tables lie. Its log lies on another, for with that
//! full the whole server goes down, as in `harmed_servers`.

use super::flying::{COPY_ALONE, Flying, RUN, directions};
use faults::{Engine, OwnServer, Place, Ran, Running};
use std::time::{Duration, Instant};

/// Two databases with the tables of the flight, and some room.
const DISK_KIB: u64 = 40 << 10;

/// Longest until a phase that has no room says so.
const ASKS_MAX: Duration = Duration::from_secs(120);

/// What and where it is, that nothing was changed, and what to do.
#[track_caller]
fn asks_for_room(ran: &Ran) {
    let complaint = ran.complains(1);
    eprintln!("{complaint:?}");
    complaint.names(&["shard-", "make room on the server's disk"]);
}

const SHARDS: [&str; 2] = ["shard_0", "shard_1"];

/// A server with two databases on a small disk.
fn with_a_small_disk(engine: Engine) -> OwnServer {
    match engine {
        Engine::MariaDb => {
            OwnServer::MariaDb(servers::mariadb().small_disk(DISK_KIB, &SHARDS).start().unwrap())
        }
        Engine::Postgres => {
            let server = servers::postgres().small_disk(DISK_KIB).start().unwrap();
            for name in SHARDS {
                let small = servers::SMALL_DISK;
                server.sql(&format!("CREATE DATABASE {name} TABLESPACE {small}")).unwrap();
            }
            OwnServer::Postgres(server)
        }
    }
}

/// Waits until a phase has asked for room. What waits for a server that has ended is killed.
///
/// InnoDB ends its own server where a rollback finds no room.
fn asks_for_room_or_waits(server: &OwnServer, mut running: Running) {
    let begun = Instant::now();
    while running.has_ended().is_none() {
        assert!(begun.elapsed() < ASKS_MAX, "it goes on without room");
        if server.ends_itself() {
            drop(running.kill());
            return;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    let ran = running.wait();
    if !server.ends_itself() {
        asks_for_room(&ran);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_target_without_room_stops_both_phases_until_there_is_room_and_nothing_is_lost() {
    for direction in directions(320) {
        let mut server = with_a_small_disk(direction.target);
        let shards = SHARDS.map(|name| server.place(name));
        let source = Place::shared(direction.source, "source");
        let flying = Flying::between(source, shards).await.begin();
        let flight = &flying.flight;
        let mut live = flight.bed.start("dual-write", RUN);
        let mut copy = flight.bed.start_with("stop:backfill.checked@4", "backfill", COPY_ALONE);
        copy.frozen();
        let load = flight.application.load();
        flight.application.made(40).await;
        assert_eq!(live.has_ended(), None);

        server.server().fill_disk().unwrap();
        copy.signal("CONT");
        asks_for_room_or_waits(&server, copy);
        // The service goes on: its changes wait in the topic.
        asks_for_room_or_waits(&server, live);
        flight.application.made(40).await;
        // Whoever tries again is told again: the copy has rows of its own to find room for, and the
        // live path needs more than a rollback freed as soon as the load has gone on.
        for program in ["backfill", "dual-write"] {
            asks_for_room_or_waits(&server, flight.bed.start(program, RUN));
        }

        server.server().make_room().unwrap();
        // One that may end itself at any moment is ended now.
        if direction.target == Engine::MariaDb {
            server.kill();
            server.start_again();
        }
        let live = flight.bed.start("dual-write", RUN);
        drop(flight.ok("backfill", RUN));
        load.stop().await;
        flight.carried().await;
        flight.bed.wait_until_applied();
        let counted = live.drain().json();
        super::flying::is_conserved(&counted);
        assert_eq!(counted["dead_letters"], 0, "{counted}");
        flying.ends_well().await;
    }
}
