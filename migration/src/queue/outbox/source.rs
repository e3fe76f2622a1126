//! The connection to the source's file.

use crate::driver::sqlite;
use crate::error::{Error, ErrorKind, Result};
use sqlx::SqliteConnection;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Which file a path names at the moment.
type Identity = (u64, u64);

/// A connection that reads the file which the path names *now*.
///
/// An operator who restores a backup moves another file to the path; a connection opened before
/// would read the old one for ever and report that nothing happens.
#[derive(Debug)]
pub(super) struct Source {
    path: PathBuf,
    opened: Option<Opened>,
}

/// A connection taken out of its [`Source`] for one call. It is put back only when the call went
/// well: one that failed, or whose caller was cancelled, is closed with whatever state it is in.
#[derive(Debug)]
pub(super) struct Opened {
    identity: Identity,
    pub(super) connection: SqliteConnection,
}

impl Source {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, opened: None }
    }

    pub(super) async fn take(&mut self) -> Result<Opened> {
        let identity = identity(&self.path)?;
        match self.opened.take() {
            Some(opened) if opened.identity == identity => Ok(opened),
            _ => open(&self.path, identity).await,
        }
    }

    pub(super) fn put_back(&mut self, opened: Opened) {
        self.opened = Some(opened);
    }
}

async fn open(path: &Path, identity_before: Identity) -> Result<Opened> {
    let connection = sqlite::connect(&sqlite::read_only(path)).await?;
    // Whoever replaces the file between the two looks is seen at the next call at the latest.
    Ok(Opened { identity: identity_before, connection })
}

fn identity(path: &Path) -> Result<Identity> {
    let metadata = std::fs::metadata(path).map_err(|cause| {
        Error::new(ErrorKind::Unavailable, "open the source's file")
            .with("file", path.display())
            .hint("check the path in the plan, and that the file is there")
            .because(cause)
    })?;
    Ok((metadata.dev(), metadata.ino()))
}
