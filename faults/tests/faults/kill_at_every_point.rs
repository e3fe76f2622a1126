//! `kill -9` at every named point of every command that changes something, and nothing is lost.
//!
//! `MIDFLIGHT_FAULTS=all` kills at every point: at its first hit in the run, at its last, and at
//! three between. Otherwise a few points are drawn by a seed that is printed and may be given again
//! as `MIDFLIGHT_SEED`. Either way a point counts only where the process really died.
//!
//! The points of all cases together are those that the sources name: a new point without a case
//! that passes it fails here.

mod case;
mod cases;
pub(crate) mod points;

use case::Case;
use faults::kills;
use std::collections::BTreeMap;
use std::sync::LazyLock;
use tokio::sync::OnceCell;

/// One for the whole run, so that what is counted once holds for all.
static SEED: LazyLock<u64> = LazyLock::new(faults::seed);

/// What each case hits, counted once however many tests ask.
static HITS: [OnceCell<Vec<String>>; cases::CASES.len()] =
    [const { OnceCell::const_new() }; cases::CASES.len()];

/// The points that a case hits, in order.
async fn hits(index: usize) -> &'static [String] {
    HITS[index].get_or_init(|| cases::CASES[index].1.hits(*SEED)).await
}

async fn survives(name: &str) {
    let index = cases::CASES.iter().position(|(known, _)| *known == name).unwrap();
    let case: &Case = &cases::CASES[index].1;
    let hits = hits(index).await;
    assert!(!hits.is_empty(), "{case} has no fault points");
    let mut kills_of: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (point, number) in kills(hits, &[], *SEED) {
        kills_of.entry(point).or_default().push(number);
    }
    eprintln!("{case}: {} hits, {} points to kill at", hits.len(), kills_of.len());
    for (point, numbers) in kills_of {
        let mut deaths = 0;
        for number in numbers {
            deaths += u32::from(case.survives_a_kill(&point, number, *SEED).await);
        }
        // Workers interleave as they like, so a late hit may not come up again; the first does.
        if deaths == 0 {
            let died = case.survives_a_kill(&point, 1, *SEED).await;
            assert!(died, "{case} never dies at {point}, seed {}", *SEED);
        }
    }
}
