//! The reader against a checkpoint store that misbehaves, and against the rollback file.

use crate::fixture::{Fixture, MIRROR, put, share, wait_until};
use crate::tricky_store::{Mood, TrickyStore};
use cutover::{Decision, MirrorOutcome, Reader, Reason, Store, WATCH_LAPSE, mirrored, readers};
use migration::checkpoint::{CheckpointStore, SqliteCheckpoint};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What must happen at once happens within this, on a machine that is busy with other tests.
const SOON: Duration = Duration::from_secs(20);

/// The bound that the switch promises.
const SECOND: Duration = Duration::from_secs(1);

fn open(fixture: &Fixture, store: &Arc<TrickyStore>) -> Reader {
    Reader::open(&fixture.plan, Arc::clone(store) as Arc<dyn CheckpointStore>).unwrap()
}

/// A reader that has seen the full share.
async fn at_full_share(fixture: &Fixture) -> (Reader, Arc<TrickyStore>) {
    let store = Arc::new(TrickyStore::new());
    put(&*store, &fixture.at(share(10_000))).await;
    let reader = open(fixture, &store);
    wait_until(SOON, || reader.decide("user-1").store == Store::New);
    (reader, store)
}

fn answers_old(reader: &Reader, reason: Reason) -> bool {
    let decision = reader.decide("user-1");
    decision.reason == reason && decision.store == Store::Old && !decision.mirror
}

/// Asserts that no decision that is asked for later than a second from now is for the new store,
/// until one is for the old store for this reason, which it soon has to be. (Each counts from when
/// it was asked for: that this test was not given a core is no fault of the switch.)
fn turns_old_in_time(reader: &Reader, reason: Reason) {
    let thrown = Instant::now();
    wait_until(SOON, || {
        let asked = thrown.elapsed();
        let decision = reader.decide("user-1");
        let is_old = decision.store == Store::Old;
        assert!(is_old || asked <= SECOND, "still answered by the new store after {asked:?}");
        is_old && !decision.mirror && decision.reason == reason && asked > SECOND
    });
}

#[tokio::test]
async fn a_reader_that_never_loaded_a_state_answers_old() {
    let fixture = Fixture::new();
    let store = Arc::new(TrickyStore::new());
    put(&*store, &fixture.at(share(10_000))).await;
    store.be(Mood::Hangs);
    let reader = open(&fixture, &store);
    assert!(answers_old(&reader, Reason::NeverLoaded));
    assert!(!reader.wait_until_loaded(Duration::from_millis(20)).await);
    assert_eq!(reader.stage().name(), "unknown");
    store.be(Mood::Works);
    wait_until(SOON, || reader.decide("user-1").store == Store::New);
}

#[tokio::test]
async fn a_migration_without_a_stage_is_off() {
    let fixture = Fixture::new();
    let reader = open(&fixture, &Arc::new(TrickyStore::new()));
    assert!(reader.wait_until_loaded(SOON).await);
    wait_until(SOON, || answers_old(&reader, Reason::Static));
    assert_eq!(reader.stage().name(), "off");
}

#[tokio::test]
async fn a_change_of_the_stage_and_of_the_whitelist_is_seen() {
    let fixture = Fixture::new();
    let store = Arc::new(TrickyStore::new());
    let mut record = fixture.at(MIRROR);
    put(&*store, &record).await;
    let reader = open(&fixture, &store);
    wait_until(SOON, || reader.decide("user-1").mirror);
    record.stage = share(1);
    record.generation = 2;
    record.whitelist.insert("user-1".to_owned());
    put(&*store, &record).await;
    wait_until(SOON, || reader.decide("user-1").reason == Reason::Whitelist);
    let decision = reader.decide("user-2");
    assert_eq!((decision.store, decision.reason), (Store::Old, Reason::Share));
    assert_eq!((decision.generation, reader.stage().basis_points), (2, 1));
}

#[tokio::test]
async fn the_switch_works_within_a_second_while_the_store_is_down_or_hangs() {
    for mood in [Mood::Works, Mood::Fails, Mood::Hangs] {
        let fixture = Fixture::new();
        let (reader, store) = at_full_share(&fixture).await;
        store.be(mood);
        std::fs::write(fixture.rollback_file(), "").unwrap();
        turns_old_in_time(&reader, Reason::RolledBack);
        assert!(reader.stage().rolled_back);
    }
}

