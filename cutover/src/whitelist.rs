//! The whitelist: keys whose reads the target answers before anybody else's.

use migration::error::{Error, ErrorKind, Result};
use std::collections::{BTreeSet, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};

/// Most keys on a whitelist: it is for the engineers themselves, and readers take it in whole.
const KEYS_MAX: usize = 1_000;

/// Longest key, in bytes.
const KEY_BYTES_MAX: usize = 1_024;

/// Keys, for fast look-up.
#[derive(Debug, Clone, Default)]
pub struct Whitelist(HashSet<Box<[u8]>>);

impl Whitelist {
    /// A whitelist of these keys.
    pub fn new<K: AsRef<[u8]>>(keys: impl IntoIterator<Item = K>) -> Self {
        Self(keys.into_iter().map(|key| key.as_ref().into()).collect())
    }

    /// Whether it holds a key.
    #[must_use]
    #[inline]
    pub fn contains(&self, key: &[u8]) -> bool {
        self.0.contains(key)
    }

    /// Whether it holds none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// A coarse picture of a whitelist, for readers: most keys that are not on it are told by one load.
///
/// A bit for each of 16,384 parts of the hash: a list of ten sends one key in 1,600 on to the exact
/// look-up, the longest one key in 17.
#[derive(Debug)]
pub(crate) struct Sieve([AtomicU64; Self::WORDS]);

impl Default for Sieve {
    fn default() -> Self {
        Self(std::array::from_fn(|_| AtomicU64::new(0)))
    }
}

impl Sieve {
    const WORDS: usize = 256;

    /// Shows these keys, by their hashes, instead of those before. Calls from other threads see
    /// any mixture of both meanwhile.
    pub(crate) fn show(&self, hashes: impl IntoIterator<Item = u32>) {
        let mut words = [0; Self::WORDS];
        for (word, bit) in hashes.into_iter().map(Self::place) {
            words[word] |= bit;
        }
        for (shown, word) in self.0.iter().zip(words) {
            shown.store(word, Ordering::Relaxed);
        }
    }

    /// Whether a key of this hash may be on the list.
    #[inline]
    pub(crate) fn may_hold(&self, hash: u32) -> bool {
        let (word, bit) = Self::place(hash);
        self.0[word].load(Ordering::Relaxed) & bit != 0
    }

    #[inline]
    fn place(hash: u32) -> (usize, u64) {
        ((hash >> 24) as usize, 1 << ((hash >> 18) & 63))
    }
}

/// The keys `listed` with `keys` added.
///
/// # Errors
/// `Refused` if a key is empty or too long, or the list would become too long.
pub(crate) fn with(listed: &BTreeSet<String>, keys: &[String]) -> Result<BTreeSet<String>> {
    let refused = || Error::new(ErrorKind::Refused, "add to whitelist");
    if let Some(key) = keys.iter().find(|key| key.is_empty() || key.len() > KEY_BYTES_MAX) {
        return Err(refused()
            .with("key bytes", key.len())
            .with("most", KEY_BYTES_MAX)
            .hint("give the key that the service passes to its reader"));
    }
    let grown: BTreeSet<String> = listed.iter().chain(keys).cloned().collect();
    if grown.len() > KEYS_MAX {
        return Err(refused()
            .with("keys", grown.len())
            .with("most", KEYS_MAX)
            .hint("the whitelist is for the engineers themselves; a share is for more"));
    }
    Ok(grown)
}

/// The keys `listed` without `keys`.
pub(crate) fn without(listed: &BTreeSet<String>, keys: &[String]) -> BTreeSet<String> {
    listed.iter().filter(|key| !keys.contains(key)).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::{KEYS_MAX, Sieve, with, without};
    use migration::error::ErrorKind;
    use proptest::prelude::{any, proptest};
    use proptest::prop_assert;
    use std::collections::BTreeSet;

    #[test]
    fn adding_and_removing_are_idempotent() {
        let keys = ["a".to_owned(), "b".to_owned()];
        let once = with(&BTreeSet::new(), &keys).unwrap();
        assert_eq!(with(&once, &keys).unwrap(), once);
        let none = without(&once, &keys);
        assert!(none.is_empty() && without(&none, &keys).is_empty());
    }

    #[test]
    fn a_key_that_is_none_and_a_list_that_is_too_long_are_refused() {
        let many: Vec<String> = (0..=KEYS_MAX).map(|key| key.to_string()).collect();
        for keys in [vec![String::new()], vec!["x".repeat(5_000)], many] {
            let error = with(&BTreeSet::new(), &keys).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Refused);
        }
    }

    proptest! {
        #[test]
        fn the_sieve_lets_every_key_of_the_list_through(
            before in proptest::collection::vec(any::<u32>(), 0..50),
            hashes in proptest::collection::vec(any::<u32>(), 0..50),
        ) {
            let sieve = Sieve::default();
            sieve.show(before);
            sieve.show(hashes.iter().copied());
            prop_assert!(hashes.iter().all(|&hash| sieve.may_hold(hash)));
        }
    }

    #[test]
    fn the_sieve_holds_most_other_keys_back() {
        let sieve = Sieve::default();
        sieve.show((0..10).map(|key: u32| crate::bucket::hash(b"f", &key.to_le_bytes())));
        let through = (10..10_010_u32)
            .filter(|key| sieve.may_hold(crate::bucket::hash(b"f", &key.to_le_bytes())))
            .count();
        assert!(through < 40, "{through} of 10,000");
    }
}
