//! 16: a checkpoint store that takes no writes, is locked, or has lost its tables.

use super::flying::{Flying, RUN, directions};
use faults::{Engine, OwnServer, Place, Ran};
use servers::shared::kafka_brokers;

/// Whose rows both phases write all the time.
const TABLE: &str = "midflight_checkpoint";

struct Checkpointed {
    flying: Flying,
    server: OwnServer,
    /// For the account that may do everything.
    checkpoint: Place,
}

/// A flight whose progress lies on a server of its own, as an account that may write there and no
/// more; everything copied.
async fn begun(source: Engine, target: Engine, on: Engine) -> Checkpointed {
    let server = OwnServer::start(on);
    let checkpoint = server.database("checkpoint");
    let plain = server.plain("checkpoint");
    let shards = [0, 1].map(|_| Place::shared(target, "shard"));
    let source = Place::shared(source, "source");
    let flying = Flying::over(source, shards, &plain, &kafka_brokers().unwrap()).await.begin();
    flying.change(10).await;
    Checkpointed { flying, server, checkpoint }
}

#[track_caller]
fn says(ran: &Ran, words: &[&str]) {
    let complaint = ran.complains(ran.code.unwrap());
    eprintln!("{complaint:?}");
    complaint.names(words);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_checkpoint_store_that_takes_no_writes_stops_the_copy_and_not_a_live_path_that_runs() {
    for direction in directions(216) {
        let Checkpointed { flying, server, .. } =
            begun(direction.source, direction.target, direction.source).await;
        let (bed, application) = (&flying.flight.bed, &flying.flight.application);
        let mut live = bed.start("dual-write", RUN);
        bed.wait_until_applied();
        let mut copy = bed.start_with("stop:backfill.checked@4", "backfill", RUN);
        copy.frozen();
        server.takes_writes(false);
        copy.signal("CONT");
        says(&copy.wait(), &["read-only"]);
        for program in ["backfill", "dual-write"] {
            says(&bed.run(program, RUN), &["read-only"]);
        }
        // What runs needs no checkpoint store to apply changes: it says that nobody can see it.
        let load = application.load();
        application.made(80).await;
        live.until_it_warns(&["progress cannot be published"]);
        server.takes_writes(true);
        drop(bed.run("backfill", RUN).ok());
        load.stop().await;
        flying.flight.carried().await;
        bed.wait_until_applied();
        super::flying::is_conserved(&live.drain().json());
        flying.ends_well().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_checkpoint_store_that_somebody_keeps_locked_stops_the_copy_until_it_is_free() {
    for direction in directions(316) {
        let Checkpointed { flying, checkpoint, server: _server } =
            begun(direction.source, direction.target, direction.target).await;
        let bed = &flying.flight.bed;
        let mut holder = checkpoint.session().await;
        let lock = match checkpoint.engine() {
            Engine::MariaDb => format!("BEGIN; SELECT * FROM {TABLE} FOR UPDATE"),
            Engine::Postgres => format!("BEGIN; LOCK TABLE {TABLE} IN ACCESS EXCLUSIVE MODE"),
        };
        holder.run(&lock).await.unwrap();
        says(&bed.run("backfill", RUN), &["lock"]);
        holder.run("ROLLBACK").await.unwrap();
        flying.change(10).await;
        bed.finish();
        flying.ends_well().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_checkpoint_store_whose_table_is_gone_is_no_empty_one() {
    for direction in directions(416) {
        let Checkpointed { flying, checkpoint, server: _server } =
            begun(direction.source, direction.target, direction.source).await;
        let bed = &flying.flight.bed;
        checkpoint.run(&format!("ALTER TABLE {TABLE} RENAME TO mislaid")).await;
        for (program, args) in [("backfill", RUN), ("dual-write", RUN)] {
            says(&bed.run(program, args), &["checkpoint"]);
        }
        // Nothing was made in its place.
        let tables = checkpoint.tables().await;
        assert!(!tables.contains(&format!("{TABLE} ")), "{tables}");
        checkpoint.run(&format!("ALTER TABLE mislaid RENAME TO {TABLE}")).await;
        bed.finish();
        flying.ends_well().await;
    }
}
