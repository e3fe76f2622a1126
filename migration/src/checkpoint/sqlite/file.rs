//! The file behind a store: whether it is still the same, and which process holds its lock.

use crate::error::{Error, ErrorKind, Result};
use std::fmt::Write as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// Tells a file from another one that took its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FileIdentity {
    device: u64,
    inode: u64,
}

impl FileIdentity {
    pub(super) fn of(path: &Path) -> Result<Self> {
        let metadata = std::fs::metadata(path).map_err(|error| {
            Error::new(ErrorKind::Unavailable, "look at checkpoint file")
                .with("file", path.display())
                .because(error)
        })?;
        Ok(Self { device: metadata.dev(), inode: metadata.ino() })
    }
}

/// Where SQLite keeps the lock of the one writer, in the shared-memory file of a database in WAL
/// mode (<https://www.sqlite.org/walformat.html#wal_locks>).
const WRITE_LOCK_OFFSET: u64 = 120;

/// The processes that hold the write lock of a database in WAL mode, as `pid (name)`, on Linux.
pub(super) fn writers(path: &Path) -> Option<String> {
    let mut shared_memory = path.as_os_str().to_owned();
    shared_memory.push("-shm");
    let inode = std::fs::metadata(PathBuf::from(shared_memory)).ok()?.ino();
    let locks = std::fs::read_to_string("/proc/locks").ok()?;
    let mut writers = String::new();
    for pid in holders(&locks, inode) {
        let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        let separator = if writers.is_empty() { "" } else { ", " };
        // Writing to a String cannot fail.
        let _ = write!(writers, "{separator}{pid} ({})", name.trim());
    }
    (!writers.is_empty()).then_some(writers)
}

/// Reads lines such as `1: POSIX  ADVISORY  WRITE 4242 08:01:131 120 120`; those of waiters have
/// `->` after the number.
fn holders(locks: &str, inode: u64) -> Vec<i32> {
    let holder = |line: &str| {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        let &[_, "POSIX", _, "WRITE", pid, file, from, to] = fields.as_slice() else {
            return None;
        };
        let covers = from.parse::<u64>().ok()? <= WRITE_LOCK_OFFSET
            && (to == "EOF" || to.parse::<u64>().ok()? >= WRITE_LOCK_OFFSET);
        let is_file = file.rsplit(':').next()?.parse::<u64>().ok()? == inode;
        (covers && is_file).then(|| pid.parse().ok())?
    };
    locks.lines().filter_map(holder).collect()
}

#[cfg(test)]
mod tests {
    use super::holders;

    #[test]
    fn only_the_holder_of_this_files_write_lock_is_named() {
        let locks = "1: POSIX  ADVISORY  READ 11 00:2f:7 123 123\n\
                     2: POSIX  ADVISORY  WRITE 12 00:2f:7 120 120\n\
                     2: -> POSIX  ADVISORY  WRITE 13 00:2f:7 120 120\n\
                     3: POSIX  ADVISORY  WRITE 14 00:2f:8 120 120\n\
                     4: POSIX  ADVISORY  WRITE 15 00:2f:7 0 EOF\n\
                     5: FLOCK  ADVISORY  WRITE 16 00:2f:7 0 EOF\n";
        assert_eq!(holders(locks, 7), [12, 15]);
    }
}
