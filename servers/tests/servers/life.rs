//! Real servers: started, killed, started again, beside neighbours.

use std::net::TcpListener;
use std::process::Command;

use servers::{Durability, Error, MariaDb, Postgres, Redis, mariadb, postgres, redis};

#[test]
fn mariadb_keeps_what_it_acknowledged_when_it_is_killed_under_load() {
    let mut server = mariadb().binary_log(7).start().unwrap();
    server.sql("CREATE DATABASE d; CREATE TABLE d.t (id INT PRIMARY KEY AUTO_INCREMENT)").unwrap();
    let acknowledged = std::thread::scope(|scope| {
        let load =
            scope.spawn(|| insert_until_it_fails(|| server.sql("INSERT INTO d.t VALUES ()")));
        wait_for(|| count(&server.sql("SELECT count(*) FROM d.t").unwrap()) >= 5);
        kill_from_outside(server.process_id().unwrap());
        load.join().unwrap()
    });
    server.restart().unwrap();
    assert!(count(&server.sql("SELECT count(*) FROM d.t").unwrap()) >= acknowledged);
}

#[test]
fn postgres_keeps_what_it_acknowledged_when_it_is_killed_under_load() {
    let mut server = postgres().start().unwrap();
    server.sql("CREATE TABLE t (id INT GENERATED ALWAYS AS IDENTITY)").unwrap();
    let acknowledged = std::thread::scope(|scope| {
        let load =
            scope.spawn(|| insert_until_it_fails(|| server.sql("INSERT INTO t DEFAULT VALUES")));
        wait_for(|| count(&server.sql("SELECT count(*) FROM t").unwrap()) >= 5);
        kill_from_outside(server.process_id().unwrap());
        load.join().unwrap()
    });
    server.restart().unwrap();
    assert!(count(&server.sql("SELECT count(*) FROM t").unwrap()) >= acknowledged);
}

#[test]
fn a_small_disk_is_full_for_the_server_until_there_is_room_again() {
    let server = postgres().small_disk(24 << 10).start().unwrap();
    server.sql("CREATE TABLE t (text text) TABLESPACE small_disk").unwrap();
    let insert = "INSERT INTO t SELECT repeat('x', 99) FROM generate_series(1, 1000)";
    server.sql(insert).unwrap();
    server.fill_disk().unwrap();
    let full = server.sql(insert).unwrap_err().to_string();
    assert!(full.contains("No space left on device"), "{full}");
    server.make_room().unwrap();
    server.sql(insert).unwrap();
    assert_eq!(count(&server.sql("SELECT count(*) FROM t").unwrap()), 2_000);
}

#[test]
fn databases_of_mariadb_on_a_small_disk_are_full_until_there_is_room_again() {
    let server = mariadb().small_disk(24 << 10, &["d"]).start().unwrap();
    server.sql("CREATE TABLE d.t (text text)").unwrap();
    // Each row by itself: InnoDB may end the server where it has to undo rows on a full disk.
    let insert = "INSERT INTO d.t VALUES (repeat('x', 999));".repeat(1000);
    server.sql(&insert).unwrap();
    server.fill_disk().unwrap();
    let full = std::iter::repeat_with(|| server.sql(&insert)).take(20).find_map(Result::err);
    let full = full.unwrap().to_string();
    assert!(full.contains("is full"), "{full}");
    let rows = || count(&server.sql("SELECT count(*) FROM d.t").unwrap());
    let before = rows();
    server.make_room().unwrap();
    server.sql(&insert).unwrap();
    assert_eq!(rows(), before + 1000);
}

