//! One throw of the big red switch, and what tells it from every other.
//!
//! The switch may be thrown on one machine while it is ended on another, and no two machines agree
//! on the time. So a throw is named by an identity and never by its moment.

use crate::stage::Signed;
use migration::position::Owner;
use std::fmt;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;

/// Names one throw of the switch: a random number, or for a file that a person made or touched,
/// that file as it was at that moment.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct RollbackId(String);

/// One throw of the big red switch.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Rollback {
    /// Names it.
    pub id: RollbackId,
    /// Who threw it, when and why.
    #[serde(flatten)]
    pub signed: Signed,
}

impl Rollback {
    /// A new one, thrown now.
    #[must_use]
    pub fn new(signed: Signed) -> Self {
        Self { id: RollbackId(format!("{:032x}", Owner::new().0)), signed }
    }
}

impl fmt::Display for RollbackId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl RollbackId {
    /// Of a file that names none, or that was touched after it was signed. The inode tells it from
    /// every file that is there, the time of its last change from those that were: one that is
    /// touched again is another throw.
    pub(crate) fn by_hand(file: &Metadata) -> Self {
        let (inode, seconds, nanoseconds) = (file.ino(), file.mtime(), file.mtime_nsec());
        Self(format!("file-{inode}-{seconds}.{nanoseconds:09}"))
    }
}
