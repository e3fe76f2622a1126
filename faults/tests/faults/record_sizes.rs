//! Records whose sizes differ a lot from one part of a table to the next, copied by several
//! workers: how many fit into a batch is what one of them measured lately, and wrong for another.

use faults::{Engine, Flight, Place, seed};

/// Lists of large records and of small ones by turns, in the order of their keys.
const LISTS: u32 = 16;

/// Some twenty batches' worth of bytes in each large list; a small one is one batch.
const WRITE: &str = "
    ALTER TABLE followers MODIFY `constraint` MEDIUMTEXT CHARACTER SET utf8mb4;
    INSERT INTO followers
        SELECT concat('turn-', lpad(list.seq, 2, '0')), concat('package-', one.seq),
            if(list.seq % 2, repeat('x', 20000 + one.seq), NULL), 'libs', one.seq, 0, '2025-06-01'
        FROM seq_1_to_16 list, seq_1_to_1500 one
        WHERE list.seq % 2 = 0 OR one.seq <= 150";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_meets_large_records_costs_another_with_small_ones_none_of_them() {
    let checkpoint = Place::shared(Engine::Postgres, "checkpoint");
    let mut flight = Flight::shared(Engine::MariaDb, Engine::Postgres, &checkpoint, seed()).await;
    flight.keep(checkpoint);
    flight.source.run(WRITE).await;
    flight.application.adopt().await;
    let small = u64::from(LISTS / 2) * 1_500;
    // At a rate no batch would be large enough.
    let large = "rate = \"unlimited\"\nbatch_rows_max = 1500\nbatch_bytes_max = 262144";
    flight.bed.edit("batch_rows_max = 50", large);
    flight.bed.edit("workers = 2\nranges = 4", "workers = 4\nranges = 16");
    drop(flight.ok("dual-write", &["set-up"]));
    let copied = flight.bed.run("backfill", &["run", "--output", "json"]).json();
    assert!(copied["read"].as_u64() > Some(small), "{copied}");
    flight.is_the_same().await;
    drop(flight.ok("verify", &["run"]));
}
