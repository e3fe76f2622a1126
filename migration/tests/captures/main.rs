//! Messages that real producers sent, decoded to the values that the statements beside them wrote
//! (`tests/messages`), or to a loss of the producer that the test names.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod capture;
mod mariadb;
mod maxwell;
mod postgres;
mod router;
