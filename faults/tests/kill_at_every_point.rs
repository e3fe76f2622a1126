//! `kill -9` at every named point of every program, and nothing is lost.
//!
//! `MIDFLIGHT_FAULTS=all` kills at each hit of each point; otherwise a sample is drawn by a seed that
//! is printed and may be given again as `MIDFLIGHT_SEED`.
#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "tests")]

use faults::{Bed, differences};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use std::collections::BTreeMap;

/// Edges in the source: enough for several batches of every range.
const ROWS: u64 = 700;

/// Changes before and after the kill.
const CHANGES: u64 = 120;

/// Kills drawn for each program when not all of them are wanted.
const SAMPLE: usize = 6;

/// Hits of one point that are all tried; of a point that is hit more often, these many are drawn.
const HITS_OF_ONE_POINT: usize = 5;

/// One program at work on a migration, from a bed that is ready for it.
struct Case {
    name: &'static str,
    args: &'static [&'static str],
    /// Commands that come first.
    before: &'static [(&'static str, &'static [&'static str])],
    /// Whether it is run again beside changes that nobody has applied yet, or after they have been.
    resumes_at_rest: bool,
}

const SET_UP: (&str, &[&str]) = ("dual-write", &["set-up"]);

const CASES: [Case; 5] = [
    Case { name: "dual-write", args: &["set-up"], before: &[], resumes_at_rest: false },
    Case {
        name: "dual-write",
        args: &["run", "--until-drained"],
        before: &[SET_UP],
        resumes_at_rest: false,
    },
    Case { name: "backfill", args: &["run"], before: &[SET_UP], resumes_at_rest: false },
    Case {
        name: "backfill",
        args: &["run", "--sample", "20%"],
        before: &[SET_UP],
        resumes_at_rest: false,
    },
    Case {
        name: "verify",
        args: &["run"],
        before: &[SET_UP, ("backfill", &["run"]), ("dual-write", &["run", "--until-drained"])],
        resumes_at_rest: true,
    },
];

fn seed() -> u64 {
    let given = std::env::var("MIDFLIGHT_SEED").ok().and_then(|text| text.parse().ok());
    let seed = given.unwrap_or_else(|| rand::rng().random_range(0..1_000_000));
    eprintln!("MIDFLIGHT_SEED={seed}");
    seed
}

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

/// The points that the case hits, in order: the same run, counted.
async fn hits(case: &Case, seed: u64) -> Vec<String> {
    let bed = bed_for(case, seed).await;
    let file = bed.path("hits");
    let fault = format!("count:{}", file.display());
    drop(bed.start_with(&fault, case.name, case.args).wait().ok());
    let hits = std::fs::read_to_string(file).unwrap();
    hits.lines().map(str::to_owned).collect()
}

/// Which hit of which point to kill at: all, or some of those that are hit often.
fn kills(hits: &[String], random: &mut StdRng) -> Vec<(String, usize)> {
    let mut count: BTreeMap<&String, usize> = BTreeMap::new();
    for hit in hits {
        *count.entry(hit).or_default() += 1;
    }
    let all = std::env::var("MIDFLIGHT_FAULTS").is_ok_and(|value| value == "all");
    let mut kills = Vec::new();
    for (point, hits) in count {
        let numbers: Vec<usize> = (1..=hits).collect();
        let chosen = numbers.choose_multiple(random, HITS_OF_ONE_POINT.min(hits));
        kills.extend(chosen.map(|number| (point.clone(), *number)));
    }
    if all { kills } else { kills.choose_multiple(random, SAMPLE).cloned().collect() }
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
    if case.resumes_at_rest {
        bed.finish();
    }
    drop(bed.run(case.name, case.args).ok());
    bed.finish();
    assert_eq!(differences(&bed).await, [], "{place}");
    drop(bed.run("verify", &["run"]).ok());
}

async fn survives(case: &Case) {
    let seed = seed();
    let mut random = StdRng::seed_from_u64(seed);
    let hits = hits(case, seed).await;
    assert!(!hits.is_empty(), "{} {:?} has no fault points", case.name, case.args);
    let kills = kills(&hits, &mut random);
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

#[tokio::test]
async fn verify_killed_anywhere_counts_nothing_twice() {
    survives(&CASES[4]).await;
}
