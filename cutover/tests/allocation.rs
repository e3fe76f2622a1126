//! A decision costs no allocation, whatever its reason: counted by the allocator itself.
//!
//! A test binary of its own, because the counting allocator is that of the whole binary.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use allocation_counter::measure;
use cutover::{Action, Reader, Reason, Record, STAGE_KEY, Signed, Stage};
use migration::checkpoint::{CheckpointStore, MemoryCheckpoint, document};
use migration::clock::Timestamp;
use migration::plan::{Plan, StagePlan};
use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Decisions that are counted for each key.
const DECISIONS: usize = 10_000;

/// Longest wait for the reader's threads, on a machine that is busy with other tests.
const SOON: Duration = Duration::from_secs(20);

const HALF: Stage = Stage::At(StagePlan::Share { basis_points: 5_000 });

fn plan(dir: &Path) -> Plan {
    Plan::parse(include_str!("migration.toml"), dir).unwrap()
}

/// A reader that has come to answer `key` for `reason`, at a stage with 1,000 whitelisted keys.
async fn reader(plan: &Plan, stage: Option<Stage>, key: &str, reason: Reason) -> Reader {
    let store: Arc<dyn CheckpointStore> = Arc::new(MemoryCheckpoint::new(&plan.id));
    if let Some(stage) = stage {
        let signed = Signed { who: "t".into(), when: Timestamp::now(), why: "t".into() };
        let mut record =
            Record::initial(plan, Timestamp::now()).changed(Action::Override, stage, signed);
        record.whitelist.extend((0..1_000).map(|n| format!("engineer-{n}")));
        store.put(STAGE_KEY, &document::encode(&record).unwrap(), None).await.unwrap();
    }
    let reader = Reader::open(plan, store).unwrap();
    let began = Instant::now();
    while reader.decide(key).reason != reason {
        assert!(began.elapsed() < SOON, "{:?} for {key}", reader.decide(key));
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    reader
}

/// Has no allocation counted on this thread while `key` is decided for `reason`, again and again.
fn allocates_nothing(reader: &Reader, key: &str, reason: Reason) {
    // The first look at the whitelist in a thread may set up what the thread needs for it.
    assert_eq!(reader.decide(key).reason, reason, "{key}");
    let mut same = 0;
    let counted = measure(|| {
        for _ in 0..DECISIONS {
            same += usize::from(reader.decide(black_box(key)).reason == reason);
        }
    });
    assert_eq!(counted.count_total, 0, "{key}: {reason:?}");
    assert_eq!(same, DECISIONS, "{key} was not decided for {reason:?} throughout");
}

#[test]
fn the_allocator_counts() {
    assert_eq!(measure(|| drop(black_box(vec![1_u8]))).count_total, 1);
}

#[tokio::test]
async fn a_decision_allocates_nothing_by_share_and_by_whitelist() {
    let dir = tempfile::tempdir().unwrap();
    let reader = reader(&plan(dir.path()), Some(HALF), "engineer-7", Reason::Whitelist).await;
    for key in ["engineer-0", "engineer-7", "engineer-999"] {
        allocates_nothing(&reader, key, Reason::Whitelist);
    }
    let users: Vec<String> = (0..64).map(|n| format!("user-{n}")).collect();
    let new = users.iter().filter(|user| reader.decide(user).store == cutover::Store::New).count();
    assert!((8..56).contains(&new), "{new} of 64 users are on either side of the share");
    for user in &users {
        allocates_nothing(&reader, user, Reason::Share);
    }
}

#[tokio::test]
async fn a_decision_allocates_nothing_where_the_stage_alone_decides() {
    let dir = tempfile::tempdir().unwrap();
    let plan = plan(dir.path());
    for stage in [None, Some(Stage::At(StagePlan::Share { basis_points: 10_000 }))] {
        let reader = reader(&plan, stage, "user-1", Reason::Static).await;
        allocates_nothing(&reader, "user-1", Reason::Static);
    }
    let mirror = reader(&plan, Some(Stage::At(StagePlan::Mirror)), "user-1", Reason::Static).await;
    assert!(mirror.decide("user-1").mirror);
    allocates_nothing(&mirror, "user-1", Reason::Static);
}

#[tokio::test]
async fn a_decision_allocates_nothing_in_doubt_and_after_a_rollback() {
    let dir = tempfile::tempdir().unwrap();
    let mut plan = plan(dir.path());
    plan.cutover.staleness_max = Duration::ZERO;
    let stale = reader(&plan, Some(HALF), "user-1", Reason::Stale).await;
    allocates_nothing(&stale, "user-1", Reason::Stale);
    stale.shutdown();
    plan.cutover.staleness_max = Duration::from_secs(60);
    std::fs::write(&plan.cutover.rollback_file, "").unwrap();
    let switched = reader(&plan, Some(HALF), "user-1", Reason::RolledBack).await;
    allocates_nothing(&switched, "user-1", Reason::RolledBack);
}
