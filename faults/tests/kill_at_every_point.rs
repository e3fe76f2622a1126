//! `kill -9` at every named point of every program, and nothing is lost.
//!
//! `MIDFLIGHT_FAULTS=all` kills at each hit of each point; otherwise a sample is drawn by a seed that
//! is printed and may be given again as `MIDFLIGHT_SEED`.
#![expect(clippy::print_stderr, reason = "tests")]

use faults::{Bed, differences, kills, seed};

/// Edges in the source: enough for several batches of every range.
const ROWS: u64 = 700;

/// Changes before and after the kill.
const CHANGES: u64 = 120;

/// One program at work on a migration, from a bed that is ready for it.
struct Case {
    name: &'static str,
    args: &'static [&'static str],
    /// Commands that come first.
    before: &'static [(&'static str, &'static [&'static str])],
}

const SET_UP: (&str, &[&str]) = ("dual-write", &["set-up"]);

const CASES: [Case; 4] = [
    Case { name: "dual-write", args: &["set-up"], before: &[] },
    Case { name: "dual-write", args: &["run", "--until-drained"], before: &[SET_UP] },
    Case { name: "backfill", args: &["run"], before: &[SET_UP] },
    Case { name: "backfill", args: &["run", "--sample", "20%"], before: &[SET_UP] },
];

async fn bed_for(case: &Case, seed: u64) -> Bed {
    let mut bed = Bed::new(ROWS, seed).await;
    for (index, (name, args)) in case.before.iter().enumerate() {
        drop(bed.run(name, args).ok());
        if index == 0 {
            bed.change(CHANGES).await;
        }
    }
    bed
}

async fn kill_and_recover(case: &Case, point: &str, number: usize, seed: u64) {
    let mut bed = bed_for(case, seed).await;
    let fault = format!("abort:{point}@{number}");
    let ran = bed.start_with(&fault, case.name, case.args).wait();
    let place = format!("{} {:?} killed by {fault}, seed {seed}", case.name, case.args);
    // Two workers interleave as they like, so a late hit may not come up again.
    assert!(ran.code.is_none() || ran.code == Some(0), "{place}: {ran:?}");
    bed.change(CHANGES).await;
    drop(bed.run("dual-write", &["set-up"]).ok());
    drop(bed.run(case.name, case.args).ok());
    bed.finish();
    assert_eq!(differences(&bed).await, [], "{place}");
    drop(bed.run("verify", &["run"]).ok());
}

async fn survives(case: &Case) {
    let seed = seed();
    let hits = bed_for(case, seed).await.hits(case.name, case.args, 0);
    assert!(!hits.is_empty(), "{} {:?} has no fault points", case.name, case.args);
    let kills = kills(&hits, &[], seed);
    eprintln!("{} {:?}: {} hits, {} kills", case.name, case.args, hits.len(), kills.len());
    for (point, number) in kills {
        kill_and_recover(case, &point, number, seed).await;
    }
}

#[tokio::test]
async fn set_up_killed_anywhere_is_finished_by_the_next() {
    survives(&CASES[0]).await;
}

#[tokio::test]
async fn dual_write_killed_anywhere_loses_and_repeats_nothing() {
    survives(&CASES[1]).await;
}

#[tokio::test]
async fn backfill_killed_anywhere_resumes_and_revives_nothing() {
    survives(&CASES[2]).await;
}

#[tokio::test]
async fn a_sampled_backfill_killed_anywhere_leaves_no_trace_in_the_whole_one() {
    survives(&CASES[3]).await;
}
