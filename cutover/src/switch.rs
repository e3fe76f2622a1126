//! The big red switch: a file that every reader watches. While it exists, the source answers.
//!
//! It needs nothing that can be down: no checkpoint store, no lock, no network, not even a valid
//! plan. Whatever can go wrong on the way ends, if at all possible, with a file of that name.

use crate::stage::Signed;
use migration::clock::Timestamp;
use migration::error::{Error, ErrorKind, Result};
use migration::fault;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

/// What throwing the switch found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Thrown {
    /// The file is new, and durable.
    New,
    /// The file was there already: the switch was thrown before, and its reason is kept.
    Already,
    /// The file is there, but it could not be written as it should be (a full disk): readers see
    /// it, but it may not say who and why, or may not survive a power failure.
    Bare,
}

/// The rollback file.
#[derive(Debug, Clone)]
pub struct RollbackFile(PathBuf);

impl RollbackFile {
    /// The file of this path.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// Its path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Makes it exist: whole and durable if possible, in any form otherwise.
    ///
    /// # Errors
    /// `Failed`, `Full` if it does not exist afterwards.
    pub fn throw(&self, rollback: &Signed) -> Result<Thrown> {
        // Where nobody can say, writing it will tell.
        if self.exists().unwrap_or(false) {
            return Ok(Thrown::Already);
        }
        let Err(whole) = self.write_whole(rollback) else { return Ok(Thrown::New) };
        // An empty file needs no space and no second name: readers ask only whether it is there.
        match OpenOptions::new().write(true).create(true).truncate(false).open(&self.0) {
            Ok(mut file) => {
                let written = file.write_all(text(rollback).as_bytes()).and(file.sync_all());
                tracing::warn!(error = %whole, written = written.is_ok(), "the rollback file is in place, but not as it should be");
                Ok(Thrown::Bare)
            }
            Err(error) => {
                let hint = format!("create the file by hand: touch {}", self.0.display());
                Err(self.failed("create rollback file", error).hint(hint))
            }
        }
    }

    fn write_whole(&self, rollback: &Signed) -> io::Result<()> {
        let directory = self.directory();
        fs::create_dir_all(directory)?;
        let draft = self.0.with_extension(format!("draft-{}", std::process::id()));
        let result = File::create(&draft)
            .and_then(|mut file| {
                file.write_all(text(rollback).as_bytes())?;
                file.sync_all()
            })
            .and_then(|()| {
                fault::point("cutover.rollback-file-drafted");
                fs::rename(&draft, &self.0)
            });
        if result.is_err() {
            // The draft is in nobody's way; what failed is worth more than why it is still there.
            drop(fs::remove_file(&draft));
        }
        result?;
        fault::point("cutover.rollback-file-named");
        File::open(directory)?.sync_all()
    }

    /// Whether it exists; a link that leads nowhere does.
    ///
    /// # Errors
    /// `Failed` if nobody can say.
    pub fn exists(&self) -> Result<bool> {
        match self.0.symlink_metadata() {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(self.failed("look at rollback file", error)),
        }
    }

    /// What it says, if it exists. One that was made by hand says nothing and still counts.
    ///
    /// # Errors
    /// `Failed` if nobody can say whether it exists.
    pub fn read(&self) -> Result<Option<Signed>> {
        if !self.exists()? {
            return Ok(None);
        }
        let said = fs::read(&self.0).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
        Ok(Some(said.unwrap_or_else(|| self.unsigned())))
    }

