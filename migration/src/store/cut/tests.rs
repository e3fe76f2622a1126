use super::{BothWays, STEP_MAX, points};
use crate::error::Result;
use crate::key::Key;
use crate::store::walk::Walk;
use crate::value::Value;
use proptest::prelude::{Just, Strategy, any};
use proptest::{prop_assert, prop_assert_eq, proptest};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// A table whose keys are the numbers from 0 on.
struct Numbers {
    count: u64,
    /// How often each call lets the others go first: how the walks take turns.
    turns: Vec<u8>,
    calls: AtomicUsize,
    /// Most keys that a call passed over.
    longest: AtomicU64,
}

impl Numbers {
    fn new(count: u64, turns: Vec<u8>) -> Self {
        Self { count, turns, calls: AtomicUsize::default(), longest: AtomicU64::default() }
    }

    async fn take_turns(&self, passed: usize) -> u64 {
        let passed = u64::try_from(passed).unwrap();
        self.longest.fetch_max(passed, Ordering::Relaxed);
        let call = self.calls.fetch_add(1, Ordering::Relaxed);
        for _ in 0..self.turns[call % self.turns.len()] {
            tokio::task::yield_now().await;
        }
        passed
    }
}

fn key(number: u64) -> Key {
    Key::new([Value::Int(i128::from(number))]).unwrap()
}

fn number(key: &Key) -> u64 {
    match key.columns().unwrap()[0].value() {
        Value::Int(number) => u64::try_from(number).unwrap(),
        _ => unreachable!("keys are numbers"),
    }
}

impl Walk for Numbers {
    fn key_columns(&self) -> usize {
        1
    }

    async fn key_after(
        &self,
        (after, _): (Option<&Key>, Option<&Key>),
        passed: usize,
    ) -> Result<Option<Key>> {
        let passed = self.take_turns(passed).await;
        let found = after.map_or(0, |key| number(key) + 1) + passed;
        Ok((found < self.count).then(|| key(found)))
    }

    async fn last_key(&self, bounds: (Option<&Key>, Option<&Key>)) -> Result<Option<Key>> {
        self.key_before(bounds, 0).await
    }
}

impl BothWays for Numbers {
    async fn key_before(
        &self,
        (_, until): (Option<&Key>, Option<&Key>),
        passed: usize,
    ) -> Result<Option<Key>> {
        let passed = self.take_turns(passed).await;
        let until = until.map_or(self.count.checked_sub(1), |key| Some(number(key)));
        Ok(until.and_then(|until| until.checked_sub(passed)).map(key))
    }
}

/// The sizes of the parts that a table is cut into, and the longest walk of one call.
fn cut(table: &Numbers, records: u64, count: usize) -> Vec<u64> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let points = runtime.block_on(points(table, records, count)).unwrap();
    // A point is the last key of its part.
    let ends: Vec<u64> = points.iter().map(|point| number(point) + 1).collect();
    assert!(
        ends.is_sorted_by(|one, next| one < next) && ends.iter().all(|&end| end <= table.count)
    );
    let begins = std::iter::once(&0).chain(&ends);
    ends.iter().chain([&table.count]).zip(begins).map(|(end, begin)| end - begin).collect()
}

fn estimate(count: u64) -> impl Strategy<Value = u64> {
    proptest::prop_oneof![Just(count), 0..=count, count..=3 * count + 10]
}

proptest! {
    #[test]
    fn all_parts_but_one_are_of_the_size_that_the_estimate_says(
        (truth, records) in (0_u64..300).prop_flat_map(|count| (Just(count), estimate(count))),
        count in 1_usize..40,
        turns in proptest::collection::vec(any::<u8>().prop_map(|n| n % 4), 1..20),
    ) {
        let parts = cut(&Numbers::new(truth, turns), records, count);
        let part = records / u64::try_from(count).unwrap();
        if part == 0 {
            prop_assert_eq!(parts, [truth]);
            return Ok(());
        }
        prop_assert!(parts.len() <= count);
        let other: Vec<u64> = parts.iter().copied().filter(|&size| size != part).collect();
        prop_assert!(other.len() <= 1, "{other:?} beside {part}");
        if parts.len() < count {
            // The walks have met: the table is smaller than it was thought to be.
            prop_assert!(other.iter().all(|&size| size < part), "{other:?} beside {part}");
        }
    }
}

#[test]
fn walks_that_cross_cut_where_they_meet() {
    // 20 records that were thought to be 60: after one point from either end, five keys lie
    // between.
    for turns in [vec![0], vec![1], vec![0, 3], vec![3, 0], vec![1, 2, 0]] {
        let mut parts = cut(&Numbers::new(20, turns), 60, 8);
        parts.sort_unstable();
        assert_eq!(parts, [6, 7, 7]);
    }
}

#[test]
fn what_the_estimate_lacks_lies_between_the_walks() {
    let parts = cut(&Numbers::new(2_000, vec![1]), 800, 8);
    assert_eq!(parts, [100, 100, 100, 100, 1_300, 100, 100, 100]);
}

#[test]
fn no_call_passes_over_more_keys_than_fit_into_its_time() {
    let table = Numbers::new(7 * STEP_MAX, vec![1]);
    assert_eq!(cut(&table, 7 * STEP_MAX, 3), [1_166_666, 1_166_668, 1_166_666]);
    assert!(table.longest.load(Ordering::Relaxed) <= STEP_MAX);
}
