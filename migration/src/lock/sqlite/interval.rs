//! Which entities are granted, and who holds which: pure functions on intervals.

use crate::key::Key;
use crate::lock::Token;

/// A holding: everything from `first` to `last`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Interval {
    pub(super) token: Token,
    pub(super) first: Key,
    pub(super) last: Key,
}

impl Interval {
    fn overlaps(&self, first: &Key, last: &Key) -> bool {
        self.first <= *last && *first <= self.last
    }
}

/// Whether each entity is granted to `token`, and the interval that it holds then.
///
/// The interval begins at the first free entity and goes on until the next holding of somebody
/// else; entities behind that are for another acquisition.
pub(super) fn grant<'a>(
    entities: &'a [Key],
    token: Token,
    live: &'a [Interval],
) -> (Vec<bool>, Option<(&'a Key, &'a Key)>) {
    let mut held = live
        .iter()
        .find(|interval| interval.token == token)
        .map(|interval| (&interval.first, &interval.last));
    let others = || live.iter().filter(|interval| interval.token != token);
    let mut granted = Vec::with_capacity(entities.len());
    for entity in entities {
        let (first, last) =
            held.map_or((entity, entity), |(first, last)| (first.min(entity), last.max(entity)));
        let is_free = !others().any(|interval| interval.overlaps(first, last));
        if is_free {
            held = Some((first, last));
        }
        granted.push(is_free);
    }
    (granted, held)
}

/// Who holds any of the `entities`; each token once.
pub(super) fn holders(live: &[Interval], entities: &[Key]) -> Vec<Token> {
    // Almost always nobody holds anything: then not even this is done.
    if live.is_empty() {
        return Vec::new();
    }
    let mut sorted: Vec<&Key> = entities.iter().collect();
    sorted.sort_unstable();
    live.iter()
        .filter(|interval| {
            let from = sorted.partition_point(|entity| **entity < interval.first);
            sorted.get(from).is_some_and(|entity| **entity <= interval.last)
        })
        .map(|interval| interval.token)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{Interval, grant, holders};
    use crate::key::Key;
    use crate::lock::Token;

    fn keys(bytes: &[u8]) -> Vec<Key> {
        bytes.iter().map(|&byte| Key::from_bytes(vec![byte])).collect()
    }

    fn interval(token: u128, first: u8, last: u8) -> Interval {
        let key = |byte| Key::from_bytes(vec![byte]);
        Interval { token: Token(token), first: key(first), last: key(last) }
    }

    #[test]
    fn both_ends_are_granted_only_with_all_between() {
        let live = [interval(1, 50, 60)];
        let ends = keys(&[10, 90]);
        assert_eq!(grant(&ends, Token(2), &live).0, [true, false]);
        let below = keys(&[10, 49]);
        assert_eq!(grant(&below, Token(2), &live), (vec![true; 2], Some((&below[0], &below[1]))));
        let inside = keys(&[55, 61, 70]);
        assert_eq!(
            grant(&inside, Token(2), &live),
            (vec![false, true, true], Some((&inside[1], &inside[2])))
        );
    }

    #[test]
    fn nothing_is_granted_behind_somebody_elses_holding() {
        let live = [interval(1, 20, 20), interval(2, 40, 40)];
        let asked = keys(&[10, 15, 20, 30, 50]);
        assert_eq!(grant(&asked, Token(3), &live).0, [true, true, false, false, false]);
        assert_eq!(grant(&[], Token(3), &live), (Vec::new(), None));
    }

    #[test]
    fn a_holding_is_found_by_any_of_its_entities_in_any_order() {
        let live = [interval(1, 20, 30), interval(2, 40, 40), interval(3, 41, 49)];
        assert_eq!(holders(&live, &keys(&[99, 25, 21, 40])), [Token(1), Token(2)]);
        assert_eq!(holders(&live, &keys(&[19, 31, 50])), []);
        assert_eq!(holders(&[], &keys(&[1])), []);
    }
}
