//! 12: sessions that take their locks in another order than both phases do.

use super::flying::{Flying, RUN, directions};
use faults::{Engine, OwnServer, Place, Session};
use std::time::{Duration, Instant};

/// Longest until somebody waits for a lock, or the server has counted a deadlock.
const LIMIT: Duration = Duration::from_secs(30);

/// Between two looks: InnoDB shows the waits of a moment ago to whoever looks more than ten times a
/// second.
const LOOK_AGAIN: Duration = Duration::from_millis(150);

/// When a PostgreSQL looks whether somebody who waits does so in a circle: once, so that the circle
/// has to be closed by then, and before either phase gives up its wait.
const POSTGRES_LOOKS_AFTER: &str = "4s";

const SHARDS: [&str; 2] = ["shard_0", "shard_1"];

/// Some packages, of either shard; each has dependents that the copy writes one after the other.
const PACKAGES: [&str; 6] = ["Lib10", "Lib20", "Lib30", "lib15", "lib25", "lib35"];

async fn number(place: &Place, of_mariadb: &str, of_postgres: &str) -> u64 {
    let query = match place.engine() {
        Engine::MariaDb => of_mariadb,
        Engine::Postgres => of_postgres,
    };
    place.lines(query).await[0].parse().unwrap()
}

/// Whether somebody waits for a record of this shard. For the lock of a range both engines wait
/// elsewhere.
async fn is_waited_for(shard: &Place) -> bool {
    let waiting = number(
        shard,
        "SELECT concat(count(*), '') FROM information_schema.innodb_locks \
         WHERE lock_table = concat('`', database(), '`.`follower_of`')",
        "SELECT count(*)::text FROM pg_locks JOIN pg_stat_activity USING (pid) \
         WHERE NOT granted AND locktype = 'transactionid' AND datname = current_database()",
    );
    waiting.await > 0
}

/// The first of these shards in which somebody waits for a record.
async fn next_waited_for(shards: &[(&Place, Session)]) -> usize {
    let begun = Instant::now();
    loop {
        for (place, (shard, _)) in shards.iter().enumerate() {
            if is_waited_for(shard).await {
                return place;
            }
        }
        assert!(begun.elapsed() < LIMIT, "nobody waits for a record");
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

/// How many deadlocks a server has counted.
async fn deadlocks(shard: &Place) -> u64 {
    let query = number(
        shard,
        "SELECT variable_value FROM information_schema.global_status \
         WHERE variable_name = 'INNODB_DEADLOCKS'",
        "SELECT sum(deadlocks)::text FROM pg_stat_database",
    );
    query.await
}

/// Waits until a server has counted so many: it may count late.
async fn has_had(shard: &Place, wanted: u64) {
    let begun = Instant::now();
    loop {
        let found = deadlocks(shard).await;
        if found >= wanted {
            eprintln!("{found} deadlocks");
            return;
        }
        assert!(begun.elapsed() < LIMIT, "{found} deadlocks, not {wanted}");
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

/// A transaction in each shard that is no server's victim as long as there is another: one of
/// MariaDB's that has written much, and one of PostgreSQL's that looks for deadlocks late.
async fn strangers(shards: &[Place; 2]) -> Vec<(&Place, Session)> {
    let mut strangers = Vec::new();
    for shard in shards {
        let mut session = shard.session().await;
        let begin = match shard.engine() {
            Engine::MariaDb => {
                session.run("CREATE TABLE IF NOT EXISTS ballast (n INT)").await.unwrap();
                "BEGIN; INSERT INTO ballast SELECT seq FROM seq_1_to_5000"
            }
            Engine::Postgres => "SET deadlock_timeout = '25s'; BEGIN",
        };
        session.run(begin).await.unwrap();
        strangers.push((shard, session));
    }
    strangers
}

fn insert(package: &str, dependent: &str) -> String {
    format!(
        "INSERT INTO follower_of (followed, follower, category, size_kib, price, changed_at) \
         VALUES ('{package}', '{dependent}', 'web', 1, 1, '2025-01-01 00:00:00')"
    )
}

/// The first two dependents of each package in the order in which the copy writes them.
fn neighbours(flying: &Flying) -> Vec<(String, [String; 2])> {
    let edges = flying.flight.application.acknowledged();
    let of = |package: &str| {
        let mut dependents: Vec<_> = edges
            .iter()
            .filter_map(|line| line.strip_prefix(package)?.strip_prefix('|')?.split('|').next())
            .map(str::to_owned)
            .collect();
        dependents.sort();
        [dependents[0].clone(), dependents[1].clone()]
    };
    PACKAGES.iter().map(|package| ((*package).to_owned(), of(package))).collect()
}

/// The copy writes the first and waits for the second, which a stranger has; and that one then
/// wants the first.
async fn copy_among(flying: &Flying) {
    let flight = &flying.flight;
    let neighbours = neighbours(flying);
    let mut strangers = strangers(&flight.shards).await;
    for (_, session) in &mut strangers {
        for (package, [_, second]) in &neighbours {
            session.run(&insert(package, second)).await.unwrap();
        }
    }
    let copy = flight.bed.start("backfill", RUN);
    while !strangers.is_empty() {
        let place = next_waited_for(&strangers).await;
        let (_, mut session) = strangers.remove(place);
        for (package, [first, _]) in &neighbours {
            // Between two batches it is there already.
            if session.run(&insert(package, first)).await.is_err() {
                break;
            }
        }
        session.run("ROLLBACK").await.unwrap();
    }
    let ran = copy.wait();
    assert!(ran.stderr.contains("retrying"), "{ran:?}");
    drop(ran.ok());
    has_had(&flight.shards[0], 1).await;
}

/// The live path holds its partition and waits for a record, which a stranger has; and that one
/// then wants the partition.
async fn live_writes_among(flying: &Flying) {
    let flight = &flying.flight;
    let before = deadlocks(&flight.shards[0]).await;
    let live = flight.bed.start("dual-write", RUN);
    let load = flight.application.load();
    for mut stranger in strangers(&flight.shards).await {
        flight.application.made(40).await;
        stranger.1.run("SELECT followed FROM follower_of FOR UPDATE").await.unwrap();
        let stranger = &mut [stranger];
        next_waited_for(stranger).await;
        for statement in ["SELECT * FROM midflight_partition FOR UPDATE", "ROLLBACK"] {
            stranger[0].1.run(statement).await.unwrap();
        }
    }
    flight.application.made(40).await;
    load.stop().await;
    flight.carried().await;
    flight.bed.wait_until_applied();
    has_had(&flight.shards[0], before + 2).await;
    let ran = live.drain();
    assert!(ran.stderr.contains("retrying"), "{ran:?}");
    let counted = ran.json();
    super::flying::is_conserved(&counted);
    assert_eq!(counted["dead_letters"], 0, "{counted}");
}

fn server_of(engine: Engine) -> OwnServer {
    match engine {
        Engine::MariaDb => OwnServer::start(engine),
        Engine::Postgres => {
            let late = servers::postgres().set("deadlock_timeout", POSTGRES_LOOKS_AFTER);
            OwnServer::Postgres(late.start().unwrap())
        }
    }
}

/// The servers choose both phases for their victims, and neither ends of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deadlocks_cost_both_phases_another_try_and_no_record() {
    for direction in directions(212) {
        let server = server_of(direction.target);
        let shards = SHARDS.map(|name| server.database(name));
        let source = Place::shared(direction.source, "source");
        let flying = Flying::between(source, shards).await.begin();
        copy_among(&flying).await;
        live_writes_among(&flying).await;
        flying.ends_well().await;
    }
}