#[tokio::test]
async fn the_switch_works_within_a_second_after_the_store_is_deleted() {
    let fixture = Fixture::new();
    let path = fixture.directory.path().join("checkpoint.db");
    let store = SqliteCheckpoint::open(&path, "flight").await.unwrap();
    put(&store, &fixture.at(share(10_000))).await;
    let reader = Reader::connect(&fixture.plan).unwrap();
    wait_until(SOON, || reader.decide("user-1").store == Store::New);
    for suffix in ["", "-wal", "-shm"] {
        std::fs::remove_file(format!("{}{suffix}", path.display())).unwrap();
    }
    std::fs::write(fixture.rollback_file(), "").unwrap();
    turns_old_in_time(&reader, Reason::RolledBack);
}

#[tokio::test]
async fn a_snapshot_above_the_staleness_bound_is_not_believed() {
    let fixture = Fixture::with("staleness_max_ms = 300\n");
    let (reader, store) = at_full_share(&fixture).await;
    for mood in [Mood::Fails, Mood::Hangs] {
        store.be(mood);
        wait_until(SOON, || answers_old(&reader, Reason::Stale));
        assert!(reader.stage().stale);
        store.be(Mood::Works);
        wait_until(SOON, || reader.decide("user-1").store == Store::New);
    }
}

#[tokio::test]
async fn a_deleted_store_makes_the_snapshot_stale() {
    let fixture = Fixture::with("staleness_max_ms = 300\n");
    let path = fixture.directory.path().join("checkpoint.db");
    let store = SqliteCheckpoint::open(&path, "flight").await.unwrap();
    put(&store, &fixture.at(share(10_000))).await;
    let reader = Reader::connect(&fixture.plan).unwrap();
    wait_until(SOON, || reader.decide("user-1").store == Store::New);
    std::fs::remove_file(&path).unwrap();
    wait_until(SOON, || answers_old(&reader, Reason::Stale));
}

#[tokio::test]
async fn a_store_that_comes_up_later_is_found() {
    let fixture = Fixture::new();
    let reader = Reader::connect(&fixture.plan).unwrap();
    assert!(answers_old(&reader, Reason::NeverLoaded));
    let path = fixture.directory.path().join("checkpoint.db");
    let store = SqliteCheckpoint::open(&path, "flight").await.unwrap();
    put(&store, &fixture.at(share(10_000))).await;
    wait_until(SOON, || reader.decide("user-1").store == Store::New);
}

#[tokio::test]
async fn a_state_that_was_rolled_back_does_not_come_to_life_when_the_file_goes() {
    let fixture = Fixture::new();
    let (reader, store) = at_full_share(&fixture).await;
    store.be(Mood::Hangs);
    std::fs::write(fixture.rollback_file(), "").unwrap();
    wait_until(SOON, || answers_old(&reader, Reason::RolledBack));
    std::fs::remove_file(fixture.rollback_file()).unwrap();
    // The snapshot is young enough, but from before the rollback.
    wait_until(SOON, || answers_old(&reader, Reason::Stale));
    store.be(Mood::Works);
    wait_until(SOON, || reader.decide("user-1").store == Store::New);
}

#[tokio::test]
async fn a_stage_from_an_old_copy_of_the_store_is_not_believed() {
    let fixture = Fixture::with("staleness_max_ms = 300\n");
    let store = Arc::new(TrickyStore::new());
    let old_copy = fixture.at(share(10_000));
    put(&*store, &old_copy).await;
    let reader = open(&fixture, &store);
    wait_until(SOON, || reader.decide("user-1").store == Store::New);
    let mut record = old_copy.clone();
    record.generation += 1;
    record.stage = MIRROR;
    put(&*store, &record).await;
    wait_until(SOON, || reader.decide("user-1").store == Store::Old);
    put(&*store, &old_copy).await;
    wait_until(SOON, || answers_old(&reader, Reason::Stale));
    store.clear().await.unwrap();
    assert!(answers_old(&reader, Reason::Stale));
}

#[tokio::test]
async fn an_unreadable_stage_is_not_taken_for_an_absent_one() {
    let fixture = Fixture::with("staleness_max_ms = 300\n");
    let (reader, store) = at_full_share(&fixture).await;
    let entry = store.get(cutover::STAGE_KEY).await.unwrap().unwrap();
    store.put(cutover::STAGE_KEY, b"{", Some(entry.revision)).await.unwrap().unwrap();
    wait_until(SOON, || answers_old(&reader, Reason::Stale));
    assert_eq!(reader.stage().name(), "100%");
}

#[tokio::test]
async fn without_the_directory_of_the_rollback_file_there_is_no_reader() {
    let fixture = Fixture::with("rollback_file = \"nowhere/rollback\"\n");
    let error = Reader::open(&fixture.plan, Arc::new(TrickyStore::new())).unwrap_err();
    assert!(error.next_step().is_some_and(|hint| hint.contains("create the directory")));
}

