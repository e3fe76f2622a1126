//! What a message says about its place in the source's commit order.
//!
//! Every version begins with the source epoch of the plan, so that what a source writes after a
//! failover counts as newer once the operator has raised it. What follows is fixed in width, big
//! endian, and so in byte order the commit order:
//!
//! | evidence | bytes after the epoch |
//! |---|---|
//! | binlog | file number, position, row + 1, index |
//! | WAL | commit position, 1, LSN, index |
//! | commit timestamp, row version | the number, index |
//!
//! **Snapshot reads** carry the position at which the snapshot was taken, not that of a commit:
//!
//! - MySQL and MariaDB take position and snapshot under one lock, so the read holds every commit
//!   below that position and none above: it gets row 0 there. It replaces what lies below it, as
//!   it must after a producer lost its place and took a new snapshot, and loses to every change
//!   from there on.
//! - PostgreSQL's LSN is not a commit position, and in the first element of `sequence` a snapshot
//!   has nothing, or a commit that its own reads may not show yet (a commit is in the log before
//!   it is visible). So the read stays below every change: it fills in what no live change wrote.
//! - An incremental snapshot reads between two watermarks while changes go on, and a commit that
//!   is in the log but not yet visible is older than its position says. Below every change too.

use crate::error::Result;
use crate::position::{VERSION_BYTES_MAX, Version};

/// Whether a change is a read of a snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Snapshot {
    /// A live change.
    No,
    /// A read of a snapshot taken as one.
    Whole,
    /// A read, of what kind of snapshot is not told. Its version is that of a whole one.
    Untold,
    /// A read of a snapshot taken in pieces while changes go on.
    Incremental,
}

/// A place in the source's commit order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Evidence {
    /// MySQL, MariaDB.
    Binlog {
        /// The number at the end of the file's name: names of different length sort wrongly.
        file: u64,
        /// The position in it.
        position: u64,
        /// The row within what lies at that position.
        row: u64,
    },
    /// PostgreSQL.
    Wal {
        /// Where the commit before this transaction lies; 0 where there is none yet.
        commit: u64,
        /// Where the row lies. In write order, so it only orders the rows of one transaction.
        lsn: u64,
    },
    /// TiDB's commit timestamp, which is a global order and no clock.
    CommitTs(u64),
    /// A number of the record's own that grows with every commit.
    RowVersion(u64),
}

/// The row of a transaction's last change where the producer numbers all but that one.
pub(super) const LAST_ROW: u64 = u64::MAX - 1;

/// The version of change `index` of its message. Without evidence it is below every change.
pub(super) fn version(
    epoch: u32,
    evidence: Option<Evidence>,
    snapshot: Snapshot,
    index: u32,
) -> Result<Version> {
    let mut bytes = Bytes::new();
    bytes.push(&epoch.to_be_bytes());
    match (snapshot, evidence) {
        (Snapshot::No, Some(Evidence::Binlog { file, position, row })) => {
            bytes.push(&file.to_be_bytes());
            bytes.push(&position.to_be_bytes());
            bytes.push(&row.saturating_add(1).to_be_bytes());
        }
        (Snapshot::Whole | Snapshot::Untold, Some(Evidence::Binlog { file, position, .. })) => {
            bytes.push(&file.to_be_bytes());
            bytes.push(&position.to_be_bytes());
            bytes.push(&0_u64.to_be_bytes());
        }
        (Snapshot::No, Some(Evidence::Wal { commit, lsn })) => {
            bytes.push(&commit.to_be_bytes());
            bytes.push(&[1]);
            bytes.push(&lsn.to_be_bytes());
        }
        (Snapshot::No, Some(Evidence::CommitTs(number) | Evidence::RowVersion(number))) => {
            bytes.push(&number.to_be_bytes());
        }
        // The bare epoch is below whatever begins with it.
        (_, _) => return bytes.version(),
    }
    bytes.push(&index.to_be_bytes());
    bytes.version()
}

/// The version of change `index` of a message whose place in the queue is its place in the commit
/// order.
pub(super) fn queue_version(version: &Version, index: u32) -> Result<Version> {
    let mut bytes = Bytes::new();
    bytes.push(version.as_bytes());
    bytes.push(&index.to_be_bytes());
    bytes.version()
}

