//! How the JSON of results is written: times as RFC 3339, durations in seconds, 64-bit numbers that
//! identify something as strings (many readers hold numbers as doubles).
//!
//! For `#[serde(serialize_with = "migration::cli::json::time")]` and its siblings.

use crate::clock::Timestamp;
use crate::error::{Error, ErrorKind, Result};
use crate::process::Process;
use serde::{Serialize, Serializer};
use serde_json::Value;
use std::fmt::Display;
use std::time::Duration;

/// A result as JSON.
///
/// # Errors
/// `Failed` if something in it cannot be JSON.
pub(super) fn value<T: Serialize + ?Sized>(result: &T) -> Result<Value> {
    serde_json::to_value(result)
        .map_err(|error| Error::new(ErrorKind::Failed, "write result as JSON").because(error))
}

/// The lines of a result that is a list, for [`Report::lines`](super::Report::lines).
///
/// # Errors
/// `Failed` if something in an item cannot be JSON.
pub fn lines<T: Serialize>(items: impl IntoIterator<Item = T>) -> Result<Vec<Value>> {
    items.into_iter().map(|item| value(&item)).collect()
}

/// Writes a time as RFC 3339.
///
/// # Errors
/// Those of the serializer.
pub fn time<S: Serializer>(time: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&time.to_rfc3339())
}

/// Writes a time as RFC 3339, or null.
///
/// # Errors
/// Those of the serializer.
pub fn maybe_time<S: Serializer>(
    time: &Option<Timestamp>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    time.map(Timestamp::to_rfc3339).serialize(serializer)
}

/// Writes a duration in seconds.
///
/// # Errors
/// Those of the serializer.
pub fn seconds<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(duration.as_secs_f64())
}

/// Writes a duration in seconds, or null.
///
/// # Errors
/// Those of the serializer.
pub fn maybe_seconds<S: Serializer>(
    duration: &Option<Duration>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    duration.as_ref().map(Duration::as_secs_f64).serialize(serializer)
}

/// Writes a process as other machines know it: program, host, number, and when it started.
///
/// # Errors
/// Those of the serializer.
pub fn process<S: Serializer>(process: &Process, serializer: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct View<'a> {
        program: &'a str,
        host: &'a str,
        pid: i32,
        #[serde(serialize_with = "time")]
        started: Timestamp,
    }
    let Process { program, host, pid, started, .. } = process;
    View { program, host, pid: *pid, started: *started }.serialize(serializer)
}

/// Writes a number as a string.
///
/// # Errors
/// Those of the serializer.
pub fn id<S: Serializer>(id: &impl Display, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(id)
}