#[tokio::test]
async fn a_directory_that_vanishes_counts_as_a_rollback_in_time() {
    let fixture = Fixture::with("rollback_file = \"switch/rollback\"\n[cutover.gate]\n");
    let directory = fixture.directory.path().join("switch");
    std::fs::create_dir(&directory).unwrap();
    let (reader, _store) = at_full_share(&fixture).await;
    std::fs::remove_dir(&directory).unwrap();
    turns_old_in_time(&reader, Reason::Stale);
}

#[tokio::test]
async fn reports_are_counted_by_generation_and_reach_the_store() {
    let fixture = Fixture::new();
    let store = Arc::new(TrickyStore::new());
    put(&*store, &fixture.at(MIRROR)).await;
    let reader = open(&fixture, &store);
    wait_until(SOON, || reader.decide("user-1").mirror);
    let decision = reader.decide("user-1");
    let late: Decision = Decision { generation: 0, ..decision };
    let latency = Duration::from_micros(300);
    for (decision, outcome) in [
        (&decision, MirrorOutcome::Same),
        (&decision, MirrorOutcome::Same),
        (&decision, MirrorOutcome::Different),
        (&decision, MirrorOutcome::Lag),
        (&late, MirrorOutcome::Failed),
    ] {
        reader.report(decision, outcome, latency);
    }
    reader.shutdown();
    let counts = mirrored(&*store, decision.generation).await.unwrap();
    assert_eq!((counts.same, counts.different, counts.lag, counts.failed), (2, 1, 1, 0));
    assert_eq!(counts.latency_quantile(0.99), Some(Duration::from_micros(512)));
    assert_eq!(mirrored(&*store, 0).await.unwrap().failed, 1);
    assert!(answers_old(&reader, Reason::Stale), "a reader that was shut down answers old");
}

#[tokio::test]
async fn counts_of_two_readers_add_up_and_survive_answers_that_were_lost() {
    let fixture = Fixture::new();
    let store = Arc::new(TrickyStore::new());
    let readers = [open(&fixture, &store), open(&fixture, &store)];
    for reader in &readers {
        assert!(reader.wait_until_loaded(SOON).await);
    }
    store.be(Mood::LosesAnswers);
    let count = |n: u64| {
        for reader in &readers {
            let decision = reader.decide("user-1");
            for _ in 0..n {
                reader.report(&decision, MirrorOutcome::Same, Duration::ZERO);
            }
        }
    };
    count(3);
    let mut seen = 0;
    while seen < 6 {
        seen = mirrored(&*store, 0).await.unwrap().same;
        tokio::task::yield_now().await;
    }
    store.be(Mood::Works);
    count(2);
    readers.iter().for_each(Reader::shutdown);
    assert_eq!(mirrored(&*store, 0).await.unwrap().same, 10);
}

#[tokio::test]
async fn a_reader_is_known_while_it_lives_and_says_which_stage_it_follows() {
    let fixture = Fixture::new();
    let (reader, store) = at_full_share(&fixture).await;
    let mut known = Vec::new();
    while known.iter().all(|seen: &cutover::ReaderSeen| seen.generation != 1) {
        known = readers(&*store).await.unwrap();
        tokio::task::yield_now().await;
    }
    assert_eq!(known.len(), 1);
    assert_eq!(known[0].process.pid.unsigned_abs(), std::process::id());
    reader.shutdown();
    assert_eq!(readers(&*store).await.unwrap(), []);
}

#[test]
fn a_reader_works_without_any_runtime_and_from_many_threads() {
    let fixture = Fixture::new();
    write_full_share(&fixture);
    let reader = Arc::new(Reader::connect(&fixture.plan).unwrap());
    wait_until(SOON, || reader.decide("user-1").store == Store::New);
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let reader = Arc::clone(&reader);
            std::thread::spawn(move || {
                (0..10_000).all(|i: u32| reader.decide(i.to_le_bytes()).store == Store::New)
            })
        })
        .collect();
    assert!(threads.into_iter().all(|thread| thread.join().unwrap()));
    reader.shutdown();
}

/// Writes a checkpoint file from outside any runtime.
fn write_full_share(fixture: &Fixture) {
    let path = fixture.directory.path().join("checkpoint.db");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let store = SqliteCheckpoint::open(&path, "flight").await.unwrap();
        put(&store, &fixture.at(share(10_000))).await;
    });
}

#[test]
fn the_lapse_of_the_watch_leaves_room_for_the_promise() {
    assert!(WATCH_LAPSE + Duration::from_millis(10) < SECOND);
}
