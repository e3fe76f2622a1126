//! What Redis's failures mean.

use crate::error::{Error, ErrorKind};
use redis::{RedisError, ServerError};

/// What can be done about a Redis that is gone: the lock is not what safety rests on.
pub(super) const DISPOSABLE: &str =
    "start Redis again, or name another place in [lock]: what a lock holds may be lost at any time";

/// Turns the driver's failure into ours, with what to do about it.
pub(super) fn failed(operation: &str, error: RedisError) -> Error {
    let said = first(&error);
    let code = said.as_ref().map(ServerError::code).or(error.code());
    let (kind, hint) = classify(&error, code);
    let failed = Error::new(kind, operation);
    let failed = match code {
        Some(code) => failed.with("code", code),
        None => failed,
    };
    let failed = match hint {
        Some(hint) => failed.hint(hint),
        None => failed,
    };
    match said {
        Some(said) => failed.because(Said(said.to_string())),
        None => failed.because(error),
    }
}

/// What Redis said, once: a thousand commands may have failed for one reason.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Said(String);

/// The first command that failed, of several that were sent.
fn first(error: &RedisError) -> Option<ServerError> {
    let errors = error.clone().into_server_errors()?;
    errors.first().map(|(_, error)| error.clone())
}

fn classify(error: &RedisError, code: Option<&str>) -> (ErrorKind, Option<&'static str>) {
    // First: the driver gives a refused password a kind of its own.
    if error.kind() == redis::ErrorKind::AuthenticationFailed {
        return by_code("WRONGPASS");
    }
    match code {
        Some(code) => by_code(code),
        None if error.is_io_error() || error.is_timeout() || error.is_connection_dropped() => {
            (ErrorKind::Unavailable, Some(DISPOSABLE))
        }
        None => (ErrorKind::Failed, None),
    }
}

fn by_code(code: &str) -> (ErrorKind, Option<&'static str>) {
    match code {
        "NOAUTH" | "WRONGPASS" | "NOPERM" => (
            ErrorKind::Refused,
            Some(
                "check the user and the password in the lock's URL, and that the user may run GET, \
                 MGET, SET, DEL, EXISTS, SADD, SREM, SMEMBERS and EVAL on midflight:*",
            ),
        ),
        "LOADING" | "MASTERDOWN" | "CLUSTERDOWN" | "TRYAGAIN" | "UNBLOCKED" => {
            (ErrorKind::Unavailable, Some(DISPOSABLE))
        }
        "BUSY" => (ErrorKind::Busy, Some("another script holds Redis up: see SLOWLOG GET")),
        "OOM" | "MISCONF" => (
            ErrorKind::Full,
            Some(
                "make room: see INFO memory, and the log for a snapshot that could not be written",
            ),
        ),
        "READONLY" => {
            (ErrorKind::Refused, Some("give the URL of the primary server, not of a replica"))
        }
        "MOVED" | "ASK" | "CROSSSLOT" => (
            ErrorKind::Refused,
            Some("name a Redis that is not part of a cluster: the lock is small"),
        ),
        _ => (ErrorKind::Failed, None),
    }
}

#[cfg(test)]
mod tests {
    use super::by_code;
    use crate::error::ErrorKind;

    #[test]
    fn what_passes_is_tried_again_and_what_does_not_is_not() {
        for code in ["LOADING", "BUSY", "MASTERDOWN"] {
            assert!(by_code(code).0.is_retryable(), "{code}");
        }
        for (code, kind) in [
            ("WRONGPASS", ErrorKind::Refused),
            ("NOAUTH", ErrorKind::Refused),
            ("READONLY", ErrorKind::Refused),
            ("MOVED", ErrorKind::Refused),
            ("OOM", ErrorKind::Full),
            ("ERR", ErrorKind::Failed),
        ] {
            assert_eq!(by_code(code).0, kind, "{code}");
        }
    }
}
