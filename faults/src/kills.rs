//! Which hits of which fault points a test kills at.

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use std::collections::BTreeMap;

/// Points drawn of each run when not all of them are wanted.
const SAMPLE: usize = 4;

/// Hits drawn of a point that is hit more often, beside its first and its last.
const HITS_BETWEEN: usize = 3;

/// A kill: at this hit of this point.
pub type Kill = (String, usize);

/// The seed of this test run, printed: given as `MIDFLIGHT_SEED`, or drawn.
#[must_use]
#[expect(clippy::print_stderr, reason = "whoever repeats a failure needs it")]
pub fn seed() -> u64 {
    let given = std::env::var("MIDFLIGHT_SEED").ok().and_then(|text| text.parse().ok());
    let seed = given.unwrap_or_else(|| rand::rng().random_range(0..1_000_000));
    eprintln!("MIDFLIGHT_SEED={seed}");
    seed
}

/// Whether every fault is wanted, not a sample.
#[must_use]
pub fn all_faults() -> bool {
    std::env::var("MIDFLIGHT_FAULTS").is_ok_and(|value| value == "all")
}

/// Kills for a run that hit these points, in order. With `MIDFLIGHT_FAULTS=all` every point, at its
/// first hit, its last, and a few between; otherwise one hit each of a few points, those of
/// `always` among them.
#[must_use]
pub fn kills(hits: &[String], always: &[&str], seed: u64) -> Vec<Kill> {
    let mut random = StdRng::seed_from_u64(seed);
    let mut counts: BTreeMap<&String, usize> = BTreeMap::new();
    for hit in hits {
        *counts.entry(hit).or_default() += 1;
    }
    if all_faults() {
        let mut all = Vec::new();
        for (point, count) in counts {
            all.extend(numbers(count, &mut random).into_iter().map(|it| (point.clone(), it)));
        }
        return all;
    }
    let (mut sample, rest): (Vec<_>, Vec<_>) =
        counts.into_iter().partition(|(point, _)| always.contains(&point.as_str()));
    sample.extend(rest.choose_multiple(&mut random, SAMPLE).copied());
    let one = |(point, count): (&String, usize)| (point.clone(), random.random_range(1..=count));
    sample.into_iter().map(one).collect()
}

/// The first, the last, and a few of the hits between.
fn numbers(count: usize, random: &mut StdRng) -> Vec<usize> {
    let between: Vec<usize> = (2..count).collect();
    let mut numbers = vec![1];
    numbers.extend(between.choose_multiple(random, HITS_BETWEEN));
    if count > 1 {
        numbers.push(count);
    }
    numbers
}
