//! Which hits of which fault points a test kills at.

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use std::collections::BTreeMap;

/// Kills drawn for each program when not all of them are wanted.
const SAMPLE: usize = 6;

/// Hits of one point that are all tried; of a point that is hit more often, these many are drawn.
const HITS_OF_ONE_POINT: usize = 5;

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

/// Kills for a run that hit these points, in order: a sample of all, or with `MIDFLIGHT_FAULTS=all`
/// each hit of each point, some of those of points that are hit often. Kills at `always` are in
/// every sample.
#[must_use]
pub fn kills(hits: &[String], always: &[&str], seed: u64) -> Vec<Kill> {
    let mut random = StdRng::seed_from_u64(seed);
    let mut count: BTreeMap<&String, usize> = BTreeMap::new();
    for hit in hits {
        *count.entry(hit).or_default() += 1;
    }
    let all = std::env::var("MIDFLIGHT_FAULTS").is_ok_and(|value| value == "all");
    let mut kills = Vec::new();
    for (point, hits) in count {
        let numbers: Vec<usize> = (1..=hits).collect();
        let chosen = numbers.choose_multiple(&mut random, HITS_OF_ONE_POINT.min(hits));
        kills.extend(chosen.map(|number| (point.clone(), *number)));
    }
    if all {
        return kills;
    }
    let (mut sample, rest): (Vec<_>, Vec<_>) =
        kills.into_iter().partition(|(point, _)| always.contains(&point.as_str()));
    sample.extend(rest.choose_multiple(&mut random, SAMPLE).cloned());
    sample
}
