//! A disk that is full: of a PostgreSQL target, where its tables lie. Its log lies on another, for
//! with that full the whole server goes down, as in `harmed_servers`.

use super::flying::{DRAIN, Flying, RUN};
use faults::{Engine, Place, Ran};

/// Two databases with the tables of the flight, and some room.
const DISK_KIB: u64 = 40 << 10;

/// What and where it is, that nothing was changed, and what to do.
#[track_caller]
fn asks_for_room(ran: &Ran) {
    let complaint = ran.complains(1);
    eprintln!("{complaint:?}");
    complaint.names(&["shard-", "No space left on device", "make room on the server's disk"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_target_without_room_stops_both_phases_until_there_is_room_and_nothing_is_lost() {
    let server = servers::postgres().small_disk(DISK_KIB).start().unwrap();
    let shards = ["shard_0", "shard_1"].map(|name| {
        let small = servers::SMALL_DISK;
        server.sql(&format!("CREATE DATABASE {name} TABLESPACE {small}")).unwrap();
        let url = format!("{}{name}", server.url().trim_end_matches(|last| last != '/'));
        Place::of(Engine::Postgres, url)
    });
    let flying = Flying::between(Place::shared(Engine::MariaDb, "source"), shards).await.begin();
    let flight = &flying.flight;
    let mut live = flight.bed.start("dual-write", RUN);
    let mut copy = flight.bed.start_with("stop:backfill.checked@4", "backfill", RUN);
    copy.frozen();
    let load = flight.application.load();
    flight.application.made(40).await;
    assert_eq!(live.has_ended(), None);

    server.fill_disk().unwrap();
    copy.signal("CONT");
    asks_for_room(&copy.wait());
    // The service goes on: its changes wait in the topic.
    asks_for_room(&live.wait());
    flight.application.made(40).await;
    // Whoever tries again is told again.
    for (program, args) in [("backfill", RUN), ("dual-write", DRAIN)] {
        asks_for_room(&flight.bed.run(program, args));
    }

    server.make_room().unwrap();
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