/// Bytes of a version while they are put together, without an allocation.
struct Bytes {
    /// Room for a whole version and an index after it.
    bytes: [u8; VERSION_BYTES_MAX + 4],
    length: usize,
}

impl Bytes {
    fn new() -> Self {
        Self { bytes: [0; VERSION_BYTES_MAX + 4], length: 0 }
    }

    fn push(&mut self, part: &[u8]) {
        self.bytes[self.length..self.length + part.len()].copy_from_slice(part);
        self.length += part.len();
    }

    fn version(&self) -> Result<Version> {
        Version::new(&self.bytes[..self.length])
    }
}

/// The number at the end of a binlog file's name.
pub(super) fn file_number(name: &str) -> Option<u64> {
    let digits = name.rsplit('.').next()?;
    let all_digits = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse().ok().filter(|_| all_digits)
}

#[cfg(test)]
mod tests {
    use super::{Evidence, LAST_ROW, Snapshot, file_number, queue_version, version};
    use crate::position::Version;

    fn of(evidence: Evidence) -> Version {
        version(0, Some(evidence), Snapshot::No, 0).unwrap()
    }

    fn binlog(file: u64, position: u64, row: u64) -> Evidence {
        Evidence::Binlog { file, position, row }
    }

    #[test]
    fn binlog_versions_are_ordered_by_file_number_position_and_row() {
        let grown = file_number("bin.1000000").unwrap();
        let ordered = [
            of(binlog(file_number("bin.999999").unwrap(), u64::MAX, 7)),
            of(binlog(grown, 4, 0)),
            of(binlog(grown, 4, 1)),
            of(binlog(grown, 4, LAST_ROW)),
            of(binlog(grown, 5, 0)),
        ];
        assert!(ordered.is_sorted_by(|a, b| a < b));
        assert_eq!([file_number("bin"), file_number("bin."), file_number("bin.+1")], [None; 3]);
    }

    #[test]
    fn the_commit_leads_where_the_log_is_in_write_order() {
        // B deletes and commits first, then A inserts again, though A wrote its row before B did.
        let deleted = of(Evidence::Wal { commit: 100, lsn: 250 });
        let inserted = of(Evidence::Wal { commit: 260, lsn: 240 });
        assert!(inserted > deleted);
    }

    #[test]
    fn the_two_halves_of_a_key_change_are_ordered() {
        for evidence in
            [binlog(1, 4, 0), Evidence::Wal { commit: 1, lsn: 2 }, Evidence::CommitTs(9)]
        {
            let half = |index| version(3, Some(evidence), Snapshot::No, index).unwrap();
            assert!(half(0) < half(1));
        }
        let message = Version::new(&[0, 9]).unwrap();
        let next = Version::new(&[0, 10]).unwrap();
        let half = |index| queue_version(&message, index).unwrap();
        assert!(message < half(0) && half(0) < half(1) && half(1) < next);
    }

    #[test]
    fn a_snapshot_read_beats_only_what_its_position_proves_older() {
        let at = |evidence: Evidence, snapshot| version(0, Some(evidence), snapshot, 0).unwrap();
        let read = at(binlog(2, 50, 0), Snapshot::Whole);
        assert!(read > of(binlog(2, 49, LAST_ROW)));
        assert!(read < of(binlog(2, 50, 0)));
        let first_change = of(Evidence::Wal { commit: 0, lsn: 0 });
        for snapshot in [Snapshot::Whole, Snapshot::Incremental] {
            assert!(at(Evidence::Wal { commit: 9, lsn: 9 }, snapshot) < first_change);
        }
        assert!(at(binlog(2, 50, 0), Snapshot::Incremental) < of(binlog(0, 0, 0)));
    }

    #[test]
    fn a_raised_epoch_is_newer_than_everything_before() {
        let last = Some(Evidence::CommitTs(u64::MAX));
        let before = version(4, last, Snapshot::No, u32::MAX).unwrap();
        assert!(version(5, None, Snapshot::Incremental, 0).unwrap() > before);
    }
}
