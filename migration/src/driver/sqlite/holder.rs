//! Who keeps a database locked.
//!
//! Asked of the kernel's own list. Opening the file to ask would be worse than not knowing: closing
//! any descriptor of a file gives up every lock that this process has on it.

use std::fmt::Write;
use std::path::{Path, PathBuf};

/// The byte of the shared memory file whose lock is the right to write, in WAL mode.
const WAL_WRITE_LOCK: &str = "120";

/// The process that has a write lock on the database, as people see it; `None` if nobody has, or
/// where the kernel does not tell.
pub(crate) fn of(path: &Path) -> Option<String> {
    let locks = std::fs::read_to_string("/proc/locks").ok()?;
    let process = writer(&locks, inode(path), inode(&with_suffix(path, "-shm")))?;
    let mut holder = format!("process {process}");
    if let Ok(name) = std::fs::read_to_string(format!("/proc/{process}/comm")) {
        // Writing to a string does not fail.
        write!(holder, " ({})", name.trim_end()).ok();
    }
    Some(holder)
}

/// The process that holds a write lock on the file `database`, or the right to write in `shared`.
fn writer(locks: &str, database: Option<u64>, shared: Option<u64>) -> Option<&str> {
    locks.lines().find_map(|line| {
        // "3: POSIX  ADVISORY  WRITE 4711 08:02:1234567 120 120"; a waiter's line begins "3: ->".
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        let [_, "POSIX", _, "WRITE", process, file, first, ..] = fields.as_slice() else {
            return None;
        };
        let inode: u64 = file.rsplit(':').next()?.parse().ok()?;
        let holds = Some(inode) == database || (Some(inode) == shared && *first == WAL_WRITE_LOCK);
        holds.then_some(*process)
    })
}

/// The path of a file that SQLite keeps beside the database.
pub(crate) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

#[cfg(unix)]
fn inode(path: &Path) -> Option<u64> {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata(path).ok().map(|metadata| metadata.ino())
}

#[cfg(not(unix))]
fn inode(_path: &Path) -> Option<u64> {
    None
}

#[cfg(test)]
mod tests {
    use super::writer;

    #[test]
    fn only_the_holder_of_this_files_write_lock_is_named() {
        let locks = "1: POSIX  ADVISORY  READ 11 00:2f:7 123 123\n\
                     2: -> POSIX  ADVISORY  WRITE 12 00:2f:7 120 120\n\
                     3: POSIX  ADVISORY  WRITE 13 00:2f:7 123 123\n\
                     4: FLOCK  ADVISORY  WRITE 14 00:2f:7 0 EOF\n\
                     5: POSIX  ADVISORY  WRITE 15 00:2f:7 120 120\n";
        assert_eq!(writer(locks, Some(6), Some(7)), Some("15"));
        assert_eq!(writer(locks, Some(8), Some(9)), None);
        assert_eq!(writer(locks, Some(7), None), Some("13"));
    }
}
