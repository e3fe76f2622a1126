//! The file behind a store: whether it is still the same.

use crate::error::{Error, ErrorKind, Result};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

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
