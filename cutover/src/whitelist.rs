//! The whitelist: keys whose reads the target answers before anybody else's.

use migration::error::{Error, ErrorKind, Result};
use std::collections::{BTreeSet, HashSet};

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
    use super::{KEYS_MAX, with, without};
    use migration::error::ErrorKind;
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
}
