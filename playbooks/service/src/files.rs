//! The files of one flight, by name, and how they are opened.

use migration::error::{Error, ErrorKind, Result};
use rusqlite::{Connection, OpenFlags};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Instances of the target.
pub(crate) const SHARDS: usize = 4;

/// A locked file is waited for this long: every other program that writes to it commits within
/// milliseconds, so a longer wait means that one of them hangs.
const BUSY_MAX: Duration = Duration::from_secs(10);

/// The folder of one flight.
#[derive(Debug, Clone)]
pub(crate) struct FlightDir(pub(crate) PathBuf);

impl FlightDir {
    /// The source: the service's own database.
    pub(crate) fn source(&self) -> PathBuf {
        self.0.join("service.db")
    }

    /// The write-ahead log of the source.
    pub(crate) fn source_wal(&self) -> PathBuf {
        self.0.join("service.db-wal")
    }

    /// One instance of the target.
    pub(crate) fn shard(&self, index: usize) -> PathBuf {
        self.0.join(format!("shard-{index}.db"))
    }

    /// What was acknowledged.
    pub(crate) fn oracle(&self) -> PathBuf {
        self.0.join("oracle.log")
    }

    /// What was read.
    pub(crate) fn reads(&self) -> PathBuf {
        self.0.join("reads.log")
    }

    /// Keeps the last screen.
    pub(crate) fn keep_report(&self, text: &str) -> Result<()> {
        let path = self.0.join("report.txt");
        std::fs::write(&path, format!("{text}\n"))
            .map_err(|error| file_error("keep report", &path, error))
    }

    /// Opens the source.
    pub(crate) fn open_source(&self) -> Result<Connection> {
        open_to_write(&self.source())
    }
}

/// The instance that a text key lies on, of so many.
pub(crate) fn shard_of(key: &str, instances: usize) -> usize {
    usize::try_from(crc32fast::hash(key.as_bytes())).unwrap_or(0) % instances.max(1)
}

/// Opens a file to write to it.
pub(crate) fn open_to_write(path: &Path) -> Result<Connection> {
    open(path, OpenFlags::SQLITE_OPEN_READ_WRITE)
}

/// Opens a file to read from it.
pub(crate) fn open_to_read(path: &Path) -> Result<Connection> {
    open(path, OpenFlags::SQLITE_OPEN_READ_ONLY)
}

fn open(path: &Path, access: OpenFlags) -> Result<Connection> {
    let opened = Connection::open_with_flags(path, access | OpenFlags::SQLITE_OPEN_NO_MUTEX)
        .and_then(|connection| connection.busy_timeout(BUSY_MAX).map(|()| connection));
    opened.map_err(|error| {
        database_error("open database", error)
            .with("file", path.display())
            .hint("service seed --dir DIR creates the files of a flight")
    })
}

/// Creates a file that must not be there yet.
pub(crate) fn create(path: &Path) -> Result<Connection> {
    if path.exists() {
        return Err(Error::new(ErrorKind::Refused, "create database: the file is there already")
            .with("file", path.display())
            .hint("choose another --dir, or remove the folder of the last flight"));
    }
    let connection =
        Connection::open(path).map_err(|error| database_error("create database", error))?;
    connection
        .pragma_update(None, "journal_mode", "wal")
        .map_err(|error| database_error("create database", error))?;
    Ok(connection)
}

/// A failure of SQLite in the terms of the project.
pub(crate) fn database_error(operation: &str, error: rusqlite::Error) -> Error {
    use rusqlite::ErrorCode as C;
    let kind = match error.sqlite_error_code() {
        Some(C::DatabaseBusy | C::DatabaseLocked) => ErrorKind::Busy,
        Some(C::CannotOpen) => ErrorKind::Unavailable,
        Some(C::DiskFull) => ErrorKind::Full,
        Some(C::DatabaseCorrupt | C::NotADatabase) => ErrorKind::Unreadable,
        _ => ErrorKind::Failed,
    };
    Error::new(kind, operation).because(error)
}

/// A failure of the file system in the terms of the project.
pub(crate) fn file_error(operation: &str, path: &Path, error: std::io::Error) -> Error {
    let kind = if error.kind() == std::io::ErrorKind::StorageFull {
        ErrorKind::Full
    } else {
        ErrorKind::Failed
    };
    Error::new(kind, operation).with("file", path.display()).because(error)
}
