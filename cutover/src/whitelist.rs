//! The whitelist: keys whose reads the target answers before anybody else's.

use std::collections::HashSet;

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
