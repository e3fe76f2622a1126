//! How a database is opened.
//!
//! What every session is set to is the driver's business, so that stores, checkpoints and queues of
//! one server cannot disagree.

use crate::driver::mysql::{CONNECTIONS_MAX, Database};
use crate::error::Result;
use crate::plan::ServerUrl;
use crate::store::OpenMode;

/// Most bytes of one statement, of what the server takes: beyond some MiB nothing is gained, and
/// both sides hold it in memory.
pub(super) const STATEMENT_BYTES_MAX: usize = 4 << 20;

/// Bytes of a value on the wire beyond those of its encoding: a moment is text there.
pub(super) const VALUE_BYTES_MORE: usize = 24;

/// Bytes of a statement beside its values.
pub(super) const STATEMENT_BYTES_MORE: usize = 1 << 10;

/// Settings of a session that only reads.
const READ: &str = "SET SESSION TRANSACTION READ ONLY";

/// Opens a database that is there.
pub(super) async fn open(url: &ServerUrl, mode: OpenMode) -> Result<Database> {
    let settings = match mode {
        OpenMode::ReadOnly => READ,
        OpenMode::ReadWrite => "",
    };
    Database::open(url, settings, CONNECTIONS_MAX).await
}