#[test]
fn a_server_that_dies_of_its_full_disk_finds_its_rows_there_when_it_starts_with_room() {
    let mut mariadb = mariadb().small_disk(24 << 10, &["d"]).start().unwrap();
    mariadb.sql("CREATE TABLE d.t (n INT); INSERT INTO d.t VALUES (1), (2)").unwrap();
    mariadb.fill_disk().unwrap();
    mariadb.kill().unwrap();
    mariadb.make_room().unwrap();
    mariadb.start().unwrap();
    assert_eq!(count(&mariadb.sql("SELECT count(*) FROM d.t").unwrap()), 2);

    let mut postgres = postgres().small_disk(24 << 10).start().unwrap();
    postgres.sql("CREATE TABLE t (n INT) TABLESPACE small_disk").unwrap();
    postgres.sql("INSERT INTO t VALUES (1), (2)").unwrap();
    postgres.fill_disk().unwrap();
    postgres.kill().unwrap();
    postgres.make_room().unwrap();
    postgres.start().unwrap();
    assert_eq!(count(&postgres.sql("SELECT count(*) FROM t").unwrap()), 2);
}

#[test]
fn a_back_end_that_is_busy_when_postgres_is_killed_does_not_outlive_it() {
    let mut server = postgres().start().unwrap();
    let busy = "SELECT count(*) FROM generate_series(1, 100000000000)";
    let mut client = Command::new("psql").args(["-c", busy, &server.url()]).spawn().unwrap();
    let running = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%series(1, 1%' \
                   AND state = 'active' AND pid <> pg_backend_pid()";
    wait_for(|| count(&server.sql(running).unwrap()) == 1);
    // The back end asks nothing of its parent meanwhile, so only the restart can end it.
    kill_from_outside(server.process_id().unwrap());
    server.restart().unwrap();
    assert_eq!(server.sql("SELECT 1").unwrap(), "1\n");
    assert!(!client.wait().unwrap().success());
}

#[test]
fn a_durable_redis_keeps_its_keys_and_a_relaxed_one_is_a_cache() {
    for (durability, expected) in [(Durability::Durable, "here\n"), (Durability::Relaxed, "\n")] {
        let mut server = redis().durability(durability).start().unwrap();
        server.command(&["SET", "key", "here"]).unwrap();
        server.restart().unwrap();
        assert_eq!(server.command(&["GET", "key"]).unwrap(), expected);
    }
}

#[test]
fn two_servers_of_a_kind_run_beside_each_other() {
    let servers = [postgres().start().unwrap(), postgres().start().unwrap()];
    assert_ne!(servers[0].port(), servers[1].port());
    servers[0].sql("CREATE TABLE only_here (id INT)").unwrap();
    servers[1].sql("SELECT * FROM only_here").unwrap_err();
}

#[test]
fn a_neighbour_on_the_wanted_port_is_not_taken_for_the_server() {
    let neighbour = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = neighbour.local_addr().unwrap().port();
    let attempts = [
        mariadb().port(port).start().map(drop),
        postgres().port(port).start().map(drop),
        redis().port(port).start().map(drop),
    ];
    for attempt in attempts {
        let Err(error) = attempt else { unreachable!("it started") };
        assert!(matches!(error, Error::PortTaken { port: taken, .. } if taken == port), "{error}");
    }
}

#[test]
fn a_neighbour_that_takes_the_port_of_a_killed_server_is_reported() {
    let mut mariadb = mariadb().start().unwrap();
    let mut postgres = postgres().start().unwrap();
    let mut redis = redis().start().unwrap();
    for server in [&mut *mariadb, &mut *postgres, &mut *redis] {
        server.kill().unwrap();
        let neighbour = TcpListener::bind(("127.0.0.1", server.port())).unwrap();
        assert!(matches!(server.start(), Err(Error::PortTaken { .. })), "{}", server.log_tail());
        drop(neighbour);
        server.start().unwrap();
    }
}

#[test]
fn a_server_that_cannot_start_says_why_with_its_own_words() {
    let failures = [
        mariadb().set("no_such_variable", "1").start().map(drop),
        postgres().set("no_such_parameter", "1").start().map(drop),
        redis().set("no_such_option", "1").start().map(drop),
    ];
    for failure in failures {
        let Err(Error::Server { what, log, .. }) = failure else { unreachable!("it started") };
        assert!(what.starts_with("ended at its start"), "{what}");
        assert!(log.to_string().contains("no_such_"), "{log}");
    }
}

#[test]
fn a_frozen_server_stands_still_in_every_thread_until_it_is_thawed() {
    let mut server = mariadb().start().unwrap();
    let threads = format!("/proc/{}/task", server.process_id().unwrap());
    server.freeze().unwrap();
    for thread in std::fs::read_dir(threads).unwrap() {
        let stat = std::fs::read_to_string(thread.unwrap().path().join("stat")).unwrap();
        assert_eq!(state(&stat), Some('T'), "{stat}");
    }
    server.thaw().unwrap();
    assert_eq!(server.sql("SELECT 1").unwrap(), "1\n");
}

#[test]
fn a_replica_follows_and_catches_up_after_both_were_killed() {
    let mut primary = mariadb().binary_log(1).start().unwrap();
    let mut replica = mariadb().binary_log(2).start().unwrap();
    primary.lead(&replica).unwrap();
    primary.sql("CREATE DATABASE d; CREATE TABLE d.t (id INT PRIMARY KEY)").unwrap();
    primary.sql("INSERT INTO d.t VALUES (1)").unwrap();
    let rows = |replica: &MariaDb| {
        replica.sql("SELECT count(*) FROM d.t").ok().map_or(0, |text| count(&text))
    };
    wait_for(|| rows(&replica) == 1);
    replica.restart().unwrap();
    primary.restart().unwrap();
    primary.sql("INSERT INTO d.t VALUES (2)").unwrap();
    wait_for(|| rows(&replica) == 2);
}

#[test]
fn a_standby_follows_until_it_is_promoted_and_catches_up_after_both_were_killed() {
    let mut primary = postgres().start().unwrap();
    primary.sql("CREATE TABLE t (id INT PRIMARY KEY); INSERT INTO t VALUES (1)").unwrap();
    let mut standby = postgres().start_standby(&primary).unwrap();
    let rows = |standby: &Postgres| {
        standby.sql("SELECT count(*) FROM t").ok().map_or(0, |text| count(&text))
    };
    wait_for(|| rows(&standby) == 1);
    standby.restart().unwrap();
    primary.restart().unwrap();
    primary.sql("INSERT INTO t VALUES (2)").unwrap();
    wait_for(|| rows(&standby) == 2);
    let refused = standby.sql("INSERT INTO t VALUES (3)").unwrap_err().to_string();
    assert!(refused.contains("read-only"), "{refused}");
    standby.sql("SELECT pg_promote()").unwrap();
    standby.sql("INSERT INTO t VALUES (3)").unwrap();
}

#[test]
fn nothing_is_left_behind() {
    let servers: (MariaDb, Postgres, Redis) =
        (mariadb().start().unwrap(), postgres().start().unwrap(), redis().start().unwrap());
    let processes = [servers.0.process_id(), servers.1.process_id(), servers.2.process_id()]
        .map(Option::unwrap);
    let directories = [servers.0.directory(), servers.1.directory(), servers.2.directory()];
    let directories = directories.map(std::path::Path::to_owned);
    drop(servers);
    assert!(directories.iter().all(|directory| !directory.exists()));
    assert_eq!(processes.map(process_state), [None; 3]);
}

/// Inserts until the server is gone, and says how many inserts it acknowledged.
fn insert_until_it_fails(insert: impl Fn() -> servers::Result<String>) -> u64 {
    let mut acknowledged = 0;
    while insert().is_ok() {
        acknowledged += 1;
    }
    acknowledged
}

/// Kills the main process only, as an operator or the kernel would.
fn kill_from_outside(process_id: u32) {
    let killed = Command::new("kill").args(["-9", &process_id.to_string()]).status();
    assert!(killed.unwrap().success());
}

fn wait_for(condition: impl Fn() -> bool) {
    let started = std::time::Instant::now();
    while !condition() {
        assert!(started.elapsed().as_secs() < 60, "the condition does not come true");
        std::thread::yield_now();
    }
}

fn count(text: &str) -> u64 {
    text.trim().parse().unwrap()
}

fn process_state(process_id: u32) -> Option<char> {
    let stat = std::fs::read_to_string(format!("/proc/{process_id}/stat")).ok()?;
    state(&stat)
}

fn state(stat: &str) -> Option<char> {
    stat.rsplit(") ").next()?.chars().next()
}
