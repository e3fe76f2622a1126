//! How many changes and reads a second a flight really had: one that was too easy proves less than
//! it says.

use super::finding::Findings;
use std::collections::BTreeMap;

/// The rates are also looked at in pieces of this many microseconds.
const WINDOW: i64 = 10_000_000;

/// What the service was asked for, a second.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Asked {
    pub(crate) changes: u32,
    pub(crate) lists: u32,
    /// How much of it there must have been, in percent.
    pub(crate) least_percent: u8,
}

/// When things happened, counted.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    /// First and last, in microseconds since 1970.
    span: Option<(i64, i64)>,
    /// By number of the window since 1970.
    windows: BTreeMap<i64, u64>,
}

/// What there was of each a second.
#[derive(Debug, Default)]
pub(crate) struct Traffic {
    pub(crate) changes: Pace,
    pub(crate) lists: Pace,
}

impl Pace {
    /// Something happened at a moment, in microseconds since 1970.
    pub(crate) fn hear(&mut self, at: i64) {
        let (first, last) = self.span.unwrap_or((at, at));
        self.span = Some((first.min(at), last.max(at)));
        *self.windows.entry(at.div_euclid(WINDOW)).or_default() += 1;
    }

    /// How many a second, from the first to the last.
    pub(crate) fn mean(&self) -> u64 {
        let micros = self.span.map_or(0, |(first, last)| last - first);
        per_second(self.windows.values().sum(), micros)
    }

    /// How many a second in the window with the fewest, the first and the last aside.
    pub(crate) fn least(&self) -> u64 {
        let (first, last) = (self.windows.keys().next(), self.windows.keys().next_back());
        let (Some(&first), Some(&last)) = (first, last) else { return 0 };
        // A window without any is not in the map.
        let whole = (first + 1..last).map(|at| self.windows.get(&at).copied().unwrap_or(0));
        whole.min().map_or_else(|| self.mean(), |count| per_second(count, WINDOW))
    }
}

impl Traffic {
    /// Finds rates that fell behind what was asked for.
    pub(crate) fn check(&self, asked: Asked, findings: &mut Findings) {
        let rates = [
            ("fewer changes a second than were asked for", self.changes.mean(), asked.changes),
            ("fewer lists a second than were asked for", self.lists.mean(), asked.lists),
        ];
        for (wrong, rate, asked_for) in rates {
            if rate * 100 < u64::from(asked_for) * u64::from(asked.least_percent) {
                findings.add(wrong, || {
                    format!(
                        "{rate} of {asked_for}, and {} % are required; a machine that is too slow \
                         for it: FLIGHT_RATE_MIN=50",
                        asked.least_percent
                    )
                });
            }
        }
    }
}

fn per_second(count: u64, micros: i64) -> u64 {
    let micros = u64::try_from(micros).unwrap_or(0).max(1);
    count.saturating_mul(1_000_000) / micros
}

#[cfg(test)]
mod tests {
    use super::{Asked, Pace, Traffic, WINDOW};
    use crate::judge::finding::Findings;

    /// `per_second` for `seconds`, from `begun_at` on.
    fn go_on(pace: &mut Pace, begun_at: i64, seconds: i64, per_second: i64) {
        (0..seconds * per_second).for_each(|n| pace.hear(begun_at + n * 1_000_000 / per_second));
    }

    fn found(changes: &[(i64, i64)], least_percent: u8) -> usize {
        let mut traffic = Traffic::default();
        let mut at = 3 * WINDOW + 1_234_567;
        for &(seconds, per_second) in changes {
            go_on(&mut traffic.changes, at, seconds, per_second);
            at += seconds * 1_000_000;
        }
        go_on(&mut traffic.lists, 0, 20, 50);
        let mut findings = Findings::default();
        traffic.check(Asked { changes: 200, lists: 50, least_percent }, &mut findings);
        findings.lines().filter(|line| line.contains("changes a second")).count()
    }

    #[test]
    fn a_flight_that_had_nine_tenths_of_its_changes_passes_and_one_that_had_less_does_not() {
        assert_eq!(found(&[(30, 200)], 90), 0);
        assert_eq!(found(&[(20, 200), (10, 150)], 90), 0, "183 of 200");
        assert_eq!(found(&[(20, 200), (10, 100)], 90), 1, "167 of 200");
        assert_eq!(found(&[(20, 200), (10, 100)], 80), 0, "as asked");
        assert_eq!(found(&[], 90), 1, "no change at all");
    }

    #[test]
    fn the_slowest_ten_seconds_show_also_where_nothing_happened() {
        let mut pace = Pace::default();
        go_on(&mut pace, 0, 30, 100);
        assert_eq!((pace.mean(), pace.least()), (100, 100));
        go_on(&mut pace, 5 * WINDOW, 20, 100);
        assert_eq!((pace.mean(), pace.least()), (71, 0));
    }

    #[test]
    fn reads_of_several_threads_come_in_any_order() {
        let mut pace = Pace::default();
        for at in [500_000, 0, 1_000_000, 750_000, 250_000] {
            pace.hear(at);
        }
        assert_eq!(pace.mean(), 5);
    }
}
