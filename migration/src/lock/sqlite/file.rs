//! The lock file: opened, made anew when it is gone or damaged, set aside but never deleted.

use super::call::Call;
use super::statement::{APPLICATION_ID, CREATE, MARK_FILE, WAL};
use crate::driver::sqlite::{self, CurrentFile, Opened};
use crate::error::{Error, ErrorKind, Result};
use sqlx::sqlite::{SqliteConnectOptions, SqliteSynchronous};
use sqlx::{ConnectOptions as _, SqliteConnection};
use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::time::timeout;

/// How long one call waits for another process: less than anybody waits for a lock.
const BUSY_TIMEOUT: Duration = Duration::from_millis(200);

/// Longest call. A lock that is slower than this is worth less than no lock.
const CALL_TIMEOUT: Duration = Duration::from_secs(1);

/// Tries of one call: as it is, with a new connection, with a new file.
const TRIES: usize = 3;

/// A connection to the lock file, whatever happens to the file.
#[derive(Debug)]
pub(super) struct LockFile {
    path: PathBuf,
    current: CurrentFile,
}

impl LockFile {
    pub(super) fn new(path: &Path) -> Self {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .busy_timeout(BUSY_TIMEOUT)
            .synchronous(SqliteSynchronous::Off)
            .disable_statement_logging();
        Self { path: path.to_owned(), current: CurrentFile::new(options) }
    }

    /// Makes a call. One that finds the file damaged or without its table is made again on a new
    /// connection, then on a new file.
    pub(super) async fn call<C: Call>(&mut self, call: &C) -> Result<C::Answer> {
        let mut tries = 0;
        loop {
            tries += 1;
            let error = match timeout(CALL_TIMEOUT, self.attempt(call)).await {
                Ok(Ok(answer)) => return Ok(answer),
                Ok(Err(error)) => error,
                Err(_) => Error::new(ErrorKind::TimedOut, C::OPERATION),
            };
            let may_help = matches!(error.kind(), ErrorKind::Unreadable | ErrorKind::Failed);
            if !may_help || tries == TRIES {
                return Err(error.with("lock_file", self.path.display()));
            }
            if error.kind() == ErrorKind::Unreadable {
                self.set_aside()?;
            }
        }
    }

    async fn attempt<C: Call>(&mut self, call: &C) -> Result<C::Answer> {
        let mut opened = self.open().await?;
        let made = call.make(&mut opened.connection).await;
        let answer = made.map_err(|cause| sqlite::error(C::OPERATION, cause));
        // A connection that only had to wait is kept: whoever looks next is not held up by opening
        // another.
        if answer.as_ref().map_or_else(|error| error.kind().is_retryable(), |_| true) {
            self.current.put_back(opened);
        }
        answer
    }

    async fn open(&mut self) -> Result<Opened> {
        self.create_if_missing()?;
        let mut opened = self.current.take().await?;
        if opened.is_new {
            // Nothing is written to a file before it is known to be a lock file.
            self.check_header()?;
            prepare(&mut opened.connection)
                .await
                .map_err(|cause| sqlite::error("open lock file", cause))?;
        }
        Ok(opened)
    }

    /// SQLite takes an empty file for an empty database.
    fn create_if_missing(&self) -> Result<()> {
        if self.path.exists() {
            return Ok(());
        }
        OpenOptions::new().append(true).create(true).open(&self.path).map(drop).map_err(|cause| {
            Error::new(ErrorKind::Unavailable, "create lock file")
                .hint("check that the folder is there and may be written to")
                .because(cause)
        })
    }

    fn check_header(&self) -> Result<()> {
        let mut header = Vec::new();
        File::open(&self.path)
            .and_then(|file| file.take(72).read_to_end(&mut header))
            .map_err(|cause| Error::new(ErrorKind::Unavailable, "read lock file").because(cause))?;
        match kind_of_file(&header) {
            FileKind::Empty | FileKind::LockFile => Ok(()),
            FileKind::Damaged => Err(Error::new(ErrorKind::Unreadable, "read lock file")),
            FileKind::OtherDatabase => {
                Err(Error::new(ErrorKind::Refused, "open lock file: it is another database").hint(
                    "name a file of its own for the lock in the plan; it need not be there yet",
                ))
            }
        }
    }

    /// Renames a damaged file. It is not deleted, because what cannot be read may be anything: the
    /// plan may name the wrong file. SQLite itself drops the WAL that is left behind when it opens
    /// the empty file that comes next.
    fn set_aside(&self) -> Result<()> {
        let mut name = OsString::from(&self.path);
        name.push(".damaged");
        match std::fs::rename(&self.path, &name) {
            Err(cause) if cause.kind() != std::io::ErrorKind::NotFound => {
                Err(Error::new(ErrorKind::Unavailable, "set damaged lock file aside")
                    .with("lock_file", self.path.display())
                    .hint("remove the file: a lock file holds nothing that is needed")
                    .because(cause))
            }
            // Another process may have been quicker.
            _ => Ok(()),
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum FileKind {
    Empty,
    LockFile,
    Damaged,
    OtherDatabase,
}

/// Tells files apart by the header that SQLite documents: its name, and the application's number at
/// byte 68.
fn kind_of_file(header: &[u8]) -> FileKind {
    if header.is_empty() {
        return FileKind::Empty;
    }
    if !header.starts_with(b"SQLite format 3\0") {
        return FileKind::Damaged;
    }
    match header.get(68..72) {
        Some(number) if number == APPLICATION_ID.to_be_bytes() => FileKind::LockFile,
        Some(_) => FileKind::OtherDatabase,
        None => FileKind::Damaged,
    }
}

/// The mark first, WAL last: in WAL mode the mark would not reach the file's own header.
async fn prepare(connection: &mut SqliteConnection) -> sqlx::Result<()> {
    for statement in [MARK_FILE, CREATE, WAL] {
        sqlx::query(statement).execute(&mut *connection).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{FileKind, kind_of_file};
    use crate::lock::sqlite::statement::APPLICATION_ID;

    #[test]
    fn only_an_empty_or_a_marked_file_is_used() {
        let mut header = b"SQLite format 3\0".to_vec();
        header.resize(68, 7);
        assert_eq!(kind_of_file(b""), FileKind::Empty);
        assert_eq!(kind_of_file(&header), FileKind::Damaged);
        header.extend_from_slice(&[0, 0, 0, 0]);
        assert_eq!(kind_of_file(&header), FileKind::OtherDatabase);
        header.truncate(68);
        header.extend_from_slice(&APPLICATION_ID.to_be_bytes());
        assert_eq!(kind_of_file(&header), FileKind::LockFile);
        header[0] = b'X';
        assert_eq!(kind_of_file(&header), FileKind::Damaged);
    }
}
