//! Reads suspects again until each is equal, still moving, or truly different.
//!
//! The target may lag the source, so a difference counts only when it stands still: in two rounds
//! in a row, and for as long as the queue may lag the source, the source's record did not change,
//! the instance had applied everything the queue held when the source was read, and the same two
//! records were found. A record that changes all the time never stands still; it agrees if the
//! target shows what the source came to show meanwhile.

use crate::difference::{Difference, DifferenceKind};
use crate::pass::Pair;
use crate::round::{Look, Round, describe, difference};
use crate::suspect::Suspect;
use futures::future::try_join_all;
use migration::error::Result;
use migration::key::Key;
use migration::queue::Queue;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// The pause after the first round, where there are pauses; it doubles up to the time that a
/// difference has to stand.
const PAUSE_MIN: Duration = Duration::from_millis(20);

/// How long and how often suspects are read again.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    /// Most rounds, or as many as fit into twice `stands`, whichever are more.
    pub(crate) rounds_max: usize,
    /// Longest wait of one round for the live path.
    pub(crate) wait: Duration,
    /// How long a difference has to stand still.
    pub(crate) stands: Duration,
}

/// What became of a batch of suspects.
#[derive(Debug, Default)]
pub(crate) struct Settled {
    /// Equal after all.
    pub(crate) converged: u64,
    /// Different and standing still, or unsettled: still changing, or the live path did not catch
    /// up, when patience ended.
    pub(crate) differences: Vec<Difference>,
}

/// Settles suspects, those of all instances at the same time.
pub(crate) async fn settle(
    pair: &Pair,
    queue: &Arc<dyn Queue>,
    suspects: &[Suspect],
    patience: Patience,
) -> Result<Settled> {
    let mut by_instance: HashMap<usize, Vec<Key>> = HashMap::new();
    for suspect in suspects {
        by_instance.entry(suspect.instance).or_default().push(suspect.key.clone());
    }
    let settling = by_instance
        .into_iter()
        .map(|(instance, keys)| Box::pin(settle_instance(pair, queue, instance, keys, patience)));
    let mut all = Settled::default();
    for settled in try_join_all(settling).await? {
        all.converged += settled.converged;
        all.differences.extend(settled.differences);
    }
    Ok(all)
}

async fn settle_instance(
    pair: &Pair,
    queue: &Arc<dyn Queue>,
    instance: usize,
    keys: Vec<Key>,
    patience: Patience,
) -> Result<Settled> {
    let mut settled = Settled::default();
    let mut left: Vec<(Key, History)> =
        keys.into_iter().map(|key| (key, History::default())).collect();
    let (began, mut pause) = (Instant::now(), PAUSE_MIN);
    let has_time = || began.elapsed() < patience.stands * 2;
    let mut rounds = 0;
    while !left.is_empty() && (rounds < patience.rounds_max || has_time()) {
        if rounds > 0 && !patience.stands.is_zero() {
            sleep(pause.min(patience.stands)).await;
            pause *= 2;
        }
        rounds += 1;
        let keys = left.iter().map(|(key, _)| key);
        let round = Round::read(pair, queue, instance, keys, patience.wait).await?;
        let mut standing = Vec::new();
        let mut moving = Vec::with_capacity(left.len());
        for ((key, mut history), look) in left.into_iter().zip(&round.looks) {
            match history.add(*look, &round, patience.stands) {
                State::Agrees => settled.converged += 1,
                State::Moving => moving.push((key, history)),
                State::Stands => standing.push(key),
            }
        }
        left = moving;
        let differences = describe(pair, instance, &standing).await?;
        settled.converged += u64::try_from(standing.len() - differences.len()).unwrap_or(0);
        settled.differences.extend(differences);
        if !round.caught_up && !has_time() {
            // It had its time; another round would only wait as long again.
            break;
        }
    }
    let unsettled =
        left.iter().map(|(key, _)| difference(pair, instance, key, DifferenceKind::Unsettled));
    settled.differences.extend(unsettled);
    Ok(settled)
}

/// What one round says of a record.
#[derive(Debug, PartialEq, Eq)]
enum State {
    Agrees,
    /// It changed meanwhile, or may have, or has not stood for long enough.
    Moving,
    Stands,
}

/// What the rounds so far have seen of a record.
#[derive(Debug, Default)]
struct History {
    /// What the source showed first.
    first: Option<Option<u128>>,
    /// What it came to show afterwards.
    later: Vec<Option<u128>>,
    /// What both sides show, and since when.
    standing: Option<(Look, Instant)>,
}

impl History {
    fn add(&mut self, look: Look, round: &Round, stands: Duration) -> State {
        let first = *self.first.get_or_insert(look.before);
        for shown in [look.before, look.after] {
            if shown != first && !self.later.contains(&shown) {
                self.later.push(shown);
            }
        }
        // What the source showed first may be what the target never got beyond.
        if look.after == look.there || self.later.contains(&look.there) {
            return State::Agrees;
        }
        if look.before != look.after || !round.caught_up {
            self.standing = None;
            return State::Moving;
        }
        match self.standing {
            Some((same, since)) if same == look => {
                let stood = round.source_read_at.duration_since(since) >= stands;
                if stood { State::Stands } else { State::Moving }
            }
            _ => {
                self.standing = Some((look, round.source_read_at));
                State::Moving
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{History, State};
    use crate::round::{Look, Round};
    use std::time::Duration;
    use tokio::time::Instant;

    const STANDS: Duration = Duration::from_secs(10);

    /// Looks, each a second after the other: what the source shows before and after, and the
    /// target.
    fn judge(looks: &[(u128, u128, u128)]) -> Vec<State> {
        let began = Instant::now();
        let mut history = History::default();
        let shown = |value| (value > 0).then_some(value);
        let states = (0..).zip(looks).map(|(second, &(before, after, there))| {
            let look = Look { before: shown(before), after: shown(after), there: shown(there) };
            let source_read_at = began + Duration::from_secs(second);
            let round = Round { looks: Vec::new(), caught_up: true, source_read_at };
            history.add(look, &round, STANDS)
        });
        states.collect()
    }

    #[test]
    fn a_record_that_differs_for_as_long_as_the_queue_may_lag_stands() {
        let mut expected: Vec<State> = (0..10).map(|_| State::Moving).collect();
        expected.push(State::Stands);
        assert_eq!(judge(&[(1, 1, 2); 11]), expected);
    }

    #[test]
    fn a_record_that_changes_begins_to_stand_anew() {
        let mut looks = vec![(1, 1, 9); 10];
        looks.extend([(2, 2, 9); 10]);
        assert!(judge(&looks).iter().all(|state| *state == State::Moving));
    }

    #[test]
    fn a_target_that_follows_a_record_which_never_rests_agrees() {
        let looks = [(1, 2, 9), (3, 4, 1), (5, 6, 2)];
        assert_eq!(judge(&looks), [State::Moving, State::Moving, State::Agrees]);
    }

    #[test]
    fn a_delete_that_the_target_never_gets_is_not_taken_for_one_that_is_late() {
        let mut looks = vec![(1, 0, 1)];
        looks.extend([(0, 0, 1); 11]);
        assert_eq!(judge(&looks).last(), Some(&State::Stands));
    }
}
