//! Ids that are committed late, or never: what is waited for, and what is passed.

use super::{KINDS, Kind, Reader, Source, emit};
use migration::queue::Queue as _;
use std::time::{Duration, Instant};

/// Longest wait for a session to stand where it is to stand.
const LIMIT: Duration = Duration::from_secs(30);

#[tokio::test]
async fn an_id_that_is_committed_late_is_lost_by_a_naive_reader_and_not_by_ours() {
    for kind in KINDS {
        let source = Source::new(kind).await;
        let (mut early, mut late) = (source.session().await, source.session().await);
        let mut reader = source.reader().await;
        late.begin("one").await;
        early.commit("two").await;
        assert_eq!(source.naive(0), "2", "{kind:?}");
        reader.nothing().await;
        late.run("COMMIT").await;
        assert_eq!(source.naive(2), "", "a naive reader would never see it: {kind:?}");
        assert_eq!(reader.read(2).await, ["one", "two"], "{kind:?}");
    }
}

#[tokio::test]
async fn what_was_rolled_back_is_passed_once_nobody_can_fill_the_gap() {
    for kind in KINDS {
        let source = Source::new(kind).await;
        let (mut early, mut late) = (source.session().await, source.session().await);
        let mut reader = source.reader().await;
        early.commit("one").await;
        late.begin("two").await;
        early.commit("three").await;
        assert_eq!(reader.read(1).await, ["one"], "{kind:?}");
        reader.nothing().await;
        late.run("ROLLBACK").await;
        assert_eq!(reader.read(1).await, ["three"], "{kind:?}");
    }
}

#[tokio::test]
async fn transactions_that_begin_later_hold_nothing_up() {
    for kind in KINDS {
        let source = Source::new(kind).await;
        let mut sessions = Vec::new();
        for _ in 0..4 {
            sessions.push(source.session().await);
        }
        let [early, late, later, last] = sessions.as_mut_slice() else { unreachable!() };
        let mut reader = source.reader().await;
        late.begin("one").await;
        early.commit("two").await;
        reader.nothing().await;
        later.begin("three").await;
        late.run("ROLLBACK").await;
        last.begin("four").await;
        assert_eq!(reader.read(1).await, ["two"], "{kind:?}");
        reader.nothing().await;
        last.run("COMMIT").await;
        reader.nothing().await;
        later.run("COMMIT").await;
        assert_eq!(reader.read(2).await, ["three", "four"], "{kind:?}");
    }
}

#[tokio::test]
async fn a_transaction_that_only_reads_holds_nothing_up() {
    for kind in KINDS {
        let source = Source::new(kind).await;
        let (mut early, mut report) = (source.session().await, source.session().await);
        let mut reader = source.reader().await;
        report.run("BEGIN").await;
        report.run("SELECT count(*) FROM outbox").await;
        early.begin("one").await;
        early.run("ROLLBACK").await;
        early.commit("two").await;
        assert_eq!(reader.read(1).await, ["two"], "{kind:?}");
    }
}

#[tokio::test]
async fn a_start_above_an_open_transaction_is_shown_only_when_that_has_ended() {
    for kind in KINDS {
        let source = Source::new(kind).await;
        let (mut early, mut late) = (source.session().await, source.session().await);
        let queue = source.open().await.unwrap();
        late.begin("one").await;
        early.commit("two").await;
        let start = queue.end("outbox").await.unwrap();
        // A copy that began now would not see `one`, and no message after the start brings it.
        assert!(!queue.source_shows("outbox", &start).await.unwrap(), "{kind:?}");
        late.run("COMMIT").await;
        assert!(queue.source_shows("outbox", &start).await.unwrap(), "{kind:?}");
        early.commit("three").await;
        assert_eq!(Reader::at(&queue, &start).await.read(1).await, ["three"], "{kind:?}");
    }
}

#[tokio::test]
async fn a_start_at_an_empty_outbox_with_a_row_under_way_gets_that_row() {
    for kind in KINDS {
        let source = Source::new(kind).await;
        let mut late = source.session().await;
        let queue = source.open().await.unwrap();
        late.begin("one").await;
        let start = queue.end("outbox").await.unwrap();
        let mut reader = Reader::at(&queue, &start).await;
        late.run("COMMIT").await;
        assert_eq!(reader.read(1).await, ["one"], "{kind:?}");
    }
}

#[tokio::test]
async fn many_writers_that_commit_and_roll_back_lose_no_message() {
    for kind in KINDS {
        let source = Source::new(kind).await;
        let mut reader = source.reader().await;
        let mut writers = Vec::new();
        for writer in 0..6 {
            let mut session = source.session().await;
            writers.push(async move {
                for round in 0..40 {
                    session.begin(&format!("{writer}-{round}")).await;
                    let pause = Duration::from_millis((writer * 7 + round * 3) % 11);
                    tokio::time::sleep(pause).await;
                    session.run(if round % 5 == 4 { "ROLLBACK" } else { "COMMIT" }).await;
                }
            });
        }
        let (seen, _) = tokio::join!(reader.read(6 * 32), futures::future::join_all(writers));
        let expected: String =
            source.database.run("SELECT payload FROM outbox ORDER BY id").unwrap();
        assert_eq!(seen, expected.split_whitespace().collect::<Vec<_>>(), "{kind:?}");
    }
}

/// Not even the server's list of running transaction ids knows of this one: it has none yet.
#[tokio::test]
async fn an_id_that_was_given_out_by_a_statement_that_has_not_written_yet_is_waited_for() {
    let source = Source::new(Kind::Postgres).await;
    let (mut early, mut late) = (source.session().await, source.session().await);
    let mut gate = source.session().await;
    gate.run(
        "CREATE FUNCTION hold() RETURNS trigger LANGUAGE plpgsql AS \
         'BEGIN PERFORM pg_advisory_xact_lock_shared(42); RETURN NEW; END'; \
         CREATE TRIGGER hold BEFORE INSERT ON outbox FOR EACH ROW WHEN (NEW.op = 'slow') \
         EXECUTE FUNCTION hold(); SELECT pg_advisory_lock(42)",
    )
    .await;
    let mut reader = source.reader().await;
    let slow = emit("one").replace("upsert", "slow");
    let held = tokio::spawn(async move { late.run(&slow).await });
    let waits = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted \
                 AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
    let began = Instant::now();
    while source.database.run(waits).unwrap().trim() != "1" {
        assert!(began.elapsed() < LIMIT, "nobody waits");
        tokio::task::yield_now().await;
    }
    early.commit("two").await;
    assert_eq!(source.naive(0), "2");
    reader.nothing().await;
    gate.run("SELECT pg_advisory_unlock(42)").await;
    held.await.unwrap();
    assert_eq!(reader.read(2).await, ["one", "two"]);
}
