//! A connection to the file that a path names now.

use super::connect;
use crate::error::{Error, ErrorKind, Result};
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteConnectOptions;
use std::os::unix::fs::MetadataExt;

/// Which file a path names at the moment: device and inode.
type Identity = (u64, u64);

/// A connection that follows its path.
///
/// An operator who restores a backup moves another file to the path; a connection opened before
/// would read the old one for ever and report that nothing happens.
#[derive(Debug)]
pub(crate) struct CurrentFile {
    options: SqliteConnectOptions,
    opened: Option<Opened>,
}

/// A connection taken out of its [`CurrentFile`] for one call. It is put back only when the call
/// went well: one that failed, or whose caller was cancelled, is closed with whatever state it is
/// in.
#[derive(Debug)]
pub(crate) struct Opened {
    identity: Identity,
    pub(crate) connection: SqliteConnection,
    /// Whether the connection was opened for this call.
    pub(crate) is_new: bool,
}

impl CurrentFile {
    pub(crate) fn new(options: SqliteConnectOptions) -> Self {
        Self { options, opened: None }
    }

    /// The connection, opened again if the path names another file than before.
    pub(crate) async fn take(&mut self) -> Result<Opened> {
        // Looked at before the file is opened: if it is replaced in between, the next call sees it.
        let identity = self.identity()?;
        match self.opened.take() {
            Some(opened) if opened.identity == identity => Ok(Opened { is_new: false, ..opened }),
            _ => {
                let connection = connect(&self.options).await?;
                Ok(Opened { identity, connection, is_new: true })
            }
        }
    }

    pub(crate) fn put_back(&mut self, opened: Opened) {
        self.opened = Some(opened);
    }

    fn identity(&self) -> Result<Identity> {
        let path = self.options.get_filename();
        let metadata = std::fs::metadata(path).map_err(|cause| {
            Error::new(ErrorKind::Unavailable, "open SQLite file")
                .with("file", path.display())
                .hint("check the path in the plan, and that the file is there")
                .because(cause)
        })?;
        Ok((metadata.dev(), metadata.ino()))
    }
}
