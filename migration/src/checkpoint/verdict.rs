//! Verdicts: what `verify` found, one line a run, kept for ever.

use super::CheckpointStore;
use super::document::{self, Document};
use crate::clock::Timestamp;
use crate::error::Result;
use serde::{Deserialize, Serialize};

/// The log in the checkpoint store.
pub const LOG: &str = "verdict";

/// Lines read at once.
const PAGE: u64 = 64;

/// What a run of `verify` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// At most the rate allowed.
    Pass,
    /// More than the rate allowed.
    Fail,
    /// Too few records, or too many of them moving, to say.
    Inconclusive,
}

impl Outcome {
    /// The word for people.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::Inconclusive => "inconclusive",
        }
    }
}

/// What the figures of a verdict are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Everything in scope was compared: the rate is exact, and it is what is judged.
    Census,
    /// A random sample was compared: its bound at 95 % is what is judged.
    Sample,
}

/// How the two stores were compared.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Dimension {
    /// Records of the source and of the target.
    #[default]
    Storage,
    /// What a user gets from the old and the new path.
    Business,
}

/// How many of these are such: what is judged wherever figures are. Zero of none.
#[must_use]
pub fn rate_of(part: u64, whole: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "counts beyond 2^53 are out of reach")]
    let rate = part as f64 / whole.max(1) as f64;
    rate
}

/// What one run of `verify` found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// Names the run.
    pub run: String,
    /// What was compared, in words: `every record`, `the backfill's sample`.
    pub scope: String,
    /// Whether that is every record of the migration.
    pub whole: bool,
    /// How.
    #[serde(default)]
    pub dimension: Dimension,
    /// What the figures are.
    pub kind: Kind,
    /// Records compared.
    pub compared: u64,
    /// Stable differences among them.
    pub differing: u64,
    /// Records that were still moving when patience ended.
    pub unsettled: u64,
    /// Differences per record compared.
    pub rate: f64,
    /// The rate is below this with a confidence of 95 %.
    pub bound95: f64,
    /// The rate is below this with a confidence of 99 %.
    pub bound99: f64,
    /// The rate allowed.
    pub rate_max: f64,
    /// What the run says.
    pub outcome: Outcome,
    /// When it began: the age of the verdict counts from here, since that is how long ago its first
    /// records were compared.
    pub started: Timestamp,
    /// How often it was interrupted and gone on with.
    #[serde(default)]
    pub interruptions: u32,
    /// When it was gone on with for the last time.
    #[serde(default)]
    pub resumed: Option<Timestamp>,
    /// When it ended.
    pub finished: Timestamp,
    /// What it holds for: see [`Plan::edition`](crate::plan::Plan::edition).
    pub edition: String,
}

impl Document for Verdict {
    const NAME: &'static str = "verdict";
    const FORMAT: u32 = 1;
}

/// Appends a verdict. Returns its number, from 1. If the outcome of an earlier attempt is not
/// known, ask with [`last`] whether the run's verdict is there.
///
/// # Errors
/// Those of the store.
pub async fn append(store: &dyn CheckpointStore, verdict: &Verdict) -> Result<u64> {
    // Without an expected end, a log takes every line.
    Ok(store.append(LOG, &[document::encode(verdict)?], None).await?.unwrap_or_default())
}

/// Up to `limit` verdicts after number `after`, the oldest first.
///
/// # Errors
/// Those of the store, and `Unreadable`.
pub async fn verdicts(
    store: &dyn CheckpointStore,
    after: u64,
    limit: usize,
) -> Result<Vec<(u64, Verdict)>> {
    let lines = store.read_log(LOG, after, limit).await?;
    let verdict = |line: super::LogLine| match document::decode(&line.value) {
        Ok(verdict) => Ok((line.number, verdict)),
        Err(error) => Err(error.with("line", line.number)),
    };
    lines.into_iter().map(verdict).collect()
}

/// The number of verdicts.
///
/// # Errors
/// Those of the store.
pub async fn count(store: &dyn CheckpointStore) -> Result<u64> {
    store.log_end(LOG).await
}

/// The last verdict of which `wanted` holds.
///
/// # Errors
/// Those of the store, and `Unreadable`.
pub async fn last(
    store: &dyn CheckpointStore,
    wanted: impl Fn(&Verdict) -> bool,
) -> Result<Option<Verdict>> {
    let mut end = count(store).await?;
    while end > 0 {
        let after = end.saturating_sub(PAGE);
        let page = verdicts(store, after, usize::try_from(end - after).unwrap_or(1)).await?;
        let found = page.into_iter().rev().map(|(_, verdict)| verdict).find(&wanted);
        if found.is_some() {
            return Ok(found);
        }
        end = after;
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::{Dimension, Kind, Outcome, Verdict, append, last, verdicts};
    use crate::checkpoint::{CheckpointStore as _, MemoryCheckpoint};
    use crate::clock::Timestamp;
    use crate::error::ErrorKind;

    fn verdict(run: u64, whole: bool) -> Verdict {
        Verdict {
            run: run.to_string(),
            scope: "every record".to_owned(),
            whole,
            dimension: Dimension::Storage,
            kind: Kind::Census,
            compared: 1_000_000,
            differing: 1,
            unsettled: 0,
            rate: 1e-6,
            bound95: 4.7e-6,
            bound99: 6.6e-6,
            rate_max: 1e-6,
            outcome: Outcome::Pass,
            started: Timestamp(1),
            interruptions: 0,
            resumed: None,
            finished: Timestamp(2),
            edition: "digest".to_owned(),
        }
    }

    #[tokio::test]
    async fn the_last_verdict_that_is_wanted_is_found_behind_many_others() {
        let store = MemoryCheckpoint::new("m");
        assert_eq!(last(&store, |_| true).await.unwrap(), None);
        for run in 1..=200 {
            append(&store, &verdict(run, run == 3 || run == 5)).await.unwrap();
        }
        assert_eq!(last(&store, |_| true).await.unwrap(), Some(verdict(200, false)));
        assert_eq!(last(&store, |verdict| verdict.whole).await.unwrap(), Some(verdict(5, true)));
        assert_eq!(last(&store, |verdict| verdict.run == "0").await.unwrap(), None);
        let page = verdicts(&store, 198, 9).await.unwrap();
        assert_eq!(page.iter().map(|(number, _)| *number).collect::<Vec<_>>(), [199, 200]);
    }

    #[tokio::test]
    async fn a_verdict_that_cannot_be_read_is_not_passed_over_for_an_older_one() {
        let store = MemoryCheckpoint::new("m");
        append(&store, &verdict(1, true)).await.unwrap();
        store.append("verdict", &[b"garbage".to_vec()], None).await.unwrap();
        let error = last(&store, |_| true).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unreadable);
    }
}
