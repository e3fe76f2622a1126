//! The big red switch: a file that every reader watches. While it exists, the source answers.
//!
//! It needs nothing that can be down: no checkpoint store, no lock, no network, not even a valid
//! plan. Whatever can go wrong on the way ends, if at all possible, with a file of that name.
//!
//! It can be thrown at any moment, also while an earlier throw is being ended. So a throw always
//! puts a file of its own in place, and the end of one takes away that file only: under a second
//! name, which readers watch too, it is looked at once more, and put back if it is another.

mod bounded;
mod sign;

pub use bounded::RollbackFile;
pub(crate) use bounded::{CALL_MAX, apart};

use crate::rollback::{Rollback, RollbackId};
use migration::error::{Error, ErrorKind, Result};
use migration::fault;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

/// Looks at the file before its end is given up: each but the last found that others moved it.
const ATTEMPTS_MAX: usize = 8;

/// What throwing the switch found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Thrown {
    /// The file is new, and durable.
    New,
    /// The switch was thrown before: this throw has taken the place of that one.
    Again,
    /// The file is there, but it could not be written as it should be (a full disk): readers see
    /// it, but it may not say who and why, or may not survive a power failure.
    Bare,
}

/// The rollback file, for the thread that looks at it: every call may block for as long as the file
/// system likes.
#[derive(Debug, Clone)]
pub(crate) struct SwitchFile {
    path: PathBuf,
    /// Its name while it is being ended.
    ending: PathBuf,
}

impl SwitchFile {
    /// The file of this path.
    pub(crate) fn new(path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        let ending = beside(&path, "ending");
        Self { path, ending }
    }

    /// Its path.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Makes it exist, as this throw's own: whole and durable if possible, in any form otherwise.
    ///
    /// # Errors
    /// `Failed`, `Full` if it does not exist afterwards.
    pub(crate) fn throw(&self, rollback: &Rollback) -> Result<Thrown> {
        // Only for the report: where nobody can say, writing it will tell.
        let again = self.exists().unwrap_or(false);
        let whole = match sign::write_whole(&self.path, rollback) {
            Ok(()) => return Ok(if again { Thrown::Again } else { Thrown::New }),
            Err(error) => error,
        };
        let signed = sign::write_bare(&self.path, rollback).map_err(|error| {
            let hint = format!("create the file by hand: touch {}", self.path.display());
            failed("create rollback file", &self.path, error).hint(hint)
        })?;
        tracing::warn!(error = %whole, signed, "the rollback file is in place, but not as it should be");
        Ok(Thrown::Bare)
    }

    /// Whether it exists; a link that leads nowhere does.
    ///
    /// # Errors
    /// `Failed` if nobody can say.
    pub(crate) fn exists(&self) -> Result<bool> {
        self.is_there().map_err(|error| failed("look at rollback file", &self.path, error))
    }

    /// As [`SwitchFile::exists`], for the thread of a reader.
    pub(crate) fn is_there(&self) -> io::Result<bool> {
        // In this order: an end moves the file from the one name to the other.
        for path in [&self.path, &self.ending] {
            match path.symlink_metadata() {
                Ok(_) => return Ok(true),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(false)
    }

    /// What it says, if it exists. One that was made by hand says nothing and still counts. Two if
    /// the switch was thrown while an earlier throw was being ended by somebody who was killed.
    ///
    /// # Errors
    /// `Failed` if nobody can say whether it exists.
    pub(crate) fn read(&self) -> Result<Vec<Rollback>> {
        let mut found = Vec::new();
        for path in [&self.ending, &self.path] {
            found.extend(look(path)?);
        }
        Ok(found)
    }

    /// Removes the file of every throw that has ended, durably, and no other. Returns the throw
    /// that is left, if one is.
    ///
    /// # Errors
    /// `Failed` if nobody can say what is there, or it cannot be moved; `Busy` if others keep
    /// moving it.
    pub(crate) fn remove_ended(
        &self,
        has_ended: impl Fn(&RollbackId) -> bool,
    ) -> Result<Option<Rollback>> {
        let failed = |error| failed("remove rollback file", &self.path, error);
        for _ in 0..ATTEMPTS_MAX {
            // Nobody throws the switch under this name: what lies here is what was looked at.
            if let Some(aside) = look(&self.ending)? {
                if !has_ended(&aside.id) {
                    moved(&self.ending, &self.path).map_err(failed)?;
                    return Ok(Some(aside));
                }
                gone(fs::remove_file(&self.ending)).map_err(failed)?;
                fault::point("cutover.rollback-file-removed");
            }
            match look(&self.path)? {
                None => return self.sync().map(|()| None).map_err(failed),
                Some(rollback) if !has_ended(&rollback.id) => return Ok(Some(rollback)),
                Some(_) => {}
            }
            fault::point("cutover.rollback-file-ended");
            moved(&self.path, &self.ending).map_err(failed)?;
            fault::point("cutover.rollback-file-aside");
        }
        Err(Error::new(ErrorKind::Busy, "remove rollback file")
            .with("file", self.path.display())
            .hint("others throw the switch or end it at the same time: run `cutover status`"))
    }

    /// Removes it whatever it says, durably. One that is gone is no error.
    ///
    /// # Errors
    /// `Failed` if it is still there.
    pub(crate) fn remove(&self) -> Result<()> {
        [&self.path, &self.ending]
            .into_iter()
            .try_for_each(|path| gone(fs::remove_file(path)))
            .and_then(|()| self.sync())
            .map_err(|error| failed("remove rollback file", &self.path, error))
    }

    fn sync(&self) -> io::Result<()> {
        match File::open(directory(&self.path)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            opened => opened?.sync_all(),
        }
    }
}

/// A file that stands for a throw of the switch.
fn look(path: &Path) -> Result<Option<Rollback>> {
    sign::read(path).map_err(|error| failed("look at rollback file", path, error))
}

/// Renames a file; one that others moved meanwhile is looked at again.
fn moved(from: &Path, to: &Path) -> io::Result<()> {
    gone(fs::rename(from, to))
}

/// That a file is gone already is no failure.
fn gone(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

fn directory(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// The path of a file that belongs to this one, in the same directory.
fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.file_name().map_or_else(OsString::new, ToOwned::to_owned);
    name.push(format!(".{suffix}"));
    path.with_file_name(name)
}

fn failed(operation: &str, path: &Path, error: io::Error) -> Error {
    let kind = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => ErrorKind::Full,
        _ => ErrorKind::Failed,
    };
    Error::new(kind, operation).with("file", path.display()).because(error)
}

#[cfg(test)]
mod tests;