    fn unsigned(&self) -> Signed {
        let modified = self.0.symlink_metadata().and_then(|metadata| metadata.modified());
        let when = modified.ok().and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok());
        let micros = when.and_then(|since| i64::try_from(since.as_micros()).ok()).unwrap_or(0);
        Signed {
            who: "unknown".to_owned(),
            when: Timestamp(micros),
            why: "the file was created by hand".to_owned(),
        }
    }

    /// Removes it, durably. One that is gone is no error.
    ///
    /// # Errors
    /// `Failed` if it is still there.
    pub fn remove(&self) -> Result<()> {
        let removed = match fs::remove_file(&self.0) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            removed => removed,
        };
        removed
            .and_then(|()| File::open(self.directory())?.sync_all())
            .map_err(|error| self.failed("remove rollback file", error))
    }

    fn directory(&self) -> &Path {
        match self.0.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        }
    }

    fn failed(&self, operation: &str, error: io::Error) -> Error {
        let kind = match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => ErrorKind::Full,
            _ => ErrorKind::Failed,
        };
        Error::new(kind, operation).with("file", self.0.display()).because(error)
    }
}

/// What the file holds: the signature as programs read it, and the time for whoever uses `cat`.
#[derive(Debug, serde::Serialize)]
struct Written<'a> {
    at: String,
    #[serde(flatten)]
    signed: &'a Signed,
}

fn text(rollback: &Signed) -> String {
    let written = Written { at: rollback.when.to_rfc3339(), signed: rollback };
    // Strings and a number are always JSON.
    serde_json::to_string(&written).unwrap_or_default() + "\n"
}

#[cfg(test)]
mod tests {
    use super::{RollbackFile, Thrown};
    use crate::stage::Signed;
    use migration::clock::Timestamp;
    use std::fs;

    fn rollback(why: &str) -> Signed {
        Signed { who: "me".to_owned(), when: Timestamp(1_000_000), why: why.to_owned() }
    }

    #[test]
    fn the_file_says_who_when_and_why_and_leaves_no_draft() {
        let directory = tempfile::tempdir().unwrap();
        let file = RollbackFile::new(directory.path().join("rollback"));
        assert_eq!(file.read().unwrap(), None);
        assert_eq!(file.throw(&rollback("p99")).unwrap(), Thrown::New);
        assert_eq!(file.read().unwrap(), Some(rollback("p99")));
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
        file.remove().unwrap();
        file.remove().unwrap();
        assert!(!file.exists().unwrap());
    }

    #[test]
    fn thrown_twice_it_keeps_the_first_reason() {
        let directory = tempfile::tempdir().unwrap();
        let file = RollbackFile::new(directory.path().join("rollback"));
        file.throw(&rollback("first")).unwrap();
        assert_eq!(file.throw(&rollback("second")).unwrap(), Thrown::Already);
        assert_eq!(file.read().unwrap().unwrap().why, "first");
    }

    #[test]
    fn a_missing_directory_is_made() {
        let directory = tempfile::tempdir().unwrap();
        let file = RollbackFile::new(directory.path().join("a/b/rollback"));
        assert_eq!(file.throw(&rollback("x")).unwrap(), Thrown::New);
    }

    #[test]
    fn a_file_touched_by_hand_counts_and_says_so() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("rollback");
        fs::write(&path, "").unwrap();
        let found = RollbackFile::new(&path).read().unwrap().unwrap();
        assert!(found.why.contains("by hand") && found.when.0 > 0);
    }

    #[test]
    fn a_draft_that_cannot_be_made_does_not_stop_the_switch() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("rollback");
        // A directory sits where the draft would be written.
        let draft = path.with_extension(format!("draft-{}", std::process::id()));
        fs::create_dir(&draft).unwrap();
        let file = RollbackFile::new(&path);
        assert_eq!(file.throw(&rollback("x")).unwrap(), Thrown::Bare);
        assert_eq!(file.read().unwrap(), Some(rollback("x")));
    }

    #[test]
    fn a_file_that_cannot_be_made_says_what_to_type() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("file"), "").unwrap();
        let file = RollbackFile::new(directory.path().join("file/rollback"));
        let error = file.throw(&rollback("x")).unwrap_err();
        assert!(error.next_step().is_some_and(|hint| hint.contains("touch")), "{error:?}");
    }
}
