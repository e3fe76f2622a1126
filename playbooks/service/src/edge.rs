//! One edge of the graph, as the service knows it, and the digests that lists are compared by.

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_128;

/// "`dependent` follows `package`".
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Edge {
    /// Who is followed: the list that the edge belongs to.
    pub(crate) package: String,
    /// Who follows.
    pub(crate) dependent: String,
    /// Required version. None is not the same as empty.
    pub(crate) constraint: Option<String>,
    /// Section of the archive.
    pub(crate) section: Option<String>,
    /// Installed size.
    pub(crate) installed_kib: Option<i64>,
    /// When the service last wrote it, in microseconds since 1970.
    pub(crate) changed_at: i64,
}

impl Edge {
    /// Digest of the whole edge. Self-delimiting, so no two different edges share the bytes.
    pub(crate) fn digest(&self) -> u128 {
        let mut bytes = Vec::with_capacity(128);
        text(&mut bytes, Some(&self.package));
        text(&mut bytes, Some(&self.dependent));
        text(&mut bytes, self.constraint.as_deref());
        text(&mut bytes, self.section.as_deref());
        match self.installed_kib {
            None => bytes.push(0),
            Some(kib) => {
                bytes.push(1);
                bytes.extend_from_slice(&kib.to_le_bytes());
            }
        }
        bytes.extend_from_slice(&self.changed_at.to_le_bytes());
        xxh3_128(&bytes)
    }
}

fn text(bytes: &mut Vec<u8>, text: Option<&str>) {
    match text {
        None => bytes.push(0),
        Some(text) => {
            bytes.push(1);
            bytes.extend_from_slice(&text.len().to_le_bytes());
            bytes.extend_from_slice(text.as_bytes());
        }
    }
}

/// Digest of a list: independent of order, and kept up to date edge by edge.
///
/// A sum rather than an exclusive-or, so that the same edge twice does not cancel out; of 128-bit
/// non-linear hashes, so that two swapped values do not either.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct ListDigest {
    /// Edges in the list.
    pub(crate) edges: u32,
    /// Sum of their digests.
    pub(crate) sum: u128,
}

impl ListDigest {
    /// Adds an edge, given its digest.
    pub(crate) fn add(&mut self, digest: u128) {
        self.edges = self.edges.wrapping_add(1);
        self.sum = self.sum.wrapping_add(digest);
    }

    /// Removes an edge, given its digest.
    pub(crate) fn remove(&mut self, digest: u128) {
        self.edges = self.edges.wrapping_sub(1);
        self.sum = self.sum.wrapping_sub(digest);
    }

    /// The digest of a list that was read.
    pub(crate) fn of<'a>(edges: impl IntoIterator<Item = &'a Edge>) -> Self {
        let mut digest = Self::default();
        for edge in edges {
            digest.add(edge.digest());
        }
        digest
    }
}

#[cfg(test)]
mod tests {
    use super::{Edge, ListDigest};

    fn edge(dependent: &str, constraint: Option<&str>, kib: Option<i64>) -> Edge {
        Edge {
            package: "libc6".to_owned(),
            dependent: dependent.to_owned(),
            constraint: constraint.map(str::to_owned),
            section: Some("libs".to_owned()),
            installed_kib: kib,
            changed_at: 7,
        }
    }

    #[test]
    fn null_and_empty_have_different_digests() {
        assert_ne!(edge("a", None, None).digest(), edge("a", Some(""), None).digest());
    }

    #[test]
    fn two_swapped_values_change_the_digest_of_a_list() {
        let list = [edge("a", None, Some(10)), edge("b", None, Some(20))];
        let swapped = [edge("a", None, Some(20)), edge("b", None, Some(10))];
        assert_ne!(ListDigest::of(&list), ListDigest::of(&swapped));
    }

    #[test]
    fn the_digest_of_a_list_does_not_depend_on_its_order_and_can_be_kept_up_to_date() {
        let (a, b) = (edge("a", None, Some(10)), edge("b", Some("= 1"), None));
        let mut kept = ListDigest::of([&a, &b]);
        assert_eq!(kept, ListDigest::of([&b, &a]));
        kept.remove(a.digest());
        assert_eq!(kept, ListDigest::of([&b]));
    }
}
