//! The decision of one read, in process.

use crate::child::Failure;
use crate::report;
use crate::sqlite::data::plan;
use cutover::{Action, Reader, Record, STAGE_KEY, Signed, Stage};
use migration::checkpoint::{CheckpointStore, MemoryCheckpoint, document};
use migration::clock::Timestamp;
use migration::plan::{Plan, StagePlan};
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Decisions in one run.
const DECISIONS: usize = 20_000_000;

/// Keys that are asked for in turn: more than one, so that nothing is predicted from the last.
const KEYS: usize = 1_024;

/// Longest wait for the reader's first look at the stage.
const LOAD_MAX: Duration = Duration::from_secs(2);

/// Measures a decision at a stage that has to hash every key, and the hash alone beside it.
pub(crate) async fn measure(runs: usize) -> Result<(), Failure> {
    report::note(&format!("decision: {runs} runs ..."));
    let dir = tempfile::tempdir()?;
    let plan = Plan::parse(&plan(), dir.path()).map_err(|error| format!("{error:?}"))?;
    let checkpoint = Arc::new(MemoryCheckpoint::new(&plan.id));
    let signed = Signed { who: "bench".into(), when: Timestamp::now(), why: "bench".into() };
    let record = Record::initial(&plan, Timestamp::now()).changed(
        Action::Override,
        Stage::At(StagePlan::Share { basis_points: 1_000 }),
        signed,
    );
    let value = document::encode(&record).map_err(|error| format!("{error:?}"))?;
    checkpoint.put(STAGE_KEY, &value, None).await.map_err(|error| format!("{error:?}"))?;
    let reader = Reader::open(&plan, checkpoint).map_err(|error| format!("{error:?}"))?;
    if !reader.wait_until_loaded(LOAD_MAX).await {
        return Err("the reader did not load its stage".into());
    }
    let keys: Vec<Vec<u8>> = (0..KEYS).map(|n| format!("user-{n}").into_bytes()).collect();
    let flag = plan.cutover.flag.as_bytes();
    let mut ours = Vec::new();
    let mut peer = Vec::new();
    for _ in 0..runs {
        ours.push(time(&keys, |key| u64::from(reader.decide(key).generation)));
        peer.push(time(&keys, |key| u64::from(cutover::hash(flag, key))));
    }
    reader.shutdown();
    report::nanoseconds("decision", &ours, "the hash alone", &peer);
    Ok(())
}

/// Nanoseconds of one call.
fn time(keys: &[Vec<u8>], mut call: impl FnMut(&[u8]) -> u64) -> f64 {
    let begun = Instant::now();
    let mut sum = 0_u64;
    for turn in 0..DECISIONS {
        sum = sum.wrapping_add(call(black_box(&keys[turn % KEYS])));
    }
    black_box(sum);
    #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
    let nanoseconds = begun.elapsed().as_nanos() as f64 / DECISIONS as f64;
    nanoseconds
}
